package zk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// carrier takes packets to a terminal and back. TCP and UDP differ in nothing else.
type carrier interface {
	// send writes one packet; after a deadline nothing was written and the line goes
	// on, after any other error it is over.
	send(p Packet) error
	// receive gives the next packet, whose Body lives until the next call. With
	// ErrChecksum the packet is given too and the line goes on; after a deadline
	// nothing is lost and the line goes on; after any other error it is over.
	receive() (Packet, error)
	// lend offers room for the body of the next DATA, so that it need not be copied
	// there: then its Body is the start of room. It holds until the next receive.
	lend(room []byte)
	setDeadline(t time.Time) error
	close() error
	// lossy tells whether packets can be lost, doubled and overtaken.
	lossy() bool
	// chunk is how many bytes of a prepared data set to ask for at once.
	chunk() int
}

// openCarrier dials the terminal.
func openCarrier(ctx context.Context, network, address string) (carrier, error) {
	var d net.Dialer
	switch network {
	case "tcp", "udp":
	default:
		return nil, fmt.Errorf("network %q: want tcp or udp", network)
	}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if network == "udp" {
		return &datagrams{Conn: conn, in: make([]byte, 1<<16)}, nil
	}
	return &stream{Conn: conn, in: make([]byte, 1<<14)}, nil
}

// stream carries packets in frames over TCP.
type stream struct {
	net.Conn
	in         []byte
	start, end int // of what was read from the line and not yet given
	lent       []byte
	out        []byte
}

// tcpChunk keeps a frame below 65536 bytes, which old firmware and other clients need.
const tcpChunk = 0xFFC0

func (s *stream) lossy() bool                   { return false }
func (s *stream) chunk() int                    { return tcpChunk }
func (s *stream) close() error                  { return s.Close() }
func (s *stream) setDeadline(t time.Time) error { return s.SetDeadline(t) }
func (s *stream) lend(room []byte)              { s.lent = room }

func (s *stream) send(p Packet) error {
	s.out = AppendFrame(s.out[:0], p)
	n, err := s.Write(s.out)
	if err != nil && n > 0 {
		return fmt.Errorf("cut off after %d of %d bytes: %v", n, len(s.out), err)
	}
	return err
}

// receive keeps what it has of a frame when a deadline passes, so that a late answer
// does not put the stream out of step.
func (s *stream) receive() (Packet, error) {
	room := s.lent
	s.lent = nil
	for {
		have := s.in[s.start:s.end]
		need := PrefixSize + HeaderSize
		if err := checkPrefix(have); err != nil {
			return Packet{}, err
		}
		if len(have) >= PrefixSize {
			n, err := packetLength(have, MaxFrame)
			if err != nil {
				return Packet{}, err
			}
			need = PrefixSize + n
			if len(have) >= need {
				s.start += need
				return ParsePacket(have[PrefixSize:need])
			}
			if len(have) >= PrefixSize+HeaderSize && n-HeaderSize <= len(room) && Code(binary.LittleEndian.Uint16(have[PrefixSize:])) == Data {
				return s.receiveInto(room[:n-HeaderSize])
			}
		}
		s.room(need)
		n, err := s.Read(s.in[s.end:])
		s.end += n
		if err != nil && n == 0 {
			return Packet{}, err
		}
	}
}

// receiveInto finishes the frame that s.in holds the start of, with its body in the
// room that was lent. What a deadline leaves unfinished goes back to s.in, for the room
// is lent for one call.
func (s *stream) receiveInto(body []byte) (Packet, error) {
	head := s.in[s.start+PrefixSize:][:HeaderSize]
	got := copy(body, s.in[s.start+PrefixSize+HeaderSize:s.end])
	n, err := io.ReadFull(s.Conn, body[got:])
	if err != nil {
		s.room(PrefixSize + HeaderSize + len(body))
		s.end += copy(s.in[s.end:], body[got:got+n])
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		return Packet{}, err
	}
	s.start, s.end = 0, 0
	p := headerOf(head, body)
	if ^sum(sum(sum(0, head[:2]), head[4:]), body) != binary.LittleEndian.Uint16(head[2:]) {
		return p, ErrChecksum
	}
	return p, nil
}

// room makes sure that need bytes from start fit the buffer and that it is not full.
func (s *stream) room(need int) {
	if s.start == s.end {
		s.start, s.end = 0, 0
	}
	if s.start+need <= len(s.in) && s.end < len(s.in) {
		return
	}
	in := s.in
	if need > len(in) {
		in = make([]byte, 2*need)
	}
	s.end = copy(in, s.in[s.start:s.end])
	s.start = 0
	s.in = in
}

// checkPrefix refuses a stranger at its first bytes: some send fewer than a prefix and
// wait.
func checkPrefix(have []byte) error {
	var prefix [4]byte
	binary.LittleEndian.PutUint32(prefix[:], framePrefix)
	for i := range min(len(have), len(prefix)) {
		if have[i] != prefix[i] {
			if have[0] == panelMark {
				return ErrAccessPanel
			}
			return ErrMagic
		}
	}
	return nil
}

// datagrams carries one packet in each UDP datagram.
type datagrams struct {
	net.Conn
	in, out []byte
}

// udpChunk is small enough to ask again for, when one of its packets is lost.
const udpChunk = 0x4000

func (d *datagrams) lossy() bool                   { return true }
func (d *datagrams) chunk() int                    { return udpChunk }
func (d *datagrams) close() error                  { return d.Close() }
func (d *datagrams) setDeadline(t time.Time) error { return d.SetDeadline(t) }
func (d *datagrams) lend([]byte)                   {} // a datagram is small and comes in one piece

func (d *datagrams) send(p Packet) error {
	d.out = p.Append(d.out[:0])
	_, err := d.Write(d.out)
	return err
}

// receive passes over datagrams that are no packets.
func (d *datagrams) receive() (Packet, error) {
	for {
		n, err := d.Read(d.in)
		if err != nil {
			return Packet{}, err
		}
		if p, err := ParsePacket(d.in[:n]); !errors.Is(err, ErrShort) {
			return p, err
		}
	}
}
