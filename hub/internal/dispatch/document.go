package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Document is a small retained message that a site is to have.
type Document struct {
	Site  protocol.SiteID
	Kind  protocol.Kind
	To    seal.KeyID
	Order protocol.Seq
	Body  any
}

// isDocument tells the kinds that travel as a Document.
func isDocument(k protocol.Kind) bool { return k == protocol.KindConfig || k == protocol.KindRelease }

// place is where a document belongs.
type place struct {
	site protocol.SiteID
	kind protocol.Kind
}

// told is a document that the broker has from this connection.
type told struct {
	order  protocol.Seq
	to     seal.KeyID
	retold retold
}

// retold is how often something retained was said again, because the agent that it is for
// goes on telling that it has an older one.
type retold struct {
	behind time.Time // since when the agent says so; zero: it does not
	tries  int       // how often it was said again
	due    bool      // it is to be
}

// maxDoubled is how often the patience doubles: to half an hour and a bit.
const maxDoubled = 6

// heard takes whether the agent has the newest, and returns whether to say it again. Each
// time it is given twice as long before the next.
func (r *retold) heard(newest bool, at time.Time, patience time.Duration) bool {
	switch {
	case newest:
		*r = retold{}
	case r.behind.IsZero():
		r.behind = at
	case at.Sub(r.behind) >= patience<<min(r.tries, maxDoubled):
		*r = retold{tries: r.tries + 1, due: true}
		return true
	}
	return false
}

// documents are all that sites are to have. A site whose agent may not be the right one
// gets none.
func (d *Dispatch) documents(ctx context.Context) (map[place]Document, error) {
	all := map[place]Document{}
	if d.o.Documents == nil {
		return all, nil
	}
	list, err := d.o.Documents(ctx)
	if err != nil {
		return nil, fmt.Errorf("read documents of sites: %w", err)
	}
	doubtful, err := d.doubtful(ctx)
	if err != nil {
		return nil, err
	}
	for _, doc := range list {
		if !doubtful[doc.Site] {
			all[place{doc.Site, doc.Kind}] = doc
		}
	}
	return all, nil
}

// everyDocument is how often all documents are looked at: commands change them in
// processes of their own.
const everyDocument = 2 * time.Second

// followDocuments publishes documents that change until ctx ends.
func (d *Dispatch) followDocuments(ctx context.Context, conn *mqtt.Conn) error {
	tick := time.NewTicker(everyDocument)
	defer tick.Stop()
	defer d.documentsAlive.Rest()
	for {
		d.documentsAlive.Within(aliveWithin)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			if err := d.sendDocuments(ctx, conn); err != nil {
				return err
			}
		}
	}
}

// sendDocuments publishes the documents that the broker does not have yet, and clears
// those that are nobody's any more.
func (d *Dispatch) sendDocuments(ctx context.Context, conn *mqtt.Conn) error {
	all, err := d.documents(ctx)
	if err != nil {
		return err
	}
	var due []mqtt.Message
	d.mu.Lock()
	for at := range d.told {
		if _, stays := all[at]; !stays {
			delete(d.told, at)
			due = append(due, mqtt.Message{Topic: protocol.Topic{Site: at.site, Kind: at.kind}.String(), Retained: true})
		}
	}
	for at, doc := range all {
		before, found := d.told[at]
		if found && before.order == doc.Order && before.to == doc.To && !before.retold.due {
			continue
		}
		var m mqtt.Message
		if m, err = d.message(protocol.Topic{Site: at.site, Kind: at.kind}, doc.To, doc.Order, doc.Body); err != nil {
			break
		}
		due = append(due, m)
		now := told{order: doc.Order, to: doc.To}
		if before.order == doc.Order {
			now.retold.tries = before.retold.tries
		}
		d.told[at] = now
	}
	d.mu.Unlock()
	if err != nil {
		return fmt.Errorf("write documents of sites: %w", err)
	}
	return side(ctx, due, func(ctx context.Context, m mqtt.Message) error {
		if err := conn.Publish(ctx, m); err != nil {
			return fmt.Errorf("publish %s: %w", m.Topic, err)
		}
		return nil
	})
}

// Has takes which document of a kind a site's agent tells that it has heard of. One that
// goes on knowing an older one than the broker was given is told again.
func (d *Dispatch) Has(site protocol.SiteID, kind protocol.Kind, order protocol.Seq, at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, found := d.told[place{site, kind}]
	if !found {
		return
	}
	t.retold.heard(!order.Less(t.order), at, d.o.Patience)
	d.told[place{site, kind}] = t
}
