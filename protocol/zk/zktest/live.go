package zktest

import (
	"encoding/binary"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// emit shows an event to the links that registered for it. The caller holds t.mu.
func (t *Terminal) emit(code zk.EventCode, body []byte) {
	for l := range t.links {
		if l.authorised && l.mask&uint32(code) != 0 {
			l.show(code, body)
		}
	}
}

// show queues an event; with a full queue it is lost.
func (l *link) show(code zk.EventCode, body []byte) {
	select {
	case l.events <- zk.Packet{Code: zk.RegEvent, Session: uint16(code), Body: body}:
	default:
	}
}

// deliver sends the events of a link until it is gone. Each waits a little for the client's
// acknowledgement of the one before, because many clients read one event at a time.
func (l *link) deliver() {
	for {
		select {
		case <-l.gone:
			return
		case p := <-l.events:
			if !l.deliverOne(p) {
				return
			}
		}
	}
}

func (l *link) deliverOne(p zk.Packet) bool {
	select {
	case <-l.acked: // of before
	default:
	}
	if l.t.silent() {
		return true
	}
	l.out.Lock()
	sent := l.put(l.append(nil, p))
	l.out.Unlock()
	if !sent {
		l.drop()
		return false
	}
	timer := time.NewTimer(ackWait)
	defer timer.Stop()
	select {
	case <-l.acked:
	case <-timer.C:
	case <-l.gone:
		return false
	}
	return true
}

func (t *Terminal) silent() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().Before(t.frozen)
}

// enrol carries out char[24] PIN, u8 finger, u8 flag, or u32 PIN, u8 finger. The person puts
// the finger on three times at once; it ends as Config.EnrolResult says. Whoever asked sees
// it, registered for events or not, after the acknowledgement.
func (t *Terminal) enrol(l *link, p zk.Packet) (answer []zk.Packet, then func()) {
	pin, finger, flag := enrolRequest(p.Body)
	u, found := t.userByPIN(pin)
	if !found || finger > 9 || !t.enabled() {
		return l.reply(p, zk.AckError, nil), nil
	}
	ended := zk.Enrolled{Result: t.cfg.EnrolResult}
	if ended.Result == 0 {
		m := demoTemplate(t.profile.Algorithm, u.UID, finger)
		m.Flag = flag
		if t.putTemplate(m) != nil {
			return l.reply(p, zk.AckError, nil), nil
		}
		t.operation(6, u.UID)
		ended.Size, ended.Finger = uint16(len(m.Data)), finger
		ended.PIN = pin[:min(len(pin), 9)]
	}
	body, err := ended.Append(nil)
	if err != nil {
		return l.reply(p, zk.AckError, nil), nil
	}
	return l.reply(p, zk.AckOK, nil), func() {
		for range 3 {
			l.show(zk.EventFinger, nil)
			l.show(zk.EventQuality, []byte{100})
		}
		l.show(zk.EventEnroll, body)
	}
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
