package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Receipt is what is to be told to one site. It stays true for as long as the
// database is not put back.
type Receipt struct {
	Site     protocol.SiteID
	Revision uint64
	Receipt  protocol.Receipt
}

// Receipt returns the present receipt of one site and its revision, which rises
// with every Accept that heard of the site.
func (s *Store) Receipt(ctx context.Context, site protocol.SiteID) (protocol.Receipt, uint64, error) {
	all, err := s.Receipts(ctx, site)
	if err != nil {
		return protocol.Receipt{}, 0, err
	}
	return all[0].Receipt, all[0].Revision, nil
}

// Receipts returns the receipts of the named sites in this order; of all sites
// that are admitted, by site, when none is named. An unknown site is ErrNoSite.
func (s *Store) Receipts(ctx context.Context, sites ...protocol.SiteID) ([]Receipt, error) {
	all, err := s.receipts(ctx, sites)
	if err != nil {
		return nil, fmt.Errorf("read receipts: %w", s.engine.mapped(err))
	}
	return all, nil
}

func (s *Store) receipts(ctx context.Context, sites []protocol.SiteID) ([]Receipt, error) {
	// One moment for all three questions: a receipt must never name a revision
	// with the contents of another.
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: s.engine.snapshot, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // it only reads
	g, err := generation(ctx, tx)
	if err != nil {
		return nil, err
	}
	where, args := "", []any(nil)
	if len(sites) > 0 {
		where, args = list(sites)
		where = " AND k.site IN " + where
	}
	found := map[protocol.SiteID]*Receipt{}
	if err := each(ctx, tx, func(rows *sql.Rows) error {
		r := Receipt{Receipt: protocol.Receipt{Generation: g, Epochs: []protocol.EpochStore{}}}
		err := rows.Scan(&r.Site, &r.Revision)
		found[r.Site] = &r
		if where == "" {
			sites = append(sites, r.Site)
		}
		return err
	}, "SELECT k.site, COALESCE(r.revision, 0) FROM agent_key k LEFT JOIN receipt r ON r.site = k.site WHERE k.retired = 0"+where+
		" ORDER BY k.site", args...); err != nil {
		return nil, err
	}
	if err := each(ctx, tx, func(rows *sql.Rows) error {
		var site protocol.SiteID
		e := protocol.EpochStore{}
		if err := rows.Scan(&site, hashColumn{&e.Epoch}, &e.Through, hashColumn{&e.Hash}, &e.Fork); err != nil {
			return err
		}
		if r := found[site]; len(r.Receipt.Epochs) < protocol.MaxReceiptEpochs {
			r.Receipt.Epochs = append(r.Receipt.Epochs, e)
		}
		return nil
	}, `SELECT h.site, h.epoch, COALESCE(e.through, 0), COALESCE(e.hash, h.epoch), COALESCE(e.fork, 0)
		FROM heard h JOIN agent_key k ON k.site = h.site AND k.retired = 0 LEFT JOIN epoch e ON e.site = h.site AND e.name = h.epoch
		WHERE 1 = 1`+where+" ORDER BY h.site, h.revision DESC, COALESCE(e.id, 0) DESC", args...); err != nil {
		return nil, err
	}
	all := make([]Receipt, len(sites))
	for i, site := range sites {
		if found[site] == nil {
			return nil, fmt.Errorf("%s: %w", site, ErrNoSite)
		}
		all[i] = *found[site]
	}
	return all, nil
}

// RaiseRevision makes the next receipts of a site come after one that the site
// has seen.
func (s *Store) RaiseRevision(ctx context.Context, site protocol.SiteID, atLeast uint64) error {
	if atLeast >= math.MaxInt64 {
		return fmt.Errorf("raise revision of site %s: %d is out of range", site, atLeast)
	}
	err := s.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO receipt (site, revision) VALUES ($1, $2)
			ON CONFLICT (site) DO UPDATE SET revision = excluded.revision WHERE receipt.revision < excluded.revision`,
			string(site), int64(atLeast)+1)
		return err
	})
	if err != nil {
		return fmt.Errorf("raise revision of site %s: %w", site, err)
	}
	return nil
}
