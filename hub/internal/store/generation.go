package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Generation is the hub's present life.
func (s *Store) Generation(ctx context.Context) (protocol.Generation, error) {
	g, err := generation(ctx, s.read)
	if err != nil {
		return g, fmt.Errorf("read generation: %w", s.engine.mapped(err))
	}
	return g, nil
}

func generation(ctx context.Context, q querier) (g protocol.Generation, err error) {
	var id string
	var number int64
	err = q.QueryRowContext(ctx, "SELECT number, id FROM generation ORDER BY number DESC LIMIT 1").Scan(&number, &id)
	if err != nil {
		return g, err
	}
	g.Number = uint64(number)
	return g, g.ID.UnmarshalText([]byte(id))
}

// RaiseGeneration begins a new life of the hub, with a new id. reason is for
// people who read the ledger.
func (s *Store) RaiseGeneration(ctx context.Context, reason string, at time.Time) (g protocol.Generation, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		before, err := generation(ctx, tx)
		if err != nil {
			return err
		}
		g, err = begin(ctx, tx, before.Number+1, reason, at)
		return err
	})
	if err != nil {
		return g, fmt.Errorf("raise generation: %w", err)
	}
	return g, nil
}

// firstGeneration is the one of a new database. Another program may have been
// first: then its one counts.
func (s *Store) firstGeneration(ctx context.Context) (g protocol.Generation, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		if g, err = generation(ctx, tx); err == nil {
			return nil
		}
		g, err = begin(ctx, tx, 1, "new database", time.Time{})
		return err
	})
	return g, err
}

func begin(ctx context.Context, tx *sql.Tx, number uint64, reason string, at time.Time) (protocol.Generation, error) {
	g := protocol.Generation{ID: protocol.NewEpoch(), Number: number}
	if _, err := tx.ExecContext(ctx, "INSERT INTO generation (number, id, reason, since) VALUES ($1, $2, $3, $4)",
		int64(number), g.ID.String(), reason, millis(at)); err != nil {
		return g, err
	}
	return g, record(ctx, tx, Deed{
		At: at, Kind: DeedGeneration, Subject: g.ID.String(), Detail: strconv.FormatUint(number, 10) + " " + reason,
	})
}
