package zktest

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// punchLog holds the stored punches as they lie in the terminal's memory. Rows are only
// appended or replaced as a whole, so that a snapshot stays what it was.
type punchLog struct {
	layout zk.RowLayout
	rows   []byte
	pins   []string // of each row: rows of 8 bytes carry only the slot
}

func (l *punchLog) len() int { return len(l.pins) }

// snapshot is the rows as they are now.
func (l *punchLog) snapshot() []byte { return l.rows[:len(l.rows):len(l.rows)] }

// add stores a punch; a log that holds capacity punches drops its oldest.
func (l *punchLog) add(a zk.Attendance, capacity int) error {
	pin := a.PIN
	a.HasSlot = l.layout != zk.Row16
	switch l.layout {
	case zk.Row8A, zk.Row8B:
		a.PIN, a.WorkCode = "", 0
	case zk.Row16:
		a.Slot = 0
	}
	if len(a.Raw) != l.layout.Size() {
		a.Raw = l.blank()
	}
	rows, err := l.layout.Append(l.rows, a)
	if err != nil {
		return fmt.Errorf("store punch: %w", err)
	}
	l.rows, l.pins = rows, append(l.pins, pin)
	if over := len(l.pins) - capacity; over > 0 {
		l.rows, l.pins = l.rows[over*l.layout.Size():], l.pins[over:]
	}
	return nil
}

// blank is a row with what real terminals write into the bytes without a name.
func (l *punchLog) blank() []byte {
	row := make([]byte, l.layout.Size())
	if len(row) >= 40 {
		row[36] = 0xFF
		copy(row[40:], "\xFF255") // visible light: no mask seen, no temperature taken
	}
	return row
}

func (l *punchLog) clear() { l.rows, l.pins = nil, nil }

// at reads a row back: what a perfect reader would see, and the PIN where the row has none.
func (l *punchLog) at(i int) (a zk.Attendance) {
	size := l.layout.Size()
	if err := l.layout.Parse(bytes.Clone(l.rows[i*size:(i+1)*size]), &a); err != nil {
		panic(fmt.Sprintf("zktest: a stored row does not read back: %v", err)) // ours, so a defect of this package
	}
	if a.PIN == "" {
		a.PIN = l.pins[i]
	}
	return a
}

func (l *punchLog) all() []zk.Attendance {
	out := make([]zk.Attendance, l.len())
	for i := range out {
		out[i] = l.at(i)
	}
	return out
}

// spoilDates gives every nth punch a time on 30 February 2024, after noon.
func (l *punchLog) spoilDates(n int) {
	const noon = zk.Time(0x2E4A12C0)
	old := l.all()
	l.clear()
	for i, a := range old {
		if (i+1)%n == 0 {
			a.Time = noon + zk.Time(i%40000)
		}
		if err := l.add(a, len(old)); err != nil {
			panic(fmt.Sprintf("zktest: a stored row cannot be stored again: %v", err))
		}
	}
}

// shuffle changes the order, always in the same way.
func (l *punchLog) shuffle() {
	size := l.layout.Size()
	rows, pins := make([]byte, 0, len(l.rows)), make([]string, 0, len(l.pins))
	for _, i := range rand.New(rand.NewPCG(4370, 1)).Perm(l.len()) {
		rows, pins = append(rows, l.rows[i*size:(i+1)*size]...), append(pins, l.pins[i])
	}
	l.rows, l.pins = rows, pins
}
