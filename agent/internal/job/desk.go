package job

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// desk is one terminal and the jobs that wait for it: they are done one after the
// other, in the order of their numbers.
type desk struct {
	j      *Jobs
	serial protocol.Serial
	keeper terminal.Keeper
	wake   chan struct{} // capacity 1

	// What follows is guarded by the mutex of j.
	waiting []waiting
	running protocol.Seq // zero: none
	stop    context.CancelCauseFunc
}

// waiting is a job that has not begun. It is in memory only: the hub says it again.
type waiting struct {
	number protocol.Seq
	job    protocol.Job
}

func (d *desk) signal() {
	select {
	case d.wake <- struct{}{}:
	default: // it is awake already
	}
}

// take puts a job into its place in the line. The caller holds j.mu.
func (d *desk) take(number protocol.Seq, job protocol.Job) error {
	if slices.ContainsFunc(d.waiting, func(w waiting) bool { return w.number == number }) {
		return nil
	}
	if len(d.waiting) >= maxWaiting {
		return refused(protocol.ReasonSize, "too many jobs wait for this terminal")
	}
	d.waiting = append(d.waiting, waiting{number, job})
	slices.SortFunc(d.waiting, func(a, b waiting) int {
		return cmp.Or(cmp.Compare(a.number.Life, b.number.Life), cmp.Compare(a.number.Counter, b.number.Counter))
	})
	d.signal()
	return nil
}

// Why a job that runs is stopped.
var (
	errCancelled = errors.New("cancelled by the hub")
	errExpired   = errors.New("its time is over")
)

// cancel stops a job that runs. The caller holds j.mu.
func (d *desk) cancel(number protocol.Seq) {
	if d.running == number {
		d.stop(errCancelled)
	}
}

// run does what waits until ctx ends.
func (d *desk) run(ctx context.Context) {
	try := time.NewTimer(0)
	defer try.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-try.C:
		}
		settled := d.resume(ctx)
		for ctx.Err() == nil {
			next, found := d.next()
			if !found {
				break
			}
			d.do(ctx, next)
		}
		settled = d.leave(ctx) && settled
		if wait, due := d.due(); due || !settled {
			try.Reset(wait)
		}
	}
}

// next takes out the first job that may begin now, and drops those whose time is over.
func (d *desk) next() (w waiting, found bool) {
	d.j.mu.Lock()
	defer d.j.mu.Unlock()
	now := d.j.clock.atLeast()
	d.waiting = slices.DeleteFunc(d.waiting, func(w waiting) bool {
		over := !now.Before(w.job.Expires)
		if over {
			d.j.o.Out.Progress(protocol.Progress{Job: w.number, Serial: d.serial, Ended: protocol.EndedExpired})
		}
		return over
	})
	i := slices.IndexFunc(d.waiting, func(w waiting) bool { return !now.Before(w.job.NotBefore) })
	if i < 0 {
		return w, false
	}
	w = d.waiting[i]
	d.waiting = slices.Delete(d.waiting, i, i+1)
	return w, true
}

// due is when to look again without being woken: a job that may not begin yet may then.
func (d *desk) due() (wait time.Duration, due bool) {
	d.j.mu.Lock()
	defer d.j.mu.Unlock()
	wait = d.j.o.Every
	for _, w := range d.waiting {
		wait = max(min(wait, w.job.NotBefore.Sub(d.j.clock.atLeast())), time.Second)
	}
	return wait, len(d.waiting) > 0
}

// do begins a job and brings it to its end.
func (d *desk) do(ctx context.Context, w waiting) {
	d.j.mu.Lock()
	e := &entry{Job: w.job, Progress: protocol.Progress{Job: w.number, Serial: d.serial, Step: protocol.StepBegun}}
	d.j.ledger.Heard = d.j.clock.heard
	if err := d.j.ledger.Add(e); err != nil { // the hub says it again
		d.j.mu.Unlock()
		d.j.o.Logger.Error("job not begun", "terminal", string(d.serial), "job", w.number.String(), "error", err)
		return
	}
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	d.running, d.stop = w.number, stop
	left := w.job.Expires.Sub(d.j.clock.atLeast())
	d.j.o.Out.Progress(e.Progress)
	d.j.mu.Unlock()
	working, end := context.WithTimeoutCause(working, left, errExpired)
	defer end()

	digest, err := d.capture(working, e)

	d.j.mu.Lock()
	d.running, d.stop = protocol.Seq{}, nil
	d.j.mu.Unlock()
	if ctx.Err() != nil && err != nil {
		return // the agent stops; when it starts again it looks what there is
	}
	ended, reason := ending(working, err)
	d.end(e, ended, reason, digest)
}

// end keeps what became of a job and says so.
func (d *desk) end(e *entry, ended protocol.Ending, reason string, digest protocol.Hash) {
	d.j.mu.Lock()
	defer d.j.mu.Unlock()
	e.Progress.Ended, e.Progress.Reason, e.Progress.Digest, e.Note.Left = ended, reason, digest, true
	if ended == protocol.EndedDone {
		e.Progress.Step = protocol.StepStored
	}
	if err := d.j.ledger.Save(); err != nil {
		// It is said now; after a restart the terminal is looked at.
		d.j.o.Logger.Error("end of a job not kept", "terminal", string(d.serial), "job", e.Progress.Job.String(), "error", err)
	}
	d.j.o.Out.Progress(e.Progress)
	d.j.o.Logger.Info("job ended", "terminal", string(d.serial), "job", e.Progress.Job.String(), "ended", string(ended), "reason", reason)
}

// step notes what the terminal tells, and says it at once.
func (d *desk) step(e *entry, s terminal.Step) {
	d.j.mu.Lock()
	defer d.j.mu.Unlock()
	e.Progress.Step = protocol.Step(s)
	switch s {
	case terminal.StepGood:
		e.Progress.Good++
	case terminal.StepBad:
		e.Progress.Bad++
	}
	d.j.o.Out.Progress(e.Progress)
}

// entries are the desk's own that a question is true of.
func (d *desk) entries(is func(e *entry) bool) (list []*entry) {
	d.j.mu.Lock()
	defer d.j.mu.Unlock()
	for _, e := range d.j.ledger.Entries {
		if e.Job.Serial == d.serial && is(e) {
			list = append(list, e)
		}
	}
	return list
}
