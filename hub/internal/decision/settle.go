package decision

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Settle closes the decisions whose findings are there no more.
func (ds *Decisions) Settle(ctx context.Context) error {
	open, err := ds.standing(ctx)
	if err != nil {
		return err
	}
	where := map[placement.TerminalID]bool{}
	for key, d := range open {
		if d.Act == validate.ActAccept {
			delete(open, key)
		} else {
			where[key.terminal] = true
		}
	}
	if len(open) == 0 {
		return nil
	}
	now := ds.o.Now()
	v, err := ds.o.Survey.Look(ctx, roster.DateOf(now), func(t *directory.Terminal) bool { return where[t.ID] })
	if err != nil {
		return err
	}
	for _, t := range v.Terminals {
		for _, f := range t.Findings {
			delete(open, evidence{t.ID, f.Evidence})
		}
	}
	inventories := map[placement.TerminalID]protocol.Hash{}
	for _, t := range v.Terminals {
		inventories[t.ID] = t.Inventory
	}
	err = ds.o.Database.Update(ctx, func(tx *sql.Tx) error {
		for _, d := range open {
			inventory, looked := inventories[d.Terminal]
			if !looked {
				continue // no longer in the register
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO closing (decision, at, inventory) VALUES ($1, $2, $3) ON CONFLICT (decision) DO NOTHING",
				d.N, now.UnixMilli(), inventory[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("close decisions: %w", err)
	}
	return nil
}

// Run closes decisions as inventories come and the register changes, until ctx ends.
func (ds *Decisions) Run(ctx context.Context) error {
	tick := time.NewTicker(ds.o.Every)
	defer tick.Stop()
	var seen moment
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := ds.moment(ctx)
		if err == nil && now != seen {
			if err = ds.Settle(ctx); err == nil {
				seen = now
			}
		}
		if err != nil && ctx.Err() == nil {
			ds.o.Logger.Error("cannot see what came of decisions", "error", err)
		}
	}
}

// moment is what the outcome of decisions depends on, as far as it is cheap to ask. The
// vault is not asked: a captured finger ends its finding when it has been written.
type moment struct {
	inventories int64 // rises with each
	change      int64 // of the register
	decision    int64
	day         roster.Date
}

func (ds *Decisions) moment(ctx context.Context) (m moment, err error) {
	m.day = roster.DateOf(ds.o.Now())
	if m.inventories, err = ds.o.Holding.Inventories(ctx); err != nil {
		return m, err
	}
	last, err := ds.o.Directory.Changes(ctx, 1)
	if err != nil {
		return m, err
	}
	if len(last) > 0 {
		m.change = last[0].N
	}
	m.decision, err = ds.Last(ctx)
	return m, err
}
