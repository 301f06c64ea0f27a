package phrase_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// The files themselves are read: Say would hide a missing English sentence behind
// the Indonesian one.
func TestEverySentenceIsThereInBothLanguages(t *testing.T) {
	paths, err := filepath.Glob("*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no catalogue found (%v)", err)
	}
	total := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		total += len(sentences(t, path, text))
		for _, broken := range check(t, path, text) {
			t.Error(broken)
		}
	}
	if known := len(phrase.New().Codes()); known != total {
		t.Errorf("the program knows %d codes, the files have %d", known, total)
	}
}

func sentences(t *testing.T, path string, text []byte) (all map[string]map[string]string) {
	t.Helper()
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return all
}

var goodCode = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// check returns one line for each fault of a catalogue file.
func check(t *testing.T, path string, text []byte) (broken []string) {
	t.Helper()
	say := func(format string, args ...any) {
		broken = append(broken, fmt.Sprintf(path+": "+format, args...))
	}
	for code, said := range sentences(t, path, text) {
		if !goodCode.MatchString(code) {
			say("%s: a code is small letters, digits and hyphens", code)
		}
		if n := bytes.Count(text, []byte("\n  \""+code+"\":")); n != 1 {
			say("%s stands there %d times (written as two blanks, the code, a colon)", code, n)
		}
		if len(said) != 2 {
			say("%s has %d languages, want id and en", code, len(said))
		}
		for _, lang := range []string{"id", "en"} {
			if said[lang] == "" || said[lang] != strings.TrimSpace(said[lang]) {
				say("%s: no sentence in %s, or blanks around it: %q", code, lang, said[lang])
			}
		}
		id, en := names(said["id"]), names(said["en"])
		if !slices.Equal(id, en) {
			say("%s: names %v in Indonesian, %v in English", code, id, en)
		}
	}
	return broken
}

// names returns the {names} of a sentence, sorted, each once.
func names(sentence string) []string {
	all := placeholder.FindAllString(sentence, -1)
	slices.Sort(all)
	return slices.Compact(all)
}

func TestCheckFindsFaults(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"a missing language":    {`"a": {"id": "ya"}`, "languages"},
		"an empty sentence":     {`"a": {"id": "ya", "en": ""}`, "no sentence in en"},
		"a third language":      {`"a": {"id": "ya", "en": "yes", "fr": "oui"}`, "languages"},
		"another name in it":    {`"a": {"id": "ya {x}", "en": "yes {y}"}`, "names"},
		"a code twice":          {"\"a\": {\"id\": \"ya\", \"en\": \"yes\"},\n  \"a\": {\"id\": \"ya\", \"en\": \"yes\"}", "2 times"},
		"a code with a capital": {`"A": {"id": "ya", "en": "yes"}`, "small letters"},
		"a good file":           {`"a": {"id": "ya {x}", "en": "yes {x}"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			broken := strings.Join(check(t, "x.json", []byte("{\n  "+row.text+"\n}\n")), "\n")
			if row.want == "" && broken != "" || !strings.Contains(broken, row.want) {
				t.Errorf("check = %q, want %q in it", broken, row.want)
			}
		})
	}
}

func TestSay(t *testing.T) {
	c := phrase.New()
	args := phrase.Args{"subject": "X100C0001", "cause": "x"}
	if got, want := c.Say(phrase.English, "condition.terminal-unreachable", args),
		"Terminal X100C0001 cannot be reached: x. Check its power and its network cable."; got != want {
		t.Errorf("Say = %q, want %q", got, want)
	}
	if got := c.Say(phrase.Indonesian, "no.such-code", nil); got != "no.such-code" {
		t.Errorf("Say of an unknown code = %q, want the code", got)
	}
	for text, want := range map[string]phrase.Lang{"": "id", "id_ID.UTF-8": "id", "C": "id", "en": "en", "EN_gb.UTF-8": "en", "fr": "id"} {
		if got := phrase.ParseLang(text); got != want {
			t.Errorf("ParseLang(%q) = %s, want %s", text, got, want)
		}
	}
}

// What a site wrote goes to a terminal as text, also where it stands for a code.
func TestWhatComesFromElsewhereMovesNoScreen(t *testing.T) {
	c := phrase.New()
	for _, said := range []string{
		phrase.Plain("a\x1b[2Jb\u009bc\rd\x07"),
		c.Say(phrase.English, "errand.reason-\x1b]0;x\x07", nil),
		c.Say(phrase.English, "condition.enrol-no-hub", phrase.Args{"cause": "a\x1b[2Jb\r"}),
	} {
		if strings.ContainsAny(said, "\x1b\u009b\r\x07") {
			t.Errorf("said %q", said)
		}
	}
	if text := "satu\tdua\ntiga é ✓"; phrase.Plain(text) != text {
		t.Errorf("%q became %q", text, phrase.Plain(text))
	}
}
