package collect

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// wholeRetry is how long after a failed whole read only new rows are read: on a bad
// line a long log may never come, and the punches of the day need not wait for it.
const wholeRetry = 15 * time.Minute

// While it waits, a reader gives a sign of life every aliveEvery. A read may have to wait
// until the terminal has been written to, which can be all of its people.
const (
	aliveEvery   = 30 * time.Second
	aliveWaiting = 2 * time.Minute
	aliveReading = time.Hour
)

// request is a read that a person waits for.
type request struct {
	ctx      context.Context
	progress func(Progress)
	done     chan struct{} // closed when result and err are set
	result   Result
	err      error
}

// run reads the terminal until ctx ends: at once, then on its schedule, when
// something hints at new rows, and when somebody asks.
func (r *reader) run(ctx context.Context) {
	var watch sync.WaitGroup
	if h, ok := r.Source.(terminal.Hinter); ok && r.Live {
		watch.Go(func() { _ = h.Watch(ctx, func() { wake(r.hints) }) }) // it ends only with ctx
	}
	defer func() {
		watch.Wait()
		if err := r.Source.Close(); err != nil {
			r.log.Debug("let go of terminal", "error", err)
		}
	}()

	timer := time.NewTimer(0)
	defer timer.Stop()
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	defer r.alive.Rest()
	// The first read takes the end of the log even if the count has not changed:
	// nobody knows what happened while the agent was off.
	mode := terminal.Tail
	var next, quiet time.Time // of the next scheduled read; until when hints wait
	var owed bool             // a whole read that somebody asked for has not succeeded yet
	var spared time.Time      // until when a whole read that failed leaves the field to shorter ones
	failures := 0
	for {
		r.alive.Within(aliveWaiting)
		hints := r.hints
		if time.Now().Before(quiet) {
			hints = nil
			timer.Reset(min(time.Until(quiet), time.Until(next)))
		} else {
			timer.Reset(time.Until(next))
		}
		var asked *request
		select {
		case <-ctx.Done():
			return
		case <-alive.C:
			continue
		case <-timer.C:
			if time.Now().Before(next) {
				continue
			}
		case <-hints:
			mode = max(mode, terminal.Tail)
		case <-r.rereads:
			owed = true
		case asked = <-r.requests:
		}
		this := mode
		if asked != nil || (owed || r.wholeDue(time.Now())) && !time.Now().Before(spared) {
			this = terminal.Whole
		}
		r.alive.Within(aliveReading)
		err := r.serve(ctx, this, asked)
		if asked != nil && asked.ctx.Err() != nil {
			continue // whoever asked went away, and the schedule is as it was
		}
		now := time.Now()
		if err != nil && this == terminal.Whole {
			spared = now.Add(wholeRetry)
		}
		switch {
		case err == nil:
			owed = owed && this != terminal.Whole
			mode, failures = terminal.IfChanged, 0
			next, quiet = now.Add(jitter(r.Every)), now.Add(r.policy.HintGap)
		case errors.Is(err, buffer.ErrFull):
			// Nothing is read before there can be room. Hints would only tease.
			next = now.Add(jitter(r.Every))
			quiet = next
		default:
			wait := jitter(min(r.policy.RetryFirst<<min(failures, 16), r.Every))
			failures++
			mode = terminal.Tail // as at the start: nobody knows what happens meanwhile
			next, quiet = now.Add(wait), now.Add(wait)
			if cause := terminal.Cause(err); cause == "unreachable" || cause == "stranger" {
				quiet = now.Add(r.policy.HintGap) // a hint means that it is back, or was found
			}
		}
	}
}

// serve reads once, for the schedule or for a person.
func (r *reader) serve(ctx context.Context, mode terminal.Mode, asked *request) error {
	if asked == nil {
		_, err := r.read(ctx, mode, nil)
		return err
	}
	defer close(asked.done)
	both, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(asked.ctx, end)()
	asked.result, asked.err = r.read(both, mode, asked.progress)
	return asked.err
}

// wholeDue reports whether the nightly whole read is due. A terminal that is off at
// night gets it in the day that follows.
func (r *reader) wholeDue(now time.Time) bool {
	since := now.Sub(time.Unix(r.cursor().Whole, 0))
	hour := protocol.Wall(now).Hour()
	night := hour >= r.policy.NightFrom && hour < r.policy.NightUntil
	return since > 36*time.Hour || night && since > 12*time.Hour || since < -time.Hour // the clock was ahead then
}

// jitter changes a duration by up to a tenth, so that many agents do not keep step.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
