// Package health puts together what a site tells about itself: the buffer's
// figures, the terminals' health, and the conditions that a person should know.
//
// It measures nothing on the network. Beware: a condition is a code with
// arguments; its sentence is in the catalogue, never here.
package health

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Buffer is what health asks the buffer.
type Buffer interface {
	Status() (buffer.Status, error)
	NewestReceipt() []byte
}

// Terminals is what health asks the collector.
type Terminals interface {
	Terminals() []protocol.Terminal
	Conditions() []protocol.Condition
}

// Finder is what health asks the part that finds terminals.
type Finder interface {
	Conditions() []protocol.Condition
}

// Rosters is what health asks the part that keeps terminals at their rosters.
type Rosters interface {
	Conditions() []protocol.Condition
	Rosters() []protocol.HeldRoster
}

// Settings is what health asks the part that tries what the agency has set.
type Settings interface {
	State() protocol.ConfigState
	Conditions() []protocol.Condition
}

// Release is what health asks the part that brings the agent to another version.
type Release interface {
	State() *protocol.ReleaseState
	Conditions() []protocol.Condition
}

// Options are the parts of a Health. All but Release are needed.
type Options struct {
	Key       seal.PublicKey
	Version   string
	Buffer    Buffer
	Terminals Terminals
	Finder    Finder
	Rosters   Rosters
	Settings  Settings
	Enrolled  func() []protocol.Condition // what keeps the agent without a valid certificate
	Clock     func() protocol.ClockState
	Release   Release // nil: this agent is replaced by hand
}

// Health is safe for concurrent use.
type Health struct {
	o       Options
	boot    string
	changed chan struct{}

	mu     sync.Mutex // guards judged
	judged map[buffer.Verdict]judged
}

// judged is when receipts with a verdict last came.
type judged struct {
	count      uint64
	generation protocol.Generation
}

// How long an event of the buffer stays a condition, and from when on a buffer
// is told to be nearly full.
const (
	eventShown = 14 * 24 * time.Hour
	nearlyFull = 80 // per cent of the buffer's size, of records that wait
)

// New returns the health of one start of the agent.
func New(o Options) *Health {
	return &Health{o: o, boot: protocol.NewID(), changed: make(chan struct{}, 1), judged: map[buffer.Verdict]judged{}}
}

// Signal tells that State may say something new.
func (h *Health) Signal() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// Changed receives after Signal. It has one reader: the uplink.
func (h *Health) Changed() <-chan struct{} { return h.changed }

// State is the body of a state message; the uplink sets its Status.
func (h *Health) State() protocol.State {
	s := protocol.State{
		Status:     protocol.StatusInit,
		Boot:       h.boot,
		Key:        h.o.Key,
		Version:    h.o.Version,
		Clock:      h.o.Clock(),
		Capacity:   protocol.Capacity{DaysLeft: -1},
		Receipt:    h.o.Buffer.NewestReceipt(),
		Conditions: slices.Concat(h.o.Terminals.Conditions(), h.o.Finder.Conditions(), h.o.Rosters.Conditions(), h.o.Settings.Conditions()),
		Terminals:  h.o.Terminals.Terminals(),
		Rosters:    h.o.Rosters.Rosters(),
		Config:     h.o.Settings.State(),
	}
	if s.Conditions == nil {
		s.Conditions = []protocol.Condition{}
	}
	if s.Clock == protocol.ClockHeld {
		s.Conditions = append(s.Conditions, protocol.Condition{Code: "clock-held", Severity: protocol.SeverityInfo})
	}
	s.Conditions = append(s.Conditions, h.o.Enrolled()...)
	if h.o.Release != nil {
		s.Release = h.o.Release.State()
		s.Conditions = append(s.Conditions, h.o.Release.Conditions()...)
	}
	status, err := h.o.Buffer.Status()
	if err != nil {
		s.Conditions = append(s.Conditions, protocol.Condition{
			Code: "buffer-failing", Severity: protocol.SeverityError, Args: map[string]string{"cause": err.Error()}})
		return s
	}
	s.Epoch, s.Last = status.Epoch, status.Last
	s.Backlog = protocol.Backlog{Punches: status.Waiting, Oldest: status.Oldest}
	s.Capacity = protocol.Capacity{UsedBytes: status.UsedBytes, MaxBytes: status.MaxBytes, DaysLeft: status.DaysLeft}
	s.Conditions = append(s.Conditions, bufferConditions(status, time.Now())...)
	s.Conditions = append(s.Conditions, h.hubConditions(status)...)
	return s
}

// hubConditions are what receipts that were not taken say of the hub. A new
// generation ends them: the hub has learned what was wrong with it.
func (h *Health) hubConditions(s buffer.Status) (found []protocol.Condition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range []struct {
		code    string
		verdict buffer.Verdict
	}{{"hub-other", buffer.OtherHub}, {"hub-behind", buffer.Behind}} {
		seen := h.judged[v.verdict]
		if n := s.Verdicts[v.verdict]; n > seen.count {
			seen = judged{n, s.Generation}
			h.judged[v.verdict] = seen
		}
		if seen.count > 0 && seen.generation == s.Generation {
			found = append(found, protocol.Condition{Code: v.code, Severity: protocol.SeverityError,
				Args: map[string]string{"count": fmt.Sprint(seen.count)}})
		}
	}
	return found
}

// bufferConditions are what the buffer's figures and events mean.
func bufferConditions(s buffer.Status, now time.Time) (found []protocol.Condition) {
	add := func(code string, severity protocol.Severity, since *time.Time, args map[string]string) {
		found = append(found, protocol.Condition{Code: code, Severity: severity, Since: since, Args: args})
	}
	if s.Failure != nil {
		add("buffer-failing", protocol.SeverityError, nil, map[string]string{"cause": s.Failure.Error()})
	}
	if s.MaxBytes > 0 && s.Waiting > 0 && s.UsedBytes*100 >= s.MaxBytes*nearlyFull {
		add("buffer-nearly-full", protocol.SeverityWarning, nil, map[string]string{
			"waiting": fmt.Sprint(s.Waiting), "percent": fmt.Sprint(s.UsedBytes * 100 / s.MaxBytes)})
	}
	for _, event := range []struct {
		code     string
		severity protocol.Severity
		*buffer.Event
	}{
		{"buffer-quarantined", protocol.SeverityWarning, s.Quarantine},
		{"buffer-fork", protocol.SeverityWarning, s.Fork},
		{"buffer-gap", protocol.SeverityError, s.Gap},
	} {
		if event.Event != nil && now.Sub(event.At) < eventShown {
			at := event.At
			add(event.code, event.severity, &at, map[string]string{
				"records": fmt.Sprint(event.Records), "cause": event.Cause})
		}
	}
	slices.SortStableFunc(found, func(a, b protocol.Condition) int { return rank(b.Severity) - rank(a.Severity) })
	return found
}

func rank(s protocol.Severity) int {
	return slices.Index([]protocol.Severity{protocol.SeverityInfo, protocol.SeverityWarning, protocol.SeverityError}, s)
}
