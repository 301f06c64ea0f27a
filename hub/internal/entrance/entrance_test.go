package entrance_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/hub/internal/entrance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// street is a listener in memory: whoever comes says from where.
type street chan net.Conn

func (s street) Accept() (net.Conn, error) {
	if c, open := <-s; open {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (s street) Close() error { close(s); return nil }

func (s street) Addr() net.Addr { return &net.TCPAddr{} }

// visitor is the listener's side of a connection.
type visitor struct {
	net.Conn
	from string
}

func (v visitor) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(v.from), Port: 40000} }

// place is a street with somebody who accepts and never speaks.
type place struct {
	t      *testing.T
	street street
	inside []net.Conn
	full   []string
}

func open(t *testing.T) *place {
	p := &place{t: t, street: make(street)}
	l := entrance.Listen(p.street, func(from string) { p.full = append(p.full, from) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.inside = append(p.inside, c)
			if _, err := c.Write([]byte("!")); err != nil {
				t.Error(err)
			}
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return p
}

// comes reports whether somebody is let in.
func (p *place) comes(from string) bool {
	p.t.Helper()
	here, there := net.Pipe()
	p.t.Cleanup(func() { here.Close() })
	p.street <- visitor{there, from}
	here.SetDeadline(time.Now().Add(time.Minute))
	_, err := here.Read(make([]byte, 1))
	if err != nil && err != io.EOF {
		p.t.Fatal(err)
	}
	return err == nil
}

// leaves ends the first n connections that were let in, each twice, as servers do.
func (p *place) leaves(n int) {
	for _, c := range p.inside[:n] {
		c.Close()
		c.Close()
	}
	p.inside = p.inside[n:]
}

// One address, in IPv6 one network, takes its room and not that of others.
func TestOneAddressLeavesRoomForOthers(t *testing.T) {
	for _, row := range []struct{ flood, counted, other string }{
		{"203.0.113.9", "203.0.113.9", "203.0.113.10"},
		{"2001:db8::%x", "2001:db8::/64", "2001:db8:0:1::1"},
	} {
		t.Run(row.other, func(t *testing.T) {
			p := open(t)
			flood := func(n int) bool {
				if row.flood == row.counted {
					return p.comes(row.flood)
				}
				return p.comes(fmt.Sprintf(row.flood, n+1))
			}
			in := 0
			for n := range 300 {
				if flood(n) {
					in++
				}
			}
			if in != 256 || !p.comes(row.other) {
				t.Fatalf("%d are in, want 256, and another address", in)
			}
			if len(p.full) != 44 || p.full[0] != row.counted {
				t.Errorf("%d are told, from %q; want 44 from %s", len(p.full), p.full, row.counted)
			}
			p.leaves(1)
			if !flood(0) || flood(1) {
				t.Error("one that leaves makes room for one")
			}
		})
	}
}

// All addresses together have so much room, and all of it again when they have left.
func TestAllTogetherAreBounded(t *testing.T) {
	p := open(t)
	for range 2 {
		in := 0
		for n := range 1100 {
			if p.comes(fmt.Sprintf("198.51.%d.%d", n/250, n%250)) {
				in++
			}
		}
		if in != 1024 {
			t.Fatalf("%d are in, want 1024", in)
		}
		p.leaves(in)
	}
}
