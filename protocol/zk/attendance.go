package zk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// ErrCompressed says that a log of 8-byte rows has short rows among them, a form that
// the vendor's manual describes and that nobody has shown. It is refused, not guessed.
var ErrCompressed = errors.New("log of compressed 8-byte rows")

// Attendance is one row of a terminal's attendance log.
//
// PIN is empty where rows carry only the terminal's slot number; HasSlot is false
// where they carry none. Status and Verify are the terminal's own codes, uninterpreted.
// Raw is the row as read; an Attendance with Raw is written over it.
type Attendance struct {
	PIN      string
	Raw      []byte
	Time     Time
	WorkCode uint32
	Slot     uint16
	HasSlot  bool
	Status   uint8
	Verify   uint8
}

// RowLayout is the shape of a terminal's attendance rows.
type RowLayout int

const (
	// Row8A is the 8-byte row that some clients assume.
	//
	//	0 2 slot   2 1 verify   3 4 time   7 1 status
	Row8A RowLayout = iota + 1
	// Row8B is the 8-byte row that was captured (ZEM500).
	//
	//	0 2 slot   2 1 flags: bits 0-2 status, 3-4 verify, 5 always set, 6-7 unknown
	//	3 1 unknown   4 4 time
	Row8B
	// Row16 is the row of ZEM560 terminals.
	//
	//	0 4 PIN, a number   4 4 time   8 1 verify   9 1 status   10 2 0   12 4 work code
	//
	// The vendor names bytes 8 and 9 the other way round; the captures hold zeros in
	// both, so who needs to be sure keeps Raw.
	Row16
	// Row40 is the row of colour terminals.
	//
	//	 0 2 slot   2 24 PIN, a text   26 1 verify   27 4 time   31 1 status
	//	32 4 work code   36 4 unknown
	Row40
	// Row49 is the row of visible-light terminals: a Row40 and 9 bytes more.
	Row49
)

// longRow is the bit of a Row8B's flags that tells it from a short row.
const longRow = 0x20

// Size is the length of a row; 0 for what is no layout.
func (l RowLayout) Size() int {
	switch l {
	case Row8A, Row8B:
		return 8
	case Row16:
		return 16
	case Row40:
		return 40
	case Row49:
		return 49
	}
	return 0
}

// String gives 8a, 8b, 16, 40 or 49.
func (l RowLayout) String() string {
	switch l {
	case Row8A:
		return "8a"
	case Row8B:
		return "8b"
	}
	return strconv.Itoa(l.Size())
}

// Parse reads one row into a; a.Raw aliases it. Only a row of the wrong length, or a
// short row of a compressed log, is an error: impossible dates are kept.
func (l RowLayout) Parse(row []byte, a *Attendance) error {
	var pin [pinSize]byte
	text, err := l.parse(row, a, pin[:0])
	if err != nil {
		return err
	}
	a.PIN = string(text)
	return nil
}

// pinSize is the length of a PIN field that is text; the longest number is shorter.
const pinSize = 24

// parse reads all of one row but its PIN, which it appends to pins instead.
func (l RowLayout) parse(row []byte, a *Attendance, pins []byte) ([]byte, error) {
	if len(row) != l.Size() || len(row) == 0 {
		return pins, fmt.Errorf("attendance row of %d bytes, layout %s: %w", len(row), l, ErrLayout)
	}
	if l == Row8B && row[2]&longRow == 0 {
		return pins, ErrCompressed
	}
	// Field by field: a whole log is parsed into rows that are there already, and a
	// struct made first and copied then costs half as much again.
	a.Raw = row
	a.HasSlot = l != Row16
	switch l {
	case Row8A:
		a.Slot = binary.LittleEndian.Uint16(row)
		a.Verify = row[2]
		a.Time = Time(binary.LittleEndian.Uint32(row[3:]))
		a.Status = row[7]
		a.WorkCode = 0
	case Row8B:
		a.Slot = binary.LittleEndian.Uint16(row)
		a.Status = row[2] & 7
		a.Verify = row[2] >> 3 & 3
		a.Time = Time(binary.LittleEndian.Uint32(row[4:]))
		a.WorkCode = 0
	case Row16:
		a.Slot = 0
		a.Time = Time(binary.LittleEndian.Uint32(row[4:]))
		a.Verify = row[8]
		a.Status = row[9]
		a.WorkCode = binary.LittleEndian.Uint32(row[12:])
		pins = strconv.AppendUint(pins, uint64(binary.LittleEndian.Uint32(row)), 10)
	case Row40, Row49:
		_ = row[39]
		a.Slot = binary.LittleEndian.Uint16(row)
		a.Verify = row[26]
		a.Time = Time(binary.LittleEndian.Uint32(row[27:]))
		a.Status = row[31]
		a.WorkCode = binary.LittleEndian.Uint32(row[32:])
		pins = append(pins, cutText(row[2:2+pinSize])...)
	}
	return pins, nil
}

// Append writes one row, over a.Raw when that is a row of this layout. What the layout
// has no field for, or a value too large for it, is ErrTooLong and nothing is written.
func (l RowLayout) Append(dst []byte, a Attendance) ([]byte, error) {
	if l.Size() == 0 {
		return dst, fmt.Errorf("attendance layout %d: %w", int(l), ErrLayout)
	}
	grown, row := growRow(dst, l.Size(), a.Raw)
	if err := l.put(row, a); err != nil {
		return dst, fmt.Errorf("attendance row of layout %s: %w", l, err)
	}
	return grown, nil
}

func (l RowLayout) put(row []byte, a Attendance) error {
	if (l == Row16) == a.HasSlot || (l == Row8A || l == Row8B) && (a.PIN != "" || a.WorkCode != 0) {
		return fmt.Errorf("field the row has not: %w", ErrTooLong)
	}
	switch l {
	case Row8A:
		binary.LittleEndian.PutUint16(row, a.Slot)
		row[2] = a.Verify
		binary.LittleEndian.PutUint32(row[3:], uint32(a.Time))
		row[7] = a.Status
	case Row8B:
		if a.Status > 7 || a.Verify > 3 {
			return fmt.Errorf("status %d, verify %d: %w", a.Status, a.Verify, ErrTooLong)
		}
		binary.LittleEndian.PutUint16(row, a.Slot)
		row[2] = row[2]&0xC0 | longRow | a.Verify<<3 | a.Status
		binary.LittleEndian.PutUint32(row[4:], uint32(a.Time))
	case Row16:
		pin, err := strconv.ParseUint(a.PIN, 10, 32)
		if err != nil {
			return fmt.Errorf("pin that is no 32-bit number: %w", ErrTooLong)
		}
		binary.LittleEndian.PutUint32(row, uint32(pin))
		binary.LittleEndian.PutUint32(row[4:], uint32(a.Time))
		row[8] = a.Verify
		row[9] = a.Status
		binary.LittleEndian.PutUint32(row[12:], a.WorkCode)
	case Row40, Row49:
		binary.LittleEndian.PutUint16(row, a.Slot)
		row[26] = a.Verify
		binary.LittleEndian.PutUint32(row[27:], uint32(a.Time))
		row[31] = a.Status
		binary.LittleEndian.PutUint32(row[32:], a.WorkCode)
		return putText(row[2:2+pinSize], a.PIN)
	}
	return nil
}

// pinBlock is how many rows share the memory of their PINs: a whole log needs few
// allocations, and who keeps one row does not keep the log's text.
const pinBlock = 256

// ParseAttendance appends the rows of data, which comes without the u32 total that
// precedes it on the wire, to dst. Each row's Raw aliases data. On an error dst is
// returned as it was.
func ParseAttendance(dst []Attendance, data []byte, l RowLayout) ([]Attendance, error) {
	size := l.Size()
	if size == 0 || len(data)%size != 0 {
		if l == Row8B {
			return dst, ErrCompressed
		}
		return dst, fmt.Errorf("%d bytes of attendance in rows of layout %s: %w", len(data), l, ErrLayout)
	}
	start := len(dst)
	rows := dst
	if cap(rows)-start < len(data)/size {
		rows = append(make([]Attendance, 0, start+len(data)/size), dst...)
	}
	var pins []byte
	var ends [pinBlock]int
	for len(data) > 0 {
		block := rows[len(rows):min(len(rows)+pinBlock, len(rows)+len(data)/size)]
		pins = pins[:0]
		var err error
		for i := range block {
			if pins, err = l.parse(data[:size:size], &block[i], pins); err != nil {
				return dst, fmt.Errorf("attendance row %d: %w", len(rows)-start+i, err)
			}
			ends[i] = len(pins)
			data = data[size:]
		}
		text, from := string(pins), 0
		for i := range block {
			block[i].PIN = text[from:ends[i]]
			from = ends[i]
		}
		rows = rows[:len(rows)+len(block)]
	}
	return rows, nil
}
