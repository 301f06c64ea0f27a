package mqtt

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// stream is a connection that only reads, from r.
type stream struct {
	net.Conn
	r      io.Reader
	closed int
}

func (s *stream) Read(p []byte) (int, error) { return s.r.Read(p) }
func (s *stream) Close() error               { s.closed++; return nil }

func guarded(r io.Reader) (*guard, *stream) {
	s := &stream{r: r}
	o, _ := Options{Subscribe: []string{"a", "b"}, MaxPayload: 1000}.complete()
	return newGuard(s, s, o, func(error) {}), s
}

// FuzzGuard: what comes through is the beginning of what was sent, however it was
// cut into pieces; the packets in it are of the five kinds that we expect, and
// none is larger than allowed.
func FuzzGuard(f *testing.F) {
	const connack = "\x20\x02\x00\x00"
	f.Add([]byte(connack+"\x90\x04\x00\x01\x01\x01"+"\x30\x04\x00\x01ax"+"\x32\x06\x00\x01a\x00\x01x"+"\xd0\x00"+"\x40\x02\x00\x01"), 3)
	f.Add([]byte(connack+"\x30\xff\x07"+string(make([]byte, 1100))), 7)
	f.Add([]byte(connack+"\x30\xff\xff\xff\x7f"), 1)
	f.Add([]byte("\x20\x02\x00\x06"), 1)
	f.Fuzz(func(t *testing.T, sent []byte, piece int) {
		whole, _ := guarded(bytes.NewReader(sent))
		got, err := io.ReadAll(whole)
		if !bytes.HasPrefix(sent, got) {
			t.Fatalf("got % x, which is not the beginning of % x", got, sent)
		}
		if err == nil && len(got) != len(sent) {
			t.Fatalf("%d of %d bytes without an error", len(got), len(sent))
		}

		single, conn := guarded(iotest.OneByteReader(bytes.NewReader(sent)))
		var slow []byte
		buffer := make([]byte, 1+uint(piece)%64)
		for {
			n, e := single.Read(buffer)
			slow = append(slow, buffer[:n]...)
			if e != nil {
				if (err == nil) != (e == io.EOF) || err != nil && err.Error() != e.Error() {
					t.Fatalf("in pieces %v, at once %v", e, err)
				}
				break
			}
		}
		if !bytes.HasPrefix(slow, got) { // in pieces more of it may pass before the fault is seen
			t.Fatalf("in pieces % x, at once % x", slow, got)
		}
		if conn.closed == 0 {
			t.Fatal("not closed at the end")
		}

		for r := bytes.NewReader(slow); ; {
			left := r.Len()
			packet, err := packets.ReadPacket(r)
			if err != nil {
				break
			}
			if size := left - r.Len(); size > 5+2+MaxTopic+2+1000 {
				t.Fatalf("%d bytes of %v passed", size, packet)
			}
			switch p := packet.(type) {
			case *packets.ConnackPacket, *packets.PubackPacket, *packets.PingrespPacket:
			case *packets.PublishPacket:
				if p.Qos > 1 {
					t.Fatalf("passed: %v", p)
				}
			case *packets.SubackPacket:
				if len(p.ReturnCodes) != 2 {
					t.Fatalf("passed: %v", p)
				}
			default:
				t.Fatalf("passed: %v", packet)
			}
		}
	})
}

func TestGuardAllocatesNothingForALie(t *testing.T) {
	lie := []byte("\x20\x02\x00\x00\x30\xff\xff\xff\x7f")
	g, conn := guarded(bytes.NewReader(lie))
	_, err := packets.ReadPacket(g)
	if err != nil {
		t.Fatalf("CONNACK: %v", err)
	}
	allocated := testing.AllocsPerRun(1, func() { _, err = packets.ReadPacket(g) })
	if !errors.Is(err, ErrPacket) || conn.closed == 0 {
		t.Errorf("the lie: %v, closed %d times; want ErrPacket and closed", err, conn.closed)
	}
	if allocated > 10 {
		t.Errorf("%v allocations", allocated)
	}
}

// A line that takes a little at a time is slow and not dead.
func TestWriteWaitsForProgressAndNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		o, _ := Options{WriteTimeout: 10 * time.Second}.complete()
		var lost error
		g := newGuard(ours, ours, o, func(err error) { lost = err })
		go func() {
			for range 10 { // 90 s in all: the line is this slow, and then dead
				time.Sleep(9 * time.Second)
				io.ReadFull(theirs, make([]byte, 4<<10))
			}
		}()
		if n, err := g.Write(make([]byte, 40<<10)); n != 40<<10 || err != nil || lost != nil {
			t.Fatalf("slow line: Write = %d, %v", n, err)
		}
		began := time.Now()
		if _, err := g.Write(make([]byte, 40<<10)); err == nil || lost == nil {
			t.Fatalf("dead line: Write = %v, told %v", err, lost)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("a dead line was noticed after %v, want 10 s", took)
		}
	})
}
