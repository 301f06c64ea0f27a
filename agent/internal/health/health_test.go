package health_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/health"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// parts are a buffer and terminals that say what the test says.
type parts struct {
	status     buffer.Status
	err        error
	conditions []protocol.Condition
	clock      protocol.ClockState
}

func (p *parts) Status() (buffer.Status, error)   { return p.status, p.err }
func (p *parts) NewestReceipt() []byte            { return []byte(`{"v":1}`) }
func (p *parts) Terminals() []protocol.Terminal   { return []protocol.Terminal{{Serial: "DEMO1"}} }
func (p *parts) Conditions() []protocol.Condition { return slices.Clone(p.conditions) }

func newHealth(t *testing.T, p *parts) *health.Health {
	t.Helper()
	key, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return health.New(health.Options{Key: key.Public(), Version: "1", Buffer: p, Terminals: p, Finder: noRosters{}, Rosters: noRosters{}, Settings: settings{},
		Enrolled: func() []protocol.Condition { return nil }, Clock: func() protocol.ClockState { return p.clock }})
}

// settings are one that was refused.
type settings struct{}

func (settings) State() protocol.ConfigState {
	return protocol.ConfigState{Refused: protocol.Seq{Life: 1, Counter: 2}, Reason: "no-hub"}
}
func (settings) Conditions() []protocol.Condition { return nil }

// noRosters has nothing to say, nor has it found anything.
type noRosters struct{}

func (noRosters) Conditions() []protocol.Condition { return nil }
func (noRosters) Rosters() []protocol.HeldRoster   { return nil }

func codes(s protocol.State) (list []string) {
	for _, c := range s.Conditions {
		list = append(list, c.Code)
	}
	return list
}

func TestConditions(t *testing.T) {
	now := time.Now()
	event := func(age time.Duration) *buffer.Event {
		return &buffer.Event{At: now.Add(-age), Records: 7, Cause: buffer.CauseOtherHash}
	}
	for _, c := range []struct {
		name  string
		parts parts
		want  []string
	}{
		{"a healthy site has none", parts{}, nil},
		{"a clock without NTP is held", parts{clock: protocol.ClockHeld}, []string{"clock-held"}},
		{"the terminals' come first", parts{conditions: []protocol.Condition{{Code: "terminal-key"}}, clock: protocol.ClockHeld},
			[]string{"terminal-key", "clock-held"}},
		{"a buffer that cannot be asked is failing", parts{err: errors.New("closed")}, []string{"buffer-failing"}},
		{"a write that failed is failing", parts{status: buffer.Status{Failure: errors.New("disk")}}, []string{"buffer-failing"}},
		{"80 per cent waiting is nearly full", parts{status: buffer.Status{Waiting: 9, UsedBytes: 80, MaxBytes: 100}}, []string{"buffer-nearly-full"}},
		{"79 per cent is not", parts{status: buffer.Status{Waiting: 9, UsedBytes: 79, MaxBytes: 100}}, nil},
		{"full of what retention keeps is not: it makes room", parts{status: buffer.Status{UsedBytes: 100, MaxBytes: 100}}, nil},
		{"a fork is shown", parts{status: buffer.Status{Fork: event(time.Hour)}}, []string{"buffer-fork"}},
		{"a quarantine is shown", parts{status: buffer.Status{Quarantine: event(time.Hour)}}, []string{"buffer-quarantined"}},
		{"the worst is first", parts{status: buffer.Status{Fork: event(time.Hour), Gap: event(time.Hour)}}, []string{"buffer-gap", "buffer-fork"}},
		{"an event of last month is not", parts{status: buffer.Status{Fork: event(31 * 24 * time.Hour)}}, nil},
		{"receipts of another hub are shown", parts{status: buffer.Status{Verdicts: map[buffer.Verdict]uint64{buffer.OtherHub: 1}}}, []string{"hub-other"}},
		{"a hub behind is shown", parts{status: buffer.Status{Verdicts: map[buffer.Verdict]uint64{buffer.Behind: 2}}}, []string{"hub-behind"}},
		{"replays are everyday", parts{status: buffer.Status{Verdicts: map[buffer.Verdict]uint64{buffer.Replayed: 5, buffer.Known: 9}}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.parts.clock == "" {
				c.parts.clock = protocol.ClockSynchronised
			}
			s := newHealth(t, &c.parts).State()
			if got := codes(s); !slices.Equal(got, c.want) {
				t.Errorf("conditions %v, want %v", got, c.want)
			}
			if err := s.Check(); err != nil || s.Conditions == nil {
				t.Errorf("the hub would refuse this state: %v", err)
			}
			catalogue := phrase.New()
			for _, code := range c.want {
				if !catalogue.Has("condition." + code) {
					t.Errorf("condition.%s has no sentence", code)
				}
			}
		})
	}
}

func TestANewGenerationEndsWhatWasWrongWithTheHub(t *testing.T) {
	p := &parts{clock: protocol.ClockSynchronised, status: buffer.Status{
		Generation: protocol.Generation{ID: protocol.Hash{1}, Number: 1},
		Verdicts:   map[buffer.Verdict]uint64{buffer.Behind: 1, buffer.OtherHub: 1},
	}}
	h := newHealth(t, p)
	if got := codes(h.State()); !slices.Equal(got, []string{"hub-other", "hub-behind"}) {
		t.Fatalf("conditions %v", got)
	}
	p.status.Generation = protocol.Generation{ID: protocol.Hash{2}, Number: 2}
	if got := codes(h.State()); len(got) > 0 {
		t.Errorf("conditions %v of a hub that has begun a new generation", got)
	}
	p.status.Verdicts[buffer.Behind] = 2
	if got := codes(h.State()); !slices.Equal(got, []string{"hub-behind"}) {
		t.Errorf("conditions %v, want hub-behind: it happened again", got)
	}
}

func TestStateTellsTheBuffersFigures(t *testing.T) {
	oldest := time.Now()
	p := &parts{clock: protocol.ClockSynchronised, status: buffer.Status{
		Place: buffer.Place{Epoch: protocol.Hash{9}, Receipted: 3, Last: 10}, Waiting: 7, Oldest: &oldest,
		UsedBytes: 5, MaxBytes: 50, DaysLeft: 12,
	}}
	s := newHealth(t, p).State()
	if s.Epoch != p.status.Epoch || s.Last != 10 || s.Backlog != (protocol.Backlog{Punches: 7, Oldest: &oldest}) ||
		s.Capacity != (protocol.Capacity{UsedBytes: 5, MaxBytes: 50, DaysLeft: 12}) ||
		string(s.Receipt) != `{"v":1}` || len(s.Terminals) != 1 || len(s.Boot) != 16 {
		t.Errorf("State = %+v", s)
	}
	if again := newHealth(t, p).State(); again.Boot == s.Boot {
		t.Error("two starts have one boot id")
	}
}

func TestSignalIsHeardOnceHoweverOftenItWasGiven(t *testing.T) {
	h := newHealth(t, &parts{})
	h.Signal()
	h.Signal()
	<-h.Changed()
	select {
	case <-h.Changed():
		t.Error("heard twice")
	default:
	}
}
