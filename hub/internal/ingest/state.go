package ingest

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Codes of the conditions that ingest raises; their sentences are in the catalogue.
const (
	ConditionFork                 = "site-fork"
	ConditionKeyInTwoPlaces       = "key-in-two-places"
	ConditionTerminalUnregistered = "terminal-unregistered"
	ConditionHubWentBack          = "hub-went-back"
)

// takeState keeps a site's newest state and reads it for two proofs: that one
// key works in two places, and that this hub once held more than it does.
func (i *Ingest) takeState(ctx context.Context, c checked) error {
	site := c.envelope.Site
	before, found, err := i.o.Store.State(ctx, site)
	if err != nil {
		return fmt.Errorf("read state of site %s: %w", site, err)
	}
	if found && i.twoPlaces(before, c) {
		if err := i.raise(ctx, c.received, store.Condition{Site: site, Code: ConditionKeyInTwoPlaces}); err != nil {
			return err
		}
	}
	newer, err := i.o.Store.SaveState(ctx, store.State{
		Site: site, Seq: c.envelope.Seq, Message: c.message, Received: c.received,
	})
	if err != nil {
		return fmt.Errorf("save state of site %s: %w", site, err)
	}
	if !newer {
		i.refuse(protocol.KindState, &protocol.Refusal{Reason: protocol.ReasonReplay,
			Cause: fmt.Errorf("state %s of site %s", c.envelope.Seq, site)})
	} else if !c.retained && c.state.Status == protocol.StatusReady {
		i.o.Dispatch.Reported(site, c.state.Rosters, c.received)
		i.o.Dispatch.Has(site, protocol.KindConfig, c.state.Config.Newest(), c.received)
		var release protocol.Seq
		if c.state.Release != nil {
			release = c.state.Release.Order
		}
		i.o.Dispatch.Has(site, protocol.KindRelease, release, c.received)
	}
	// An older state may still carry proof: signatures do not age.
	return i.takeProof(ctx, c)
}

// twoPlaces reports whether a state proves that a second agent works with the
// same key. One boot number is one start of one agent: two starts that share it
// were counted up from one copied folder. And an agent that goes on speaking in
// an earlier boot than another one has announced is not that other one; saying
// once more what it said before is a replay, and no proof. A last will proves
// nothing: the broker speaks it late. Another key is another agent, which a person let in.
func (i *Ingest) twoPlaces(before store.State, c checked) bool {
	site, now := c.envelope.Site, c.envelope.Seq
	if c.retained || c.state.Status == protocol.StatusLost {
		return false
	}
	switch {
	case before.Speaker() != c.envelope.From:
		delete(i.spoken, site)
		return false
	case now.Life > before.Seq.Life:
		i.spoken[site] = before.Seq
		return false
	case now.Life == before.Seq.Life:
		boot, known := bootOf(before.Message)
		return known && boot != c.state.Boot
	}
	last := i.spoken[site]
	if !last.Less(now) {
		return false
	}
	i.spoken[site] = now
	return last.Life == now.Life // else this is the first that is heard of that life
}

func bootOf(message []byte) (string, bool) {
	e, err := protocol.Parse("", message)
	if err != nil {
		return "", false
	}
	var s protocol.State
	if err := e.Into(&s); err != nil {
		return "", false
	}
	return s.Boot, true
}

// takeProof compares the newest receipt that the agent shows, signed by this
// very hub, with what the hub holds. If the receipt says more, the hub was put
// back to an older copy: the generation rises, and every agent sends again what
// is missing.
func (i *Ingest) takeProof(ctx context.Context, c checked) error {
	if len(c.state.Receipt) == 0 || string(c.state.Receipt) == "null" {
		return nil
	}
	site := c.envelope.Site
	shown, err := protocol.Parse("", json.RawMessage(c.state.Receipt))
	var r protocol.Receipt
	if err == nil {
		err = shown.Into(&r)
	}
	signer, ours := i.o.Keys.Public(shown.From)
	if err == nil && (shown.Kind != protocol.KindReceipt || shown.Site != site || !ours || !shown.SignedBy(signer)) {
		err = &protocol.Refusal{Reason: protocol.ReasonSignature, Cause: fmt.Errorf("receipt shown by site %s is not this hub's", site)}
	}
	if err != nil {
		i.refuse(protocol.KindState, err)
		return nil
	}
	held, revision, err := i.o.Store.Receipt(ctx, site)
	if err != nil {
		return fmt.Errorf("read receipt of site %s: %w", site, err)
	}
	// Two restores of one backup make two generations of one number; only one of
	// them is this hub's.
	back := r.Generation.Number > held.Generation.Number ||
		r.Generation.Number == held.Generation.Number && r.Generation.ID != held.Generation.ID
	if r.Generation == held.Generation {
		for _, e := range r.Epochs {
			now, found := held.Of(e.Epoch)
			if !found && len(held.Epochs) == protocol.MaxReceiptEpochs {
				continue // too long ago to be named: that proves nothing
			}
			back = back || e.Through > now.Through || e.Through == now.Through && e.Hash != now.Hash
		}
		if shown.Seq.Counter > revision {
			back = true
			if err := i.o.Store.RaiseRevision(ctx, site, shown.Seq.Counter); err != nil {
				return fmt.Errorf("raise revision of site %s: %w", site, err)
			}
		}
	}
	if !back {
		return nil
	}
	return i.goOn(ctx, c, max(held.Generation.Number, r.Generation.Number))
}

// goOn begins a generation above every one that was ever shown.
func (i *Ingest) goOn(ctx context.Context, c checked, above uint64) error {
	for {
		g, err := i.o.Store.RaiseGeneration(ctx, "proof shown by site "+string(c.envelope.Site), c.received)
		if err != nil {
			return fmt.Errorf("raise generation: %w", err)
		}
		if g.Number > above {
			break
		}
	}
	if err := i.raise(ctx, c.received, store.Condition{Code: ConditionHubWentBack, Args: map[string]string{"site": string(c.envelope.Site)}}); err != nil {
		return err
	}
	i.o.Dispatch.Reborn()
	return nil
}
