package zkdriver_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/selftest"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

const (
	childAddress = "SIDIK_TEST_WRITE_TO"
	childNetwork = "SIDIK_TEST_WRITE_BY"
)

// writeUntilKilled is the child of TestKilledWhileWriting: it writes one user after the
// other and never ends by itself.
func writeUntilKilled(address string) error {
	d := zkdriver.New(zkdriver.Config{Serial: "SIM0000001", Address: address, Network: os.Getenv(childNetwork), CommKey: 4711})
	return d.Hold(context.Background(), func(ctx context.Context, s terminal.Session) error {
		if _, err := s.Inventory(ctx); err != nil {
			return err
		}
		var puts []terminal.Put
		for slot := uint16(100); slot < 2000; slot++ {
			puts = append(puts, terminal.Put{
				Slot: slot, New: true, PIN: fmt.Sprint(10_000 + int(slot)),
				Fingers: []terminal.PutFinger{{Number: 6, Template: bytes.Repeat([]byte{7}, 1500)}},
			})
		}
		return s.Put(ctx, puts...)
	})
}

// TestKilledWhileWriting: nobody says goodbye to the terminal, and whoever comes next
// enables it and finds what is there.
func TestKilledWhileWriting(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			s := newStand(t, network, zktest.Config{}, zkdriver.Config{Timeout: 2 * time.Second})
			s.Inject(zktest.Fault{Kind: zktest.Late, Changes: true, For: 20 * time.Millisecond, Times: zktest.Always})
			self, args := selftest.Command(t)
			child := exec.CommandContext(t.Context(), self, args...)
			child.Env = append(os.Environ(), childAddress+"="+s.config.Address, childNetwork+"="+network)
			child.Stderr = os.Stderr
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(20 * time.Second); len(s.Users()) < 60; {
				select {
				case <-s.Changed():
				case <-time.After(time.Until(deadline)):
					t.Fatal("the child writes nothing")
				}
			}
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = child.Wait() // it was killed
			if s.Enabled() {
				t.Fatal("the terminal is enabled: the child was not killed while it wrote")
			}
			s.Lift()
			if _, err := zkdriver.New(s.config).Read(t.Context(), terminal.Ask{}); err != nil || !s.Enabled() {
				t.Fatalf("Read = %v, enabled %v", err, s.Enabled())
			}
			err := hold(t, zkdriver.New(s.config), func(ctx context.Context, session terminal.Session) error {
				inv, err := session.Inventory(ctx)
				if len(inv.Users) != len(s.Users()) || inv.Serial != protocol.Serial(s.Terminal.Serial()) {
					t.Errorf("%d users, the terminal holds %d", len(inv.Users), len(s.Users()))
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
