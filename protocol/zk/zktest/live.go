package zktest

import (
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
