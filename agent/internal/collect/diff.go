package collect

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Mark stands for all rows of one terminal that are equal in identifier, time and
// status. 64 bits of SHA-256: nobody makes two rows collide by choosing a PIN.
type Mark = uint64

// MarkOf computes a row's mark. Of a row that has only a slot the slot counts, not
// the PIN: the same row must have the same mark after the slot went to somebody else.
// PINs that differ in padding only are one PIN to the hub, so they are numbered as one.
func MarkOf(r terminal.Row) Mark {
	b := make([]byte, 0, 96)
	b = append(b, protocol.NormalPIN(r.Identifier())...)
	b = append(b, 0) // no identifier has a NUL
	b = append(b, r.Time...)
	b = append(b, 0, r.Status)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

// Fresh is a row that was never read before.
type Fresh struct {
	Row  int    // index in Reading.Rows
	Nth  uint32 // running number among equal rows
	Mark Mark
}

// Found is what a reading adds.
type Found struct {
	Fresh   []Fresh
	Next    Cursor          // once all of Fresh is kept
	Cleared bool            // the log no longer continues where it ended before and has fewer rows
	Shown   map[Mark]uint32 // how often each mark occurs, if this was a whole log that continues
}

// Diff tells which rows of a reading are new. known gives how many rows with a mark
// have ever been kept for this terminal.
//
// The rule is the contract's: within one complete read the rows equal in PIN, time
// and status are numbered, and a number is new if fewer are known. It does not
// depend on the order of the log or on what was dropped from it, so it holds for
// cleared, wrapped and sorted logs and when a crash kept half of the rows.
//
// A reading of the log's end sees only some of the equal rows. It decides if the
// known end is found in it, and every mark beyond that end is known exactly as often
// as it occurs before it. Otherwise ok is false: the whole log must be read.
func Diff(c Cursor, r terminal.Reading, known func(Mark) uint32) (found Found, ok bool) {
	if r.Unchanged {
		return Found{Next: c}, true
	}
	marks := make([]Mark, len(r.Rows))
	for i, row := range r.Rows {
		marks[i] = MarkOf(row)
	}
	whole := r.First == 0
	end, continues := continuation(c, r, marks)
	switch {
	case whole:
		var shown map[Mark]uint32
		found.Fresh, shown = wholeFresh(marks, known)
		if continues {
			found.Shown = shown
		}
		found.Cleared = !continues && r.Count < c.Count
	case c.Doubt || !continues || r.Layout != c.Layout:
		return Found{}, false
	default:
		if found.Fresh, ok = tailFresh(c.Newest, r.Rows, marks, end, known); !ok {
			return Found{}, false
		}
	}
	found.Next = c.after(r, marks, whole)
	return found, true
}

// wholeFresh numbers equal rows and takes those whose number is not known.
func wholeFresh(marks []Mark, known func(Mark) uint32) (fresh []Fresh, seen map[Mark]uint32) {
	seen = make(map[Mark]uint32, len(marks))
	for i, m := range marks {
		n := seen[m]
		seen[m]++
		if n >= known(m) {
			fresh = append(fresh, Fresh{i, n, m})
		}
	}
	return fresh, seen
}

// tailFresh takes all rows from index end on, if their numbers are certain.
func tailFresh(newest protocol.LocalTime, rows []terminal.Row, marks []Mark, end int, known func(Mark) uint32) (fresh []Fresh, ok bool) {
	seen := make(map[Mark]uint32, len(marks))
	for _, m := range marks[:end] {
		seen[m]++
	}
	before := make(map[Mark]uint32, len(marks)-end)
	for _, m := range marks[end:] {
		before[m] = seen[m]
	}
	for i := end; i < len(marks); i++ {
		m := marks[i]
		// No row later than the newest one is known, and most new rows are later:
		// then nothing needs to be looked up.
		count := uint32(0)
		if _, exists := rows[i].Time.Wall(); !exists || rows[i].Time <= newest {
			count = known(m)
		}
		if before[m] != count {
			return nil, false
		}
		fresh = append(fresh, Fresh{i, seen[m], m})
		seen[m]++
	}
	return fresh, true
}

// continuation finds where the known rows end in a reading: the index after the
// cursor's tail. Where the tail stood is tried first; if it is not there, rows before
// it were dropped, and it must occur exactly once.
func continuation(c Cursor, r terminal.Reading, marks []Mark) (end int, ok bool) {
	n := len(c.Tail)
	if n == 0 {
		return 0, c.Count == 0
	}
	if end = c.Count - r.First; !r.Full && end >= n && end <= len(marks) && slices.Equal(marks[end-n:end], c.Tail) {
		return end, true
	}
	found := 0
	for i := n; i <= len(marks); i++ {
		if marks[i-1] == c.Tail[n-1] && slices.Equal(marks[i-n:i], c.Tail) {
			end = i
			found++
		}
	}
	return end, found == 1
}
