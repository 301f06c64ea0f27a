// Package dispatch publishes what the hub says: its keys, its birth and every
// site's receipt. All of it is retained and made anew from the store, so a
// broker that lost or kept too much is put right at each connection.
//
// It knows no segment and decides nothing. Beware: the birth is said last,
// because agents take it as the word that everything else is in place.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Store is what dispatch needs of the hub's store.
type Store interface {
	Agent(ctx context.Context, site protocol.SiteID) (store.Agent, error)
	Agents(ctx context.Context) ([]store.Agent, error)
	Receipts(ctx context.Context, sites ...protocol.SiteID) ([]store.Receipt, error)
	Generation(ctx context.Context) (protocol.Generation, error)
}

// Options are the parts of a Dispatch. All are needed.
type Options struct {
	Store   Store
	Key     seal.SigningKey
	Version string
	Sent    func(receipts int) // counts published receipts
	Logger  *slog.Logger
}

// publishers is how many receipts are under way to the broker at once.
const publishers = 16

// Dispatch is made by New; Will and Serve are called once per connection.
type Dispatch struct {
	o Options

	mu      sync.Mutex // guards what follows
	birth   uint32     // number of the present connection: the second in which it began, so that it rises over restarts too
	said    uint32     // hub messages of this connection
	changed map[protocol.SiteID]bool
	reborn  bool
	wake    chan struct{} // capacity 1: changed or reborn have something
}

// New returns a dispatch without a connection.
func New(o Options) *Dispatch {
	return &Dispatch{o: o, changed: map[protocol.SiteID]bool{}, wake: make(chan struct{}, 1)}
}

// Changed tells that a site's receipt may be another now.
func (d *Dispatch) Changed(site protocol.SiteID) {
	d.mu.Lock()
	d.changed[site] = true
	d.mu.Unlock()
	d.signal()
}

// Reborn tells that the generation rose: everything is published anew.
func (d *Dispatch) Reborn() {
	d.mu.Lock()
	d.reborn = true
	d.mu.Unlock()
	d.signal()
}

func (d *Dispatch) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// take empties the list of what changed.
func (d *Dispatch) take() (sites []protocol.SiteID, reborn bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for site := range d.changed {
		sites = append(sites, site)
	}
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
	if err := d.everything(ctx, conn); err != nil {
		if ctx.Err() != nil {
			return d.sayGoodbye(ctx, conn)
		}
		return err
	}
	ready()
	for {
		select {
		case <-ctx.Done():
			return d.sayGoodbye(ctx, conn)
		case <-d.wake:
			sites, reborn := d.take()
			var err error
			if reborn {
				err = d.everything(ctx, conn)
			} else if len(sites) > 0 {
				err = d.receipts(ctx, conn, sites)
			}
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// everything puts all retained messages in place and then says the birth.
func (d *Dispatch) everything(ctx context.Context, conn *mqtt.Conn) error {
	g, err := d.o.Store.Generation(ctx)
	if err != nil {
		return fmt.Errorf("read generation: %w", err)
	}
	keys, err := d.message(protocol.Topic{Site: protocol.HubSite, Kind: protocol.KindKeys}, "",
		protocol.Seq{Life: g.Number, Counter: d.next()}, protocol.KeyList{Signing: []seal.PublicKey{d.o.Key.Public()}})
	if err != nil {
		return err
	}
	if err := conn.Publish(ctx, keys); err != nil {
		return fmt.Errorf("publish keys: %w", err)
	}
	if err := d.receipts(ctx, conn, nil); err != nil {
		return err
	}
	return d.say(ctx, conn, protocol.HubBorn)
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
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan mqtt.Message)
	var senders sync.WaitGroup
	for range min(publishers, len(held)) {
		senders.Go(func() {
			for m := range queue {
				if err := conn.Publish(ctx, m); err != nil {
					cancel(fmt.Errorf("publish receipt: %w", err))
					return
				}
			}
		})
	}
	for _, r := range held {
		to, known := agents[r.Site]
		if !known {
			a, err := d.o.Store.Agent(ctx, r.Site)
			if errors.Is(err, store.ErrNoSite) {
				continue // withdrawn in between
			}
			if err != nil {
				cancel(fmt.Errorf("find agent of site %s: %w", r.Site, err))
				break
			}
			to = a.Fingerprint.KeyID()
		}
		m, err := d.message(protocol.Topic{Site: r.Site, Kind: protocol.KindReceipt}, to,
			protocol.Seq{Life: r.Receipt.Generation.Number, Counter: r.Revision}, r.Receipt)
		if err != nil {
			cancel(err)
			break
		}
		select {
		case queue <- m:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	close(queue)
	senders.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d.o.Sent(len(held))
	return nil
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
	payload, err := protocol.Seal(protocol.Envelope{Kind: topic.Kind, Site: topic.Site, To: to, Seq: seq, At: &now}, body, d.o.Key)
	return mqtt.Message{Topic: topic.String(), Payload: payload, Retained: topic.Kind.Retained()}, err
}
