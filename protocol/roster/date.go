package roster

import (
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Date is a day in the terminals' zone, as 2006-01-02. Dates compare as texts.
type Date string

// Forever is the end of what has no end.
const Forever Date = "9999-12-31"

// DateOf is the day that a clock on the wall shows at t.
func DateOf(t time.Time) Date { return Date(protocol.Wall(t).Format(time.DateOnly)) }

// ParseDate reads a date that exists.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Format(time.DateOnly) != s {
		return "", fmt.Errorf("%q is not a date: want year-month-day, such as 2026-01-31", s)
	}
	return Date(s), nil
}

// Check reports a date that does not exist.
func (d Date) Check() error {
	_, err := ParseDate(string(d))
	return err
}

// Add is the date some days later, or earlier when days is negative. Forever stays.
func (d Date) Add(days int) Date {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil || d == Forever {
		return d
	}
	return Date(t.AddDate(0, 0, days).Format(time.DateOnly))
}
