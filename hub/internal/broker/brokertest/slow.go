package brokertest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// Start is how somebody begins who never comes in.
type Start struct {
	Name  string
	TLS   bool   // is finished, with the certificate of an admitted site
	First []byte // what is said then
}

// Starts are all ways to stay halfway in.
func Starts() []Start {
	return []Start{
		{"nothing said", false, nil},
		{"a piece of TLS", false, []byte{0x16, 3, 1, 2, 0, 1}},
		{"TLS and nothing more", true, nil},
		{"a piece of CONNECT", true, []byte{0x10, 0x80, 2, 0, 4, 'M'}},
	}
}

// Begin begins so.
func (s Start) Begin(t testing.TB, b Broker, from netip.Addr) *Client {
	t.Helper()
	config := b.TLS(t, Site(Neighbour))
	if !s.TLS {
		config = nil
	}
	c, err := Dial(from, b.Address, config)
	if err == nil {
		t.Cleanup(func() { c.Close() })
		_, err = c.Write(s.First)
	}
	if err != nil {
		t.Fatalf("%s: %v; the broker says:\n%s", s.Name, err, b.Log())
	}
	return c
}

// Slow shows that a site and the hub come in and work while 200 connections stand that
// never do.
func Slow(t *testing.T, b Broker) {
	var slow []*Client
	for _, s := range Starts() {
		for range 50 {
			slow = append(slow, s.Begin(t, b, netip.MustParseAddr("127.0.6.1")))
		}
	}
	open(t, b).works(t)
	for _, c := range slow {
		if err := c.stands(); err != nil {
			t.Fatalf("one of them did not stand meanwhile, so that this shows nothing: %v; the broker says:\n%s", err, b.Log())
		}
	}
}

// stands returns an error when the broker has ended a connection, or has said something.
func (c *Client) stands() error {
	c.SetReadDeadline(time.Now().Add(time.Millisecond)) // an end that has come is seen by then
	var waited net.Error
	if _, err := c.in.Peek(1); !errors.As(err, &waited) || !waited.Timeout() {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}
