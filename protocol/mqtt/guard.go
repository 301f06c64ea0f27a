package mqtt

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"time"
)

// The packets that a broker may send to a client that publishes and subscribes
// at QoS 0 and 1. The first byte of a packet is type<<4 | flags.
const (
	packetConnack  = 2
	packetPublish  = 3 // flags: dup<<3 | qos<<1 | retain
	packetPuback   = 4
	packetSuback   = 9
	packetPingresp = 13
)

// lastRefusal is the highest code that a CONNACK can have: not authorised.
const lastRefusal = 5

// guard stands between paho and the network. It reads the header of every packet
// before paho does and ends the connection on one that we never asked for or that
// is too large, because paho allocates whatever length is announced (up to
// 256 MB), keeps QoS 2 messages without limit, and panics on a SUBACK with more
// answers than questions. And it bounds every write by the time in which the line
// took nothing, because paho leaves pings and acknowledgements unbounded: on a
// full line its keepalive would hang behind them.
//
// One goroutine reads at a time, any number write.
type guard struct {
	net.Conn                   // with or without TLS
	raw          net.Conn      // the TCP connection under it
	in           *bufio.Reader // paho reads headers byte by byte
	writeTimeout time.Duration
	maxPublish   int         // remaining length of the largest PUBLISH
	filters      int         // in our one SUBSCRIBE
	lose         func(error) // told of every failure; paho keeps some to itself

	// Where in the stream the reader is.
	welcomed  bool // CONNACK was seen
	first     byte
	inLength  bool // the next byte is of the length
	shift     uint
	remaining int // length so far, then bytes of the body still to come
	failed    error

	writing sync.Mutex
}

func newGuard(conn, raw net.Conn, o Options, lose func(error)) *guard {
	return &guard{
		Conn:         conn,
		raw:          raw,
		in:           bufio.NewReaderSize(conn, 8<<10),
		writeTimeout: o.WriteTimeout,
		maxPublish:   2 + MaxTopic + 2 + o.MaxPayload,
		filters:      len(o.Subscribe),
		lose:         lose,
	}
}

// Read hands on what is allowed. After a packet that is not, the connection is
// closed and every Read returns an ErrPacket.
func (g *guard) Read(p []byte) (int, error) {
	if g.failed != nil {
		return 0, g.failed
	}
	n, err := g.in.Read(p)
	if g.failed = g.check(p[:n]); g.failed != nil {
		n, err = 0, g.failed
	}
	if err != nil {
		g.lose(err)
		g.Close() // after the cause is known: it makes writes fail too
	}
	return n, err
}

// check follows the stream through the next bytes.
func (g *guard) check(p []byte) error {
	for len(p) > 0 {
		if g.inLength || g.remaining == 0 {
			if err := g.header(p[0]); err != nil {
				return err
			}
			p = p[1:]
			continue
		}
		body := min(len(p), g.remaining)
		g.remaining -= body
		// The last byte of a CONNACK is its code. One that paho does not know it
		// would take for success.
		if g.first>>4 == packetConnack && g.remaining == 0 && p[body-1] > lastRefusal {
			return fmt.Errorf("%w: with code %d", ErrRefused, p[body-1])
		}
		p = p[body:]
	}
	return nil
}

// header takes the next byte of a packet's fixed header: first byte, then the
// remaining length in one to four bytes of seven bits, least significant first.
func (g *guard) header(b byte) error {
	if !g.inLength {
		g.first, g.inLength, g.shift, g.remaining = b, true, 0, 0
		return nil
	}
	g.remaining |= int(b&0x7f) << g.shift
	g.shift += 7
	if b&0x80 != 0 {
		if g.shift == 28 {
			return fmt.Errorf("%w: type %d with an endless length", ErrPacket, g.first>>4)
		}
		return nil
	}
	g.inLength = false
	return g.admit()
}

// admit decides about the packet whose header is complete.
func (g *guard) admit() error {
	kind, low, high := g.first>>4, 0, 0
	switch kind {
	case packetConnack, packetPuback:
		low, high = 2, 2
	case packetPublish:
		low, high = 2, g.maxPublish
	case packetSuback:
		low, high = 2+g.filters, 2+g.filters
	case packetPingresp:
	default:
		return fmt.Errorf("%w: type %d", ErrPacket, kind)
	}
	if g.remaining < low || g.remaining > high {
		return fmt.Errorf("%w: type %d with %d bytes, allowed are %d to %d", ErrPacket, kind, g.remaining, low, high)
	}
	if kind == packetPublish && g.first>>1&3 > 1 {
		return fmt.Errorf("%w: a message of QoS %d", ErrPacket, g.first>>1&3)
	}
	if g.welcomed == (kind == packetConnack) {
		return fmt.Errorf("%w: type %d out of order", ErrPacket, kind)
	}
	g.welcomed = true
	return nil
}

// Write writes a whole packet in pieces, each within the time limit, so that a
// slow line is not taken for a dead one.
func (g *guard) Write(p []byte) (written int, err error) {
	g.writing.Lock()
	defer g.writing.Unlock()
	for len(p) > 0 && err == nil {
		var n int
		if err = g.Conn.SetWriteDeadline(time.Now().Add(g.writeTimeout)); err == nil {
			n, err = g.Conn.Write(p[:min(len(p), 4<<10)])
		}
		written += n
		p = p[n:]
	}
	if err != nil {
		g.lose(err)
	}
	return written, err
}

// SetWriteDeadline does nothing: Write has its own, and paho would take it away
// from a write that is under way in another goroutine.
func (g *guard) SetWriteDeadline(time.Time) error { return nil }

// Close closes the TCP connection at once. The farewell of TLS could wait behind a
// full line; that of MQTT has been sent where it was due.
func (g *guard) Close() error { return g.raw.Close() }
