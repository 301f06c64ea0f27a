package zk

import "encoding/binary"

// The events that are no punch. Each has a reader that is false for other events and
// for bodies too short, and a body writer for who plays the terminal.

// Enrolled is the end of an enrolment at the terminal (EventEnroll).
//
//	0 2 result   then, when stored: 2 2 size   4 9 PIN   13 1 finger
//
// Result is 0 stored, 4 timed out, 5 the finger is somebody's already, 6 failed.
type Enrolled struct {
	Result uint16
	Size   uint16
	PIN    string
	Finger uint8
}

const enrolledSize = 14

// Enrolled reads an EventEnroll.
func (e Event) Enrolled() (Enrolled, bool) {
	if e.Code != EventEnroll || len(e.Raw) < 2 {
		return Enrolled{}, false
	}
	n := Enrolled{Result: binary.LittleEndian.Uint16(e.Raw)}
	if n.Result == 0 && len(e.Raw) >= enrolledSize {
		n.Size = binary.LittleEndian.Uint16(e.Raw[2:])
		n.PIN = string(cutText(e.Raw[4:13]))
		n.Finger = e.Raw[13]
	}
	return n, true
}

// Append writes the body of an EventEnroll.
func (n Enrolled) Append(dst []byte) ([]byte, error) {
	grown := binary.LittleEndian.AppendUint16(dst, n.Result)
	if n.Result != 0 {
		return grown, nil
	}
	grown = binary.LittleEndian.AppendUint16(grown, n.Size)
	grown, pin := growRow(grown, 9, nil)
	if err := putText(pin, n.PIN); err != nil {
		return dst, err
	}
	return append(grown, n.Finger), nil
}

// Nobody is the slot in an EventVerify of a finger that belongs to no user.
const Nobody uint32 = 0xFFFFFFFF

// Verified reads an EventVerify: the slot of who was recognised, or Nobody. Old
// terminals send 16 bits of it.
func (e Event) Verified() (slot uint32, ok bool) {
	switch {
	case e.Code != EventVerify:
		return 0, false
	case len(e.Raw) >= 4:
		return binary.LittleEndian.Uint32(e.Raw), true
	case len(e.Raw) >= 2:
		return uint32(binary.LittleEndian.Uint16(e.Raw)), true
	}
	return 0, false
}

// Quality reads an EventQuality: 100 for a good image of a finger, 0 for a bad one.
func (e Event) Quality() (score uint8, ok bool) {
	if e.Code != EventQuality || len(e.Raw) == 0 {
		return 0, false
	}
	return e.Raw[0], true
}

// Alarm reads the first number of an EventAlarm: 0x37 the case was opened, 0x35 exit
// button, 0x3A misuse; others are door and access events.
func (e Event) Alarm() (number uint32, ok bool) {
	if e.Code != EventAlarm || len(e.Raw) < 4 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(e.Raw), true
}
