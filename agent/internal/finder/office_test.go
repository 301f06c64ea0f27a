package finder_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/finder"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// office is a subnet of loopback addresses with simulated terminals on one port.
type office struct {
	t      *testing.T
	subnet netip.Prefix
	port   string
}

// newOffice takes a port that is free in the subnet.
func newOffice(t *testing.T, subnet string) *office {
	t.Helper()
	o := &office{t: t, subnet: netip.MustParsePrefix(subnet)}
	l, err := net.Listen("tcp", net.JoinHostPort(o.subnet.Addr().Next().String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	_, o.port, err = net.SplitHostPort(l.Addr().String())
	if err != nil || l.Close() != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) number() uint16 {
	var port uint16
	if _, err := fmt.Sscan(o.port, &port); err != nil {
		o.t.Fatal(err)
	}
	return port
}

// put lets a terminal serve at a host of the subnet, until the test ends or it is closed.
func (o *office) put(host string, c zktest.Config, listen func(*zktest.Terminal, string) (net.Addr, error)) *zktest.Terminal {
	o.t.Helper()
	sim, err := zktest.New(c)
	if err == nil {
		_, err = listen(sim, o.at(host))
	}
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = sim.Close() }) // some are closed before
	return sim
}

func (o *office) at(host string) string {
	octets := strings.Split(o.subnet.Addr().String(), ".")
	return net.JoinHostPort(strings.Join(append(octets[:3], host), "."), o.port)
}

func byBoth(sim *zktest.Terminal, address string) (net.Addr, error) { return sim.Listen(address, true) }
func byTCP(sim *zktest.Terminal, address string) (net.Addr, error)  { return sim.Listen(address, false) }
func byUDP(sim *zktest.Terminal, address string) (net.Addr, error)  { return sim.ListenUDP(address) }

func TestLookTellsEveryTerminalAndTouchesNone(t *testing.T) {
	o := newOffice(t, "127.0.7.0/24")
	ours := o.put("10", zktest.Config{Serial: "DEMO1", CommKey: 4711}, byTCP)
	foreign := o.put("20", zktest.Config{Serial: "OTHER9"}, byBoth)
	udp := o.put("30", zktest.Config{Serial: "OLD3"}, byUDP)
	locked := o.put("40", zktest.Config{Serial: "SECRET4", CommKey: 99}, byTCP)
	busy := o.put("50", zktest.Config{Serial: "DEMO5"}, byTCP)
	odd := o.put("60", zktest.Config{Serial: "no serial / at all"}, byTCP)
	web, err := net.Listen("tcp", o.at("70"))
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := web.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			c.Close()
		}
	})
	defer served.Wait()
	defer web.Close()

	var got []string
	scan := finder.Scan{Subnets: []netip.Prefix{o.subnet}, Ports: []uint16{o.number()}, Keys: []uint32{1, 4711}, Avoid: map[string]bool{o.at("50"): true}}
	if err := scan.Look(t.Context(), func(a finder.Answer) { got = append(got, fmt.Sprint(a.Address, " ", a.Network, " ", a.Serial)) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{o.at("10") + " tcp DEMO1", o.at("20") + " tcp OTHER9", o.at("30") + " udp OLD3", o.at("40") + " tcp "}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	for _, c := range []struct {
		sim  *zktest.Terminal
		want map[zk.Code]int
	}{
		{ours, map[zk.Code]int{zk.CmdConnect: 2, zk.CmdAuth: 2, zk.CmdOptionRead: 1, zk.CmdExit: 1}},
		{foreign, map[zk.Code]int{zk.CmdConnect: 1, zk.CmdOptionRead: 1, zk.CmdExit: 1}},
		{udp, map[zk.Code]int{zk.CmdConnect: 1, zk.CmdOptionRead: 1, zk.CmdExit: 1}},
		{locked, map[zk.Code]int{zk.CmdConnect: 2, zk.CmdAuth: 2}},
		{busy, map[zk.Code]int{}},
		{odd, map[zk.Code]int{zk.CmdConnect: 1, zk.CmdOptionRead: 1, zk.CmdExit: 1}},
	} {
		if err := c.sim.Close(); err != nil { // it has taken in all that came
			t.Fatal(err)
		}
		if got := c.sim.AllRequests(); !maps.Equal(got, c.want) {
			t.Errorf("%s was asked %v, want %v", c.sim.Serial(), got, c.want)
		}
	}
}

// A router gives the terminal another address, and the old one to another terminal.
func TestDriverFollowsATerminalThatMoved(t *testing.T) {
	o := newOffice(t, "127.0.9.0/24")
	sim := o.put("10", zktest.Config{Serial: "DEMO1"}, byTCP)
	found := make(chan protocol.Serial, 9)
	f := finder.Open(finder.Options{Dir: t.TempDir(), Look: true, Subnets: []netip.Prefix{o.subnet}, Ports: []uint16{o.number()},
		Terminals: []finder.Terminal{{Serial: "DEMO1", Place: terminal.Place{Address: o.at("10"), Network: "tcp"}}},
		Found:     func(s protocol.Serial) { found <- s }, Changed: func() {}, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	}()
	d := zkdriver.New(zkdriver.Config{Serial: "DEMO1", Locator: f.Sought("DEMO1"), Live: true, Timeout: 5 * time.Second})
	defer d.Close()
	if _, err := d.Read(ctx, terminal.Ask{Mode: terminal.Whole}); err != nil {
		t.Fatal(err)
	}
	if err := sim.Close(); err != nil {
		t.Fatal(err)
	}
	stranger := o.put("10", zktest.Config{Serial: "OTHER9"}, byTCP)
	o.put("99", zktest.Config{Serial: "DEMO1"}, byTCP)
	if _, err := d.Read(ctx, terminal.Ask{Mode: terminal.Whole}); terminal.Cause(err) != "stranger" {
		t.Fatalf("Read = %v, want that another terminal answers", err)
	}
	select {
	case <-found:
	case <-time.After(time.Minute):
		t.Fatal("it was not found")
	}
	if _, err := d.Read(ctx, terminal.Ask{Mode: terminal.Whole}); err != nil || f.Sought("DEMO1").Address() != o.at("99") {
		t.Errorf("Read = %v, address %s, want %s", err, f.Sought("DEMO1").Address(), o.at("99"))
	}
	for code, n := range stranger.AllRequests() {
		switch code {
		case zk.CmdConnect, zk.CmdEnable, zk.CmdOptionRead, zk.CmdExit:
		default:
			t.Errorf("somebody else's terminal was asked %s %d times", code, n)
		}
	}
}
