package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/outbox"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// putBatch is how many users are written while the terminal is disabled once.
const putBatch = 20

// ready tells whether a change can be carried out now: its template is here.
func (v *visit) ready(c roster.Change) bool {
	if c.Act != roster.AddFinger && c.Act != roster.ReplaceFinger {
		return true
	}
	v.k.mu.Lock()
	defer v.k.mu.Unlock()
	return v.k.templates[c.Finger.Digest] != nil
}

// carryOut does the changes in their order. A finger whose template is not here yet
// is asked for and left out; what takes something away waits until nothing is left
// out, because it relies on what stands before it.
func (v *visit) carryOut(ctx context.Context, changes []roster.Change) error {
	v.wants = nil
	added := map[string]uint16{} // slots of users that this round adds
	var puts []terminal.Put
	var putting []roster.Change
	flush := func() error {
		if len(puts) == 0 {
			return nil
		}
		err := v.session.Put(ctx, puts...)
		for _, c := range putting {
			if c.Finger.Digest != (protocol.Hash{}) {
				v.written = append(v.written, c)
			}
		}
		v.told(putting, err)
		puts, putting = nil, nil
		if err != nil {
			return fmt.Errorf("write to terminal %s: %w", v.k.serial, err)
		}
		return nil
	}
	for _, c := range changes {
		if !v.ready(c) {
			v.wants = append(v.wants, c)
			continue
		}
		lowers := c.Act == roster.SetUser && c.Privilege != "" && c.Privilege != roster.Administrator
		if (c.Deletes() || lowers) && len(v.wants) > 0 {
			continue
		}
		if c.Act == roster.DropFinger || c.Act == roster.DropUser {
			if err := flush(); err != nil || v.superseded() {
				return err
			}
			if err := v.drop(ctx, c); err != nil {
				return err
			}
			continue
		}
		if c.Act == roster.ReplaceFinger {
			if err := v.keepCopy(ctx, c.Slot, c.Finger.Number); err != nil {
				return err
			}
		}
		put, err := v.put(c, added)
		if err != nil {
			return err
		}
		if n := len(puts); n > 0 && puts[n-1].Slot == put.Slot {
			puts[n-1] = joined(puts[n-1], put)
		} else {
			if len(puts) == putBatch {
				if err := flush(); err != nil {
					return err
				}
			}
			puts = append(puts, put)
		}
		putting = append(putting, c)
	}
	return flush()
}

// told notes what became of changes. That a write did not fail is no proof: the
// read-back is, and what did not take stands in the plan that is left.
func (v *visit) told(changes []roster.Change, err error) {
	reason := ""
	if err != nil {
		reason = "failed"
	}
	for _, c := range changes {
		v.outcomes = append(v.outcomes, outcome(c, reason))
	}
}

// put is what a change writes.
func (v *visit) put(c roster.Change, added map[string]uint16) (terminal.Put, error) {
	p := terminal.Put{Slot: c.Slot, Name: c.Name, Privilege: c.Privilege, Card: c.Card}
	if c.Act == roster.AddUser {
		slot, err := v.k.takeSlot(v.memory.LastSlot)
		if err != nil {
			return p, err
		}
		v.memory.LastSlot, added[c.PIN] = slot, slot
		p.Slot, p.New, p.PIN = slot, true, c.PIN
		return p, nil
	}
	if p.Slot == 0 {
		p.Slot = added[c.PIN]
	}
	if c.Finger.Digest != (protocol.Hash{}) {
		v.k.mu.Lock()
		template := v.k.templates[c.Finger.Digest]
		v.k.mu.Unlock()
		p.Fingers = []terminal.PutFinger{{Number: c.Finger.Number, Template: template}}
	}
	return p, nil
}

// joined is two writes of one user as one.
func joined(a, b terminal.Put) terminal.Put {
	a.Fingers = append(a.Fingers, b.Fingers...)
	if b.Name != nil {
		a.Name = b.Name
	}
	if b.Privilege != "" {
		a.Privilege = b.Privilege
	}
	if b.Card != nil {
		a.Card = b.Card
	}
	return a
}

// drop deletes a finger or a user, after copies of every template that goes are on
// disk, and after the deletion is counted for the brake.
func (v *visit) drop(ctx context.Context, c roster.Change) error {
	d := terminal.Drop{Slot: c.Slot, Finger: c.Finger.Number, User: c.Act == roster.DropUser}
	for _, u := range v.before.Users {
		if u.Slot != c.Slot {
			continue
		}
		for _, f := range u.Fingers {
			if d.User || f.Number == d.Finger {
				if err := v.keepCopy(ctx, c.Slot, f.Number); err != nil {
					return err
				}
			}
		}
	}
	if !slices.Contains(v.counted, c.PIN) { // as the brake counts: people, not steps
		v.counted = append(v.counted, c.PIN)
		v.memory.Deleted = append(recent(v.memory.Deleted), deletion{At: time.Now().Truncate(time.Second), N: 1})
		if err := v.save(); err != nil {
			return err
		}
	}
	err := v.session.Drop(ctx, d)
	v.told([]roster.Change{c}, err)
	if err != nil {
		return fmt.Errorf("delete from terminal %s: %w", v.k.serial, err)
	}
	return nil
}

func recent(all []deletion) (list []deletion) {
	for _, d := range all {
		if time.Since(d.At) < brakeSpan {
			list = append(list, d)
		}
	}
	return list
}

// ours tells whether a finger is what the terminal made of one that this agent wrote.
func (v *visit) ours(pin string, f roster.HeldFinger) bool {
	return slices.ContainsFunc(v.memory.Equivalent, func(e equivalence) bool {
		return e.PIN == protocol.NormalPIN(pin) && e.Finger == f.Number && e.Given == f.Digest
	})
}

// keepCopy seals one finger of the terminal to the hub and returns once that is on
// disk. A finger that an earlier step of this visit removed has its copy already.
func (v *visit) keepCopy(ctx context.Context, slot uint16, number uint8) error {
	for _, u := range v.before.Users {
		if u.Slot != slot {
			continue
		}
		for _, f := range u.Fingers {
			if f.Number != number || v.ours(u.PIN, f) {
				continue
			}
			item, err := v.sealed(ctx, slot, u.PIN, f)
			if err != nil {
				return err
			}
			v.kept = true
			if err := v.k.a.o.Out.Keep(v.k.serial, item); err != nil {
				return err
			}
		}
	}
	return nil
}

// sealed reads one finger of the terminal and seals it to the hub.
func (v *visit) sealed(ctx context.Context, slot uint16, pin string, f roster.HeldFinger) (protocol.SealedTemplate, error) {
	item := protocol.SealedTemplate{PIN: pin, Finger: f.Number, Algorithm: f.Algorithm, Digest: f.Digest}
	if v.k.a.o.Out.Key().IsZero() { // before anything is read for nobody
		return item, outbox.ErrNoKey
	}
	template, err := v.session.Template(ctx, slot, f.Number)
	if err != nil {
		return item, fmt.Errorf("read finger %d of terminal %s: %w", f.Number, v.k.serial, err)
	}
	return v.k.a.o.Out.Seal(v.k.serial, item, template)
}
