// Package pull asks terminals of enrolment for the fingers that the vault has never
// had: templates may come from there only, and what else a terminal holds stays
// where it is.
//
// It compares inventories with the vault and asks again until nothing is missing;
// whose a finger is, it does not know: in the vault it is found, until a named
// person accepts it. Beware: what the vault has let go of is not asked for again.
package pull

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Options are the parts of a Pull. All but Every are needed.
type Options struct {
	Directory interface {
		Register(ctx context.Context) (*directory.Register, error)
	}
	Holding interface {
		Inventory(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Inventory, error)
	}
	Vault interface {
		Seen(ctx context.Context, digest protocol.Hash) (bool, error)
	}
	Ask    func(site protocol.SiteID, serial protocol.Serial, digests []protocol.Hash)
	Now    func() time.Time
	Logger *slog.Logger

	Every time.Duration // between two looks; default 2 s
}

// again is after which time the same is asked for once more.
const again = 5 * time.Minute

// Pull is made by New and run once.
type Pull struct {
	o     Options
	asked map[place]asked
}

// place is a terminal: two sites may have one serial.
type place struct {
	site   protocol.SiteID
	serial protocol.Serial
}

// asked is the inventory for which a terminal was last asked, and when.
type asked struct {
	inventory protocol.Hash
	at        time.Time
}

// New returns a pull that has not begun.
func New(o Options) *Pull {
	if o.Every == 0 {
		o.Every = 2 * time.Second
	}
	return &Pull{o: o, asked: map[place]asked{}}
}

// Run asks until ctx ends.
func (p *Pull) Run(ctx context.Context) error {
	tick := time.NewTicker(p.o.Every)
	defer tick.Stop()
	for {
		if err := p.Look(ctx); err != nil && ctx.Err() == nil {
			p.o.Logger.Error("cannot ask for fingers", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Look asks every terminal of enrolment for what the vault has never had of its newest
// inventory.
func (p *Pull) Look(ctx context.Context) error {
	register, err := p.o.Directory.Register(ctx)
	if err != nil {
		return fmt.Errorf("read register: %w", err)
	}
	today := roster.DateOf(p.o.Now())
	var failed []error
	for _, t := range register.Terminals {
		if t.On(directory.TerminalEnrolment, today) == "yes" {
			failed = append(failed, p.look(ctx, t))
		}
	}
	return errors.Join(failed...)
}

func (p *Pull) look(ctx context.Context, t *directory.Terminal) error {
	inv, err := p.o.Holding.Inventory(ctx, t.Site, t.Serial)
	if errors.Is(err, holding.ErrNone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read inventory of terminal %s: %w", t.Serial, err)
	}
	at := place{t.Site, t.Serial}
	if last := p.asked[at]; last.inventory == inv.Digest && p.o.Now().Sub(last.at) < again {
		return nil
	}
	var lacking []protocol.Hash
	for _, u := range inv.Users {
		for _, f := range u.Fingers {
			seen, err := p.o.Vault.Seen(ctx, f.Digest)
			if err != nil {
				return err
			}
			if !seen {
				lacking = append(lacking, f.Digest)
			}
		}
	}
	p.asked[at] = asked{inv.Digest, p.o.Now()}
	if len(lacking) > 0 {
		p.o.Ask(t.Site, t.Serial, lacking)
	}
	return nil
}
