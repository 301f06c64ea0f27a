package sidik

import (
	"fmt"
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
)

// file is one Go file of the project, parsed.
type file struct {
	path  string // from the root, with slashes
	lines int
	text  string
	set   *token.FileSet
	ast   *ast.File
}

func (f file) folder() string { return path.Dir(f.path) }
func (f file) test() bool     { return strings.HasSuffix(f.path, "_test.go") }

func (f file) imports() (paths []string) {
	for _, spec := range f.ast.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

// at names a place in the file.
func (f file) at(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", f.path, f.set.Position(pos).Line)
}

// read parses every Go file below root, testdata and hidden folders apart.
func read(t testing.TB, root fs.FS) (source []file) {
	t.Helper()
	err := fs.WalkDir(root, ".", func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			hidden := strings.HasPrefix(entry.Name(), ".") && p != "."
			if hidden || entry.Name() == "testdata" || p == "bin" || p == "dist" {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(p) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, p, text, parser.ParseComments)
		if err != nil {
			return err
		}
		source = append(source, file{p, strings.Count(string(text), "\n"), string(text), set, parsed})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(source) == 0 {
		t.Fatal("no Go file found: the walls look at nothing")
	}
	return source
}

// Limits of size, in lines. Past them there is a second idea to be named.
const (
	maxFile = 600
	maxMain = 60
)

var (
	// Built from pieces so that this file does not find itself.
	foreignPath = regexp.MustCompile(`/(work|farm|home|Users)/[a-z]|shared/` + `design|/tmp/` + `brief`)
	unfinished  = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b`)
)

// checkCode returns one line for each breach of the rules of style that a
// program can see.
func checkCode(source []file) (broken []string) {
	say := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	commented, packages := map[string]bool{}, map[string]string{}
	for _, f := range source {
		folder, name := f.folder(), f.ast.Name.Name
		if !f.test() {
			packages[folder] = name
			commented[folder] = commented[folder] || strings.TrimSpace(f.ast.Doc.Text()) != ""
		}
		switch name {
		case "util", "utils", "common", "types", "models", "helpers", "misc", "shared", "base", "lib":
			say("%s: package %s: a package is one noun of the glossary", f.path, name)
		case "main":
			if !f.test() && path.Base(path.Dir(folder)) != "cmd" {
				say("%s: package main outside of cmd/: programs are found by walking folder names", f.path)
			}
		}
		if !f.test() && f.lines > maxFile {
			say("%s has %d lines, the limit is %d: a file is one idea", f.path, f.lines, maxFile)
		}
		if strings.Contains(f.path, "/cmd/") && path.Base(f.path) == "main.go" && f.lines > maxMain {
			say("%s has %d lines, the limit is %d: main is flags, signals, logger, one call, exit code", f.path, f.lines, maxMain)
		}
		if place := foreignPath.FindString(f.text); place != "" {
			say("%s mentions %s…: a path outside of the project", f.path, place)
		}
		if word := unfinished.FindString(f.text); word != "" {
			say("%s: %s: what is not done is an issue, not a comment", f.path, word)
		}
		broken = append(broken, checkDeclarations(f)...)
		broken = append(broken, checkCalls(f)...)
		if !f.test() && (folder == "protocol" || strings.HasPrefix(folder, "protocol/")) {
			broken = append(broken, checkDocs(f)...)
		}
	}
	for folder, name := range packages {
		if !commented[folder] {
			say("%s: package %s has no comment that says what it knows, must not know, and what to beware of", folder, name)
		}
	}
	slices.Sort(broken)
	return broken
}

// checkDeclarations finds init functions and package-level variables that can change.
func checkDeclarations(f file) (broken []string) {
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				broken = append(broken, f.at(d.Pos())+": func init: nothing registers itself; the root of a tree puts parts together")
			}
		case *ast.GenDecl:
			if d.Tok != token.VAR || f.test() {
				continue
			}
			for _, spec := range d.Specs {
				v := spec.(*ast.ValueSpec)
				fromBuild := f.ast.Name.Name == "main" && v.Names[0].Name == "version" // the linker writes it
				embedded := strings.Contains(directives(d), "//go:embed")
				if !constant(v) && !fromBuild && !embedded {
					broken = append(broken, f.at(v.Pos())+": var "+v.Names[0].Name+": a package-level variable that can change; pass it in, or make it a const or a func")
				}
			}
		}
	}
	return broken
}

// constant reports whether a package-level variable is one only because the
// language has no constants of its kind: errors, compiled patterns, checksum
// tables, names as bytes, assertions that a type has an interface.
func constant(v *ast.ValueSpec) bool {
	for _, name := range v.Names {
		if name.Name == "_" {
			return true
		}
	}
	for _, value := range v.Values {
		call, ok := value.(*ast.CallExpr)
		if !ok {
			return false
		}
		switch expression(call.Fun) {
		case "errors.New", "fmt.Errorf", "regexp.MustCompile", "crc32.MakeTable":
			continue
		}
		bytes, ok := call.Fun.(*ast.ArrayType) // []byte("name")
		if !ok || expression(bytes.Elt) != "byte" {
			return false
		}
	}
	return len(v.Values) > 0
}

// directives returns the comment of a declaration with its directives, which
// Text leaves out.
func directives(d *ast.GenDecl) (all string) {
	if d.Doc != nil {
		for _, c := range d.Doc.List {
			all += c.Text + "\n"
		}
	}
	return all
}

// expression writes a.b for a selector and a for a name.
func expression(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return expression(e.X) + "." + e.Sel.Name
	}
	return ""
}

// checkCalls finds calls that have no place where they stand. It knows packages
// by the name they are imported under, which nobody changes here.
func checkCalls(f file) (broken []string) {
	var random ast.Node // inside of it a Skip drops one random value, not a test
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if fn, ok := n.(*ast.FuncLit); ok && takesRapid(fn.Type) {
			random = fn
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := expression(call.Fun)
		if name == "f.Fuzz" {
			random = call
		}
		why := ""
		switch name {
		case "slog.Default", "slog.SetDefault", "slog.Debug", "slog.Info", "slog.Warn", "slog.Error":
			why = "the logger comes in by constructor"
		case "os.Exit", "os.Getenv", "flag.Parse":
			if !f.test() && !strings.Contains(f.path, "/cmd/") && !strings.HasSuffix(f.folder(), "test") {
				why = "what comes from outside of the program comes in through cmd/"
			}
		}
		if f.test() && len(call.Args) < 3 {
			receiver, method, _ := strings.Cut(name, ".")
			if random != nil && random.Pos() <= call.Pos() && call.End() <= random.End() {
				return true
			}
			if (receiver == "t" || receiver == "b" || receiver == "tb") && (method == "Skip" || method == "Skipf" || method == "SkipNow") {
				why = "a test that cannot run fails and says what was not tested"
			}
		}
		if why != "" {
			broken = append(broken, f.at(call.Pos())+": "+name+": "+why)
		}
		return true
	})
	return broken
}

// clocks returns the places where a file looks at a clock or waits for one.
func (f file) clocks() (places []string) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if e, ok := n.(*ast.SelectorExpr); ok {
			switch name := expression(e); name {
			case "time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.Tick", "time.NewTimer", "time.NewTicker", "time.AfterFunc":
				places = append(places, f.at(e.Pos())+": "+name)
			}
		}
		return true
	})
	return places
}

// takesRapid reports whether a function takes a *rapid.T.
func takesRapid(f *ast.FuncType) bool {
	for _, field := range f.Params.List {
		if star, ok := field.Type.(*ast.StarExpr); ok && expression(star.X) == "rapid.T" {
			return true
		}
	}
	return false
}

// checkDocs finds exported names without a comment.
func checkDocs(f file) (broken []string) {
	lacks := func(pos token.Pos, name string) {
		broken = append(broken, f.at(pos)+": "+name+" has no comment: the contract is read by people who write the other side")
	}
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !plainMethod(d.Name.Name) {
				lacks(d.Pos(), d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
						lacks(s.Pos(), s.Name.Name)
					}
				case *ast.ValueSpec:
					// The values of a type with a comment, written under it, are told by it.
					typed := d.Tok == token.CONST && d.Lparen.IsValid() && d.Specs[0].(*ast.ValueSpec).Type != nil
					if s.Names[0].IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil && !typed {
						lacks(s.Pos(), s.Names[0].Name)
					}
				}
			}
		}
	}
	return broken
}

// plainMethod reports whether a method's name already says all of it.
func plainMethod(name string) bool {
	return slices.Contains([]string{"String", "GoString", "Error", "Unwrap", "Is", "Timeout"}, name)
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	return ast.IsExported(expression(t))
}

// ignoredNames returns what .gitignore names at the root, as patterns.
func ignoredNames(t testing.TB) (patterns []string) {
	t.Helper()
	text, err := os.ReadFile(".gitignore")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Fields(string(text)) {
		patterns = append(patterns, strings.Trim(line, "/"))
	}
	return patterns
}

// untold returns the folders of testdata that its README does not name.
func untold(root fs.FS) (folders []string, err error) {
	readme, err := fs.ReadFile(root, "testdata/README.md")
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(root, "testdata")
	for _, e := range entries {
		if e.IsDir() && !strings.Contains(string(readme), "`"+e.Name()+"/") {
			folders = append(folders, e.Name())
		}
	}
	return folders, err
}
