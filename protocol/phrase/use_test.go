package phrase_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// A code in a program without a sentence is shown to people as a code; a sentence
// without a program is translated for nobody.
func TestProgramsAndCatalogueAgree(t *testing.T) {
	c := phrase.New()
	u := readUses(t, os.DirFS("../.."), areas(c))
	if len(u.asked) == 0 {
		t.Fatal("no program asks for a sentence: this test looks at nothing")
	}
	for _, lack := range u.lacking(c.Codes()) {
		t.Error(lack)
	}
	for _, code := range u.unused(c.Codes()) {
		t.Errorf("%s: nothing says this sentence", code)
	}
}

func areas(c *phrase.Catalogue) (all []string) {
	for _, code := range c.Codes() {
		area, _, _ := strings.Cut(code, ".")
		all = append(all, area)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// uses is what the sources of the programs say about codes.
type uses struct {
	areas    []string
	asked    []asked
	literals map[string]bool
	patterns []*regexp.Regexp // codes put together from pieces
	askers   map[string][]asker
	consts   map[string]map[string]string // folder → name → value
}

// asked is a place that asks for a code; several where two types of a package
// have an asker of one name.
type asked struct {
	place string
	codes []string // regular expressions of whole codes: one of them must be there
}

// asker is a function that puts an area before the code that it is given.
type asker struct {
	area     string
	argument int
}

// function is a declared or a local one, with its parameters in order.
type function struct {
	name   string
	params []string
	body   ast.Node
}

// readUses reads all Go files and page templates but the tests. A function is an
// asker when it writes "area."+parameter, puts a parameter into a Condition's code,
// or hands one on to an asker of its package. A package that calls Group("area", …) is
// a group of pages: its Say and Text look into that area, then into the one that all
// pages share.
func readUses(t testing.TB, root fs.FS, areas []string) *uses {
	t.Helper()
	u := &uses{areas: areas, literals: map[string]bool{}, askers: map[string][]asker{}, consts: map[string]map[string]string{}}
	set, parsed, pages := token.NewFileSet(), map[string]*ast.File{}, map[string]string{}
	err := fs.WalkDir(root, ".", func(p string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if p != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
				return fs.SkipDir
			}
		case path.Ext(p) == ".html":
			text, err := fs.ReadFile(root, p)
			pages[p] = string(text)
			return err
		case path.Ext(p) == ".go" && !strings.HasSuffix(p, "_test.go"):
			text, err := fs.ReadFile(root, p)
			if err != nil {
				return err
			}
			parsed[p], err = parser.ParseFile(set, p, text, 0)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for p, f := range parsed {
		u.readConsts(path.Dir(p), f)
		u.findGroup(path.Dir(p), f)
	}
	for known := -1; known != u.countAskers(); { // until no asker is found any more
		known = u.countAskers()
		for p, f := range parsed {
			for _, fn := range functions(f) {
				u.findAskers(path.Dir(p), fn)
			}
		}
	}
	for p, f := range parsed {
		u.readFile(set, path.Dir(p), f)
	}
	for p, text := range pages {
		u.readPage(p, text)
	}
	return u
}

func (u *uses) countAskers() (n int) {
	for _, list := range u.askers {
		n += len(list)
	}
	return n
}

func (u *uses) readConsts(folder string, f *ast.File) {
	if u.consts[folder] == nil {
		u.consts[folder] = map[string]string{}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, value := range spec.Values {
				if text, ok := literal(value); ok && i < len(spec.Names) {
					u.consts[folder][spec.Names[i].Name] = text
				}
			}
		}
		return true
	})
}

// sharedArea holds the sentences of all pages.
const sharedArea = "page"

func (u *uses) findGroup(folder string, f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || name(call.Fun) != "Group" || len(call.Args) == 0 {
			return true
		}
		if area, ok := literal(call.Args[0]); ok && slices.Contains(u.areas, area) {
			for _, said := range []string{" Say", " Text"} {
				u.askers[folder+said] = append(u.askers[folder+said], asker{area + ".", 0}, asker{sharedArea + ".", 0})
			}
		}
		return true
	})
}

// functions lists a file's functions, and the local ones that have a name.
func functions(f *ast.File) (list []function) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Body != nil {
				list = append(list, function{n.Name.Name, params(n.Type), n.Body})
			}
		case *ast.AssignStmt:
			if len(n.Lhs) == 1 {
				if lit, ok := n.Rhs[0].(*ast.FuncLit); ok {
					list = append(list, function{name(n.Lhs[0]), params(lit.Type), lit.Body})
				}
			}
		}
		return true
	})
	return list
}

func params(f *ast.FuncType) (names []string) {
	for _, field := range f.Params.List {
		for _, n := range field.Names {
			names = append(names, n.Name)
		}
	}
	return names
}

func (u *uses) findAskers(folder string, fn function) {
	add := func(a asker) {
		if key := folder + " " + fn.name; a.argument >= 0 && !slices.Contains(u.askers[key], a) {
			u.askers[key] = append(u.askers[key], a)
		}
	}
	param := func(e ast.Expr) int {
		id, ok := e.(*ast.Ident)
		if !ok {
			return -1
		}
		return slices.Index(fn.params, id.Name)
	}
	ast.Inspect(fn.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if text, ok := literal(n.X); ok && n.Op == token.ADD && strings.HasSuffix(text, ".") && slices.Contains(u.areas, strings.TrimSuffix(text, ".")) {
				add(asker{text, param(n.Y)})
			}
		case *ast.CompositeLit:
			if code := conditionCode(n); code != nil {
				add(asker{"condition.", param(code)})
			}
		case *ast.CallExpr:
			for _, a := range u.askers[folder+" "+name(n.Fun)] {
				if a.argument < len(n.Args) {
					add(asker{a.area, param(n.Args[a.argument])})
				}
			}
		}
		return true
	})
}

// readFile notes what one file asks for and every text that could be a code.
func (u *uses) readFile(set *token.FileSet, folder string, f *ast.File) {
	place := func(n ast.Node) string { return set.Position(n.Pos()).String() }
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if text, ok := literal(n); ok {
				u.literals[text] = true
			}
		case *ast.BinaryExpr:
			if pattern, fixed := u.pattern(folder, n); fixed > 1 {
				u.patterns = append(u.patterns, regexp.MustCompile(`^([a-z]+\.)?`+pattern+`$`))
			}
		case *ast.CompositeLit:
			if code := conditionCode(n); code != nil {
				if pattern, fixed := u.pattern(folder, code); fixed > 0 {
					u.asked = append(u.asked, asked{place(n), []string{`condition\.` + pattern}})
				}
			}
		case *ast.CallExpr:
			called, want := name(n.Fun), asked{place: place(n)}
			for _, a := range u.askers[folder+" "+called] {
				if a.argument < len(n.Args) {
					if pattern, fixed := u.pattern(folder, n.Args[a.argument]); fixed > 0 {
						want.codes = append(want.codes, regexp.QuoteMeta(a.area)+pattern)
					}
				}
			}
			if kind, ok := firstText(n); ok && called == "Name" {
				u.patterns = append(u.patterns, named(kind))
			}
			if called == "Say" && len(n.Args) > 1 { // the catalogue's own
				if pattern, fixed := u.pattern(folder, n.Args[1]); fixed > 0 && strings.Contains(pattern, `\.`) {
					want.codes = append(want.codes, pattern)
				}
			}
			if len(want.codes) > 0 {
				u.asked = append(u.asked, want)
			}
		}
		return true
	})
}

var (
	pageTexts  = regexp.MustCompile(`"([^"]*)"`)
	pageSays   = regexp.MustCompile(`\.(?i:say)\s+"([^"]+)"`)
	pageNames  = regexp.MustCompile(`\.Name\s+"([^"]+)"`)
	pagePrints = regexp.MustCompile(`printf?\s+"([^"]+)"`)
)

// readPage notes what a template asks for by the askers of a folder above it.
func (u *uses) readPage(p, text string) {
	var prefixes []string
	for folder := path.Dir(p); folder != "."; folder = path.Dir(folder) {
		for _, a := range u.askers[folder+" Say"] {
			prefixes = append(prefixes, regexp.QuoteMeta(a.area))
		}
	}
	for _, found := range pageTexts.FindAllStringSubmatch(text, -1) {
		u.literals[found[1]] = true
	}
	for _, found := range pageSays.FindAllStringSubmatch(text, -1) {
		want := asked{place: p}
		for _, prefix := range prefixes {
			want.codes = append(want.codes, prefix+regexp.QuoteMeta(found[1]))
		}
		u.asked = append(u.asked, want)
	}
	for _, found := range pageNames.FindAllStringSubmatch(text, -1) {
		u.patterns = append(u.patterns, named(found[1]))
	}
	for _, found := range pagePrints.FindAllStringSubmatch(text, -1) {
		pieces := regexp.MustCompile(`%[a-z]`).Split(found[1], -1)
		if len(pieces) == 1 && strings.HasSuffix(found[1], "-") {
			pieces = append(pieces, "") // print "light-" .Light
		}
		for i := range pieces {
			pieces[i] = regexp.QuoteMeta(pieces[i])
		}
		if len(pieces) > 1 && strings.Join(pieces, "") != "" {
			u.patterns = append(u.patterns, regexp.MustCompile(`^([a-z]+\.)?`+strings.Join(pieces, "[a-z0-9-]+")+`$`))
		}
	}
}

// pattern turns a text or a sum of texts into a regular expression. fixed says how
// much of it is known: 0 nothing, 1 only an area or a part, 2 more than an area.
func (u *uses) pattern(folder string, e ast.Expr) (pattern string, fixed int) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, ok := literal(e); ok && text != "" {
			if slices.Contains(u.areas, strings.TrimSuffix(text, ".")) && strings.HasSuffix(text, ".") {
				return regexp.QuoteMeta(text), 0
			}
			return regexp.QuoteMeta(text), 2
		}
	case *ast.ParenExpr:
		return u.pattern(folder, e.X)
	case *ast.Ident:
		if text, found := u.consts[folder][e.Name]; found && text != "" {
			return regexp.QuoteMeta(text), 2
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			a, known := u.pattern(folder, e.X)
			b, more := u.pattern(folder, e.Y)
			return a + b, max(known, more)
		}
	}
	return `[a-z0-9-]+`, 0
}

// lacking names the places that ask for a code that is not there.
func (u *uses) lacking(codes []string) (lacks []string) {
	for _, a := range u.asked {
		there := slices.ContainsFunc(a.codes, func(pattern string) bool {
			whole := regexp.MustCompile(`^` + pattern + `$`)
			return slices.ContainsFunc(codes, whole.MatchString)
		})
		if len(a.codes) == 0 {
			lacks = append(lacks, a.place+": asks for sentences by a function that puts no area of the catalogue before the code")
		} else if !there {
			lacks = append(lacks, a.place+": the catalogue has no "+strings.ReplaceAll(strings.Join(a.codes, " or "), `\`, ""))
		}
	}
	slices.Sort(lacks)
	return slices.Compact(lacks)
}

// unused names the codes that no program mentions.
func (u *uses) unused(codes []string) (lone []string) {
	for _, code := range codes {
		_, bare, _ := strings.Cut(code, ".")
		if u.literals[code] || u.literals[bare] {
			continue
		}
		if !slices.ContainsFunc(u.patterns, func(p *regexp.Regexp) bool { return p.MatchString(code) }) {
			lone = append(lone, code)
		}
	}
	return lone
}

// named matches the codes of the words that Name turns into sentences.
func named(kind string) *regexp.Regexp {
	return regexp.MustCompile(`^([a-z]+\.)?` + regexp.QuoteMeta(kind) + `-[a-z0-9-]+$`)
}

// firstText is the first argument of a call where it is a text.
func firstText(call *ast.CallExpr) (string, bool) {
	if len(call.Args) == 0 {
		return "", false
	}
	return literal(call.Args[0])
}

// conditionCode returns what a Condition{Code: …} is given as its code.
func conditionCode(c *ast.CompositeLit) ast.Expr {
	if name(c.Type) != "Condition" {
		return nil
	}
	for _, e := range c.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok && name(pair.Key) == "Code" {
			return pair.Value
		}
	}
	return nil
}

// name returns the last name of a.b.c.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// The reading of the sources, on a small program in which each way of asking is
// used once rightly and once wrongly.
func TestUsesAreFound(t *testing.T) {
	const program = `package web
const ConditionFork = "fork"
func (s speech) Say(code string) string { code = "page." + code; return s.c.Say(s.l, code, nil) }
func (s speech) say(code string) string { return s.Say(code) }
func f(x string) {
	add := func(code string) { list = append(list, protocol.Condition{Code: code}) }
	add("full")
	add("full-LACK")
	say("title")
	say("title-LACK")
	s.c.Say(l, "page.whole", nil)
	s.c.Say(l, "page.whole-LACK", nil)
	say("step-" + x + "-done")
	say("step-" + x + "-LACK")
	_ = protocol.Condition{Code: ConditionFork}
	_ = protocol.Condition{Code: "LACK"}
	for _, row := range []string{"by-table"} { say(row) }
}`
	const page = `{{$.Say "heading"}} {{$.Say "heading-LACK"}} {{$.Say (printf "light-%s" .Light)}} {{.Say (print "month-" .M)}}`
	codes := []string{"condition.fork", "condition.full", "condition.nobody", "page.by-table", "page.heading", "page.light-red", "page.lone",
		"page.month-1", "page.shared", "page.step-read-done", "page.title", "page.whole", "people.act-lone", "people.kind-a", "people.own"}
	const group = `package people
func New(s *Shell) *Pages { return &Pages{s.Group("people", files)} }
func (p *Pages) f() {
	v.Text("own")
	v.Text("shared")
	v.Text("own-LACK")
	v.Name("act", x)
}`
	u := readUses(t, fstest.MapFS{
		"hub/web/people/people.go":   {Data: []byte(group)},
		"hub/web/people/page/a.html": {Data: []byte(`{{$.Say "shared"}} {{.Say "own"}} {{$.Say "page-LACK"}} {{.Name "kind" .K}}`)},
		"hub/web/web.go":             {Data: []byte(program)},
		"hub/web/pages/site.html":    {Data: []byte(page)},
		"hub/web/web_test.go":        {Data: []byte(`package web; var _ = "lone"`)},
	}, []string{"condition", "page", "people"})
	lacks := u.lacking(codes)
	if len(lacks) != 8 || slices.ContainsFunc(lacks, func(l string) bool { return !strings.Contains(l, "LACK") }) {
		t.Errorf("lacking = %q, want the eight with LACK", lacks)
	}
	if lone, want := u.unused(codes), []string{"condition.nobody", "page.lone"}; !slices.Equal(lone, want) {
		t.Errorf("unused = %q, want %q", lone, want)
	}
}
