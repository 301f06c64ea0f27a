package job

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// errPresent says that there is nothing to ask for.
var errPresent = errors.New("the terminal has this finger of this person already")

// blockedError says that the terminal has no place for the person or the finger.
type blockedError string

func (e blockedError) Error() string { return "terminal cannot take it: " + string(e) }

// errKeep says that the finger was captured and could not be kept for the hub.
var errKeep = errors.New("template not kept")

// ending is the contract's word for how a capture ended.
func ending(ctx context.Context, err error) (ended protocol.Ending, reason string) {
	if err == nil {
		return protocol.EndedDone, ""
	}
	if blocked, ok := errors.AsType[blockedError](err); ok {
		return protocol.EndedBlocked, string(blocked)
	}
	for _, known := range []struct {
		is    bool
		ended protocol.Ending
	}{
		{errors.Is(context.Cause(ctx), errCancelled), protocol.EndedCancelled}, // at whichever step
		{errors.Is(context.Cause(ctx), errExpired), protocol.EndedExpired},
		{errors.Is(err, errPresent), protocol.EndedPresent},
		{errors.Is(err, terminal.ErrDuplicate), protocol.EndedDuplicate},
		{errors.Is(err, terminal.ErrNobody), protocol.EndedNobody},
		{errors.Is(err, terminal.ErrCapture), protocol.EndedFailed},
		{errors.Is(err, terminal.ErrRefused), protocol.EndedFailed},
		{errors.Is(err, errKeep), protocol.EndedFailed},
	} {
		if known.is {
			return known.ended, ""
		}
	}
	return protocol.EndedUnreachable, terminal.Cause(err)
}

// capture asks the person for the finger and keeps the template for the hub. The
// terminal's other users of the line wait meanwhile.
func (d *desk) capture(ctx context.Context, e *entry) (digest protocol.Hash, err error) {
	err = d.keeper.Hold(ctx, func(ctx context.Context, s terminal.Session) error {
		asks, can := s.(terminal.Capturer)
		if !can {
			return fmt.Errorf("%w: nobody can be asked for one on this way to it", terminal.ErrCapture)
		}
		inv, err := d.inventory(ctx, s)
		if err != nil {
			return err
		}
		slot, err := d.seat(ctx, s, inv, e)
		if err != nil {
			return err
		}
		// Meanwhile the terminal recognises nobody, and its log is not read.
		asking, end := context.WithTimeoutCause(ctx, d.j.o.Longest, terminal.ErrNobody)
		defer end()
		template, err := asks.Capture(asking, slot, e.Job.Finger, func(step terminal.Step) { d.step(e, step) })
		if err != nil && asking.Err() != nil {
			return fmt.Errorf("%w: %w", context.Cause(asking), err)
		}
		if err != nil {
			return err
		}
		digest, err = d.keep(e, inv.Capabilities.Algorithm, template)
		return err
	})
	return digest, err
}

func (d *desk) inventory(ctx context.Context, s terminal.Session) (roster.Inventory, error) {
	inv, err := s.Inventory(ctx)
	if err == nil && inv.Serial != d.serial {
		err = &terminal.StrangerError{Want: d.serial, Got: inv.Serial}
	}
	if err == nil {
		err = inv.Check()
	}
	if err != nil {
		return roster.Inventory{}, fmt.Errorf("read holdings of terminal %s: %w", d.serial, err)
	}
	return inv, nil
}

// seat returns the slot of the person, who is put there first where they are not. What
// it found is on disk before that: whoever a job puts there is taken off again, and a
// finger that was there before is never taken for the one that was asked for.
func (d *desk) seat(ctx context.Context, s terminal.Session, inv roster.Inventory, e *entry) (uint16, error) {
	if u, found := person(inv, e.Job.PIN); found {
		if _, there := finger(u, e.Job.Finger); there {
			return 0, errPresent
		}
		if err := full(inv); err != nil {
			return 0, err
		}
		return u.Slot, d.note(e, 0)
	}
	if err := full(inv); err != nil {
		return 0, err
	}
	// What the terminal lets through, the rule of rosters knows.
	alone := roster.Roster{Serial: d.serial, Mode: roster.Add, Entries: []roster.Entry{{PIN: e.Job.PIN, Privilege: roster.User}}}
	for _, b := range roster.Diff(alone, inv).Blocked {
		if b.Change.Act == roster.AddUser {
			return 0, blockedError(b.Reason)
		}
	}
	var seen uint16
	for _, u := range inv.Users {
		seen = max(seen, u.Slot)
	}
	slot, err := d.j.o.Holdings.TakeSlot(d.serial, seen)
	if err != nil {
		return 0, blockedError(roster.ReasonUsersFull)
	}
	if err := d.note(e, slot); err != nil {
		return 0, err
	}
	return slot, s.Put(ctx, terminal.Put{Slot: slot, New: true, PIN: e.Job.PIN, Privilege: roster.User})
}

// note returns once it is on disk that the terminal is to ask for the finger, and in
// which slot the job puts the person, 0 for none.
func (d *desk) note(e *entry, slot uint16) error {
	d.j.mu.Lock()
	defer d.j.mu.Unlock()
	e.Note.Asked, e.Note.Slot = true, slot
	if err := d.j.ledger.Save(); err != nil {
		return fmt.Errorf("%w: %w", errKeep, err)
	}
	return nil
}

// full is an error where no finger fits any more.
func full(inv roster.Inventory) error {
	held := 0
	for _, u := range inv.Users {
		held += len(u.Fingers)
	}
	if room := inv.Capabilities.Fingers; room > 0 && held >= room {
		return blockedError(roster.ReasonFingersFull)
	}
	if inv.Capabilities.Algorithm == 0 {
		return blockedError(roster.ReasonAlgorithm)
	}
	return nil
}

// keep seals a template to the hub and returns once that is on disk.
func (d *desk) keep(e *entry, algorithm uint8, template []byte) (protocol.Hash, error) {
	defer clear(template)
	item, err := d.j.o.Out.Seal(d.serial, protocol.SealedTemplate{PIN: e.Job.PIN, Finger: e.Job.Finger, Algorithm: algorithm,
		Digest: sha256.Sum256(template), Job: e.Progress.Job}, template)
	if err == nil {
		err = d.j.o.Out.Keep(d.serial, item)
	}
	if err != nil {
		return protocol.Hash{}, fmt.Errorf("%w: %w", errKeep, err)
	}
	d.j.o.Out.Again()
	return item.Digest, nil
}

func person(inv roster.Inventory, pin string) (roster.Held, bool) {
	for _, u := range inv.Users {
		if protocol.NormalPIN(u.PIN) == pin {
			return u, true
		}
	}
	return roster.Held{}, false
}

func finger(u roster.Held, number uint8) (roster.HeldFinger, bool) {
	for _, f := range u.Fingers {
		if f.Number == number {
			return f, true
		}
	}
	return roster.HeldFinger{}, false
}
