package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Condition is something that the hub itself knows of a site, such as a fork.
// What an agent says of itself is in its state.
type Condition struct {
	Site    protocol.SiteID // empty: of the hub
	Code    string
	Subject string
	Args    map[string]string
	Since   time.Time
	Last    time.Time // last raised
}

// Raise declares a condition. One that is raised already keeps its Since and
// takes the new Args; fresh tells that it was not.
func (s *Store) Raise(ctx context.Context, c Condition, at time.Time) (fresh bool, err error) {
	args, err := json.Marshal(c.Args)
	if err != nil {
		return false, fmt.Errorf("raise condition %s: %w", c.Code, err)
	}
	err = s.update(ctx, func(tx *sql.Tx) error {
		var since int64
		err := tx.QueryRowContext(ctx, "SELECT since FROM hub_condition WHERE site = $1 AND code = $2 AND subject = $3",
			string(c.Site), c.Code, c.Subject).Scan(&since)
		if fresh = errors.Is(err, sql.ErrNoRows); err != nil && !fresh {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO hub_condition (site, code, subject, args, since, latest) VALUES ($1, $2, $3, $4, $5, $5)
			ON CONFLICT (site, code, subject) DO UPDATE SET args = excluded.args, latest = excluded.latest`,
			string(c.Site), c.Code, c.Subject, string(args), millis(at))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("raise condition %s: %w", c.Code, err)
	}
	return fresh, nil
}

// Clear ends a condition; was tells that there was one.
func (s *Store) Clear(ctx context.Context, site protocol.SiteID, code, subject string) (was bool, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "DELETE FROM hub_condition WHERE site = $1 AND code = $2 AND subject = $3",
			string(site), code, subject)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		was = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("clear condition %s: %w", code, err)
	}
	return was, nil
}

// Conditions returns the conditions of one site, or the hub's own for "", the
// oldest first.
func (s *Store) Conditions(ctx context.Context, site protocol.SiteID) ([]Condition, error) {
	return s.conditions(ctx, "WHERE site = $1", string(site))
}

// AllConditions returns those of the hub and of every site, by site.
func (s *Store) AllConditions(ctx context.Context) ([]Condition, error) {
	return s.conditions(ctx, "")
}

func (s *Store) conditions(ctx context.Context, where string, args ...any) (all []Condition, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var c Condition
		var args []byte
		var since, last int64
		if err := rows.Scan(&c.Site, &c.Code, &c.Subject, &args, &since, &last); err != nil {
			return err
		}
		c.Since, c.Last = instant(since), instant(last)
		all = append(all, c)
		return json.Unmarshal(args, &all[len(all)-1].Args)
	}, "SELECT site, code, subject, args, since, latest FROM hub_condition "+where+" ORDER BY site, since, code, subject", args...)
	if err != nil {
		return nil, fmt.Errorf("read conditions: %w", s.engine.mapped(err))
	}
	return all, nil
}
