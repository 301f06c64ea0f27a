package ingest

import (
	"errors"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// gathered is the inventories of one worker's sites of which parts are still missing.
// Of one site not more is held than one inventory can be large.
type gathered struct {
	sites map[protocol.SiteID]map[protocol.Serial]*gathering
	n     int // messages so far
}

// maxGathered is of one site, in bytes; maxSites of one worker.
const (
	maxGathered = 16 << 20
	maxSites    = 4096
)

// gathering is one inventory that is not whole.
type gathering struct {
	doc     protocol.Gathering
	head    protocol.Inventory
	order   protocol.Seq // of the head
	parts   map[int]piece
	touched int
}

// piece is what is remembered of a part that is in a gathering.
type piece struct {
	order  protocol.Seq
	digest protocol.Hash
	size   int
}

func (g *gathering) size() (n int) {
	for _, p := range g.parts {
		n += p.size
	}
	return n
}

func newGathered() *gathered {
	return &gathered{sites: map[protocol.SiteID]map[protocol.Serial]*gathering{}}
}

// of is the gathering of one terminal.
func (a *gathered) of(site protocol.SiteID, serial protocol.Serial) *gathering {
	a.n++
	if len(a.sites) >= maxSites && a.sites[site] == nil {
		clear(a.sites)
	}
	if a.sites[site] == nil {
		a.sites[site] = map[protocol.Serial]*gathering{}
	}
	g := a.sites[site][serial]
	if g == nil {
		g = &gathering{parts: map[int]piece{}}
		a.sites[site][serial] = g
	}
	g.touched = a.n
	return g
}

// bound forgets what was not touched for longest while a site has too much.
func (a *gathered) bound(site protocol.SiteID) {
	for {
		total, oldest := 0, protocol.Serial("")
		for serial, g := range a.sites[site] {
			total += g.size()
			if oldest == "" || g.touched < a.sites[site][oldest].touched {
				oldest = serial
			}
		}
		if total <= maxGathered || len(a.sites[site]) == 1 {
			return
		}
		delete(a.sites[site], oldest)
	}
}

// errIncomplete says that parts of an inventory are still to come.
var errIncomplete = errors.New("parts of the inventory are missing")

// part takes a part. One that is older than what is there is a replay.
func (a *gathered) part(e protocol.Envelope, t protocol.Topic) error {
	var p protocol.Part
	if err := e.Into(&p); err != nil {
		return err
	}
	if p.N != t.Part {
		return &protocol.Refusal{Reason: protocol.ReasonTopic, Cause: fmt.Errorf("part %d of an inventory came as part %d", p.N, t.Part)}
	}
	g := a.of(t.Site, t.Serial)
	if before, found := g.parts[p.N]; found && e.Seq.Less(before.order) {
		return &protocol.Refusal{Reason: protocol.ReasonReplay, Cause: fmt.Errorf("part %d of an inventory of terminal %s", p.N, t.Serial)}
	}
	g.parts[p.N] = piece{e.Seq, p.Digest, len(p.Box.Data)}
	g.doc.Part(p)
	a.bound(t.Site)
	return nil
}

// lead takes a head. One that is older than the one that is there is a replay.
func (a *gathered) lead(e protocol.Envelope, t protocol.Topic) error {
	var head protocol.Inventory
	if err := e.Into(&head); err != nil {
		return err
	}
	g := a.of(t.Site, t.Serial)
	if e.Seq.Less(g.order) {
		return &protocol.Refusal{Reason: protocol.ReasonReplay, Cause: fmt.Errorf("inventory %s of terminal %s", e.Seq, t.Serial)}
	}
	g.head, g.order = head, e.Seq
	g.doc.Head(head.Doc)
	for n, p := range g.parts {
		if p.digest != head.Doc.Digest {
			delete(g.parts, n)
		}
	}
	return nil
}

// inventory is one that is whole and opened.
type inventory struct {
	sealing seal.SealingPublic
	order   protocol.Seq
	text    []byte
	held    roster.Inventory
}

// whole opens an inventory of which nothing is missing any more, or is errIncomplete.
func (a *gathered) whole(t protocol.Topic, key protocol.Opener) (inv inventory, err error) {
	g := a.of(t.Site, t.Serial)
	text, missing, err := g.doc.Open(key, protocol.InventoryPurpose(t.Site, t.Serial))
	if missing {
		return inv, errIncomplete
	}
	delete(a.sites[t.Site], t.Serial)
	if len(a.sites[t.Site]) == 0 {
		delete(a.sites, t.Site)
	}
	if err == nil {
		inv = inventory{sealing: g.head.Sealing, order: g.order, text: text}
		err = decode(text, &inv.held)
	}
	if err == nil {
		err = inv.held.Check()
	}
	if err == nil && inv.held.Serial != t.Serial {
		err = fmt.Errorf("it is one of terminal %s", inv.held.Serial)
	}
	if err != nil {
		return inv, &protocol.Refusal{Reason: protocol.ReasonBody, Cause: fmt.Errorf("inventory of terminal %s: %w", t.Serial, err)}
	}
	return inv, nil
}
