package apply

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/outbox"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// visit is one session with a terminal: what it was to do, and what it did.
type visit struct {
	k        *keeper
	session  terminal.Session
	roster   *roster.Roster
	memory   memory
	order    protocol.Seq    // of the roster
	approved protocol.Hash   // of a plan, by a person
	asked    []protocol.Hash // templates that the hub asks for
	before   roster.Inventory
	after    roster.Inventory
	outcomes []protocol.Outcome
	wants    []roster.Change
	written  []roster.Change // fingers, to be read back
	state    protocol.Standing
	counted  []string    // PINs whose deletion has been counted
	kept     bool        // copies that the hub has to get
	busy     bool        // people come and go: not now
	plan     roster.Plan // what is left in the end
}

// untilCalm is how often a terminal is looked at that may not be written to now.
const untilCalm = time.Minute

// converge reads what the terminal holds, does what its roster asks for and tells
// the hub. It returns after which time the terminal should be looked at again.
func (k *keeper) converge(ctx context.Context) (again time.Duration, err error) {
	k.mu.Lock()
	v := &visit{k: k, roster: k.roster, memory: k.memory.clone(), order: k.memory.Order, approved: k.head.Approved, asked: k.asked}
	k.asked = nil
	k.stale = false
	k.mu.Unlock()
	err = k.terminal.Hold(ctx, func(ctx context.Context, s terminal.Session) error {
		v.session = s
		return v.do(ctx)
	})
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		v.state = protocol.StandingFailed
	}
	k.finish(v, err)
	k.a.o.Changed()
	if v.after.Serial != "" {
		err = errors.Join(err, k.report(v))
	}
	if v.busy {
		return untilCalm, err
	}
	return k.a.o.Every, err
}

// finish keeps what the visit found out.
func (k *keeper) finish(v *visit, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if v.after.Serial != "" {
		v.session = nil // it has ended
		k.last, k.seen = v, time.Now()
		k.wants = v.wants
		for digest := range k.templates { // what is written, or no longer wanted, is nobody's business here
			if !slices.ContainsFunc(v.plan.Changes, func(c roster.Change) bool { return c.Finger.Digest == digest }) {
				clear(k.templates[digest])
				delete(k.templates, digest)
			}
		}
	}
	k.seenAs = standing{state: v.state, left: len(v.plan.Changes) + len(v.plan.Blocked), findings: v.plan.Findings}
	if err != nil {
		k.seenAs.trouble = err.Error()
	}
}

// do is the visit itself.
func (v *visit) do(ctx context.Context) (err error) {
	if v.before, err = v.inventory(ctx); err != nil {
		return err
	}
	v.after = v.before
	if err := v.pull(ctx); err != nil || v.roster == nil {
		return err
	}
	v.plan = roster.Diff(*v.roster, v.before)
	v.state = v.standing()
	if err := v.spend(); err != nil {
		return err
	}
	if len(v.plan.Changes) == 0 {
		if v.roster.Mode == roster.Enforce && v.memory.Generation != v.order.Life {
			v.memory.Generation = v.order.Life // its register agrees with the terminal
			return v.save()
		}
		return nil
	}
	if pass, err := v.passes(); err != nil || !pass {
		v.state = protocol.StandingBraked
		return err
	}
	if !v.k.a.o.Calm(time.Now()) {
		v.busy = true
		return nil
	}
	// Twice: a terminal that gives back other bytes than were written gets them once
	// more, and then what it gives back is what it has.
	for range 2 {
		v.before = v.after
		carried := v.carryOut(ctx, v.plan.Changes)
		if v.kept {
			v.k.a.o.Out.Again()
			v.kept = false
		}
		if v.after, err = v.inventory(ctx); err != nil {
			return errors.Join(carried, err)
		}
		if err := v.readBack(); err != nil {
			return errors.Join(carried, err)
		}
		v.plan = roster.Diff(*v.roster, v.after)
		if v.state = v.standing(); carried != nil {
			return carried
		}
		if !slices.ContainsFunc(v.plan.Changes, v.ready) {
			break
		}
	}
	return v.spend()
}

// spend forgets an approval whose plan has nothing left to delete: what the terminal is
// found to hold later nobody has looked at.
func (v *visit) spend() error {
	if v.memory.Approved != v.order || deletions(v.plan.Changes) > 0 {
		return nil
	}
	v.memory.Approved = protocol.Seq{}
	return v.save()
}

// inventory reads the terminal and adds what is known of equivalent templates.
func (v *visit) inventory(ctx context.Context) (roster.Inventory, error) {
	inv, err := v.session.Inventory(ctx)
	if err != nil {
		return inv, fmt.Errorf("read holdings of terminal %s: %w", v.k.serial, err)
	}
	if inv.Serial != v.k.serial {
		return roster.Inventory{}, fmt.Errorf("read holdings of terminal %s: it says that it is %s", v.k.serial, inv.Serial)
	}
	if err := inv.Check(); err != nil {
		return roster.Inventory{}, fmt.Errorf("read holdings of terminal %s: %w", v.k.serial, err)
	}
	last := v.memory.LastSlot
	for i, u := range inv.Users {
		last = max(last, u.Slot)
		for j, f := range u.Fingers {
			for _, e := range v.memory.Equivalent {
				if e.Writes >= 2 && e.Finger == f.Number && e.Given == f.Digest && e.PIN == protocol.NormalPIN(u.PIN) {
					inv.Users[i].Fingers[j].For = e.Wanted
				}
			}
		}
	}
	if last != v.memory.LastSlot {
		v.memory.LastSlot = last
		return inv, v.save()
	}
	return inv, nil
}

// save keeps the visit's memory with the newest order and slot, on disk first.
func (v *visit) save() error {
	v.k.mu.Lock()
	defer v.k.mu.Unlock()
	v.memory.Order, v.memory.LastSlot = v.k.memory.Order, max(v.memory.LastSlot, v.k.memory.LastSlot)
	if err := v.memory.save(v.k.a.o.Dir, v.k.serial); err != nil {
		return err
	}
	v.k.memory = v.memory.clone()
	return nil
}

// superseded tells whether a newer roster has come since the visit began. What it adds
// can wait for the next visit; what this one would still delete, it may want.
func (v *visit) superseded() bool {
	v.k.mu.Lock()
	defer v.k.mu.Unlock()
	return v.k.memory.Order != v.order
}

func (v *visit) deleted() (n int) {
	for _, d := range v.memory.Deleted {
		if since := time.Since(d.At); since < brakeSpan {
			n += d.N
		}
	}
	return n
}

// standing is what a plan leaves to be said. What a person accepted is as it should be.
func (v *visit) standing() protocol.Standing {
	switch {
	case len(v.plan.Changes) > 0:
		return protocol.StandingWaiting
	case slices.ContainsFunc(v.plan.Blocked, func(b roster.Blocked) bool { return b.Reason != roster.ReasonAccepted }):
		return protocol.StandingBlocked
	}
	return protocol.StandingEqual
}

// readBack compares what was written with what is there. Bytes that are others both
// times are what the terminal makes of the template.
func (v *visit) readBack() error {
	changed := false
	for _, c := range v.written {
		for _, u := range v.after.Users {
			if u.Slot != c.Slot && (c.Slot != 0 || protocol.NormalPIN(u.PIN) != c.PIN) {
				continue
			}
			for j, f := range u.Fingers {
				if f.Number != c.Finger.Number || f.Digest == c.Finger.Digest || f.Digest == c.Was && !v.ours(u.PIN, f) {
					continue // another finger; the wanted one; or the old one, which nothing has replaced
				}
				if v.equivalent(u.PIN, c.Finger, f.Digest) >= 2 {
					u.Fingers[j].For = c.Finger.Digest
				}
				changed = true
			}
		}
	}
	v.written = nil
	if !changed {
		return nil
	}
	return v.save()
}

// equivalent counts how often a template was written to the user of a PIN and given back
// as this.
func (v *visit) equivalent(pin string, want roster.Finger, given protocol.Hash) int {
	pin = protocol.NormalPIN(pin)
	for i := range v.memory.Equivalent {
		e := &v.memory.Equivalent[i]
		if e.PIN == pin && e.Finger == want.Number {
			if e.Wanted != want.Digest || e.Given != given {
				e.Wanted, e.Given, e.Writes = want.Digest, given, 0
			}
			e.Writes++
			return e.Writes
		}
	}
	v.memory.Equivalent = append(v.memory.Equivalent, equivalence{PIN: pin, Finger: want.Number, Wanted: want.Digest, Given: given, Writes: 1})
	return 1
}

// report puts inventory and results into the outbox, as far as they are news.
func (k *keeper) report(v *visit) error {
	hub := k.a.o.Out.Key()
	if hub.IsZero() {
		return nil // it is told when the key is known
	}
	digest, text, err := digestOf(v.after)
	if err != nil {
		return err
	}
	k.mu.Lock()
	results := v.results(digest)
	how := results
	how.Outcomes = nil
	standing, err := json.Marshal(how)
	if err != nil {
		k.mu.Unlock()
		return err
	}
	// What did not change is told again all the same: only so does the hub know that it was looked at.
	again := k.tell || time.Since(k.toldAt) >= k.a.o.Every
	newInventory := again || digest != k.told
	newResults := v.roster != nil && (again || len(v.outcomes) > 0 || !bytes.Equal(standing, k.toldHow))
	v.outcomes = nil // told once
	k.told, k.toldHow, k.tell = digest, standing, false
	if newInventory {
		k.toldAt = time.Now()
	}
	k.mu.Unlock()
	if newInventory {
		if err := k.tellInventory(hub, v.after, text); err != nil {
			return err
		}
	}
	if newResults {
		k.a.o.Out.Results(results)
	}
	return nil
}

func (k *keeper) tellInventory(hub seal.SealingPublic, inv roster.Inventory, text []byte) error {
	head, parts, err := protocol.SealDocument(hub, protocol.InventoryPurpose(k.a.o.Site, k.serial), text)
	if err != nil {
		return fmt.Errorf("seal inventory of terminal %s: %w", k.serial, err)
	}
	fingers := 0
	for _, u := range inv.Users {
		fingers += len(u.Fingers)
	}
	messages := make([]outbox.Message, 0, len(parts)+1)
	for _, p := range parts {
		messages = append(messages, outbox.Message{Topic: protocol.Topic{Kind: protocol.KindInventory, Serial: k.serial, Part: p.N}, Body: p})
	}
	messages = append(messages, outbox.Message{Topic: protocol.Topic{Kind: protocol.KindInventory, Serial: k.serial}, Body: protocol.Inventory{
		Sealing: k.a.o.Keys.Sealing(), Users: len(inv.Users), Fingers: fingers, Doc: head,
	}})
	k.a.o.Out.Replace(protocol.KindInventory, k.serial, messages...)
	return nil
}

func (v *visit) results(inventory protocol.Hash) protocol.Results {
	r := protocol.Results{Serial: v.k.serial, Roster: v.order, Inventory: inventory, State: v.state, Outcomes: v.outcomes}
	if r.State == "" {
		r.State = protocol.StandingFailed
	}
	for _, b := range v.plan.Blocked {
		r.Blocked = append(r.Blocked, outcome(b.Change, string(b.Reason)))
	}
	for _, c := range v.wants {
		if !slices.Contains(r.Wants, c.Finger.Digest) {
			r.Wants = append(r.Wants, c.Finger.Digest)
		}
	}
	if r.State == protocol.StandingBraked {
		r.Plan = planDigest(v.order, inventory)
		for _, c := range v.plan.Changes {
			r.Blocked = append(r.Blocked, outcome(c, "brake"))
		}
	}
	for i, o := range r.Outcomes {
		left := func(c roster.Change) bool { return outcome(c, "") == o }
		if o.Reason == "" && slices.ContainsFunc(v.plan.Changes, left) {
			r.Outcomes[i].Reason = "not-read-back"
		}
	}
	r.Outcomes, r.Blocked, r.Wants = first(r.Outcomes), first(r.Blocked), first(r.Wants)
	return r
}

func first[T any](list []T) []T { return list[:min(len(list), outbox.MaxTold)] }

func outcome(c roster.Change, reason string) protocol.Outcome {
	return protocol.Outcome{Act: string(c.Act), PIN: c.PIN, Finger: c.Finger.Number, Reason: reason}
}

// planDigest names a plan: what it is for and what it starts from. When either
// changes, an approval of it is void.
func planDigest(order protocol.Seq, inventory protocol.Hash) protocol.Hash {
	return sha256.Sum256(fmt.Appendf(nil, "sidik/v1/plan %s %s", order, inventory))
}

// passes tells whether the brake lets the plan pass: of itself, or because a person
// has approved this very plan. Under a new life of the hub nothing is deleted of
// itself: its register may be the one of yesterday.
func (v *visit) passes() (bool, error) {
	if v.memory.Approved == v.order {
		return true, nil // begun with a person's approval; it goes on where it was interrupted
	}
	if deletions(v.plan.Changes) > 0 {
		digest, _, err := digestOf(v.before)
		if err != nil {
			return false, err
		}
		newLife := v.memory.Generation != 0 && v.memory.Generation != v.order.Life
		switch {
		case v.approved == planDigest(v.order, digest):
			v.memory.Approved = v.order
		case newLife, v.k.a.o.Brake.holds(v.plan, v.deleted(), len(v.before.Users)):
			return false, nil
		}
	}
	v.memory.Generation = v.order.Life
	return true, v.save()
}

// digestOf is an inventory as it is told, and its digest.
func digestOf(inv roster.Inventory) (protocol.Hash, []byte, error) {
	text, err := json.Marshal(inv)
	return sha256.Sum256(text), text, err
}

// pull seals the templates that the hub asked for and puts them into the outbox. The
// terminal keeps them, so nothing is lost when the line swallows them: the hub asks
// again. What the terminal no longer holds is passed over; the next inventory says so.
// What waits for the hub already goes as it is: were it to come once more without the
// job that captured it, the hub's word on that would be taken for a word on both.
func (v *visit) pull(ctx context.Context) error {
	if len(v.asked) == 0 {
		return nil
	}
	wanted := make(map[protocol.Hash]bool, len(v.asked))
	for _, d := range v.asked {
		wanted[d] = true
	}
	var items []protocol.SealedTemplate
	waits := false
	for _, u := range v.before.Users {
		for _, f := range u.Fingers {
			if !wanted[f.Digest] {
				continue
			}
			if v.k.a.o.Out.Holds(v.k.serial, protocol.SealedTemplate{PIN: protocol.NormalPIN(u.PIN), Finger: f.Number, Digest: f.Digest}) {
				waits = true
				continue
			}
			item, err := v.sealed(ctx, u.Slot, protocol.NormalPIN(u.PIN), f)
			if err != nil {
				return err
			}
			items = append(items, item)
		}
	}
	if waits {
		v.k.a.o.Out.Again()
	}
	v.k.a.o.Out.Pulled(v.k.serial, items)
	return nil
}
