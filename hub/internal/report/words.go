package report

import (
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Words says findings and documents in one language: it returns the sentence of a whole
// code, area.code, and whether there is one.
type Words func(code string, args phrase.Args) (string, bool)

// In are the words of a catalogue in a language.
func In(c *phrase.Catalogue, lang phrase.Lang) Words {
	return func(code string, args phrase.Args) (string, bool) { return c.Say(lang, code, args), c.Has(code) }
}

func (w Words) finding(code string, args phrase.Args) string {
	said, _ := w("validate."+code, args)
	return said
}

func (w Words) say(code string, args phrase.Args) string {
	said, _ := w("report."+code, args)
	return said
}

// Finding is what was seen, in a sentence or two.
func (w Words) Finding(f Named) string {
	fingers := make([]string, len(f.Fingers))
	for i, n := range f.Fingers {
		fingers[i] = strconv.Itoa(n)
	}
	args := phrase.Args{"who": called(f.PIN, f.Who), "other": called(f.Other, f.Whose), "held": f.Held, "want": f.Want,
		"unit": f.Where, "fingers": strings.Join(fingers, ", ")}
	if f.Status != "" {
		args["status"] = w.finding("status-"+string(f.Status), nil)
	}
	said := w.finding("finding-"+string(f.Code), args)
	if f.Administrator {
		said += " " + w.finding("administrator", nil)
	}
	return said
}

// Class is one of the ten kinds of findings, in a few words.
func (w Words) Class(c validate.Class) string { return w.say("class-"+string(c), nil) }

// Act is what may be done, in a few words.
func (w Words) Act(a validate.Act) string { return w.finding("act-"+string(a), nil) }

// Day is a date with the month in words.
func (w Words) Day(d roster.Date) string {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return string(d)
	}
	return strconv.Itoa(t.Day()) + " " + w.say("month-"+strconv.Itoa(int(t.Month())), nil) + " " + strconv.Itoa(t.Year())
}

// called is a PIN with the name that belongs to it.
func called(pin, name string) string {
	if name == "" {
		return pin
	}
	return pin + " (" + name + ")"
}
