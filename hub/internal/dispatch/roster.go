package dispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Holding is what dispatch needs to know of what terminals should hold.
type Holding interface {
	Outgoing(ctx context.Context, site protocol.SiteID) ([]holding.Outgoing, error)
	Text(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Revision, []byte, error)
	Roster(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Revision, roster.Roster, error)
	Sealing(ctx context.Context, site protocol.SiteID, agent seal.KeyID) (seal.SealingPublic, error)
}

// keyInTwoPlaces is the condition under which a site gets neither rosters nor
// templates nor jobs until a person has decided which of two agents is the right one.
const keyInTwoPlaces = "key-in-two-places"

// terminal is one terminal of one site.
type terminal struct {
	site   protocol.SiteID
	serial protocol.Serial
}

// sent is a roster that the broker has from this connection. Sealing it again would
// cost time and say nothing new.
type sent struct {
	order    protocol.Seq
	to, seal seal.KeyID
	approved protocol.Hash
	parts    int
	retold   retold
}

// parts is in how many parts a roster of a size travels; 0 is as a whole.
func parts(size int) int {
	if size <= protocol.MaxWhole {
		return 0
	}
	return (size + protocol.MaxWhole - 1) / protocol.MaxWhole
}

// outgoing returns the rosters that a site is to have, or all sites for "".
func (d *Dispatch) outgoing(ctx context.Context, site protocol.SiteID) (map[terminal]holding.Outgoing, error) {
	list, err := d.o.Holding.Outgoing(ctx, site)
	if err != nil {
		return nil, err
	}
	doubtful, err := d.doubtful(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[terminal]holding.Outgoing, len(list))
	for _, o := range list {
		if !doubtful[o.Site] {
			out[terminal{o.Site, o.Serial}] = o
		}
	}
	return out, nil
}

// doubtful are the sites whose agent may not be the right one.
func (d *Dispatch) doubtful(ctx context.Context) (map[protocol.SiteID]bool, error) {
	conditions, err := d.o.Store.AllConditions(ctx)
	if err != nil {
		return nil, err
	}
	sites := map[protocol.SiteID]bool{}
	for _, c := range conditions {
		sites[c.Site] = sites[c.Site] || c.Code == keyInTwoPlaces
	}
	return sites, nil
}

// everyRoster is how often all rosters are looked at: an operator's command may have
// changed one, or a person lifted what held one back, in another process.
const everyRoster = 5 * time.Second

// followRosters publishes rosters that change until ctx ends. Receipts do not wait
// for it: at midnight all rosters may be others.
func (d *Dispatch) followRosters(ctx context.Context, conn *mqtt.Conn) error {
	all := time.NewTicker(everyRoster)
	defer all.Stop()
	defer d.rostersAlive.Rest()
	for {
		d.rostersAlive.Within(aliveWithin)
		var sites []protocol.SiteID
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-all.C:
			sites = []protocol.SiteID{""}
		case <-d.wakeRosters:
			d.mu.Lock()
			sites = slices.Collect(maps.Keys(d.rosters))
			clear(d.rosters)
			d.mu.Unlock()
		}
		for _, site := range sites {
			if err := d.sendRosters(ctx, conn, site); err != nil {
				return err
			}
		}
	}
}

// Reported takes which rosters a site's agent has. One that goes on having an older one
// than the broker was given is told again: brokers acknowledge and then drop, also on a
// line that never breaks. Each time it is given twice as long before the next.
func (d *Dispatch) Reported(site protocol.SiteID, held []protocol.HeldRoster, at time.Time) {
	again := false
	d.mu.Lock()
	for _, h := range held {
		t := terminal{site, h.Serial}
		s, found := d.sent[t]
		switch {
		case !found:
			continue
		default:
			again = s.retold.heard(!h.Order.Less(s.order), at, d.o.Patience) || again
		}
		d.sent[t] = s
	}
	d.mu.Unlock()
	if again {
		d.RostersChanged(site)
	}
}

// sendRosters publishes the rosters of a site, or of all for "", that the broker does
// not have yet, and clears those that are nobody's any more.
func (d *Dispatch) sendRosters(ctx context.Context, conn *mqtt.Conn, site protocol.SiteID) error {
	out, err := d.outgoing(ctx, site)
	if err != nil {
		return err
	}
	var due []holding.Outgoing
	gone := map[terminal]sent{}
	d.mu.Lock()
	for t, s := range d.sent {
		if _, stays := out[t]; !stays && (site == "" || t.site == site) {
			gone[t] = s
			delete(d.sent, t)
		}
	}
	for t, o := range out {
		if s, found := d.sent[t]; !found || s.order != o.Order || s.to != o.To || s.seal != o.Seal || s.approved != o.Approved || s.retold.due {
			due = append(due, o)
		}
	}
	d.mu.Unlock()
	for t, s := range gone {
		if err := clearFrom(ctx, conn, t, 0, s.parts); err != nil {
			return err
		}
	}
	return side(ctx, due, func(ctx context.Context, o holding.Outgoing) error { return d.sendRoster(ctx, conn, o) })
}

// sendRoster publishes one roster: its parts, then the head that makes them count,
// then nothing at all where the one before had more parts.
func (d *Dispatch) sendRoster(ctx context.Context, conn *mqtt.Conn, o holding.Outgoing) error {
	t := terminal{o.Site, o.Serial}
	revision, text, err := d.o.Holding.Text(ctx, t.site, t.serial) // newer than o, perhaps
	if err != nil {
		return err
	}
	key, err := d.o.Holding.Sealing(ctx, t.site, o.To)
	if errors.Is(err, holding.ErrNone) {
		return nil // withdrawn in between
	}
	if err != nil {
		return err
	}
	order := revision.Order
	doc, pieces, err := protocol.SealDocument(key, protocol.RosterPurpose(t.site, t.serial, order), text)
	if err != nil {
		return fmt.Errorf("seal roster of terminal %s of site %s: %w", t.serial, t.site, err)
	}
	topic := protocol.Topic{Site: t.site, Kind: protocol.KindRoster, Serial: t.serial}
	publish := func(part int, body any) error {
		topic.Part = part
		m, err := d.message(topic, o.To, order, body)
		if err == nil {
			err = conn.Publish(ctx, m)
		}
		if err != nil {
			return fmt.Errorf("publish roster of terminal %s of site %s: %w", t.serial, t.site, err)
		}
		return nil
	}
	for _, p := range pieces {
		if err := publish(p.N, p); err != nil {
			return err
		}
	}
	if err := publish(0, protocol.Roster{AsOf: string(revision.AsOf), Mode: string(revision.Mode),
		Users: revision.Users, Fingers: revision.Fingers, Approved: revision.Approved, Doc: doc}); err != nil {
		return err
	}
	d.mu.Lock()
	before := d.sent[t]
	now := sent{order: order, to: o.To, seal: key.KeyID(), approved: revision.Approved, parts: len(pieces)}
	if before.order == order {
		now.retold.tries = before.retold.tries
	}
	d.sent[t] = now
	d.mu.Unlock()
	return clearFrom(ctx, conn, t, len(pieces)+1, before.parts)
}

// clearFrom empties a roster's topics from a part on, 0 for the head, to the last.
func clearFrom(ctx context.Context, conn *mqtt.Conn, t terminal, first, last int) error {
	for n := first; n <= last; n++ {
		topic := protocol.Topic{Site: t.site, Kind: protocol.KindRoster, Serial: t.serial, Part: n}
		if err := conn.Publish(ctx, mqtt.Message{Topic: topic.String(), Retained: true}); err != nil {
			return fmt.Errorf("clear roster of terminal %s of site %s: %w", t.serial, t.site, err)
		}
	}
	return nil
}
