package agent_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve lets a simulated terminal with one punch serve at an address.
func serve(t *testing.T, serial, address string) (sim *zktest.Terminal, at string) {
	t.Helper()
	sim, err := zktest.New(zktest.Config{Serial: serial, Clock: func() time.Time { return protocol.Wall(time.Now()) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() }) // some are closed before
	listening, err := sim.Listen(address, false)
	if err != nil {
		t.Fatal(err)
	}
	at7, _ := zk.PackTime(time.Date(2026, 1, 2, 7, 31, 5, 0, time.UTC))
	if err := sim.SetPunches([]zk.Attendance{{PIN: "1001", Slot: 1, HasSlot: true, Time: at7, Verify: 1}}); err != nil {
		t.Fatal(err)
	}
	return sim, listening.String()
}

// office runs an agent without a line; a terminal without an address is to be found.
func office(t *testing.T, subnet, port string, terminals ...config.Terminal) *agent.Agent {
	t.Helper()
	scan, live := true, true
	c := config.Config{
		Site: "samsat-belitung", Data: t.TempDir(), Hub: config.Hub{Broker: "tcp://127.0.0.1:1", Root: strings.Repeat("ab", 32)},
		Buffer: config.Buffer{MaxMB: 16, RetentionDays: 90, RetainPunches: 1000},
		Finder: config.Finder{Scan: &scan, Subnets: []config.Subnet{{Prefix: netip.MustParsePrefix(subnet)}}},
	}
	if _, err := fmt.Sscan(port, &c.Finder.Port); err != nil {
		t.Fatal(err)
	}
	for _, at := range terminals {
		at.Network, at.Every, at.Live = "tcp", config.Duration(time.Second), &live
		c.Terminals = append(c.Terminals, at)
	}
	a, err := agent.Open(t.Context(), agent.Options{Config: c, Version: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// readAt waits until the agent has read a terminal at an address after a moment.
func readAt(t *testing.T, a *agent.Agent, serial, address string, after time.Time) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last protocol.Terminal
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); <-tick.C {
		for _, shown := range a.Status().State.Terminals {
			if string(shown.Serial) != serial {
				continue
			}
			if last = shown; shown.Address == address && shown.LastRead != nil && shown.LastRead.After(after) && shown.LastError == "" {
				return
			}
		}
	}
	t.Fatalf("terminal %s was not read at %s: %+v, %+v", serial, address, last, a.Status().State.Conditions)
}

func TestTerminalWithoutAnAddressIsFoundAndRead(t *testing.T) {
	_, at := serve(t, "DEMO1", "127.0.11.77:0")
	_, port, _ := net.SplitHostPort(at)
	foreign, _ := serve(t, "OTHER9", net.JoinHostPort("127.0.11.78", port))
	a := office(t, "127.0.11.0/24", port, config.Terminal{Serial: "DEMO1"})
	readAt(t, a, "DEMO1", at, time.Time{})
	if got := a.Status().State.Backlog.Punches; got != 1 {
		t.Errorf("%d punches, want 1", got)
	}
	told := false
	for _, c := range a.Status().State.Conditions {
		told = told || c.Code == "terminal-foreign" && c.Subject == "OTHER9"
	}
	if n := foreign.Requests(zk.CmdEnable) + foreign.Requests(zk.CmdFreeSizes); !told || n != 0 {
		t.Errorf("the foreign terminal was told: %t; %d requests beyond its serial number", told, n)
	}
}

func TestTerminalThatMovedIsFollowedWhileOthersAreRead(t *testing.T) {
	still, stays := serve(t, "DEMO2", "127.0.12.2:0")
	_, port, _ := net.SplitHostPort(stays)
	moving, before := serve(t, "DEMO1", net.JoinHostPort("127.0.12.10", port))
	a := office(t, "127.0.12.0/24", port, config.Terminal{Serial: "DEMO1", Address: before}, config.Terminal{Serial: "DEMO2", Address: stays})
	readAt(t, a, "DEMO1", before, time.Time{})
	readAt(t, a, "DEMO2", stays, time.Time{})

	if err := moving.Close(); err != nil {
		t.Fatal(err)
	}
	serve(t, "OTHER9", before)
	_, after := serve(t, "DEMO1", net.JoinHostPort("127.0.12.99", port))
	readAt(t, a, "DEMO1", after, time.Time{})
	readAt(t, a, "DEMO2", stays, time.Now())
	if got := a.Status().State.Backlog.Punches; got != 2 {
		t.Errorf("%d punches, want one of each terminal: a move makes none twice", got)
	}
	if n := still.Requests(zk.CmdConnect); n != 1 {
		t.Errorf("the terminal that stayed had %d sessions, want 1: the look disturbed it", n)
	}
}
