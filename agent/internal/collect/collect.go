// Package collect brings the punches of the terminals into the buffer: it decides
// when a terminal is read, tells new rows from known ones, and appends them.
//
// It knows terminal.Source and the buffer. It must not know a wire protocol, the
// uplink or the hub.
//
// Beware: what is new is decided against what the buffer kept, never against what
// was read. A row counts as collected when Append returned, and the cursor is stored
// in the same write; a crash at any moment costs another read, nothing else.
package collect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// Buffer is what collecting needs of the agent's buffer.
type Buffer interface {
	// Append returns nil when the flush is on disk.
	Append(f buffer.Flush) error
	// Cursor returns what the last Append stored for a terminal, nil for none.
	Cursor(serial protocol.Serial) ([]byte, error)
	// Marks returns how many rows with each mark were ever appended.
	Marks(serial protocol.Serial) (map[uint64]uint32, error)
	// KeepMarks lets the buffer forget marks that the terminal no longer shows.
	KeepMarks(serial protocol.Serial, keep func(mark uint64) bool) error
}

// Terminal is one terminal to collect from.
type Terminal struct {
	Serial  protocol.Serial
	Address func() string // where it is now, for people; nil: nobody says
	Source  terminal.Source
	Every   time.Duration // between two scheduled reads; 0 is 5 minutes
	Live    bool          // listen for punches, if the Source can
}

// Policy is how terminals are read. Zero values take the defaults named here.
type Policy struct {
	ClockTolerance time.Duration // how far a terminal's clock may be off: 60 s
	HintGap        time.Duration // least time between two reads for hints: 2 s
	RetryFirst     time.Duration // wait after the first failed read, doubled up to Every: 5 s
	NightFrom      int           // hour of the agent's local time from which the log is read whole: 1
	NightUntil     int           // and until which: 5
}

// Config is what a Collector is made of.
type Config struct {
	Terminals    []Terminal
	Buffer       Buffer
	Log          *slog.Logger
	ClockTrusted func() bool // whether the agent's clock is good enough to judge a terminal's; nil: always
	Policy       Policy
	Pulse        *pulse.Pulse // has a loop of each terminal; may be nil
}

// ErrNoTerminal says that no terminal with this serial number is configured.
var ErrNoTerminal = errors.New("no such terminal")

// ErrEnded says that the collector has ended.
var ErrEnded = errors.New("collecting has ended")

// Collector reads all terminals of an office, each on its own.
type Collector struct {
	readers []*reader
	changed chan struct{}
	ended   chan struct{}
}

// New makes a collector that reads nothing until Run.
func New(c Config) *Collector {
	collector := &Collector{changed: make(chan struct{}, 1), ended: make(chan struct{})}
	if c.ClockTrusted == nil {
		c.ClockTrusted = func() bool { return true }
	}
	c.Policy.ClockTolerance = or(c.Policy.ClockTolerance, time.Minute)
	c.Policy.HintGap = or(c.Policy.HintGap, 2*time.Second)
	c.Policy.RetryFirst = or(c.Policy.RetryFirst, 5*time.Second)
	c.Policy.NightFrom = or(c.Policy.NightFrom, 1)
	c.Policy.NightUntil = or(c.Policy.NightUntil, 5)
	for _, t := range c.Terminals {
		t.Every = or(t.Every, 5*time.Minute)
		if t.Address == nil {
			t.Address = func() string { return "" }
		}
		r := &reader{
			Terminal: t,
			buffer:   c.Buffer,
			policy:   c.Policy,
			log:      c.Log.With("terminal", t.Serial),
			health:   newHealth(t, c.Policy.ClockTolerance, c.ClockTrusted),
			changed:  collector.signal,
			hints:    make(chan struct{}, 1),
			rereads:  make(chan struct{}, 1),
			requests: make(chan *request),
			alive:    c.Pulse.Loop("collect " + string(t.Serial)),
		}
		r.health.watermark(r.cursor().Watermark)
		collector.readers = append(collector.readers, r)
	}
	return collector
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// Run reads until ctx ends, and returns its error when everything has stopped and
// the terminals are let go. It is called once.
func (c *Collector) Run(ctx context.Context) error {
	defer close(c.ended)
	var readers sync.WaitGroup
	for _, r := range c.readers {
		readers.Go(func() { r.run(ctx) })
	}
	readers.Wait()
	<-ctx.Done()
	return ctx.Err()
}

// Progress is how far a read is, in bytes.
type Progress struct {
	Done, Total int
}

// Result is a read that was kept.
type Result struct {
	Rows   int            // in the terminal's log
	New    int            // of them, kept for the first time
	Proof  terminal.Proof // of completeness
	Offset protocol.Offset
	Took   time.Duration
}

// ReadNow reads the whole log of one terminal now, or as soon as the read under way
// has ended. progress may be nil and is not called after ReadNow has returned.
func (c *Collector) ReadNow(ctx context.Context, serial protocol.Serial, progress func(Progress)) (Result, error) {
	for _, r := range c.readers {
		if r.Serial != serial {
			continue
		}
		q := &request{ctx: ctx, progress: progress, done: make(chan struct{})}
		select {
		case r.requests <- q:
		case <-ctx.Done():
			return Result{}, ctx.Err()
		case <-c.ended:
			return Result{}, ErrEnded
		}
		<-q.done // soon: the read ends with ctx
		return q.result, q.err
	}
	return Result{}, fmt.Errorf("%w: %s", ErrNoTerminal, serial)
}

// Reread lets the whole log of a terminal be read soon, of all terminals if serial
// is empty: the buffer has forgotten something, or somebody doubts.
func (c *Collector) Reread(serial protocol.Serial) {
	for _, r := range c.readers {
		if serial == "" || r.Serial == serial {
			wake(r.rereads)
		}
	}
}

// Hint lets a terminal be read soon: somebody has found it.
func (c *Collector) Hint(serial protocol.Serial) {
	for _, r := range c.readers {
		if r.Serial == serial {
			wake(r.hints)
		}
	}
}

// Terminals returns the health of all terminals in their configured order.
func (c *Collector) Terminals() []protocol.Terminal {
	var list []protocol.Terminal
	for _, r := range c.readers {
		list = append(list, r.health.terminal())
	}
	return list
}

// Conditions returns what people should know, by subject and code.
func (c *Collector) Conditions() []protocol.Condition {
	var list []protocol.Condition
	for _, r := range c.readers {
		list = append(list, r.health.conditions(time.Now())...)
	}
	slices.SortStableFunc(list, func(a, b protocol.Condition) int {
		return strings.Compare(a.Subject+"\x00"+a.Code, b.Subject+"\x00"+b.Code)
	})
	// The buffer is one, however many readers ran into it.
	return slices.CompactFunc(list, func(a, b protocol.Condition) bool { return a.Subject == b.Subject && a.Code == b.Code })
}

// Changed receives when Terminals or Conditions may have changed.
func (c *Collector) Changed() <-chan struct{} { return c.changed }

func (c *Collector) signal() { wake(c.changed) }

// wake leaves a sign in a channel of capacity 1.
func wake(sign chan<- struct{}) {
	select {
	case sign <- struct{}{}:
	default:
	}
}
