package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/selftest"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
	"github.com/bkpsdmd-babel/sidik/systemd/systemdtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sidik-agent": main})
}

// TestScripts runs the command lines of testdata/script against a simulated
// terminal each. $TERMINAL is its address, $LOCKED that of one with key 1234,
// $CUT that of one that hangs up in the middle of every log. In the subnet 127.0.8.0/24
// three more listen on port $PORT.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"allowed": systemdtest.Allowed},
		RequireExplicitExec: false,
		Condition: func(name string) (bool, error) {
			if name != "emulated" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return selftest.Emulated(), nil
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("SIDIK_LANG", "en")
			env.Setenv("KEY", strings.Repeat("ab", 32))
			if folder := selftest.Path(t, "sidik-agent"); folder != "" {
				env.Setenv("PATH", folder+":"+env.Getenv("PATH"))
			}
			return errors.Join(
				simulate(env, "TERMINAL", zktest.Config{Serial: "X100C0000001"}, nil),
				simulate(env, "LOCKED", zktest.Config{Serial: "X100C0000002", CommKey: 1234}, nil),
				neighbours(env),
				simulate(env, "CUT", zktest.Config{Serial: "X100C0000003"}, &zktest.Fault{Kind: "cut-off", Times: -1}),
			)
		},
	})
}

// simulate starts a terminal with three people and four punches, one of them at
// a time that does not exist, and tells the script its address.
func simulate(env *testscript.Env, name string, c zktest.Config, fault *zktest.Fault) error {
	if c.Clock == nil {
		c.Clock = func() time.Time { return protocol.Wall(time.Now()) }
	}
	terminal, err := zktest.New(c)
	if err != nil {
		return err
	}
	env.Defer(func() { _ = terminal.Close() }) // the script's outcome counts
	if err := terminal.Fill(3, 2, 0); err != nil {
		return err
	}
	at, _ := zk.PackTime(time.Date(2026, 1, 2, 7, 31, 5, 0, time.UTC))
	never := zk.Time(0x2e4a12c0) // 2024-02-30 12:00:00
	if err := terminal.SetPunches([]zk.Attendance{
		{PIN: "1001", Slot: 1, HasSlot: true, Time: at, Verify: 1},
		{PIN: "1001", Slot: 1, HasSlot: true, Time: at, Verify: 1},
		{PIN: "1002", Slot: 2, HasSlot: true, Time: at + 5, Status: 1, Verify: 1},
		{PIN: "1003", Slot: 3, HasSlot: true, Time: never, Verify: 1},
	}); err != nil {
		return err
	}
	if fault != nil {
		terminal.Inject(*fault)
	}
	address, err := terminal.Listen("127.0.0.1:0", true)
	if err == nil {
		env.Setenv(name, address.String())
	}
	return err
}

// neighbours starts one terminal of ours, one of others and one with a key in a subnet.
func neighbours(env *testscript.Env) error {
	port := "0"
	for host, c := range []zktest.Config{{Serial: "X100C0000004"}, {Serial: "OTHER9"}, {Serial: "SECRET5", CommKey: 99}} {
		terminal, err := zktest.New(c)
		if err != nil {
			return err
		}
		env.Defer(func() { _ = terminal.Close() }) // the script's outcome counts
		address, err := terminal.Listen(net.JoinHostPort(fmt.Sprintf("127.0.8.%d", host+1), port), false)
		if err != nil {
			return err
		}
		if _, port, err = net.SplitHostPort(address.String()); err != nil {
			return err
		}
	}
	env.Setenv("PORT", port)
	return nil
}
