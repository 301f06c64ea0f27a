package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"
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
			if pin = NormalPIN(pin); pin == "" {
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
		return nil
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
