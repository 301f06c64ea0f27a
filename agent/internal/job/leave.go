package job

import (
	"context"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// resume ends the jobs that were under way when the agent died: where the terminal has
// the finger, that is what was captured, because it was not there when it was asked for.
// It tells whether none is left.
func (d *desk) resume(ctx context.Context) bool {
	begun := d.entries(func(e *entry) bool { return e.Progress.Ended == "" })
	for _, e := range begun {
		if !e.Note.Asked { // what the terminal has may have been there before
			d.end(e, protocol.EndedInterrupted, "", protocol.Hash{})
			continue
		}
		if d.j.o.Out.Key().IsZero() {
			return false // nothing could be sealed
		}
		digest, err := d.captured(ctx, e)
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil && d.inTime(e):
			d.j.o.Logger.Warn("cannot look what became of a job", "terminal", string(d.serial), "job", e.Progress.Job.String(), "error", err)
			return false
		case err != nil || digest.IsZero():
			d.end(e, protocol.EndedInterrupted, "", protocol.Hash{})
		default:
			d.end(e, protocol.EndedDone, "", digest)
		}
	}
	return true
}

func (d *desk) inTime(e *entry) bool {
	d.j.mu.Lock()
	defer d.j.mu.Unlock()
	return d.j.clock.atLeast().Before(e.Job.Expires)
}

// captured keeps the finger of a job for the hub if the terminal has it; the digest is
// zero if not.
func (d *desk) captured(ctx context.Context, e *entry) (digest protocol.Hash, err error) {
	err = d.keeper.Hold(ctx, func(ctx context.Context, s terminal.Session) error {
		if asks, can := s.(terminal.Capturer); can { // first: what is not there then will not come
			if err := asks.AskNoMore(ctx); err != nil {
				return err
			}
		}
		inv, err := d.inventory(ctx, s)
		if err != nil {
			return err
		}
		u, found := person(inv, e.Job.PIN)
		if _, there := finger(u, e.Job.Finger); !found || !there {
			return nil
		}
		template, err := s.Template(ctx, u.Slot, e.Job.Finger)
		if err != nil {
			return err
		}
		digest, err = d.keep(e, inv.Capabilities.Algorithm, slices.Clone(template))
		return err
	})
	return digest, err
}

// leave leaves the terminal as it should be after jobs have ended: whom a job put there
// and no roster names is taken off again, once the hub has the fingers. It tells
// whether nothing is left to do.
func (d *desk) leave(ctx context.Context) bool {
	// Of a person all fingers have to be with the hub: several are captured in a row.
	busy := map[string]bool{}
	for _, e := range d.entries(func(e *entry) bool { return e.Progress.Ended == "" || d.j.o.Out.Keeps(e.Progress.Digest) }) {
		busy[e.Job.PIN] = true
	}
	open := d.entries(func(e *entry) bool { return e.Note.Left && !busy[e.Job.PIN] })
	if len(open) == 0 {
		return true // what waits for the hub wakes us
	}
	var off []*entry
	for _, e := range open {
		if e.Note.Slot == 0 {
			continue
		}
		named, known := d.j.o.Holdings.Names(d.serial, e.Job.PIN)
		if !known {
			return false
		}
		if !named {
			off = append(off, e)
		}
	}
	if len(off) > 0 {
		if !d.j.o.Calm(time.Now()) {
			return false
		}
		err := d.keeper.Hold(ctx, func(ctx context.Context, s terminal.Session) error { return d.takeOff(ctx, s, off) })
		if err != nil {
			if ctx.Err() == nil {
				d.j.o.Logger.Warn("people whom a capture put on a terminal are still there", "terminal", string(d.serial), "error", err)
			}
			return false
		}
	}
	d.j.mu.Lock()
	for _, e := range open {
		e.Note.Left, e.Note.Slot = false, 0
	}
	err := d.j.ledger.Save()
	d.j.mu.Unlock()
	if err != nil {
		d.j.o.Logger.Error("what was left at a terminal is not kept", "terminal", string(d.serial), "error", err)
	}
	d.j.o.Holdings.Look(d.serial)
	return true
}

// takeOff deletes users whom jobs put there. One who has a finger that no job captured
// stays: somebody has recorded it at the terminal itself, and a person should see that.
func (d *desk) takeOff(ctx context.Context, s terminal.Session, off []*entry) error {
	inv, err := d.inventory(ctx, s)
	if err != nil {
		return err
	}
	for _, e := range off {
		u, found := person(inv, e.Job.PIN)
		if !found || u.Slot != e.Note.Slot || slices.ContainsFunc(u.Fingers, func(f roster.HeldFinger) bool { return !d.captures(e.Job.PIN, f) }) {
			continue
		}
		if err := s.Drop(ctx, terminal.Drop{Slot: u.Slot, User: true}); err != nil {
			return err
		}
	}
	return nil
}

// captures tells whether a finger was captured by a job.
func (d *desk) captures(pin string, f roster.HeldFinger) bool {
	return len(d.entries(func(e *entry) bool {
		return e.Job.PIN == pin && e.Progress.Ended == protocol.EndedDone && e.Progress.Digest == f.Digest
	})) > 0
}
