package zktest

import (
	"encoding/binary"
	"errors"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// How an enrolment ends, as Config.EnrolResult and EndEnrolment have it.
const (
	enrolStored    = 0
	enrolCancelled = 4
	enrolDuplicate = 5
)

// samples is how many good images of a finger an enrolment takes.
const samples = 3

// enrolment is a terminal that asks somebody for a finger.
type enrolment struct {
	l      *link
	uid    uint16
	pin    string
	finger uint8
	flag   uint8
	good   int // images so far
}

// ErrNotAsked says that the terminal does not ask for a finger.
var ErrNotAsked = errors.New("nobody is asked for a finger")

// enrol carries out char[24] PIN, u8 finger, u8 flag, or u32 PIN, u8 finger. Without
// Config.EnrolByHand the person puts the finger on three times at once, and it ends as
// Config.EnrolResult says. Whoever asked sees it, registered for events or not, after the
// acknowledgement.
func (t *Terminal) enrol(l *link, p zk.Packet) (answer []zk.Packet, then func()) {
	pin, finger, flag := enrolRequest(p.Body)
	u, found := t.userByPIN(pin)
	if !found || finger > 9 || !t.enabled() || t.asked != nil {
		return l.reply(p, zk.AckError, nil), nil
	}
	t.asked = &enrolment{l: l, uid: u.UID, pin: pin, finger: finger, flag: flag}
	t.touch()
	if t.cfg.EnrolByHand {
		return l.reply(p, zk.AckOK, nil), nil
	}
	return l.reply(p, zk.AckOK, nil), func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for range samples {
			t.sample(100)
		}
		t.endEnrolment(t.cfg.EnrolResult)()
	}
}

// Asked says whom the terminal asks for a finger; false when nobody.
func (t *Terminal) Asked() (pin string, finger uint8, asked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asked == nil {
		return "", 0, false
	}
	return t.asked.pin, t.asked.finger, true
}

// PlaceFinger puts a finger on the sensor of a terminal that asks for one. The third good
// image ends the enrolment: the template is stored, unless somebody else has it already.
// A nil template is an invented one.
func (t *Terminal) PlaceFinger(template []byte, good bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.asked
	if e == nil {
		return ErrNotAsked
	}
	if !good {
		t.sample(0)
		return nil
	}
	if t.sample(100); e.good < samples {
		return nil
	}
	m := zk.Template{UID: e.uid, Finger: e.finger, Flag: e.flag, Data: template}
	if template == nil {
		m = demoTemplate(t.profile.Algorithm, e.uid, e.finger)
		m.Flag = e.flag
	}
	if t.isSomebodyElses(m) {
		t.endEnrolment(enrolDuplicate)()
		return nil
	}
	return t.capture(m)
}

// EndEnrolment ends an enrolment without a finger: 4 nobody came or somebody cancelled it
// at the keypad, 5 the finger is somebody's already, 6 failed.
func (t *Terminal) EndEnrolment(result uint16) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asked == nil {
		return ErrNotAsked
	}
	t.endEnrolment(result)()
	return nil
}

// sample shows one image of a finger. The caller holds t.mu.
func (t *Terminal) sample(quality uint8) {
	e := t.asked
	if quality > 0 {
		e.good++
	}
	e.l.show(zk.EventFinger, nil)
	e.l.show(zk.EventQuality, []byte{quality})
}

// endEnrolment ends one that is under way, if there is one, and gives what shows that to
// who asked. The caller holds t.mu.
func (t *Terminal) endEnrolment(result uint16) (show func()) {
	e := t.asked
	if e == nil {
		return func() {}
	}
	if result == enrolStored {
		m := demoTemplate(t.profile.Algorithm, e.uid, e.finger)
		m.Flag = e.flag
		if t.capture(m) == nil {
			return func() {}
		}
		result = 6
	}
	t.asked = nil
	t.touch()
	body, _ := zk.Enrolled{Result: result}.Append(nil) // fails for long PINs only
	return func() { e.l.show(zk.EventEnroll, body) }
}

// capture stores the finger and ends the enrolment.
func (t *Terminal) capture(m zk.Template) error {
	e := t.asked
	if err := t.putTemplate(m); err != nil {
		return err
	}
	t.asked = nil
	t.operation(6, e.uid)
	body, err := zk.Enrolled{Size: uint16(len(m.Data)), PIN: e.pin[:min(len(e.pin), 9)], Finger: e.finger}.Append(nil)
	if err != nil {
		return err
	}
	e.l.show(zk.EventEnroll, body)
	return nil
}

// enrolRequest reads both forms; a body that is neither gives no PIN.
func enrolRequest(body []byte) (pin string, finger, flag uint8) {
	switch n := len(body); {
	case n >= 26:
		return text(body[:24]), body[24], body[25]
	case n == 25:
		return text(body[:24]), body[24], 1
	case n >= 5:
		return decimal(binary.LittleEndian.Uint32(body)), body[4], 1
	}
	return "", 0, 0
}
