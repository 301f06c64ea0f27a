package shell

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// Speech is how one reader is spoken to: language, zone and the moment of the page.
// The data of every template embeds it, so that templates ask it for sentences.
type Speech struct {
	Lang      phrase.Lang
	Now       time.Time
	Reader    Reader
	catalogue *phrase.Catalogue
	area      string // with the dot
	zone      *time.Location
}

// Speech is how the reader of a page of this group is spoken to.
func (g *Group) Speech(r *http.Request) Speech {
	return Speech{languageOf(r), g.Now(), g.Shell.Reader(r), g.catalogue, g.area, g.Zone}
}

// May tells whether the reader may do something at all.
func (s Speech) May(deed string) bool { return s.Reader.May != nil && s.Reader.May(deed) }

// sharedArea holds the sentences that all groups may say.
const sharedArea = "page."

// full is a code with its area: the group's, or the one that all share.
func (s Speech) full(code string) string {
	if own := s.area + code; s.catalogue.Has(own) {
		return own
	}
	return sharedArea + code
}

// Say returns the sentence of a code of the group's area, or of the area page, with
// pairs of name and value filled in. A code without a sentence fails the page: a test
// sees it before people do.
func (s Speech) Say(code string, pairs ...any) (string, error) {
	args := phrase.Args{}
	for i := 0; i+1 < len(pairs); i += 2 {
		args[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	full := s.full(code)
	if !s.catalogue.Has(full) {
		return "", fmt.Errorf("the catalogue has no %s", full)
	}
	return s.catalogue.Say(s.Lang, full, args), nil
}

// Text is Say for sentences that the code names itself; a test holds them all.
func (s Speech) Text(code string, pairs ...any) string {
	text, err := s.Say(code, pairs...)
	if err != nil {
		return code
	}
	return text
}

// Tell returns the sentence of a whole code, area.code, of any area; false where the
// catalogue has none.
func (s Speech) Tell(code string, args phrase.Args) (string, bool) {
	return s.catalogue.Say(s.Lang, code, args), s.catalogue.Has(code)
}

// Name returns the sentence <kind>-<word> of a word that came from outside. An agent
// may be newer than this hub: its word is shown as it is then.
func (s Speech) Name(kind string, word any) string {
	if full := s.full(strings.Join([]string{kind, fmt.Sprint(word)}, "-")); s.catalogue.Has(full) {
		return s.catalogue.Say(s.Lang, full, nil)
	}
	return fmt.Sprint(word)
}

// English reports the language, for what has only two forms.
func (s Speech) English() bool { return s.Lang == phrase.English }

// Number writes a count with the language's thousands: 12.345 or 12,345.
func (s Speech) Number(n any) string {
	digits := fmt.Sprint(n)
	mark := "."
	if s.English() {
		mark = ","
	}
	first := len(digits) % 3
	groups := []string{}
	if first > 0 {
		groups = append(groups, digits[:first])
	}
	for ; first < len(digits); first += 3 {
		groups = append(groups, digits[first:first+3])
	}
	return strings.Join(groups, mark)
}

// Bytes writes a size in whole megabytes, or kilobytes below one.
func (s Speech) Bytes(n int64) string {
	if n < 1<<20 {
		return s.Number(n>>10) + " KB"
	}
	return s.Number(n>>20) + " MB"
}

// fillView is how full a memory is, for a meter with its words.
type fillView struct {
	protocol.Fill
	Level, Percent, Text string
}

// Fill prepares a meter. Without a capacity there are only words.
func (s Speech) Fill(f protocol.Fill) fillView {
	v := fillView{Fill: f, Level: Level(f), Text: s.Used(f)}
	if f.Capacity > 0 {
		v.Percent = strconv.Itoa(f.Used*100/f.Capacity) + " %"
	}
	return v
}

// Used writes 1.234 dari 100.000.
func (s Speech) Used(f protocol.Fill) string {
	if f.Capacity <= 0 {
		return s.Text("unknown")
	}
	return s.Text("used", "used", s.Number(f.Used), "capacity", s.Number(f.Capacity))
}

// Kind writes what a punch was for and how the person was known. Terminals of
// different makers use other numbers too; those are shown as they are.
func (s Speech) Kind(status, verify uint8) string {
	name := func(area string, code uint8) string {
		if word := s.Name(area, code); word != strconv.Itoa(int(code)) {
			return word
		}
		return s.Text(area+"-other", "code", code)
	}
	return name("status", status) + ", " + name("verify", verify)
}

// Level says how full a memory is: ok, high or full. A full log is overwritten.
func Level(f protocol.Fill) string {
	switch {
	case f.Capacity <= 0 || f.Used*100 < f.Capacity*80:
		return "ok"
	case f.Used*100 < f.Capacity*95:
		return "high"
	}
	return "full"
}
