package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/collect"
	"github.com/bkpsdmd-babel/sidik/agent/internal/control"
	"github.com/bkpsdmd-babel/sidik/agent/internal/doctor"
	"github.com/bkpsdmd-babel/sidik/agent/internal/uplink"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// terminal starts a simulated terminal and returns how a configuration names it.
func terminal(t *testing.T, c zktest.Config) config.Terminal {
	t.Helper()
	if c.Clock == nil {
		c.Clock = func() time.Time { return protocol.Wall(time.Now()) }
	}
	sim, err := zktest.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() }) // its outcome is not what is tested
	address, err := sim.Listen("127.0.0.1:0", false)
	if err != nil {
		t.Fatal(err)
	}
	return config.Terminal{Serial: sim.Serial(), Address: address.String(), Network: "tcp", CommKey: c.CommKey}
}

// door is a broker of which the doctor only looks whether it is open.
func door(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "tcp://" + l.Addr().String()
}

const closed = "tcp://127.0.0.1:1"

// examine returns the findings by code, each of which people can read.
func examine(t *testing.T, o doctor.Options) map[string]doctor.Finding {
	t.Helper()
	catalogue, found := phrase.New(), map[string]doctor.Finding{}
	doctor.Examine(t.Context(), o, func(f doctor.Finding) {
		found[f.Code] = f
		args := phrase.Args{}
		for name, value := range f.Args {
			args[name] = value
		}
		code := "doctor." + f.Code
		if f.Code == "condition" {
			code = "condition." + f.Args["condition"]
		}
		for _, lang := range []phrase.Lang{phrase.Indonesian, phrase.English} {
			if said := catalogue.Say(lang, code, args); said == code || strings.Contains(said, "{") {
				t.Errorf("%s in %s: %q", code, lang, said)
			}
		}
		if !f.OK && f.Level == "" {
			t.Errorf("%s: a finding without a level", f.Code)
		}
	})
	return found
}

func TestFindingsWhileNoAgentRuns(t *testing.T) {
	whole := func(context.Context, string) error { return nil }
	kept := func(t *testing.T) string { // a folder in which an agent has worked
		t.Helper()
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, "buffer.db"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, c := range []struct {
		name    string
		options func(t *testing.T) doctor.Options
		good    []string
		bad     []string
		args    map[string]string // code → what its arguments must name
	}{
		{"a healthy office lacks only the agent", func(t *testing.T) doctor.Options {
			return doctor.Options{Check: whole, Config: config.Config{Data: kept(t), Hub: config.Hub{Broker: door(t)},
				Terminals: []config.Terminal{terminal(t, zktest.Config{Serial: "DEMO1"})}}}
		}, []string{"data-ready", "buffer-whole", "terminal-answers", "broker-open"}, []string{"agent-stopped"}, nil},
		{"a buffer that does not check is damaged", func(t *testing.T) doctor.Options {
			return doctor.Options{Check: func(context.Context, string) error { return errors.New("page 7") },
				Config: config.Config{Data: kept(t), Hub: config.Hub{Broker: door(t)}}}
		}, []string{"data-ready"}, []string{"buffer-damaged"}, map[string]string{"buffer-damaged": "page 7"}},
		{"a folder that takes no file refuses", func(t *testing.T) doctor.Options {
			return doctor.Options{Check: whole, Config: config.Config{Data: "/proc", Hub: config.Hub{Broker: door(t)}}} // read-only for root too
		}, nil, []string{"data-refuses"}, map[string]string{"data-refuses": "/proc"}},
		{"nobody at the address is silent", func(t *testing.T) doctor.Options {
			return doctor.Options{Check: whole, Config: config.Config{Data: t.TempDir(), Hub: config.Hub{Broker: door(t)},
				Terminals: []config.Terminal{{Serial: "DEMO1", Address: "127.0.0.1:1", Network: "tcp"}}}}
		}, nil, []string{"terminal-silent"}, map[string]string{"terminal-silent": "refused"}},
		{"another terminal at the address is a stranger", func(t *testing.T) doctor.Options {
			at := terminal(t, zktest.Config{Serial: "OTHER1"})
			at.Serial = "DEMO1"
			return doctor.Options{Check: whole, Config: config.Config{Data: t.TempDir(), Hub: config.Hub{Broker: door(t)}, Terminals: []config.Terminal{at}}}
		}, nil, []string{"terminal-stranger"}, map[string]string{"terminal-stranger": "OTHER1"}},
		{"a terminal that was never found is nowhere", func(t *testing.T) doctor.Options {
			return doctor.Options{Check: whole, Config: config.Config{Data: t.TempDir(), Hub: config.Hub{Broker: door(t)},
				Terminals: []config.Terminal{{Serial: "DEMO1", Network: "tcp"}}}}
		}, nil, []string{"terminal-nowhere"}, map[string]string{"terminal-nowhere": "DEMO1"}},
		{"a terminal without an address is asked where it was found", func(t *testing.T) doctor.Options {
			at, data := terminal(t, zktest.Config{Serial: "DEMO1"}), t.TempDir()
			if err := os.WriteFile(filepath.Join(data, "places.json"), fmt.Appendf(nil, `{"DEMO1":{"address":%q,"network":"tcp"}}`, at.Address), 0o600); err != nil {
				t.Fatal(err)
			}
			at.Address = ""
			return doctor.Options{Check: whole, Config: config.Config{Data: data, Hub: config.Hub{Broker: door(t)}, Terminals: []config.Terminal{at}}}
		}, []string{"terminal-answers"}, nil, nil},
		{"a panel's pins are told", func(t *testing.T) doctor.Options {
			return doctor.Options{Check: whole, Config: config.Config{Data: t.TempDir(), Hub: config.Hub{Broker: door(t)}},
				PinsFound: []string{"GPIO17"}, PinsMissing: []string{"GPIO99"}}
		}, []string{"panel-found"}, []string{"panel-missing"}, map[string]string{"panel-found": "GPIO17", "panel-missing": "GPIO99"}},
		{"a wrong key is told", func(t *testing.T) doctor.Options {
			at := terminal(t, zktest.Config{Serial: "DEMO1", CommKey: 1234})
			at.CommKey = 1
			return doctor.Options{Check: whole, Config: config.Config{Data: t.TempDir(), Hub: config.Hub{Broker: door(t)}, Terminals: []config.Terminal{at}}}
		}, nil, []string{"terminal-key"}, nil},
		{"a closed broker is told", func(t *testing.T) doctor.Options {
			return doctor.Options{Check: whole, Config: config.Config{Data: t.TempDir(), Hub: config.Hub{Broker: closed}}}
		}, nil, []string{"broker-closed"}, map[string]string{"broker-closed": "127.0.0.1:1"}},
		{"a broker without a name is told", func(t *testing.T) doctor.Options {
			return doctor.Options{Check: whole, Config: config.Config{Data: t.TempDir(), Hub: config.Hub{Broker: "tcp://hub.invalid:1883"}}}
		}, nil, []string{"broker-unnamed"}, map[string]string{"broker-unnamed": "hub.invalid"}},
		{"what cannot be asked is left alone", func(t *testing.T) doctor.Options {
			file := filepath.Join(t.TempDir(), "file") // as good as a folder of which one is not the owner
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return doctor.Options{Check: whole, Config: config.Config{Data: file, Hub: config.Hub{Broker: door(t)},
				Terminals: []config.Terminal{{Serial: "DEMO1", Address: "127.0.0.1:1", Network: "tcp"}}}}
		}, []string{"broker-open"}, []string{"data-refuses", "agent-refuses"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := examine(t, c.options(t))
			check(t, found, c.good, c.bad)
			for code, names := range c.args {
				said := ""
				for _, value := range found[code].Args {
					said += value + " "
				}
				if !strings.Contains(said, names) {
					t.Errorf("%s says %q, want %q in it", code, said, names)
				}
			}
			if _, asked := found["terminal-silent"]; asked && slices.Contains(c.bad, "agent-refuses") {
				t.Error("a terminal was asked although an agent may be reading it")
			}
		})
	}
}

func check(t *testing.T, found map[string]doctor.Finding, good, bad []string) {
	t.Helper()
	for _, code := range good {
		if f, told := found[code]; !told || !f.OK {
			t.Errorf("%s is not told as good: %+v", code, found)
		}
	}
	for _, code := range bad {
		if f, told := found[code]; !told || f.OK {
			t.Errorf("%s is not told as wrong: %+v", code, found)
		}
	}
}

// running is an agent that tells what the test says.
type running control.Status

func (r running) Status() control.Status { return control.Status(r) }

func (r running) ReadNow(context.Context, protocol.Serial, func(collect.Progress)) (collect.Result, error) {
	return collect.Result{}, errors.New("the doctor does not read")
}

func TestFindingsOfTheRunningAgent(t *testing.T) {
	now := time.Now()
	long := now.Add(-time.Hour)
	backlog := protocol.State{Backlog: protocol.Backlog{Punches: 5}}
	for _, c := range []struct {
		name      string
		status    control.Status
		good, bad []string
	}{
		{"all is well", control.Status{
			Uplink: uplink.Status{Connected: true, HubPresent: true, LastSent: &now, LastReceipt: &now},
			State:  protocol.State{Terminals: []protocol.Terminal{{Serial: "DEMO1", LastRead: &now}}},
		}, []string{"agent-running", "line-up", "terminal-answers"}, nil},
		{"a line that is down", control.Status{State: backlog, Uplink: uplink.Status{LastError: "no route"}}, nil, []string{"line-down"}},
		{"a broker without a hub", control.Status{State: backlog, Uplink: uplink.Status{Connected: true}}, nil, []string{"hub-absent"}},
		{"a hub that never answers", control.Status{State: backlog,
			Uplink: uplink.Status{Connected: true, HubPresent: true, LastSent: &now}}, nil, []string{"hub-silent"}},
		{"a hub that answers no longer", control.Status{State: backlog,
			Uplink: uplink.Status{Connected: true, HubPresent: true, LastSent: &now, LastReceipt: &long}}, nil, []string{"hub-silent"}},
		{"a backlog on its way", control.Status{State: backlog,
			Uplink: uplink.Status{Connected: true, HubPresent: true, LastSent: &now, LastReceipt: &now}}, []string{"line-up"}, nil},
		{"a condition that the agent declares", control.Status{State: protocol.State{Conditions: []protocol.Condition{
			{Code: "hub-behind", Severity: protocol.SeverityError, Args: map[string]string{"count": "1"}}}}}, nil, []string{"condition"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := t.TempDir()
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- control.Serve(ctx, data, running(c.status)) }()
			defer func() {
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
				if _, err := control.Connect(data).Status(ctx); err == nil {
					break
				} else if time.Now().After(deadline) {
					t.Fatal(err)
				}
			}
			found := examine(t, doctor.Options{Config: config.Config{Data: data, Hub: config.Hub{Broker: door(t)},
				Terminals: []config.Terminal{{Serial: "DEMO1", Address: "127.0.0.1:1", Network: "tcp"}}},
				Check: func(context.Context, string) error {
					t.Error("the buffer of a running agent was opened")
					return nil
				}})
			check(t, found, append(c.good, "agent-running"), c.bad)
			if _, asked := found["terminal-silent"]; asked {
				t.Error("the terminal was asked although an agent is reading it")
			}
		})
	}
}
