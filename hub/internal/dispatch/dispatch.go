// Package dispatch publishes what the hub says: its keys, its birth, every site's
// receipt, every terminal's roster and what the agency has set for a site. All of that is retained and made anew from
// the store, so a broker that lost or kept too much is put right at each connection.
// Templates go out unretained, to those who ask and whose roster names them; so do jobs,
// again and again until their agents have said what became of them.
//
// It knows no segment and decides no roster. Beware: the birth is said last,
// because agents take it as the word that everything else is in place.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// Store is what dispatch needs of the hub's store.
type Store interface {
	Agent(ctx context.Context, site protocol.SiteID) (store.Agent, error)
	Agents(ctx context.Context) ([]store.Agent, error)
	Receipts(ctx context.Context, sites ...protocol.SiteID) ([]store.Receipt, error)
	Generation(ctx context.Context) (protocol.Generation, error)
	AllConditions(ctx context.Context) ([]store.Condition, error)
}

// Options are the parts of a Dispatch. All but the vault, the jobs and the errands are needed.
type Options struct {
	Store   Store
	Holding Holding
	// Documents returns the small retained messages that sites are to have; nil: none.
	Documents func(ctx context.Context) ([]Document, error)
	Vault     Vault   // nil: templates that are asked for are refused
	Jobs      Jobs    // nil: there are none
	Errands   Errands // the same
	Key       seal.SigningKey
	Keys      []byte // the keys document as the root signed it; none while it is empty
	Version   string
	Sent      func(receipts int)  // counts published receipts
	Refused   func(templates int) // counts templates that were asked for and not given
	Logger    *slog.Logger

	Patience time.Duration // for which an agent may go on saying that it has an older roster; default 30 s

	Pulse *pulse.Pulse // has the loops that follow what changes; may be nil
}

// Dispatch is made by New; Will and Serve are called once per connection.
type Dispatch struct {
	o Options

	receiptsAlive, rostersAlive, documentsAlive *pulse.Loop

	mu      sync.Mutex // guards what follows
	birth   uint32     // number of the present connection: the second in which it began, so that it rises over restarts too
	said    uint32     // hub messages of this connection
	changed map[protocol.SiteID]bool
	rosters map[protocol.SiteID]bool // may have changed
	reborn  bool
	sent    map[terminal]sent // rosters of this connection
	told    map[place]told    // documents of this connection

	wake        chan struct{} // capacity 1: changed or reborn have something
	wakeRosters chan struct{} // capacity 1: rosters has something

	requests requests
}

// The loop that follows receipts gives a sign of life every aliveEvery while nothing
// changes; that of the rosters looks often anyway. Sealing and sending the rosters of all terminals takes its time.
const (
	aliveEvery  = 30 * time.Second
	aliveWithin = 30 * time.Minute
)

// New returns a dispatch without a connection.
func New(o Options) *Dispatch {
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	return &Dispatch{o: o, receiptsAlive: o.Pulse.Loop("dispatch: receipts"), rostersAlive: o.Pulse.Loop("dispatch: rosters"), documentsAlive: o.Pulse.Loop("dispatch: documents"), changed: map[protocol.SiteID]bool{}, rosters: map[protocol.SiteID]bool{},
		sent: map[terminal]sent{}, told: map[place]told{}, wake: make(chan struct{}, 1), wakeRosters: make(chan struct{}, 1), requests: newRequests()}
}

// Changed tells that a site's receipt may be another now.
func (d *Dispatch) Changed(site protocol.SiteID) {
	d.mu.Lock()
	d.changed[site] = true
	d.mu.Unlock()
	signal(d.wake)
}

// RostersChanged tells that a site's rosters, or the key that they are sealed to, may
// be others now.
func (d *Dispatch) RostersChanged(site protocol.SiteID) {
	d.mu.Lock()
	d.rosters[site] = true
	d.mu.Unlock()
	signal(d.wakeRosters)
}

// Reborn tells that the generation rose: all but the rosters, whose orders say of which
// generation they are, is published anew.
func (d *Dispatch) Reborn() {
	d.mu.Lock()
	d.reborn = true
	d.mu.Unlock()
	signal(d.wake)
}

func signal(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default: // one is waiting already
	}
}

// take empties the list of whose receipts changed.
func (d *Dispatch) take() (sites []protocol.SiteID, reborn bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	sites = slices.Collect(maps.Keys(d.changed))
	clear(d.changed)
	reborn, d.reborn = d.reborn, false
	return sites, reborn
}

// Will is the message that the broker publishes when the hub's connection
// breaks. It begins the count of a new connection.
func (d *Dispatch) Will(ctx context.Context) (mqtt.Message, error) {
	d.mu.Lock()
	d.birth, d.said = max(d.birth+1, uint32(time.Now().Unix())), 0
	d.mu.Unlock()
	return d.hub(ctx, protocol.HubGone, protocol.WillMessage)
}

// Serve publishes everything, says the birth and then follows what changes,
// until ctx ends; then it says goodbye. ready is called after each birth.
func (d *Dispatch) Serve(ctx context.Context, conn *mqtt.Conn, ready func()) error {
	d.mu.Lock()
	clear(d.sent)
	clear(d.told)
	d.mu.Unlock()
	err := d.everything(ctx, conn)
	if err == nil {
		ready()
		working, end := context.WithCancelCause(ctx)
		defer end(nil)
		var parts sync.WaitGroup
		for _, part := range []func(context.Context, *mqtt.Conn) error{d.follow, d.followRosters, d.followDocuments, d.followJobs, d.answer} {
			parts.Go(func() { end(part(working, conn)) })
		}
		parts.Wait()
		err = context.Cause(working)
	}
	if ctx.Err() != nil {
		return d.sayGoodbye(ctx, conn)
	}
	return err
}

// follow publishes what changes, rosters apart, until ctx ends.
func (d *Dispatch) follow(ctx context.Context, conn *mqtt.Conn) error {
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	defer d.receiptsAlive.Rest()
	for {
		d.receiptsAlive.Within(aliveWithin)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-alive.C:
		case <-d.wake:
			sites, reborn := d.take()
			var err error
			if reborn {
				if err = d.keysAndReceipts(ctx, conn); err == nil {
					err = d.say(ctx, conn, protocol.HubBorn) // rosters are in place since the birth before
				}
			} else if len(sites) > 0 {
				err = d.receipts(ctx, conn, sites)
			}
			if err != nil {
				return err
			}
		}
	}
}

// everything puts all retained messages in place and then says the birth.
func (d *Dispatch) everything(ctx context.Context, conn *mqtt.Conn) error {
	if err := d.keysAndReceipts(ctx, conn); err != nil {
		return err
	}
	if err := d.sendRosters(ctx, conn, ""); err != nil {
		return err
	}
	if err := d.sendDocuments(ctx, conn); err != nil {
		return err
	}
	return d.say(ctx, conn, protocol.HubBorn)
}

func (d *Dispatch) keysAndReceipts(ctx context.Context, conn *mqtt.Conn) error {
	if len(d.o.Keys) > 0 {
		topic := protocol.Topic{Site: protocol.HubSite, Kind: protocol.KindKeys}
		if err := conn.Publish(ctx, mqtt.Message{Topic: topic.String(), Payload: d.o.Keys, Retained: true}); err != nil {
			return fmt.Errorf("publish keys: %w", err)
		}
	}
	return d.receipts(ctx, conn, nil)
}

// receipts publishes the receipts of these sites, or of all when none is named.
func (d *Dispatch) receipts(ctx context.Context, conn *mqtt.Conn, sites []protocol.SiteID) error {
	held, err := d.o.Store.Receipts(ctx, sites...)
	if err != nil {
		return fmt.Errorf("read receipts: %w", err)
	}
	agents := map[protocol.SiteID]seal.KeyID{}
	if sites == nil {
		all, err := d.o.Store.Agents(ctx)
		if err != nil {
			return fmt.Errorf("read agents: %w", err)
		}
		for _, a := range all {
			agents[a.Site] = a.Fingerprint.KeyID()
		}
	}
	err = side(ctx, held, func(ctx context.Context, r store.Receipt) error {
		to, known := agents[r.Site]
		if !known {
			a, err := d.o.Store.Agent(ctx, r.Site)
			if errors.Is(err, store.ErrNoSite) {
				return nil // withdrawn in between
			}
			if err != nil {
				return fmt.Errorf("find agent of site %s: %w", r.Site, err)
			}
			to = a.Fingerprint.KeyID()
		}
		m, err := d.message(protocol.Topic{Site: r.Site, Kind: protocol.KindReceipt}, to,
			protocol.Seq{Life: r.Receipt.Generation.Number, Counter: r.Revision}, r.Receipt)
		if err != nil {
			return err
		}
		return conn.Publish(ctx, m)
	})
	if err != nil {
		return fmt.Errorf("publish receipts: %w", err)
	}
	d.o.Sent(len(held))
	return nil
}

// publishers is how many receipts or rosters are under way to the broker at once.
const publishers = 16

// side does something for every item, for several side by side, and returns when all
// of it has ended. The first error ends the rest.
func side[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan T)
	var workers sync.WaitGroup
	for range min(publishers, len(items)) {
		workers.Go(func() {
			for item := range queue {
				if err := do(ctx, item); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	for _, item := range items {
		select {
		case queue <- item:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(queue)
	workers.Wait()
	return context.Cause(ctx)
}

// say publishes whether the hub is there.
func (d *Dispatch) say(ctx context.Context, conn *mqtt.Conn, status protocol.HubStatus) error {
	m, err := d.hub(ctx, status, uint32(d.next()))
	if err != nil {
		return err
	}
	if err := conn.Publish(ctx, m); err != nil {
		return fmt.Errorf("publish hub's state: %w", err)
	}
	return nil
}

// sayGoodbye tells agents that the hub stops on purpose, unless the line is gone.
func (d *Dispatch) sayGoodbye(ctx context.Context, conn *mqtt.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = d.say(ctx, conn, protocol.HubGone) // on a line that is gone the will speaks
	return nil
}

// next numbers the hub messages of this connection.
func (d *Dispatch) next() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.said++
	return protocol.ConnectionCounter(d.birth, d.said)
}

func (d *Dispatch) hub(ctx context.Context, status protocol.HubStatus, n uint32) (mqtt.Message, error) {
	g, err := d.o.Store.Generation(ctx)
	if err != nil {
		return mqtt.Message{}, fmt.Errorf("read generation: %w", err)
	}
	d.mu.Lock()
	counter := protocol.ConnectionCounter(d.birth, n)
	d.mu.Unlock()
	return d.message(protocol.Topic{Site: protocol.HubSite, Kind: protocol.KindHub}, "",
		protocol.Seq{Life: g.Number, Counter: counter},
		protocol.Hub{Status: status, Generation: g, Version: d.o.Version})
}

func (d *Dispatch) message(topic protocol.Topic, to seal.KeyID, seq protocol.Seq, body any) (mqtt.Message, error) {
	now := time.Now()
	payload, err := protocol.Seal(protocol.Envelope{Kind: topic.Kind, Site: topic.Site, Subject: string(topic.Serial), To: to, Seq: seq, At: &now}, body, d.o.Key)
	return mqtt.Message{Topic: topic.String(), Payload: payload, Retained: topic.Kind.Retained()}, err
}
