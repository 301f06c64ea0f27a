package zkdriver_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/commkey"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever the line does while a key is written, the agent gets in afterwards, with the
// key that the terminal then has.
func TestAKeyIsChangedThroughEveryFault(t *testing.T) {
	write := zk.CmdOptionWrite
	for name, fault := range map[string]zktest.Fault{
		"none":              {Kind: zktest.LostReply, Command: zk.CmdPowerOff},
		"lost request":      {Kind: zktest.LostRequest, Command: write, Times: zktest.Always},
		"lost answer":       {Kind: zktest.LostReply, Command: write, Times: zktest.Always},
		"hang-up":           {Kind: zktest.HangUp, Command: write},
		"hang-up afterward": {Kind: zktest.HangUp, Command: zk.CmdRefreshOption},
		"restart":           {Kind: zktest.Reboot, Command: write, For: 100 * time.Millisecond},
		"ignored":           {Kind: zktest.Unstored, Command: write},
	} {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(name+" over "+network, func(t *testing.T) {
				t.Parallel()
				s := newStand(t, network, zktest.Config{}, zkdriver.Config{})
				keys, err := commkey.Open(t.TempDir())
				ok(t, err)
				mine := keys.Of(s.Serial(), s.config.CommKey)
				s.config.Keys = mine
				d := zkdriver.New(s.config)
				next, err := keys.Make(s.Serial())
				ok(t, err)
				s.Inject(fault)
				ok(t, keys.Written(s.Serial()))
				_ = d.SetKey(t.Context(), next) // that it fails says nothing of what the terminal has
				s.Lift()
				for began := time.Now(); ; {
					_, err := d.Read(t.Context(), terminal.Ask{})
					if err == nil {
						break
					}
					if !errors.Is(err, terminal.ErrUnreachable) || time.Since(began) > 20*time.Second {
						t.Fatalf("the agent does not get in any more: %v", err)
					}
				}
				if got := s.CommKey(); mine.Present() != got || got != next && got != s.config.CommKey {
					t.Errorf("the terminal has %d, the agent used %d", got, mine.Present())
				}
				if s.DisableCount() != 0 {
					t.Error("people in front of the terminal noticed")
				}
				ok(t, d.Close())
			})
		}
	}
}

// A terminal without a key lets in whoever brings any: that proves nothing of a new one.
func TestATerminalThatIgnoresAKeyHasNone(t *testing.T) {
	s := newStand(t, "tcp", zktest.Config{}, zkdriver.Config{})
	ok(t, s.Restore(zktest.State{Serial: string(s.Serial()), Profile: s.Profile().Name, RowSize: s.Profile().Rows.Size(), CommKey: new(uint32)}))
	keys, err := commkey.Open(t.TempDir())
	ok(t, err)
	mine := keys.Of(s.Serial(), s.config.CommKey)
	s.config.Keys = mine
	d := zkdriver.New(s.config)
	next, err := keys.Make(s.Serial())
	ok(t, err)
	s.Inject(zktest.Fault{Kind: zktest.Unstored, Command: zk.CmdOptionWrite})
	ok(t, keys.Written(s.Serial()))
	ok(t, d.SetKey(t.Context(), next))
	if got := mine.Present(); got != 0 {
		t.Errorf("key %d opened, the terminal has none", got)
	}
	ok(t, d.SetKey(t.Context(), next))
	if got := mine.Present(); got != next || s.CommKey() != next {
		t.Errorf("key %d opened, %d was written, the terminal has %d", got, next, s.CommKey())
	}
	ok(t, d.Close())
}
