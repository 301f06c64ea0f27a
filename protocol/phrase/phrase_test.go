package phrase_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

func TestEverySentenceIsThereInBothLanguages(t *testing.T) {
	c := phrase.New()
	if len(c.Codes()) == 0 {
		t.Fatal("the catalogue is empty")
	}
	for _, code := range c.Codes() {
		id, en := c.Say(phrase.Indonesian, code, nil), c.Say(phrase.English, code, nil)
		if id == "" || en == "" || id == code || en == code {
			t.Errorf("%s: id %q, en %q: a sentence is missing", code, id, en)
		}
		a, b := placeholder.FindAllString(id, -1), placeholder.FindAllString(en, -1)
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(slices.Compact(a), slices.Compact(b)) {
			t.Errorf("%s: names %v in Indonesian, %v in English", code, a, b)
		}
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
