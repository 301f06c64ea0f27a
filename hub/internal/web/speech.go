package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// speech is how one reader is spoken to: language, zone and the moment of the page.
// Every page's data embeds it, so that templates ask it for sentences.
type speech struct {
	catalogue *phrase.Catalogue
	Lang      phrase.Lang
	zone      *time.Location
	now       time.Time
}

func (s *server) speech(r *http.Request) speech {
	return speech{s.catalogue, languageOf(r), s.Zone, s.Now()}
}

// Say returns the sentence page.<code>, with pairs of name and value filled in. A
// code without a sentence fails the page: a test sees it before people do.
func (s speech) Say(code string, pairs ...any) (string, error) {
	args := phrase.Args{}
	for i := 0; i+1 < len(pairs); i += 2 {
		args[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	if code = "page." + code; !s.catalogue.Has(code) {
		return "", fmt.Errorf("the catalogue has no %s", code)
	}
	return s.catalogue.Say(s.Lang, code, args), nil
}

// say is Say for sentences that the code names itself; a test holds them all.
func (s speech) say(code string, pairs ...any) string {
	text, err := s.Say(code, pairs...)
	if err != nil {
		return code
	}
	return text
}

// Name returns the sentence page.<area>-<code> of a word that came from outside. An
// agent may be newer than this hub: its word is shown as it is then.
func (s speech) Name(area string, code any) string {
	if full := "page." + area + "-" + fmt.Sprint(code); s.catalogue.Has(full) {
		return s.catalogue.Say(s.Lang, full, nil)
	}
	return fmt.Sprint(code)
}

// English reports the language, for what has only two forms.
func (s speech) English() bool { return s.Lang == phrase.English }

// Number writes a count with the language's thousands: 12.345 or 12,345.
func (s speech) Number(n any) string {
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

// Date writes 30 Januari 2020.
func (s speech) Date(t time.Time) string {
	return strconv.Itoa(t.Day()) + " " + s.say("month-"+strconv.Itoa(int(t.Month()))) + " " + strconv.Itoa(t.Year())
}

// clock writes 07.31.05 in Indonesian, 07:31:05 in English.
func (s speech) clock(t time.Time, seconds bool) string {
	text := t.Format("15:04")
	if seconds {
		text = t.Format("15:04:05")
	}
	if s.English() {
		return text
	}
	return strings.ReplaceAll(text, ":", ".")
}

// Moment writes a moment in the zone of the pages; today's is the time alone, with
// seconds, because then it is compared with a watch.
func (s speech) Moment(t time.Time) string {
	if t.IsZero() {
		return s.say("never")
	}
	t, now := t.In(s.zone), s.now.In(s.zone)
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return s.say("today", "time", s.clock(t, true))
	}
	return s.Date(t) + " " + s.clock(t, false)
}

// When is Moment of what may be missing.
func (s speech) When(t *time.Time) string {
	if t == nil {
		return s.say("never")
	}
	return s.Moment(*t)
}

// Wall writes a terminal's wall clock time as it stands there; an impossible one
// is told as such, with its raw form.
func (s speech) Wall(t protocol.LocalTime) string {
	if t == "" {
		return s.say("no-data")
	}
	wall, ok := t.Wall()
	if !ok {
		return s.say("impossible", "raw", string(t))
	}
	return s.Date(wall) + " " + s.clock(wall, true)
}

// Age writes how long ago a moment was, in its largest unit. It is rough so that a
// page does not change every second.
func (s speech) Age(t *time.Time) string {
	if t == nil {
		return ""
	}
	return s.Span(s.now.Sub(*t))
}

// Span writes a length of time in its largest unit.
func (s speech) Span(d time.Duration) string {
	switch d = d.Abs(); {
	case d < time.Minute:
		return s.say("under-a-minute")
	case d < time.Hour:
		return s.count("minutes", int64(d/time.Minute))
	case d < 48*time.Hour:
		return s.count("hours", int64(d/time.Hour))
	}
	return s.count("days", int64(d/(24*time.Hour)))
}

// count says "1 hour" and "2 hours"; Indonesian has one form, the catalogue both.
func (s speech) count(unit string, n int64) string {
	if n == 1 {
		unit += "-one"
	}
	return s.say(unit, "count", s.Number(n))
}

// Offset writes a terminal's clock against the agent's: +12 detik, −3 menit 20 detik.
func (s speech) Offset(o protocol.Offset) string {
	if o == protocol.OffsetUnknown {
		return s.say("unknown")
	}
	sign, n := "+", int64(o)
	if n < 0 {
		sign, n = "−", -n
	}
	switch {
	case n == 0:
		return s.say("clock-exact")
	case n < 120:
		return s.say("offset-seconds", "sign", sign, "seconds", n)
	case n < 2*60*60:
		return s.say("offset-minutes", "sign", sign, "minutes", n/60, "seconds", n%60)
	case n < 48*60*60:
		return s.say("offset-hours", "sign", sign, "hours", n/3600, "minutes", n%3600/60)
	}
	return s.say("offset-days", "sign", sign, "days", s.Number(n/86400))
}

// Bytes writes a size in whole megabytes, or kilobytes below one.
func (s speech) Bytes(n int64) string {
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
func (s speech) Fill(f protocol.Fill) fillView {
	v := fillView{Fill: f, Level: level(f), Text: s.Used(f)}
	if f.Capacity > 0 {
		v.Percent = strconv.Itoa(f.Used*100/f.Capacity) + " %"
	}
	return v
}

// Used writes 1.234 dari 100.000.
func (s speech) Used(f protocol.Fill) string {
	if f.Capacity <= 0 {
		return s.say("unknown")
	}
	return s.say("used", "used", s.Number(f.Used), "capacity", s.Number(f.Capacity))
}

// WallDay and WallClock are the halves of Wall, for a narrow column. The day of an
// impossible time is all there is to say of it.
func (s speech) WallDay(t protocol.LocalTime) string {
	wall, ok := t.Wall()
	if !ok {
		return s.Wall(t)
	}
	if now := s.now.In(s.zone); wall.Year() == now.Year() && wall.YearDay() == now.YearDay() {
		return s.say("today-alone")
	}
	return s.Date(wall)
}

// WallClock is explained at WallDay.
func (s speech) WallClock(t protocol.LocalTime) string {
	wall, ok := t.Wall()
	if !ok {
		return ""
	}
	return s.clock(wall, true)
}

// Short writes a terminal's time for a narrow list: of today the time alone.
func (s speech) Short(t protocol.LocalTime) string {
	wall, ok := t.Wall()
	if !ok {
		return s.Wall(t)
	}
	if now := s.now.In(s.zone); wall.Year() == now.Year() && wall.YearDay() == now.YearDay() {
		return s.clock(wall, true)
	}
	return strconv.Itoa(wall.Day()) + " " + s.say("month-"+strconv.Itoa(int(wall.Month()))) + " " + s.clock(wall, false)
}

// Kind writes what a punch was for and how the person was known. Terminals of
// different makers use other numbers too; those are shown as they are.
func (s speech) Kind(status, verify uint8) string {
	name := func(area string, code uint8) string {
		if full := area + "-" + strconv.Itoa(int(code)); s.catalogue.Has("page." + full) {
			return s.say(full)
		}
		return s.say(area+"-other", "code", code)
	}
	return name("status", status) + ", " + name("verify", verify)
}
