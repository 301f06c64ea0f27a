package errand

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// List returns the newest errands of a site, the newest first.
func (e *Errands) List(ctx context.Context, site protocol.SiteID, limit int) ([]Errand, error) {
	all, err := read(ctx, e.db.Query, "site = $1 ORDER BY id DESC LIMIT $2", string(site), limit)
	if err != nil {
		return nil, fmt.Errorf("list errands of site %s: %w", site, err)
	}
	return all, nil
}

// Get returns one errand of a site; ErrNone where it has no such one.
func (e *Errands) Get(ctx context.Context, site protocol.SiteID, id int64) (Errand, error) {
	errand, err := one(ctx, e.db.Query, "site = $1 AND id = $2", string(site), id)
	if err != nil {
		return Errand{}, fmt.Errorf("read errand %d of site %s: %w", id, site, err)
	}
	return errand, nil
}

// Due returns the errands that agents are to hear of: those that wait, and those that
// were begun and of which nobody has said what became of them. It ends those whose time
// is over.
func (e *Errands) Due(ctx context.Context, at time.Time) (due []Errand, err error) {
	all, err := read(ctx, e.db.Query, "heard = 0 ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("read open errands: %w", err)
	}
	over := false
	for _, errand := range all {
		until := errand.Expires
		if errand.State == Begun {
			until = until.Add(unanswered)
		}
		if at.Before(until) {
			due = append(due, errand)
		} else {
			over = true
		}
	}
	if !over {
		return due, nil
	}
	err = e.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE errand SET heard = 1, state = 'expired', ended = 'expired', ended_at = $1
			WHERE heard = 0 AND state = 'waiting' AND expires <= $1`, at.UnixMilli()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE errand SET heard = 1, state = 'failed', ended = $1, ended_at = $2
			WHERE heard = 0 AND state = 'begun' AND expires <= $3`, string(Unanswered), at.UnixMilli(), at.Add(-unanswered).UnixMilli())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("end errands whose time is over: %w", err)
	}
	return due, nil
}

// reader runs a query and calls row for every row of the answer.
type reader func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error

// one reads the errand of a condition; ErrNone where there is none.
func one(ctx context.Context, query reader, where string, args ...any) (Errand, error) {
	all, err := read(ctx, query, where, args...)
	if err == nil && len(all) == 0 {
		err = ErrNone
	}
	if err != nil {
		return Errand{}, err
	}
	return all[0], nil
}

func read(ctx context.Context, query reader, where string, args ...any) (all []Errand, err error) {
	err = query(ctx, func(rows *sql.Rows) error {
		var e Errand
		var life, counter, forced, ordered, expires, ended int64
		var result, kept string
		if err := rows.Scan(&e.ID, &e.Site, &life, &counter, &e.Kind, &e.Serial, &forced, &e.OrderedBy, &ordered, &expires,
			&e.State, &e.Ended, &e.Reason, &ended, &result, &kept); err != nil {
			return err
		}
		e.Number, e.Force = protocol.Seq{Life: uint64(life), Counter: uint64(counter)}, forced != 0
		e.OrderedAt, e.Expires = time.UnixMilli(ordered).UTC(), time.UnixMilli(expires).UTC()
		if ended != 0 {
			e.EndedAt = time.UnixMilli(ended).UTC()
		}
		if kept != "" {
			if err := e.Kept.UnmarshalText([]byte(kept)); err != nil {
				return fmt.Errorf("key of errand %d: %w", e.ID, err)
			}
		}
		if result != "" {
			if err := json.Unmarshal([]byte(result), &e.Result); err != nil {
				return fmt.Errorf("result of errand %d: %w", e.ID, err)
			}
		}
		all = append(all, e)
		return nil
	}, `SELECT id, site, generation, number, kind, serial, forced, ordered_by, ordered_at, expires, state, ended, reason, ended_at, result, kept
		FROM errand WHERE `+where, args...)
	return all, err
}
