package zktest

import (
	"encoding/binary"
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

	once   sync.Once
	gone   chan struct{}
	events chan zk.Packet
	acked  chan struct{}

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
		gone: make(chan struct{}), events: make(chan zk.Packet, eventsWaiting), acked: make(chan struct{}, 1),
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
	t := l.t
	t.mu.Lock()
	t.requests[p.Code]++
	if !intact {
		t.badChecksums++
	}
	if p.Code == zk.AckOK { // to an event; nothing answers it
		t.mu.Unlock()
		select {
		case l.acked <- struct{}{}:
		default:
		}
		return true
	}
	silent := !intact && t.cfg.DropBadChecksum
	if _, lost := t.fire(LostRequest, p.Code); lost {
		silent = true
	}
	if f, ok := t.fire(Freeze, p.Code); ok {
		t.frozen = time.Now().Add(f.For)
		if f.For == 0 {
			t.frozen = time.Now().AddDate(100, 0, 0)
		}
	}
	if f, ok := t.fire(Reboot, p.Code); ok {
		t.reboot(f.For)
	}
	late, _ := t.fire(Late, p.Code)
	if silent || time.Now().Before(t.frozen) || time.Now().Before(t.down) {
		t.mu.Unlock()
		return !l.dropped()
	}
	if late.For > 0 {
		t.mu.Unlock()
		if !t.pause(late.For) {
			return false
		}
		t.mu.Lock()
	}
	answer, then := t.handle(l, p)
	t.mu.Unlock()
	l.send(p.Code, answer)
	if then != nil {
		then()
	}
	return !l.dropped()
}

// send writes an answer, with the faults of the line.
func (l *link) send(command zk.Code, answer []zk.Packet) {
	if len(answer) == 0 {
		return
	}
	t := l.t
	l.out.Lock()
	defer l.out.Unlock()
	_, lost := t.struck(LostReply, command)
	list := answer
	if _, ok := t.struck(Stale, command); ok && l.previous != nil {
		list = append(append([]zk.Packet(nil), l.previous...), list...)
	}
	l.previous = answer
	if lost {
		return
	}
	if i := firstData(list); i >= 0 && i+1 < len(list) && list[i+1].Code == zk.Data {
		if _, ok := t.struck(Reordered, command); ok {
			list = append([]zk.Packet(nil), list...)
			list[i], list[i+1] = list[i+1], list[i]
		}
	}
	if firstData(list) >= 0 {
		if _, ok := t.struck(EventInside, command); ok {
			event := zk.Packet{Code: zk.RegEvent, Session: uint16(zk.EventFinger)}
			list = append([]zk.Packet{list[0], event}, list[1:]...)
		}
	}
	if _, ok := t.struck(Duplicate, command); ok {
		list = append(append([]zk.Packet(nil), list...), list...)
	}
	l.wire = l.wire[:0]
	for i, p := range list {
		if p.Code == zk.Data {
			if _, ok := t.struck(LostPacket, command); ok {
				continue
			}
		}
		start := len(l.wire)
		l.wire = l.append(l.wire, p)
		if p.Code == zk.Data {
			if _, ok := t.struck(Garbled, command); ok {
				garble(l.wire[len(l.wire)-len(p.Body):])
			}
			if _, ok := t.struck(CutOff, command); ok {
				if !l.tcp {
					return
				}
				l.put(l.wire[:start+(len(l.wire)-start)/2])
				l.drop()
				return
			}
		}
		if i == 0 {
			l.spoilFirst(command, l.wire[start:])
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

// spoilFirst does the faults that are in the head of an answer's first packet.
func (l *link) spoilFirst(command zk.Code, wire []byte) {
	packet := wire
	if l.tcp {
		packet = wire[zk.PrefixSize:]
		if _, ok := l.t.struck(BadMagic, command); ok {
			copy(wire, "HTTP")
		}
		if _, ok := l.t.struck(HugeFrame, command); ok {
			binary.LittleEndian.PutUint32(wire[4:], 0xFFFFFFF0)
		}
	}
	if _, ok := l.t.struck(WrongChecksum, command); ok {
		binary.LittleEndian.PutUint16(packet[2:], binary.LittleEndian.Uint16(packet[2:])-1)
	}
}

func firstData(list []zk.Packet) int {
	for i, p := range list {
		if p.Code == zk.Data {
			return i
		}
	}
	return -1
}

// garble turns over every 97th byte, the first one included.
func garble(body []byte) {
	for i := 0; i < len(body); i += 97 {
		body[i] ^= 0x5A
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
