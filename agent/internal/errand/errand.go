// Package errand does what the hub asks for once that is service and no capture: it reads
// a terminal now, sets a terminal's clock, starts the agent anew and tells how the
// installation is. An errand's number is on disk before it begins, and is never begun
// again; whoever sends it again is told what became of it.
//
// It knows the contract, terminal.Keeper and functions that it is given. It must not know
// a wire protocol, MQTT or the buffer.
//
// Beware: that the agent was told to restart is on disk as done before it ends, or it
// would restart for ever.
package errand

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/ledger"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Terminal is one terminal of the office.
type Terminal struct {
	Serial protocol.Serial
	Keeper terminal.Keeper
	Lock   Lock
}

// Out is where answers go.
type Out interface {
	Progress(p protocol.Progress)
	Diagnosis(job protocol.Seq, report []byte) error
}

// Options are what Errands are made of. All are needed.
type Options struct {
	Dir       string // folder of its own, made when it is not there
	Terminals []Terminal
	Out       Out

	// Read reads a terminal's whole log and tells how many rows there are and how many of
	// them are new. Newest is the time of the newest punch that was ever read from it.
	Read   func(ctx context.Context, serial protocol.Serial) (protocol.ErrandResult, error)
	Newest func(serial protocol.Serial) protocol.LocalTime
	// Report says how the installation is, for people at the agency.
	Report func(ctx context.Context) protocol.DiagnosisReport
	Keys   Keys
	// Seal seals a communication key to the hub.
	Seal func(serial protocol.Serial, key string) (seal.Box, error)
	// Restart is the error with which Run ends when the agent is to start anew.
	Restart error

	Now    func() (t time.Time, synchronised bool) // t is only the lower bound where it is not
	Calm   func(time.Time) bool                    // outside of the hours in which people come and go
	Off    time.Duration                           // how far a terminal's clock may be off; zero: 60 s
	Logger *slog.Logger
}

// Errands is made by New and run once.
type Errands struct {
	o    Options
	wake chan struct{} // capacity 1

	mu      sync.Mutex // guards what follows
	ledger  *ledger.Ledger[struct{}]
	heard   time.Time // the newest time that the hub has signed
	waiting []waiting
	report  []byte // of the newest diagnosis, packed
}

// waiting is an errand that has not begun. It is in memory only: the hub says it again.
type waiting struct {
	number protocol.Seq
	job    protocol.Job
}

// maxWaiting is how many errands may wait: more than there are terminals and kinds.
const maxWaiting = 64

// entry is one errand that was begun, or that never will be.
type entry = ledger.Entry[struct{}]

// remembered is how many errands are not forgotten.
const remembered = 64

// New makes the folder and reads what was begun before. What was under way when the agent
// died has ended with it.
func New(o Options) (*Errands, error) {
	if o.Off == 0 {
		o.Off = time.Minute
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of errands: %w", err)
	}
	l, err := ledger.Open(filepath.Join(o.Dir, "errands.json"), remembered, func(*entry) bool { return true })
	if err != nil {
		return nil, err
	}
	if err := l.Damaged(); err != nil {
		o.Logger.Error("no errand is begun", "error", err)
	}
	for _, e := range l.Entries {
		// A diagnosis is in memory only: the hub has it, or it is gone.
		if p := &e.Progress; p.Ended == "" || p.Kind == protocol.JobDiagnose && p.Ended == protocol.EndedDone {
			p.Ended = protocol.EndedInterrupted
		}
	}
	return &Errands{o: o, wake: make(chan struct{}, 1), ledger: l}, nil
}

// TakeJob takes a jobs message whose envelope has been checked. A number that is known is
// answered, and so is a kind that is not; one that is over and forgotten, or expired,
// refuses the message.
func (e *Errands) TakeJob(m protocol.Envelope) error {
	var job protocol.Job
	if err := m.IntoUnchecked(&job); err != nil {
		return err
	}
	if !slices.Contains(protocol.Errands(), job.Kind) {
		return e.unknown(m.Seq, job)
	}
	if err := job.Check(); err != nil {
		return &protocol.Refusal{Reason: protocol.ReasonBody, Cause: err}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.At != nil && m.At.After(e.heard) {
		e.heard = *m.At
	}
	known := e.ledger.Find(m.Seq)
	switch {
	case e.ledger.Damaged() != nil: // it may have been begun before
		return &protocol.Refusal{Reason: protocol.ReasonReceiver, Cause: e.ledger.Damaged()}
	case known != nil && (known.Job.Kind != job.Kind || known.Job.Serial != job.Serial):
		return refused(protocol.ReasonReplay, "the number of another errand")
	case known != nil && known.Job.Kind == protocol.JobDiagnose && known.Progress.Ended == protocol.EndedDone:
		return e.o.Out.Diagnosis(m.Seq, e.report)
	case known != nil:
		e.o.Out.Progress(known.Progress)
		return nil
	case e.ledger.Over(m.Seq):
		return refused(protocol.ReasonReplay, "an errand that is over")
	case !e.atLeast().Before(job.Expires):
		return refused(protocol.ReasonReplay, "an errand that has expired")
	case slices.ContainsFunc(e.waiting, func(w waiting) bool { return w.number == m.Seq }):
		return nil
	case len(e.waiting) >= maxWaiting:
		return refused(protocol.ReasonSize, "too many errands wait")
	}
	e.waiting = append(e.waiting, waiting{m.Seq, job})
	select {
	case e.wake <- struct{}{}:
	default: // it is awake already
	}
	return nil
}

// unknown answers a job of a newer hub.
func (e *Errands) unknown(number protocol.Seq, job protocol.Job) error {
	p := protocol.Progress{Job: number, Kind: job.Kind, Serial: job.Serial, Ended: protocol.EndedUnknown}
	if err := p.Check(); err != nil {
		return &protocol.Refusal{Reason: protocol.ReasonBody, Cause: err}
	}
	e.o.Out.Progress(p)
	return nil
}

// atLeast is the earliest that it can be now. The caller holds e.mu.
func (e *Errands) atLeast() time.Time {
	now, _ := e.o.Now()
	if now.Before(e.heard) {
		return e.heard
	}
	return now
}

// Run does errands one after the other, until ctx ends or the agent is to start anew.
func (e *Errands) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.wake:
		}
		for ctx.Err() == nil {
			w, found := e.next()
			if !found {
				break
			}
			if err := e.begin(ctx, w); err != nil {
				return err
			}
		}
	}
}

func (e *Errands) next() (w waiting, found bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		return w, false
	}
	w, e.waiting = e.waiting[0], e.waiting[1:]
	return w, true
}

// begin brings an errand to its end. Only a restart is an error.
func (e *Errands) begin(ctx context.Context, w waiting) error {
	e.mu.Lock()
	left := w.job.Expires.Sub(e.atLeast())
	begun := &entry{Job: w.job, Progress: protocol.Progress{Job: w.number, Kind: w.job.Kind, Serial: w.job.Serial, Step: protocol.StepBegun}}
	if w.job.Kind == protocol.JobRestart { // whatever happens from here on, it starts anew
		begun.Progress.Ended = protocol.EndedDone
	}
	if left <= 0 {
		begun.Progress.Step, begun.Progress.Ended = "", protocol.EndedExpired
	}
	err := e.ledger.Add(begun)
	if err == nil {
		e.o.Out.Progress(begun.Progress)
	}
	e.mu.Unlock()
	switch {
	case err != nil: // the hub says it again
		e.o.Logger.Error("errand not begun", "errand", string(w.job.Kind), "number", w.number.String(), "error", err)
		return nil
	case begun.Progress.Ended == protocol.EndedDone:
		e.o.Logger.Info("the hub asks the agent to start anew", "number", w.number.String())
		return e.o.Restart
	case begun.Progress.Ended != "":
		return nil
	}
	working, end := context.WithTimeoutCause(ctx, left, errExpired)
	defer end()
	result, err := e.do(working, w)
	if ctx.Err() != nil && err != nil {
		return nil // the agent stops: it was interrupted
	}
	e.end(working, begun, result, err)
	return nil
}

// errExpired is why an errand that runs is stopped.
var errExpired = errors.New("its time is over")

func (e *Errands) do(ctx context.Context, w waiting) (*protocol.ErrandResult, error) {
	if w.job.Kind == protocol.JobDiagnose {
		return nil, e.diagnose(ctx, w.number)
	}
	i := slices.IndexFunc(e.o.Terminals, func(t Terminal) bool { return t.Serial == w.job.Serial })
	switch {
	case i < 0:
		return nil, errElsewhere
	case w.job.Kind == protocol.JobClock:
		return e.setClock(ctx, e.o.Terminals[i], w.job.Force)
	case w.job.Kind == protocol.JobKeyMake:
		return e.makeKey(w.job.Serial)
	case w.job.Kind == protocol.JobKeyWrite:
		return nil, e.writeKey(ctx, e.o.Terminals[i], w.job.Kept)
	}
	result, err := e.o.Read(ctx, w.job.Serial)
	if err != nil {
		return nil, err
	}
	return &result, nil
}

// end keeps what became of an errand and says so.
func (e *Errands) end(ctx context.Context, begun *entry, result *protocol.ErrandResult, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &begun.Progress
	p.Result = result
	p.Ended, p.Reason = ending(ctx, err)
	if err := e.ledger.Save(); err != nil {
		// It is said now; after a restart it counts as interrupted.
		e.o.Logger.Error("end of an errand not kept", "number", p.Job.String(), "error", err)
	}
	e.o.Out.Progress(*p)
	attributes := []any{"errand", string(p.Kind), "terminal", string(p.Serial), "number", p.Job.String(), "ended", string(p.Ended), "reason", p.Reason}
	if result != nil && p.Kind == protocol.JobClock {
		attributes = append(attributes, "offset_before", int(result.Before), "offset_after", int(result.After))
	}
	e.o.Logger.Info("errand ended", attributes...)
}

// Ends that are no terminal's.
var (
	errElsewhere = errors.New("terminal is not of this office")
	errFailed    = errors.New("not done")
)

// blockedError says which rule forbids it.
type blockedError string

func (e blockedError) Error() string { return "blocked: " + string(e) }

// ending is the contract's word for how an errand ended.
func ending(ctx context.Context, err error) (ended protocol.Ending, reason string) {
	blocked, is := errors.AsType[blockedError](err)
	switch {
	case err == nil:
		return protocol.EndedDone, ""
	case is:
		return protocol.EndedBlocked, string(blocked)
	case errors.Is(context.Cause(ctx), errExpired):
		return protocol.EndedExpired, ""
	case errors.Is(err, errElsewhere):
		return protocol.EndedElsewhere, ""
	case errors.Is(err, errFailed), errors.Is(err, terminal.ErrRefused):
		return protocol.EndedFailed, ""
	}
	return protocol.EndedUnreachable, terminal.Cause(err)
}

func refused(reason protocol.Reason, why string) error {
	return &protocol.Refusal{Reason: reason, Cause: errors.New(why)}
}
