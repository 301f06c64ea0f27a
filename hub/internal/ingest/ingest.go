// Package ingest takes what agents say: it checks each message's key and
// signature, hands segments in groups to the store, and tells after the commit
// whose receipt has changed. States are kept, and read for proof that this hub
// has gone back in time. Inventories and templates are opened with the hub's sealing
// key; they and results are kept where what terminals hold is.
//
// It knows no broker and writes no SQL. Beware: nothing is a receipt's business
// before Accept has returned; a crash in between costs a repetition, never a punch.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// Store is what ingest needs of the hub's store.
type Store interface {
	Agent(ctx context.Context, site protocol.SiteID) (store.Agent, error)
	LearnKey(ctx context.Context, site protocol.SiteID, key seal.PublicKey, at time.Time) error
	CountAttempt(ctx context.Context, site protocol.SiteID, key seal.KeyID, at time.Time) error
	SaveState(ctx context.Context, st store.State) (newer bool, err error)
	State(ctx context.Context, site protocol.SiteID) (st store.State, found bool, err error)
	Accept(ctx context.Context, in []store.Incoming) ([]store.Verdict, error)
	Receipt(ctx context.Context, site protocol.SiteID) (protocol.Receipt, uint64, error)
	RaiseRevision(ctx context.Context, site protocol.SiteID, atLeast uint64) error
	Generation(ctx context.Context) (protocol.Generation, error)
	RaiseGeneration(ctx context.Context, reason string, at time.Time) (protocol.Generation, error)
	Raise(ctx context.Context, c store.Condition, at time.Time) (fresh bool, err error)
}

// Dispatch is told what ingest changed.
type Dispatch interface {
	Changed(site protocol.SiteID)                                                   // the site's receipt may be another now
	RostersChanged(site protocol.SiteID)                                            // the key that its rosters are sealed to may be another now
	Reborn()                                                                        // the generation rose: everything is to be published anew
	Reported(site protocol.SiteID, held []protocol.HeldRoster, at time.Time)        // these rosters its agent has now
	Has(site protocol.SiteID, kind protocol.Kind, order protocol.Seq, at time.Time) // of this document of its own its agent has heard

	Wanted(site protocol.SiteID, serial protocol.Serial, digests []protocol.Hash) // its agent asks for these templates
	Kept(site protocol.SiteID, serial protocol.Serial, digests []protocol.Hash)   // these templates of it are stored
}

// Meter counts for the metrics page; all methods must be quick.
type Meter interface {
	Segment(outcome string, stored int, took time.Duration) // took: from arrival until the commit was done
	Refused(kind protocol.Kind, reason protocol.Reason)
}

// Keys are the hub's own, former ones too: agents that slept address them, and what
// they signed is evidence.
type Keys interface {
	protocol.Opener
	Public(id seal.KeyID) (seal.PublicKey, bool)
}

// Options are the parts of an Ingest. All but the vault, the jobs and the errands are needed.
type Options struct {
	Store    Store
	Holding  Holding
	Vault    Vault   // nil: templates that come up are refused
	Jobs     Jobs    // nil: what is said of jobs is refused
	Errands  Errands // the same
	Dispatch Dispatch
	Meter    Meter
	Keys     Keys
	Workers  int // goroutines that check signatures
	Logger   *slog.Logger
	Pulse    *pulse.Pulse // has the loops that take and store; may be nil
}

// Limits of one commit: enough to pay a disk's sync once for many sites, few
// enough that a receipt does not wait.
const (
	groupSegments = 512
	groupWait     = 4 * time.Millisecond
	queueLength   = 256 // checked messages waiting for the commit
)

// The loops that take and store give a sign of life every aliveEvery while nothing comes.
const (
	aliveEvery  = 30 * time.Second
	aliveWithin = 5 * time.Minute // a database in trouble may take so long for one commit
)

// Ingest is made by New and run once.
type Ingest struct {
	o      Options
	takes  *pulse.Loop
	stores *pulse.Loop
	seed   maphash.Seed
	spoken map[protocol.SiteID]protocol.Seq // of each site, the newest state of a life that is over; commit's own
}

// New returns an ingest that has not started yet.
func New(o Options) *Ingest {
	return &Ingest{o: o, takes: o.Pulse.Loop("ingest: take"), stores: o.Pulse.Loop("ingest: store"), seed: maphash.MakeSeed(),
		spoken: map[protocol.SiteID]protocol.Seq{}}
}

// checked is a message whose signature holds.
type checked struct {
	envelope protocol.Envelope
	message  []byte
	retained bool // the broker's kept copy, not news
	received time.Time
	segment  protocol.Segment
	links    []protocol.Link
	state    protocol.State

	inventory inventory
	results   protocol.Results
	templates []Template
	progress  protocol.Progress
	diagnosis protocol.Diagnosis
	serial    protocol.Serial // the terminal that inventory, results, templates or progress are of
}

// seen is what one worker remembers of its sites' messages.
type seen struct {
	gathered *gathered
	early    early
}

// Run takes messages until the channel closes or ctx ends. An error is the
// store's: the caller ends the connection, agents send again.
func (i *Ingest) Run(ctx context.Context, messages <-chan mqtt.Message) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := make(chan checked, queueLength)
	var workers sync.WaitGroup
	// Messages of one site stay in one queue, so that its segments keep their order.
	queues := make([]chan mqtt.Message, i.o.Workers)
	for n := range queues {
		queues[n] = make(chan mqtt.Message, queueLength)
		workers.Go(func() {
			seen := &seen{gathered: newGathered()}
			for m := range queues[n] {
				if err := i.check(ctx, m, seen, out); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	var routing sync.WaitGroup
	routing.Go(func() {
		i.route(ctx, messages, queues)
		for _, q := range queues {
			close(q)
		}
		workers.Wait()
		close(out)
	})
	err := i.commit(ctx, out)
	cancel(err)
	routing.Wait()
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// route gives each message to the queue of its site.
func (i *Ingest) route(ctx context.Context, messages <-chan mqtt.Message, queues []chan mqtt.Message) {
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	defer i.takes.Rest()
	for {
		i.takes.Within(aliveWithin)
		select {
		case <-ctx.Done():
			return
		case <-alive.C:
		case m, open := <-messages:
			if !open {
				return
			}
			topic, err := protocol.ParseTopic(m.Topic)
			if err != nil {
				i.refuse("", err)
				continue
			}
			if topic.Kind.Direction() != protocol.Up || len(m.Payload) == 0 {
				continue
			}
			select {
			case queues[maphash.String(i.seed, string(topic.Site))%uint64(len(queues))] <- m:
			case <-ctx.Done():
				return
			}
		}
	}
}

// refuse counts a message that changes nothing.
func (i *Ingest) refuse(kind protocol.Kind, err error) {
	reason := protocol.ReasonOf(err)
	i.o.Meter.Refused(kind, reason)
	i.o.Logger.Debug("message refused", "kind", string(kind), "reason", string(reason), "error", err)
}

// commit gathers checked messages and stores them in groups.
func (i *Ingest) commit(ctx context.Context, in <-chan checked) error {
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	defer i.stores.Rest()
	for {
		i.stores.Within(aliveWithin)
		group, open := gather(ctx, in, alive.C)
		if err := i.store(ctx, group); err != nil {
			return err
		}
		if !open {
			return nil
		}
	}
}

// gather waits for one message, or for a tick, and takes with it what comes within groupWait.
func gather(ctx context.Context, in <-chan checked, tick <-chan time.Time) (group []checked, open bool) {
	var due <-chan time.Time
	for len(group) < groupSegments {
		select {
		case <-ctx.Done():
			return nil, false
		case c, open := <-in:
			if !open {
				return group, false
			}
			group = append(group, c)
			if due == nil {
				due = time.After(groupWait)
			}
		case <-due:
			return group, true
		case <-tick:
			return group, true
		}
	}
	return group, true
}

// store commits a group: all segments in one transaction, then the rest in the
// order in which it came.
func (i *Ingest) store(ctx context.Context, group []checked) error {
	var in []store.Incoming
	for _, c := range group {
		if c.envelope.Kind == protocol.KindPunches {
			in = append(in, store.Incoming{
				Site: c.envelope.Site, From: c.envelope.From, Message: c.message,
				Segment: c.segment, Links: c.links, Received: c.received,
			})
		}
	}
	if len(in) > 0 {
		verdicts, err := i.o.Store.Accept(ctx, in)
		if err != nil {
			return fmt.Errorf("store %d segments: %w", len(in), err)
		}
		for n, v := range verdicts {
			if err := i.judge(ctx, in[n], v); err != nil {
				return err
			}
		}
	}
	for _, c := range group {
		if c.envelope.Kind == protocol.KindPunches {
			continue
		}
		_, err := i.speaker(ctx, c) // its agent may have been shut out since it was checked
		if refusal, is := errors.AsType[*protocol.Refusal](err); is {
			i.refuse(c.envelope.Kind, refusal)
			continue
		}
		if err != nil {
			return err
		}
		switch c.envelope.Kind {
		case protocol.KindState:
			err = i.takeState(ctx, c)
		case protocol.KindInventory, protocol.KindResults, protocol.KindTemplatesUp, protocol.KindProgress, protocol.KindDiagnosis:
			err = i.takeHolding(ctx, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// judge tells what became of one segment.
func (i *Ingest) judge(ctx context.Context, in store.Incoming, v store.Verdict) error {
	i.o.Meter.Segment(string(v.Outcome), v.New, time.Since(in.Received))
	if v.Outcome == store.OutcomeRefused {
		// The site was withdrawn between the check and the commit.
		return i.o.Store.CountAttempt(ctx, in.Site, in.From, in.Received)
	}
	i.o.Dispatch.Changed(in.Site)
	if v.Outcome == store.OutcomeFork {
		return i.raise(ctx, in.Received, store.Condition{
			Site: in.Site, Code: ConditionFork, Subject: in.Segment.Epoch.Short(),
			Args: map[string]string{"sequence": fmt.Sprint(v.Fork)},
		})
	}
	for _, serial := range v.Unregistered {
		if err := i.raise(ctx, in.Received, store.Condition{
			Site: in.Site, Code: ConditionTerminalUnregistered, Subject: string(serial),
		}); err != nil {
			return err
		}
	}
	return nil
}

func (i *Ingest) raise(ctx context.Context, at time.Time, c store.Condition) error {
	fresh, err := i.o.Store.Raise(ctx, c, at)
	if err != nil {
		return fmt.Errorf("raise %s of site %s: %w", c.Code, c.Site, err)
	}
	if fresh {
		i.o.Logger.Warn("condition raised", "site", string(c.Site), "condition", c.Code, "subject", c.Subject)
	}
	return nil
}
