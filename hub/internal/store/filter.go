package store

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Filter says which punches are wanted; what is empty does not matter.
type Filter struct {
	Site       protocol.SiteID
	Serial     protocol.Serial
	PIN        string             // in any form
	PINs       []string           // any of these; none: every one
	From, To   protocol.LocalTime // From <= time < To, by text, so "2026-01-02" is the beginning of that day
	Impossible bool               // only those whose time names no date; otherwise a From or To leaves these out
	Newest     bool               // the newest first
	After      *Cursor            // only what comes after this one in the order that is asked for
	Limit      int                // at most so many; 0: all
}

// Cursor is a punch's key, and so its place in the order.
type Cursor struct {
	Time     protocol.LocalTime `json:"t"`
	Terminal int64              `json:"m"`
	PIN      string             `json:"p"`
	Status   uint8              `json:"s"`
	Nth      uint32             `json:"n"`
}

// ErrCursor says that a text is no cursor.
var ErrCursor = errors.New("not a place in a list of punches")

// Cursor returns the punch's place.
func (p Punch) Cursor() Cursor { return Cursor{p.Time, p.Terminal, p.Normal, p.Status, p.Nth} }

// Compare orders two places as the store does, the oldest first.
func (c Cursor) Compare(o Cursor) int {
	return cmp.Or(cmp.Compare(c.Time, o.Time), cmp.Compare(c.Terminal, o.Terminal), cmp.Compare(c.PIN, o.PIN),
		cmp.Compare(c.Status, o.Status), cmp.Compare(c.Nth, o.Nth))
}

// String writes the cursor for an address of a page.
func (c Cursor) String() string {
	text, err := json.Marshal(c)
	if err != nil {
		return "" // texts and numbers: cannot fail
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseCursor reads what String wrote.
func ParseCursor(s string) (c Cursor, err error) {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return Cursor{}, fmt.Errorf("%q: %w", s, ErrCursor)
	}
	return c, nil
}

// impossible is the least text of a time that names no date: those begin with
// the name of a source, the others with a digit.
const impossible = "A"

// sql writes the condition and the order for sightings v of the terminals of
// which a condition on table terminal holds.
func (f Filter) sql(which string) (where, order string, args []any) {
	var tests []string
	test := func(text string, values ...any) {
		for _, value := range values {
			args = append(args, value)
			text = strings.Replace(text, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		tests = append(tests, text)
	}
	if f.Site == "" && f.Serial == "" {
		// The sum keeps the index by terminal out: the one by time has the order.
		test("v.terminal + 0 IN (SELECT id FROM terminal WHERE " + which + ")")
	} else {
		test("v.terminal IN (SELECT id FROM terminal WHERE "+which+" AND (? = '' OR site = ?) AND (? = '' OR serial = ?))",
			string(f.Site), string(f.Site), string(f.Serial), string(f.Serial))
	}
	if f.From != "" {
		test("v.time >= ?", string(f.From))
	}
	if f.To != "" {
		test("v.time < ?", string(f.To))
	}
	switch {
	case f.Impossible:
		test("v.time >= ?", impossible)
	case f.From != "" || f.To != "":
		test("v.time < ?", impossible)
	}
	if f.PIN != "" {
		test("v.pin = ?", protocol.NormalPIN(f.PIN))
	}
	if len(f.PINs) > 0 {
		pins := make([]any, len(f.PINs))
		for i, pin := range f.PINs {
			pins[i] = protocol.NormalPIN(pin)
		}
		test("v.pin IN (?"+strings.Repeat(", ?", len(pins)-1)+")", pins...)
	}
	direction, after, from := "", ">", ">="
	if f.Newest {
		direction, after, from = " DESC", "<", "<="
	}
	if c := f.After; c != nil {
		test("v.time "+from+" ?", string(c.Time)) // what the index can use
		test("(v.time, v.terminal, v.pin, v.status, v.nth) "+after+" (?, ?, ?, ?, ?)",
			string(c.Time), c.Terminal, c.PIN, int64(c.Status), int64(c.Nth))
	}
	columns := []string{"v.time", "v.terminal", "v.pin", "v.status", "v.nth"}
	return "WHERE " + strings.Join(tests, " AND "), strings.Join(columns, direction+", ") + direction, args
}
