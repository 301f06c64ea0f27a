package zktest

import (
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

const (
	eventsWaiting = 256                    // events beyond are lost, as they are in the field
	ackWait       = 100 * time.Millisecond // for a client's answer to an event
	datagramBurst = 16                     // datagrams between two pauses, so that small receive buffers do not overflow
	answerGaps    = 5                      // before and at the end of a transfer, where such clients lose the next answer or wait for ever
)

// link is one client: a TCP connection, or the sender of UDP packets.
type link struct {
	t     *Terminal
	tcp   bool
	write func([]byte) error
	hang  func() error // nil for UDP
	heard time.Time    // used by the UDP server only

	once  sync.Once
	gone  chan struct{}
	acked chan struct{}
	shown chan struct{} // an event waits

	queue  sync.Mutex
	events []zk.Packet // guarded by queue

	out      sync.Mutex // guards the stream of packets to the client and what follows
	wrote    time.Time
	packets  int         // written since the last pause
	previous []zk.Packet // the answer before
	wire     []byte

	// Guarded by t.mu.
	session    uint16
	authorised bool
	mask       uint32 // of events
	prepared   *dataset
	upload     []byte // nil: none was announced
	expected   int    // bytes of upload
}

func newLink(t *Terminal, write func([]byte) error, hang func() error) *link {
	return &link{
		t: t, write: write, hang: hang,
		gone: make(chan struct{}), acked: make(chan struct{}, 1), shown: make(chan struct{}, 1),
	}
}

// drop ends the link; who serves it notices.
func (l *link) drop() {
	l.once.Do(func() {
		close(l.gone)
		if l.hang != nil {
			_ = l.hang()
		}
	})
}

func (l *link) dropped() bool {
	select {
	case <-l.gone:
		return true
	default:
		return false
	}
}

// serve answers one request; false when the link is to be closed.
func (l *link) serve(p zk.Packet, intact bool) bool {
	if p.Code == zk.AckOK { // to an event; nothing answers it
		l.t.count(p.Code, intact)
		select {
		case l.acked <- struct{}{}:
		default:
		}
		return true
	}
	answers, late := l.arrives(p.Code, intact)
	if !answers {
		return !l.dropped()
	}
	if !l.t.pause(late) {
		return false
	}
	then := l.answer(p)
	if then != nil {
		then()
	}
	return !l.dropped()
}

// answer carries out a request and writes its answer. What was shown before the request
// reaches the client before the answer, what is shown after it afterwards: by the answer
// a client can tell the end of one enrolment from that of the next.
func (l *link) answer(p zk.Packet) (then func()) {
	l.out.Lock()
	defer l.out.Unlock()
	for l.showNext() {
	}
	l.t.mu.Lock()
	answer, then := l.t.handle(l, p)
	l.t.mu.Unlock()
	l.send(p.Code, answer)
	return then
}

// count counts a packet that has arrived.
func (t *Terminal) count(command zk.Code, intact bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests[command]++
	if !intact {
		t.badChecksums++
	}
}

// send writes an answer, with the faults of the line. The caller holds l.out.
func (l *link) send(command zk.Code, answer []zk.Packet) {
	if len(answer) == 0 {
		return
	}
	list := l.disturb(command, answer)
	l.previous = answer
	l.wire = l.wire[:0]
	for i, p := range list {
		start := len(l.wire)
		l.wire = l.append(l.wire, p)
		if i == 0 {
			l.spoilHead(command, l.wire[start:])
		}
		if p.Code == zk.Data {
			keep, end := l.spoilData(command, l.wire[start:])
			if l.wire = l.wire[:start+keep]; end {
				if l.tcp {
					l.put(l.wire)
					l.drop()
				}
				return
			}
		}
		if l.tcp && l.t.cfg.Form.Coalesce && i+1 < len(list) {
			continue
		}
		edge := p.Code == zk.PrepareData || i > 0 && p.Code == zk.AckOK
		if edge && !l.rest(answerGaps) || !l.put(l.wire) {
			l.drop()
			return
		}
		l.wire = l.wire[:0]
	}
}

func (l *link) append(dst []byte, p zk.Packet) []byte {
	if l.tcp {
		return zk.AppendFrame(dst, p)
	}
	return p.Append(dst)
}

// put writes in the pieces of the form; false when the client is gone.
func (l *link) put(wire []byte) bool {
	if len(wire) == 0 {
		return true
	}
	size := len(wire)
	if n := l.t.cfg.Form.Fragment; l.tcp && n > 0 {
		size = n
	}
	for len(wire) > 0 {
		if !l.rest(1) {
			return false
		}
		n := min(size, len(wire))
		if l.write(wire[:n]) != nil {
			return false
		}
		wire = wire[n:]
	}
	return true
}

// rest keeps so many gaps to the write before.
func (l *link) rest(gaps time.Duration) bool {
	gap := l.t.cfg.Form.Gap
	if gap <= 0 {
		return true
	}
	l.packets++
	if l.tcp || l.packets%datagramBurst == 0 {
		if !l.t.pause(gaps*gap - time.Since(l.wrote)) {
			return false
		}
	}
	l.wrote = time.Now()
	return true
}
