package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"iter"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// ImportPINs adds PINs to the list of known ones, in their normal form. Empty
// ones are passed over; added counts those that were not known.
func (s *Store) ImportPINs(ctx context.Context, pins iter.Seq[string], at time.Time) (added int, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, "INSERT INTO pin (pin, imported) VALUES ($1, $2) ON CONFLICT (pin) DO NOTHING")
		if err != nil {
			return err
		}
		defer stmt.Close()
		for pin := range pins {
			if pin = protocol.NormalPIN(pin); pin == "" {
				continue
			}
			result, err := stmt.ExecContext(ctx, pin, millis(at))
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			added += int(n)
		}
		if added == 0 {
			return nil
		}
		digest, err := digestPINs(ctx, tx)
		if err != nil {
			return err
		}
		return record(ctx, tx, Deed{At: at, Kind: DeedPINs, Subject: digest.String()})
	})
	if err != nil {
		return 0, fmt.Errorf("import pins: %w", err)
	}
	return added, nil
}

// PINs counts the known PINs. While there are none, no PIN is called unknown.
func (s *Store) PINs(ctx context.Context) (n int, err error) {
	if err := s.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM pin").Scan(&n); err != nil {
		return 0, fmt.Errorf("count pins: %w", s.engine.mapped(err))
	}
	return n, nil
}

// digestPINs is the SHA-256 over the whole list in order.
func digestPINs(ctx context.Context, q querier) (protocol.Hash, error) {
	h := sha256.New()
	err := each(ctx, q, func(rows *sql.Rows) error {
		var pin string
		var imported int64
		err := rows.Scan(&pin, &imported)
		fmt.Fprintf(h, "%q %d\n", pin, imported)
		return err
	}, "SELECT pin, imported FROM pin ORDER BY pin")
	return protocol.Hash(h.Sum(nil)), err
}

// NoPINs is the digest of an empty list.
func NoPINs() protocol.Hash { return sha256.Sum256(nil) }
