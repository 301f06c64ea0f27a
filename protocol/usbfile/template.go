package usbfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Algorithm is that of fingerprints. Templates of one are nothing to the other, and
// each has files of its own.
type Algorithm uint8

const (
	// Algorithm9 has records of 608 bytes, in template.dat.
	Algorithm9 Algorithm = 9
	// Algorithm10 has records as long as they say, in template.fp10.1 or template.fp10.
	Algorithm10 Algorithm = 10
)

// Template is one finger of one user. Both formats begin with
//
//	0 2 size   2 2 slot   4 1 finger   5 1 flag   6 … template
//
// Of algorithm 10 the size is that of the record. Of algorithm 9 it is said to be the
// template's: a record has 602 bytes for it whatever it says, and they are carried whole.
type Template struct {
	Slot   uint16
	Finger uint8  // 0 left little … 4 left thumb, 5 right thumb … 9 right little
	Flag   uint8  // 0 invalid, 1 valid, 3 duress
	Data   Secret // all of the record but its head

	size   uint16
	offset int
}

const (
	templateHead = 6
	template9    = 608
	template10   = 16 << 10 // the longest record of algorithm 10 that is believed
)

// NewTemplate is a template of algorithm 9 or 10 to be written.
func NewTemplate(slot uint16, finger, flag uint8, data []byte) Template {
	return Template{Slot: slot, Finger: finger, Flag: flag, Data: NewSecret(data)}
}

// Offset is where in its file a template was read, in bytes.
func (t Template) Offset() int { return t.offset }

// Bytes is the template without what fills the record after it, as the same terminal
// gives it over a network. Of algorithm 9 nobody knows for certain whether the size
// counts the head: where the record has more than NUL beyond the shorter reading, the
// longer one is taken.
func (t Template) Bytes() []byte {
	data, size := t.Data.Bytes(), int(t.size)
	if size == 0 || len(data) != template9-templateHead {
		return data
	}
	for _, n := range []int{max(size-templateHead, 1), min(size, len(data))} {
		if len(bytes.Trim(data[n:], "\x00")) == 0 {
			return data[:n]
		}
	}
	return data
}

// head reads the six bytes before a template; why is empty for a plausible one.
func head(b []byte, least, most int) (t Template, why Fault) {
	t = Template{size: binary.LittleEndian.Uint16(b), Slot: binary.LittleEndian.Uint16(b[2:]), Finger: b[4], Flag: b[5]}
	switch {
	case t.Slot == 0:
		return t, FaultSlot
	case t.Finger > 9:
		return t, FaultFinger
	case t.Flag != 0 && t.Flag != 1 && t.Flag != 3:
		return t, FaultFlag
	case int(t.size) < least || int(t.size) > most:
		return t, FaultSize
	}
	return t, ""
}

// parse9 reads a record of algorithm 9.
func parse9(record []byte) (Template, Fault) {
	t, why := head(record, 1, template9)
	t.Data = NewSecret(record[templateHead:])
	return t, why
}

// parse10 reads the record of algorithm 10 at the beginning of b.
func parse10(b []byte) (Template, Fault) {
	if len(b) < templateHead {
		return Template{}, FaultShort
	}
	t, why := head(b, templateHead+1, template10)
	if why == "" && int(t.size) > len(b) {
		why = FaultShort
	}
	if why == "" {
		t.Data = NewSecret(b[templateHead:t.size])
	}
	return t, why
}

// Append writes a record; ErrTooLong where the template does not fit one, or where a
// reader would not take it for one.
func (a Algorithm) Append(dst []byte, t Template) ([]byte, error) {
	data := t.Data.Bytes()
	size, room := templateHead+len(data), template10
	if a == Algorithm9 {
		size, room = int(t.size), template9
		if size == 0 {
			size = len(data)
		}
	}
	grown, record := grow(dst, templateHead, nil)
	binary.LittleEndian.PutUint16(record, uint16(min(size, 0xFFFF)))
	binary.LittleEndian.PutUint16(record[2:], t.Slot)
	record[4], record[5] = t.Finger, t.Flag
	_, why := head(record, 1, room)
	if why != "" || len(data) == 0 || templateHead+len(data) > room {
		return dst, fmt.Errorf("template of %d bytes for finger %d of slot %d: %w", len(data), t.Finger, t.Slot, ErrTooLong)
	}
	grown = append(grown, data...)
	if a == Algorithm9 {
		grown = append(grown, make([]byte, template9-templateHead-len(data))...)
	}
	return grown, nil
}
