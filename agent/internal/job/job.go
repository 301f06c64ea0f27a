// Package job does what the hub asks for once: it captures a finger at a terminal, and
// says how far it is. A job's number is on disk before it begins, and is never begun
// again; whoever sends it again is told what became of it.
//
// It knows the contract, terminal.Keeper and terminal.Capturer; it must not know a wire
// protocol or MQTT, nor what a terminal should hold. A template is in memory only until
// it is sealed to the hub and on disk.
//
// Beware: an agent that dies in the middle begins nothing anew. It looks whether the
// terminal has a finger that it had not when it was to ask for it, and then that is what
// was captured.
package job

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
	"github.com/bkpsdmd-babel/sidik/agent/internal/outbox"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Terminal is one terminal at which jobs may be done.
type Terminal struct {
	Serial protocol.Serial
	Keeper terminal.Keeper
}

// Holdings is what is needed of the part that keeps terminals at their rosters.
type Holdings interface {
	// TakeSlot gives out a slot of a terminal that nobody ever had; seen is the
	// highest that its inventory shows.
	TakeSlot(serial protocol.Serial, seen uint16) (uint16, error)
	// Names tells whether a terminal's roster names a PIN; known is false as long as
	// there is none.
	Names(serial protocol.Serial, pin string) (named, known bool)
	// Look asks that the hub is told what a terminal holds now.
	Look(serial protocol.Serial)
}

// Options are what Jobs are made of. All but the times are needed.
type Options struct {
	Dir       string // folder of its own, made when it is not there
	Terminals []Terminal
	Out       *outbox.Outbox
	Holdings  Holdings
	Now       func() *time.Time    // nil while the clock is not trusted
	Calm      func(time.Time) bool // outside of the hours in which people come and go
	Logger    *slog.Logger

	Every   time.Duration // between two tries of what could not be done; default 30 s
	Longest time.Duration // for which one person is asked, whatever the terminal tells; default 5 min
}

// Jobs is made by New and run once.
type Jobs struct {
	o     Options
	desks map[protocol.Serial]*desk // of the configured terminals; never another

	mu     sync.Mutex // guards what follows, and the desks' lists
	clock  clock
	ledger *ledger.Ledger[note]
}

// New makes the folder and reads what was begun before.
func New(o Options) (*Jobs, error) {
	if o.Every == 0 {
		o.Every = 30 * time.Second
	}
	if o.Longest == 0 {
		o.Longest = 5 * time.Minute
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of jobs: %w", err)
	}
	l, err := ledger.Open(filepath.Join(o.Dir, "jobs.json"), remembered, isOver)
	if err != nil {
		return nil, err
	}
	if err := l.Damaged(); err != nil {
		o.Logger.Error("no job is begun", "error", err)
	}
	j := &Jobs{o: o, desks: map[protocol.Serial]*desk{}, clock: clock{trusted: o.Now}, ledger: l}
	j.clock.hear(&l.Heard)
	for _, t := range o.Terminals {
		j.desks[t.Serial] = &desk{j: j, serial: t.Serial, keeper: t.Keeper, wake: make(chan struct{}, 1)}
	}
	return j, nil
}

// Run does jobs until ctx ends, and returns when nothing of it runs any more.
func (j *Jobs) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	for _, d := range j.desks {
		parts.Go(func() { d.run(ctx) })
	}
	parts.Wait()
	return nil
}

// Wake tells that the hub has confirmed templates, or that its key is known: what waited
// for that goes on.
func (j *Jobs) Wake() {
	for _, d := range j.desks {
		d.signal()
	}
}

// maxWaiting is how many jobs may wait at one terminal.
const maxWaiting = 64

// TakeJob takes a jobs message whose envelope has been checked. A number that is known
// is answered; one that is over and forgotten, or expired, refuses the message.
func (j *Jobs) TakeJob(e protocol.Envelope) error {
	var job protocol.Job
	if err := e.Into(&job); err != nil {
		return err
	}
	if err := j.ledger.Damaged(); err != nil { // it may have been begun before
		return &protocol.Refusal{Reason: protocol.ReasonReceiver, Cause: err}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.clock.hear(e.At)
	number, d := e.Seq, j.desks[job.Serial]
	known := j.ledger.Find(number)
	switch {
	case known != nil && !isAbout(job, known.Job):
		return refused(protocol.ReasonReplay, "the number of another job")
	case known != nil && known.Progress.Ended == "" && job.Kind == protocol.JobCancel && d != nil:
		d.cancel(number)
		return nil
	case known != nil:
		j.o.Out.Progress(known.Progress)
		return nil
	case j.ledger.Over(number):
		return refused(protocol.ReasonReplay, "a job that is over")
	case !j.clock.atLeast().Before(job.Expires):
		return refused(protocol.ReasonReplay, "a job that has expired")
	case job.Kind == protocol.JobCancel:
		return j.never(d, number, job, protocol.EndedCancelled)
	case d == nil:
		return j.never(nil, number, job, protocol.EndedElsewhere)
	}
	return d.take(number, job)
}

// never ends a job that was not begun, and keeps that. The caller holds j.mu.
func (j *Jobs) never(d *desk, number protocol.Seq, job protocol.Job, ended protocol.Ending) error {
	if d != nil {
		d.waiting = slices.DeleteFunc(d.waiting, func(w waiting) bool { return w.number == number })
	}
	e := &entry{Job: job, Progress: protocol.Progress{Job: number, Serial: job.Serial, Ended: ended}}
	if err := j.ledger.Add(e); err != nil {
		return err
	}
	j.o.Out.Progress(e.Progress)
	return nil
}

func refused(reason protocol.Reason, why string) error {
	return &protocol.Refusal{Reason: reason, Cause: errors.New(why)}
}
