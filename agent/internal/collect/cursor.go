package collect

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// How much of the log's known end is remembered, and how much of it is read again
// before new rows. The overlap is longer so that the remembered end is still found
// when a full log has dropped some of its oldest rows and all others moved up. The
// memory is written with every flush, so it is no longer than a disk page's rest.
const (
	tailMarks = 24
	overlap   = 256
)

// Cursor is where the last read of a terminal ended. The zero value is that of a
// terminal never read.
type Cursor struct {
	Count     int                // rows in the log
	Tail      []Mark             // of its last rows, at most tailMarks
	Newest    protocol.LocalTime // greatest time of any row read so far, impossible ones aside
	Watermark protocol.LocalTime // the same, but not later than the terminal's clock was
	Layout    string             // the driver's word for the shape of the rows
	Doubt     bool               // only a whole read can tell what is new
	Whole     int64              // when the whole log was last read, Unix seconds by the agent's clock
}

// Ask is the read that continues after the cursor. A scheduled read wants only what
// has changed; a hint says that something has.
func (c Cursor) Ask(mode terminal.Mode) terminal.Ask {
	if c.Doubt || c.Layout == "" {
		mode = terminal.Whole
	}
	return terminal.Ask{Mode: mode, Known: c.Count, Overlap: overlap, Layout: c.Layout}
}

// after is the cursor once everything new of a reading is kept.
func (c Cursor) after(r terminal.Reading, marks []Mark, whole bool) Cursor {
	next := c
	next.Count = r.Count
	next.Tail = slices.Clone(marks[max(0, len(marks)-tailMarks):])
	next.Layout = r.Layout
	next.Doubt = false
	if whole {
		next.Whole = r.At.Unix()
	}
	for _, row := range r.Rows {
		if _, exists := row.Time.Wall(); !exists {
			continue
		}
		next.Newest = max(next.Newest, row.Time)
		if r.Clock == "" || row.Time <= r.Clock {
			next.Watermark = max(next.Watermark, row.Time)
		}
	}
	return next
}

// cursorVersion is the first byte of every stored cursor.
const cursorVersion = 1

// errCursor says that a stored cursor is none of ours.
var errCursor = errors.New("not a cursor")

// bytes is the form in which the buffer keeps a cursor: version, doubt, count and
// time of the whole read as varints, then the texts and the marks, each with its
// length before it.
func (c Cursor) bytes() []byte {
	b := []byte{cursorVersion, 0}
	if c.Doubt {
		b[1] = 1
	}
	b = binary.AppendUvarint(b, uint64(c.Count))
	b = binary.AppendVarint(b, c.Whole)
	for _, text := range []string{string(c.Newest), string(c.Watermark), c.Layout} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Tail)))
	for _, m := range c.Tail {
		b = binary.BigEndian.AppendUint64(b, m)
	}
	return b
}

// parseCursor reads what bytes wrote. No bytes are the cursor of a terminal never read.
func parseCursor(b []byte) (Cursor, error) {
	if len(b) == 0 {
		return Cursor{}, nil
	}
	if len(b) < 2 || b[0] != cursorVersion || b[1] > 1 {
		return Cursor{}, errCursor
	}
	rest, bad := b[2:], false
	number := func(n uint64, size int) uint64 {
		if size <= 0 {
			bad, rest = true, nil
			return 0
		}
		rest = rest[size:]
		return n
	}
	text := func() string {
		n := number(binary.Uvarint(rest))
		if n > uint64(len(rest)) {
			bad = true
			return ""
		}
		s := string(rest[:n])
		rest = rest[n:]
		return s
	}
	c := Cursor{Doubt: b[1] == 1, Count: int(number(binary.Uvarint(rest)))}
	whole, size := binary.Varint(rest)
	c.Whole = whole
	number(0, size)
	c.Newest, c.Watermark, c.Layout = protocol.LocalTime(text()), protocol.LocalTime(text()), text()
	if n := number(binary.Uvarint(rest)); bad || uint64(len(rest)) != 8*n || c.Count < 0 {
		return Cursor{}, errCursor
	}
	for ; len(rest) > 0; rest = rest[8:] {
		c.Tail = append(c.Tail, binary.BigEndian.Uint64(rest))
	}
	return c, nil
}
