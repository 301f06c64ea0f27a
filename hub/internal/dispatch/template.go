package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// Vault gives out templates in clear, and writes down to whom and why before it does.
// What it does not have is missing from the answer.
type Vault interface {
	Templates(ctx context.Context, who, why string, digests ...protocol.Hash) (map[protocol.Hash][]byte, error)
}

// answer gives agents what they wait for, one terminal after the other, until ctx ends.
func (d *Dispatch) answer(ctx context.Context, conn *mqtt.Conn) error {
	for {
		if t, asks := d.requests.nextAsk(); len(asks) > 0 {
			if err := d.tell(ctx, conn, t, asks, func(some []protocol.Hash) protocol.Templates {
				return protocol.Templates{Serial: t.serial, Wants: some}
			}); err != nil {
				return err
			}
			continue
		}
		t, kept, wants, wait := d.requests.next(time.Now())
		var err error
		switch {
		case len(kept) > 0:
			err = d.tell(ctx, conn, t, kept, func(some []protocol.Hash) protocol.Templates {
				return protocol.Templates{Serial: t.serial, Kept: some}
			})
		case len(wants) > 0:
			err = d.give(ctx, conn, t, wants)
		default:
			var due <-chan time.Time
			if wait > 0 {
				due = time.After(wait)
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-d.requests.wake:
			case <-due:
			}
		}
		if err != nil {
			return err
		}
	}
}

// tell sends an agent digests: of templates that are stored, or that are asked for.
func (d *Dispatch) tell(ctx context.Context, conn *mqtt.Conn, t terminal, digests []protocol.Hash,
	body func(some []protocol.Hash) protocol.Templates) error {
	agent, err := d.o.Store.Agent(ctx, t.site)
	if errors.Is(err, store.ErrNoSite) {
		return nil // withdrawn in between
	}
	if err != nil {
		return fmt.Errorf("find agent of site %s: %w", t.site, err)
	}
	to := holding.Outgoing{Revision: holding.Revision{Site: t.site, Serial: t.serial}, To: agent.Fingerprint.KeyID()}
	for some := range slices.Chunk(digests, maxDigests) {
		if err := d.sendTemplates(ctx, conn, to, body(some)); err != nil {
			return err
		}
	}
	return nil
}

// maxDigests is how many of them go into one message.
const maxDigests = 500

// give sends the templates among wants that the terminal's current roster names. For
// the others nobody has a reason to ask.
func (d *Dispatch) give(ctx context.Context, conn *mqtt.Conn, t terminal, wants []protocol.Hash) error {
	out, err := d.outgoing(ctx, t.site)
	if err != nil {
		return err
	}
	to, has := out[t]
	if !has || d.o.Vault == nil {
		d.o.Refused(len(wants))
		return nil
	}
	revision, r, err := d.o.Holding.Roster(ctx, t.site, t.serial)
	if err != nil {
		return err
	}
	asked := map[protocol.Hash]bool{} // true: the roster names it
	for _, digest := range wants {
		asked[digest] = false
	}
	var items []protocol.SealedTemplate
	var named []protocol.Hash
	for _, e := range r.Entries {
		for _, f := range e.Fingers {
			before, wanted := asked[f.Digest]
			if !wanted {
				continue
			}
			if !before {
				asked[f.Digest] = true
				named = append(named, f.Digest)
			}
			items = append(items, protocol.SealedTemplate{PIN: e.PIN, Finger: f.Number, Algorithm: f.Algorithm, Digest: f.Digest})
		}
	}
	if refused := len(asked) - len(named); refused > 0 {
		d.o.Refused(refused)
	}
	if len(named) == 0 {
		return nil
	}
	plain, err := d.o.Vault.Templates(ctx, "site "+string(t.site), fmt.Sprintf("roster %s of terminal %s", revision.Order, t.serial), named...)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// The line is not to blame; the agent asks again.
		d.o.Logger.Error("templates not given out", "site", string(t.site), "terminal", string(t.serial), "error", err)
		return nil
	}
	if lacking := len(named) - len(plain); lacking > 0 {
		d.o.Logger.Warn("the vault lacks templates that a roster names", "site", string(t.site), "terminal", string(t.serial), "templates", lacking)
	}
	items = slices.DeleteFunc(items, func(i protocol.SealedTemplate) bool { return plain[i.Digest] == nil })
	return d.sealAndSend(ctx, conn, to, items, plain)
}

func (d *Dispatch) sealAndSend(ctx context.Context, conn *mqtt.Conn, to holding.Outgoing, items []protocol.SealedTemplate, plain map[protocol.Hash][]byte) error {
	key, err := d.o.Holding.Sealing(ctx, to.Site, to.To)
	if errors.Is(err, holding.ErrNone) {
		return nil // withdrawn in between
	}
	if err != nil {
		return err
	}
	for some := range slices.Chunk(items, protocol.MaxTemplates) {
		for i := range some {
			item := &some[i]
			item.Box, err = key.Seal(protocol.TemplatePurpose(protocol.KindTemplatesDown, to.Site, to.Serial,
				item.PIN, item.Finger, item.Algorithm, item.Digest), plain[item.Digest])
			if err != nil {
				return fmt.Errorf("seal templates for terminal %s of site %s: %w", to.Serial, to.Site, err)
			}
		}
		if err := d.sendTemplates(ctx, conn, to, protocol.Templates{Serial: to.Serial, Items: some}); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dispatch) sendTemplates(ctx context.Context, conn *mqtt.Conn, to holding.Outgoing, body protocol.Templates) error {
	g, err := d.o.Store.Generation(ctx)
	if err != nil {
		return fmt.Errorf("read generation: %w", err)
	}
	m, err := d.message(protocol.Topic{Site: to.Site, Kind: protocol.KindTemplatesDown, Serial: to.Serial}, to.To,
		protocol.Seq{Life: g.Number, Counter: d.next()}, body)
	if err == nil {
		err = conn.Publish(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("publish templates for terminal %s of site %s: %w", to.Serial, to.Site, err)
	}
	return nil
}
