package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// maxAttempts bounds what strangers can make the hub keep.
const maxAttempts = 1000

// Attempt counts the messages that named a site or a key which is not admitted.
type Attempt struct {
	Site        protocol.SiteID
	Key         seal.KeyID
	Count       int64
	First, Last time.Time
}

// CountAttempt notes one more. When a thousand pairs are known, the one that was
// quiet longest makes room.
func (s *Store) CountAttempt(ctx context.Context, site protocol.SiteID, key seal.KeyID, at time.Time) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO attempt (site, key_id, times, first_time, last_time) VALUES ($1, $2, 1, $3, $3)
			ON CONFLICT (site, key_id) DO UPDATE SET times = attempt.times + 1, last_time = excluded.last_time`,
			string(site), string(key), millis(at)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM attempt WHERE (SELECT COUNT(*) FROM attempt) > $1 AND (site, key_id) =
			(SELECT site, key_id FROM attempt WHERE site <> $2 OR key_id <> $3 ORDER BY last_time, site, key_id LIMIT 1)`,
			maxAttempts, string(site), string(key))
		return err
	})
	if err != nil {
		return fmt.Errorf("count attempt of site %s: %w", site, err)
	}
	return nil
}

// Attempts returns what is known of strangers, the newest first.
func (s *Store) Attempts(ctx context.Context) (all []Attempt, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var a Attempt
		var first, last int64
		err := rows.Scan(&a.Site, &a.Key, &a.Count, &first, &last)
		a.First, a.Last = instant(first), instant(last)
		all = append(all, a)
		return err
	}, "SELECT site, key_id, times, first_time, last_time FROM attempt ORDER BY last_time DESC, site, key_id")
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", s.engine.mapped(err))
	}
	return all, nil
}
