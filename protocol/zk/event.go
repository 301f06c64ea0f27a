package zk

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// Event is what a terminal tells by itself. It is a hint to read the log, never a
// record: events are lost while the line is down or the terminal disabled.
//
// A punch (EventAttLog) comes in these bodies:
//
//	10  u16 slot or PIN, u8 verify, u8 status, time 6
//	12  u32 PIN, u8 verify, u8 status, time 6
//	14  the 10 and 4 unknown
//	32  char[24] PIN, u8 verify, u8 status, time 6
//	36, 37, 52 and all others above 32: the 32 and what is unknown
//
// Punched tells whether the body was one of these; PIN, Slot, Time, Status and Verify
// mean something only then. A 10- or 14-byte body leaves open whether its number is a
// slot or a PIN: it is given as both.
type Event struct {
	Code    EventCode
	Punched bool
	PIN     string
	Slot    uint16
	Time    Time
	Status  uint8
	Verify  uint8
	Raw     []byte
}

// The lengths of punch bodies that are recognised by length alone.
const (
	eventShort = 10
	eventLong  = 12
	eventOld   = 14
	eventText  = 32
)

// ParseEvent reads a packet of code RegEvent that came from the terminal. It never
// fails: a body nobody knows is in Raw.
func ParseEvent(p Packet) Event {
	e := Event{Code: EventCode(p.Session), Raw: p.Body}
	if e.Code != EventAttLog {
		return e
	}
	b := p.Body
	switch {
	case len(b) >= eventText && plausibleID(b[:pinSize]):
		e.punch(b[pinSize:])
		e.PIN = string(cutText(b[:pinSize]))
	case len(b) == eventLong:
		e.punch(b[4:])
		e.PIN = strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b)), 10)
	case len(b) == eventShort || len(b) == eventOld:
		e.punch(b[2:])
		e.Slot = binary.LittleEndian.Uint16(b)
		e.PIN = strconv.Itoa(int(e.Slot))
	}
	return e
}

// punch reads what follows the id: verify, status, time.
func (e *Event) punch(b []byte) {
	e.Punched = true
	e.Verify = b[0]
	e.Status = b[1]
	e.Time, _ = ParseTime6(b[2:])
}

// Append writes the event's body: a punch from its fields over Raw, the others as Raw.
// Six bytes of time that name no moment are kept as they were read.
func (e Event) Append(dst []byte) ([]byte, error) {
	if !e.Punched {
		return append(dst, e.Raw...), nil
	}
	grown, err := AppendAttLogEvent(dst, Attendance{PIN: e.PIN, Slot: e.Slot, Time: e.Time, Status: e.Status, Verify: e.Verify, Raw: e.Raw}, len(e.Raw))
	if err != nil {
		return dst, err
	}
	row := grown[len(dst):]
	if at := eventTimeOffset(len(row)); e.Time == 0 && len(e.Raw) == len(row) {
		if t, _ := ParseTime6(e.Raw[at:]); t == 0 {
			copy(row[at:], e.Raw[at:at+time6Size])
		}
	}
	return grown, nil
}

func eventTimeOffset(length int) int {
	switch length {
	case eventShort, eventOld:
		return 4
	case eventLong:
		return 6
	}
	return pinSize + 2
}

// AppendAttLogEvent writes the body of a punch event of the given length: 10, 12, 14,
// or 32 and above. The number of a 10- or 14-byte body is the slot, if there is one,
// and otherwise the PIN. Unknown bytes are those of a.Raw when it has this length.
func AppendAttLogEvent(dst []byte, a Attendance, length int) ([]byte, error) {
	if length != eventShort && length != eventLong && length != eventOld && length < eventText {
		return dst, fmt.Errorf("punch event of %d bytes: %w", length, ErrLayout)
	}
	grown, row := growRow(dst, length, a.Raw)
	switch length {
	case eventShort, eventOld:
		id := uint64(a.Slot)
		if id == 0 {
			var err error
			if id, err = strconv.ParseUint(a.PIN, 10, 16); err != nil {
				return dst, fmt.Errorf("pin that is no 16-bit number: %w", ErrTooLong)
			}
		}
		binary.LittleEndian.PutUint16(row, uint16(id))
	case eventLong:
		id, err := strconv.ParseUint(a.PIN, 10, 32)
		if err != nil {
			return dst, fmt.Errorf("pin that is no 32-bit number: %w", ErrTooLong)
		}
		binary.LittleEndian.PutUint32(row, uint32(id))
	default:
		if err := putText(row[:pinSize], a.PIN); err != nil {
			return dst, err
		}
	}
	at := eventTimeOffset(length)
	row[at-2] = a.Verify
	row[at-1] = a.Status
	AppendTime6(row[:at], a.Time)
	return grown, nil
}
