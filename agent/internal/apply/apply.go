// Package apply makes terminals hold what their rosters say: it takes rosters and
// templates from the hub, reads what a terminal holds, writes what lies between,
// reads it back, and tells the hub how it went.
//
// It knows the contract and terminal.Keeper; it must not know a wire protocol or
// MQTT. Templates are in memory only, and only while they are wanted.
//
// Beware: what a roster deletes or writes over is kept first, sealed to the hub and
// on disk; and a plan that deletes more than the brake lets pass stops before its
// first step.
package apply

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/outbox"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Terminal is one terminal whose holdings are kept.
type Terminal struct {
	Serial protocol.Serial
	Keeper terminal.Keeper
}

// Keys opens what was sealed to this agent, and says to which key the hub shall seal.
type Keys interface {
	protocol.Opener
	Sealing() seal.SealingPublic
}

// Options are what an Applier is made of. All but the intervals are needed.
type Options struct {
	Site      protocol.SiteID
	Dir       string // folder of its own, made when it is not there
	Keys      Keys
	Out       *outbox.Outbox // for what the hub is told
	Terminals []Terminal
	Brake     Brake
	// Calm tells whether terminals may be written to now: outside of the hours in
	// which people come and go.
	Calm    func(time.Time) bool
	Changed func() // Conditions may say something new
	Logger  *slog.Logger

	Every time.Duration // between two inventories when nothing else asks for one; default 6 h
	Retry time.Duration // after a terminal failed, doubling to Every; default 30 s
	Ask   time.Duration // until templates that did not come are asked for again, doubling to Every; default 30 s
}

// Applier keeps all terminals of a site at their rosters.
type Applier struct {
	o       Options
	keepers map[protocol.Serial]*keeper // of the configured terminals; never another
}

// New makes the folder and reads what was kept in it.
func New(o Options) (*Applier, error) {
	if o.Every == 0 {
		o.Every = 6 * time.Hour
	}
	if o.Retry == 0 {
		o.Retry = 30 * time.Second
	}
	if o.Ask == 0 {
		o.Ask = 30 * time.Second
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of rosters: %w", err)
	}
	a := &Applier{o: o, keepers: map[protocol.Serial]*keeper{}}
	for _, t := range o.Terminals {
		k, err := newKeeper(a, t)
		if err != nil {
			return nil, err
		}
		a.keepers[t.Serial] = k
	}
	return a, nil
}

// Run keeps the terminals until ctx ends, and returns when nothing of it runs any more.
func (a *Applier) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	for _, k := range a.keepers {
		parts.Go(func() { k.run(ctx) })
	}
	parts.Wait()
	return nil
}

// HubKey takes the key to which inventories and copies are sealed. Without one
// nothing is told to the hub, and nothing is deleted.
func (a *Applier) HubKey(key seal.SealingPublic) {
	if a.o.Out.SetKey(key) {
		a.Resend()
	}
}

// Resend asks that every terminal is told anew: a connection began, and
// nobody knows what the one before still carried.
func (a *Applier) Resend() {
	for _, k := range a.keepers {
		k.retell()
	}
	a.o.Out.Again()
}

// keeper is who keeps a terminal; one that is not configured here, or is left alone,
// refuses the message.
func (a *Applier) keeper(serial protocol.Serial) (*keeper, error) {
	if k := a.keepers[serial]; k != nil {
		return k, k.whole()
	}
	return nil, &protocol.Refusal{Reason: protocol.ReasonReceiver, Cause: fmt.Errorf("terminal %s is not configured here", serial)}
}

// TakeRoster takes a roster message, the head or one of its parts, whose envelope
// has been checked. What is older than what was taken before refuses it.
func (a *Applier) TakeRoster(t protocol.Topic, e protocol.Envelope) error {
	k, err := a.keeper(t.Serial)
	if err != nil {
		return err
	}
	if t.Part > 0 {
		var part protocol.Part
		if err := e.Into(&part); err != nil {
			return err
		}
		if part.N != t.Part {
			return &protocol.Refusal{Reason: protocol.ReasonTopic, Cause: fmt.Errorf("part %d came as part %d", part.N, t.Part)}
		}
		return k.takePart(e.Seq, part)
	}
	var head protocol.Roster
	if err := e.Into(&head); err != nil {
		return err
	}
	return k.takeHead(e.Seq, head)
}

// TakeTemplates takes templates that were asked for, and the hub's word on copies
// that it has.
func (a *Applier) TakeTemplates(e protocol.Envelope) error {
	var m protocol.Templates
	if err := e.Into(&m); err != nil {
		return err
	}
	if err := a.o.Out.Confirm(m.Kept); err != nil {
		return err
	}
	if len(m.Items)+len(m.Wants) == 0 {
		return nil
	}
	k, err := a.keeper(m.Serial)
	if err != nil {
		return err
	}
	if len(m.Wants) > 0 {
		k.ask(m.Wants)
	}
	var refused error // one that is late or wrong does not keep the others out
	for _, item := range m.Items {
		template, err := a.o.Keys.Open(protocol.TemplatePurpose(protocol.KindTemplatesDown, a.o.Site, m.Serial,
			item.PIN, item.Finger, item.Algorithm, item.Digest), item.Box)
		if err != nil {
			err = &protocol.Refusal{Reason: protocol.ReasonBody, Cause: err}
		} else {
			err = k.takeTemplate(item, template)
		}
		if refused == nil {
			refused = err
		}
	}
	return refused
}
