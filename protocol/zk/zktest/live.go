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
	l.queue.Lock()
	if len(l.events) < eventsWaiting {
		l.events = append(l.events, zk.Packet{Code: zk.RegEvent, Session: uint16(code), Body: body})
	}
	l.queue.Unlock()
	select {
	case l.shown <- struct{}{}:
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
		case <-l.shown:
		}
		for l.deliverOne() {
		}
	}
}

// deliverOne is false when no event waits or the link is gone.
func (l *link) deliverOne() bool {
	select {
	case <-l.acked: // of before
	default:
	}
	l.out.Lock()
	shown := l.showNext()
	l.out.Unlock()
	if !shown {
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

// showNext writes the oldest event that waits; false when there is none, or the client is
// gone. The caller holds l.out.
func (l *link) showNext() bool {
	l.queue.Lock()
	if len(l.events) == 0 {
		l.queue.Unlock()
		return false
	}
	p := l.events[0]
	l.events = l.events[1:]
	l.queue.Unlock()
	if l.t.silent() {
		return true
	}
	if !l.put(l.append(nil, p)) {
		l.drop()
		return false
	}
	return true
}

func (t *Terminal) silent() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Now().Before(t.frozen)
}
