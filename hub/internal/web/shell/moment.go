package shell

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Date writes 30 Januari 2020.
func (s Speech) Date(t time.Time) string {
	return strconv.Itoa(t.Day()) + " " + s.Text("month-"+strconv.Itoa(int(t.Month()))) + " " + strconv.Itoa(t.Year())
}

// Day writes a date of the register, 2020-01-30, as Date does; anything else as it is.
func (s Speech) Day(date any) string {
	text := fmt.Sprint(date)
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return text
	}
	return s.Date(t)
}

// clock writes 07.31.05 in Indonesian, 07:31:05 in English.
func (s Speech) clock(t time.Time, seconds bool) string {
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
func (s Speech) Moment(t time.Time) string {
	if t.IsZero() {
		return s.Text("never")
	}
	t, now := t.In(s.zone), s.Now.In(s.zone)
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return s.Text("today", "time", s.clock(t, true))
	}
	return s.Date(t) + " " + s.clock(t, false)
}

// When is Moment of what may be missing.
func (s Speech) When(t *time.Time) string {
	if t == nil {
		return s.Text("never")
	}
	return s.Moment(*t)
}

// Wall writes a terminal's wall clock time as it stands there; an impossible one
// is told as such, with its raw form.
func (s Speech) Wall(t protocol.LocalTime) string {
	if t == "" {
		return s.Text("no-data")
	}
	wall, ok := t.Wall()
	if !ok {
		return s.Text("impossible", "raw", string(t))
	}
	return s.Date(wall) + " " + s.clock(wall, true)
}

// Age writes how long ago a moment was, in its largest unit. It is rough so that a
// page does not change every second.
func (s Speech) Age(t *time.Time) string {
	if t == nil {
		return ""
	}
	return s.Span(s.Now.Sub(*t))
}

// Ago is Age of a moment that is there.
func (s Speech) Ago(t time.Time) string { return s.Age(&t) }

// Span writes a length of time in its largest unit.
func (s Speech) Span(d time.Duration) string {
	switch d = d.Abs(); {
	case d < time.Minute:
		return s.Text("under-a-minute")
	case d < time.Hour:
		return s.count("minutes", int64(d/time.Minute))
	case d < 48*time.Hour:
		return s.count("hours", int64(d/time.Hour))
	}
	return s.count("days", int64(d/(24*time.Hour)))
}

// count says "1 hour" and "2 hours"; Indonesian has one form, the catalogue both.
func (s Speech) count(unit string, n int64) string {
	if n == 1 {
		unit += "-one"
	}
	return s.Text(unit, "count", s.Number(n))
}

// Offset writes a terminal's clock against the agent's: +12 detik, −3 menit 20 detik.
func (s Speech) Offset(o protocol.Offset) string {
	if o == protocol.OffsetUnknown {
		return s.Text("unknown")
	}
	sign, n := "+", int64(o)
	if n < 0 {
		sign, n = "−", -n
	}
	switch {
	case n == 0:
		return s.Text("clock-exact")
	case n < 120:
		return s.Text("offset-seconds", "sign", sign, "seconds", n)
	case n < 2*60*60:
		return s.Text("offset-minutes", "sign", sign, "minutes", n/60, "seconds", n%60)
	case n < 48*60*60:
		return s.Text("offset-hours", "sign", sign, "hours", n/3600, "minutes", n%3600/60)
	}
	return s.Text("offset-days", "sign", sign, "days", s.Number(n/86400))
}

// WallDay and WallClock are the halves of Wall, for a narrow column. The day of an
// impossible time is all there is to say of it.
func (s Speech) WallDay(t protocol.LocalTime) string {
	wall, ok := t.Wall()
	if !ok {
		return s.Wall(t)
	}
	if now := s.Now.In(s.zone); wall.Year() == now.Year() && wall.YearDay() == now.YearDay() {
		return s.Text("today-alone")
	}
	return s.Date(wall)
}

// WallClock is explained at WallDay.
func (s Speech) WallClock(t protocol.LocalTime) string {
	wall, ok := t.Wall()
	if !ok {
		return ""
	}
	return s.clock(wall, true)
}

// Short writes a terminal's time for a narrow list: of today the time alone.
func (s Speech) Short(t protocol.LocalTime) string {
	wall, ok := t.Wall()
	if !ok {
		return s.Wall(t)
	}
	if now := s.Now.In(s.zone); wall.Year() == now.Year() && wall.YearDay() == now.YearDay() {
		return s.clock(wall, true)
	}
	return strconv.Itoa(wall.Day()) + " " + s.Text("month-"+strconv.Itoa(int(wall.Month()))) + " " + s.clock(wall, false)
}
