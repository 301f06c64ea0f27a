package apply

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// keeper keeps one terminal at its roster.
type keeper struct {
	a        *Applier
	serial   protocol.Serial
	terminal terminal.Keeper
	wake     chan struct{} // capacity 1
	damaged  error         // why the terminal is left alone; nil: it is kept
	arrived  chan struct{} // capacity 1: a template came

	mu        sync.Mutex // guards what follows
	memory    memory
	head      protocol.Roster
	gathering protocol.Gathering
	roster    *roster.Roster // nil: none yet, or not all of its parts
	templates map[protocol.Hash][]byte
	wants     []roster.Change // fingers that were asked for
	asked     []protocol.Hash // templates that the hub asks for
	tell      bool            // say how things are even when nothing changed
	stale     bool            // what was seen last no longer counts: a roster or a template came
	last      *visit          // the last one that saw the terminal
	seen      time.Time       // when that was
	told      protocol.Hash   // digest of the inventory that was told last
	toldAt    time.Time       // when that was
	toldHow   []byte          // the results that were told last, without outcomes
	seenAs    standing        // how the terminal was then, for people
}

func newKeeper(a *Applier, t Terminal) (*keeper, error) {
	m, err := loadMemory(a.o.Dir, t.Serial)
	var damaged error
	if errors.Is(err, errDamaged) {
		damaged, err = err, nil
	}
	if err != nil {
		return nil, err
	}
	k := &keeper{a: a, serial: t.Serial, terminal: t.Keeper, wake: make(chan struct{}, 1), arrived: make(chan struct{}, 1), memory: m, damaged: damaged, templates: map[protocol.Hash][]byte{}}
	if damaged != nil {
		a.o.Logger.Error("a terminal is only read, not kept at its roster", "terminal", string(t.Serial), "error", damaged)
		k.seenAs = standing{state: protocol.StandingFailed, trouble: damaged.Error()}
	}
	return k, nil
}

// whole refuses what is for a terminal of which is not known any more what it was told
// last: an old roster could come again.
func (k *keeper) whole() error {
	if k.damaged == nil {
		return nil
	}
	return &protocol.Refusal{Reason: protocol.ReasonReceiver, Cause: k.damaged}
}

// retell asks that the hub is told how things are.
func (k *keeper) retell() {
	k.mu.Lock()
	k.tell = true
	k.mu.Unlock()
	signal(k.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is waiting already
	}
}

// takeHead takes a roster's head. Its order is on disk before anything of it counts,
// so that no older one is ever applied, not even after a restart.
func (k *keeper) takeHead(order protocol.Seq, head protocol.Roster) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if order.Less(k.memory.Order) {
		return replayed(order, k.memory.Order)
	}
	newer := order != k.memory.Order
	if newer {
		next := k.memory
		next.Order = order
		if err := next.save(k.a.o.Dir, k.serial); err != nil {
			return err
		}
		k.memory = next
	}
	same := k.roster != nil && !newer && head.Doc.Digest == k.head.Doc.Digest && head.Approved == k.head.Approved
	k.head = head
	k.gathering.Head(head.Doc)
	if same {
		return nil // said again, as with every connection: the terminal need not be read for that
	}
	return k.unseal()
}

func replayed(order, newest protocol.Seq) error {
	return &protocol.Refusal{Reason: protocol.ReasonReplay, Cause: fmt.Errorf("roster %s after %s", order, newest)}
}

func (k *keeper) takePart(order protocol.Seq, part protocol.Part) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if order.Less(k.memory.Order) {
		return replayed(order, k.memory.Order)
	}
	k.gathering.Part(part)
	if k.roster != nil && part.Digest == k.head.Doc.Digest {
		return nil // said again: the whole was open already
	}
	return k.unseal()
}

// unseal opens the roster once all of it is here.
func (k *keeper) unseal() error {
	text, missing, err := k.gathering.Open(k.a.o.Keys, protocol.RosterPurpose(k.a.o.Site, k.serial, k.memory.Order))
	if missing {
		k.roster = nil // the one before is older
		return nil
	}
	var r roster.Roster
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil {
		err = r.Check()
	}
	if err == nil && (r.Serial != k.serial || string(r.Mode) != k.head.Mode) {
		err = errors.New("the sealed roster is another than its head says")
	}
	if err != nil {
		k.roster = nil
		return &protocol.Refusal{Reason: protocol.ReasonBody, Cause: err}
	}
	k.roster, k.stale = &r, true
	signal(k.wake)
	return nil
}

// ask has the terminal's own templates sent to the hub. Asks add up: a long list comes
// in several messages.
func (k *keeper) ask(digests []protocol.Hash) {
	k.mu.Lock()
	for _, d := range digests {
		if len(k.asked) < maxAsked && !slices.Contains(k.asked, d) {
			k.asked = append(k.asked, d)
		}
	}
	k.stale = true
	k.mu.Unlock()
	signal(k.wake)
}

// maxAsked bounds what is sent after one look at the terminal, and so the memory for
// it; the hub asks again for the rest.
const maxAsked = 4096

// takeTemplate takes a template that this terminal wants, and no other.
func (k *keeper) takeTemplate(item protocol.SealedTemplate, template []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	wanted := slices.ContainsFunc(k.wants, func(c roster.Change) bool {
		return c.PIN == item.PIN && c.Finger.Number == item.Finger && c.Finger.Algorithm == item.Algorithm && c.Finger.Digest == item.Digest
	})
	if !wanted {
		return &protocol.Refusal{Reason: protocol.ReasonReplay, Cause: errors.New("a template that nobody here waits for")}
	}
	if len(template) > protocol.MaxTemplate || protocol.Hash(sha256.Sum256(template)) != item.Digest {
		return &protocol.Refusal{Reason: protocol.ReasonBody, Cause: errors.New("a template with another digest")}
	}
	k.templates[item.Digest], k.stale = template, true
	signal(k.arrived)
	return nil
}

// served tells whether every template that was asked for is here.
func (k *keeper) served() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !slices.ContainsFunc(k.wants, func(c roster.Change) bool { return k.templates[c.Finger.Digest] == nil })
}

// stragglers is how long the rest of the templates is waited for after one came.
const stragglers = 3 * time.Second

// fresh is how long it is good enough to tell the hub what was seen last: a look
// reads the whole terminal, and lines come and go.
const fresh = 30 * time.Minute

// recall is the last visit, if telling of it is all that was asked for.
func (k *keeper) recall() *visit {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stale || time.Since(k.seen) > fresh {
		return nil
	}
	return k.last
}

// remind asks once more for templates that did not come, and tells whether some are
// still missing: the asking or the answer may be lost on a line that never breaks.
func (k *keeper) remind() (missing bool, err error) {
	if k.served() {
		return false, nil
	}
	k.mu.Lock()
	v := k.last
	k.toldHow = nil
	k.mu.Unlock()
	return true, k.report(v)
}

// run looks at the terminal whenever something asks for it, until ctx ends. The
// first look waits for a hub: without one there is neither a roster nor anybody to
// tell.
func (k *keeper) run(ctx context.Context) {
	if k.damaged != nil {
		<-ctx.Done()
		return
	}
	next := time.NewTimer(k.a.o.Every)
	defer next.Stop()
	retry := k.a.o.Retry
	ask := time.NewTimer(k.a.o.Every)
	defer ask.Stop()
	asking := k.a.o.Ask
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.wake:
			if v := k.recall(); v != nil {
				if err := k.report(v); err != nil {
					k.a.o.Logger.Error("cannot tell the hub of a terminal", "terminal", string(k.serial), "error", err)
				}
				continue
			}
		case <-k.arrived:
			// They come a few at a time, and a look reads the whole terminal.
			if !k.served() {
				next.Reset(stragglers)
				continue
			}
		case <-ask.C:
			missing, err := k.remind()
			if err != nil {
				k.a.o.Logger.Error("cannot ask the hub for templates", "terminal", string(k.serial), "error", err)
			}
			if missing {
				asking = min(2*asking, k.a.o.Every)
				ask.Reset(asking)
			}
			continue
		case <-next.C:
		}
		wait, err := k.converge(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			k.a.o.Logger.Warn("terminal not brought to its roster", "terminal", string(k.serial), "error", err)
			wait, retry = retry, min(2*retry, k.a.o.Every)
		} else {
			retry = k.a.o.Retry
		}
		next.Reset(wait)
		asking = k.a.o.Ask
		ask.Reset(asking)
	}
}
