package zk

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// A deadline in the midst of a frame loses nothing, wherever it cuts, and what was lent
// for its body is not written to afterwards.
func TestStreamGoesOnAfterADeadline(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 9)
	sent := AppendFrame(nil, Packet{Code: Data, Session: 3, Reply: 4, Body: body})
	next := AppendFrame(nil, Packet{Code: AckOK, Session: 5, Reply: 4})
	for cut := range len(sent) {
		ours, theirs := net.Pipe()
		s := &stream{Conn: ours, in: make([]byte, 20)}
		// A write to the pipe returns when it was read; only then the deadline passes.
		write := func(b []byte, then time.Time) chan error {
			written := make(chan error, 1)
			go func() {
				_, err := theirs.Write(b)
				written <- errors.Join(err, s.setDeadline(then))
			}()
			return written
		}
		room := make([]byte, 100)
		first := write(sent[:cut], time.Unix(1, 0))
		s.lend(room)
		if p, err := s.receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("cut after %d: %+v, %v", cut, p, err)
		}
		if err := errors.Join(<-first, s.setDeadline(time.Time{})); err != nil {
			t.Fatalf("cut after %d: %v", cut, err)
		}
		kept := bytes.Clone(room)
		rest := write(append(bytes.Clone(sent[cut:]), next...), time.Time{})
		p, err := s.receive()
		if err != nil || p.Code != Data || p.Session != 3 || p.Reply != 4 || !bytes.Equal(p.Body, body) {
			t.Fatalf("cut after %d: %+v, %v", cut, p, err)
		}
		if p, err = s.receive(); err != nil || p.Code != AckOK || p.Session != 5 {
			t.Fatalf("cut after %d, the frame after it: %+v, %v", cut, p, err)
		}
		if !bytes.Equal(room, kept) {
			t.Fatalf("cut after %d: the room was written to after its call", cut)
		}
		if err := <-rest; err != nil {
			t.Fatal(err)
		}
		_, _ = ours.Close(), theirs.Close()
	}
}

func TestStreamLendsRoom(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 9)
	good := AppendFrame(nil, Packet{Code: Data, Body: body})
	wrong := bytes.Clone(good)
	wrong[len(wrong)-1]++
	for _, test := range []struct {
		name  string
		frame []byte
		room  int
		lent  bool
		err   error
	}{
		{"body in the room", good, 90, true, nil},
		{"room too small", good, 89, false, nil},
		{"wrong checksum", wrong, 90, true, ErrChecksum},
		{"no DATA", AppendFrame(nil, Packet{Code: AckOK, Body: body}), 90, false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			go func() { _, _ = theirs.Write(test.frame); _ = theirs.Close() }()
			s := &stream{Conn: ours, in: make([]byte, 20)}
			room := make([]byte, test.room)
			s.lend(room)
			p, err := s.receive()
			if !errors.Is(err, test.err) || len(p.Body) != len(body) || (&p.Body[0] == &room[0]) != test.lent {
				t.Errorf("receive: %d bytes, lent %t, %v", len(p.Body), &p.Body[0] == &room[0], err)
			}
		})
	}
}
