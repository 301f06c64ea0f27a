package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Punch is what the sightings with one key agree on. Its record is that of the
// first of them, as the agent hashed it.
type Punch struct {
	protocol.Record
	Site      protocol.SiteID
	Terminal  int64  // the register's id of it
	Normal    string // the PIN in the form that is compared
	Epoch     protocol.Hash
	Seq       uint64
	Received  time.Time // when the first sighting came
	Flags     Flags
	Sightings int
}

// Punches returns the punches of registered terminals in the order of time. It
// reads in pages, so a slow reader keeps nothing waiting.
func (s *Store) Punches(ctx context.Context, f Filter) iter.Seq2[Punch, error] {
	return s.punches(ctx, f, "registered > 0")
}

// Waiting returns what Punches will return once somebody registers the terminals
// that were only heard of.
func (s *Store) Waiting(ctx context.Context, f Filter) iter.Seq2[Punch, error] {
	return s.punches(ctx, f, "registered = 0")
}

// LastPunch returns the record that was stored last of a site, registered or
// not; found is false where there is none.
func (s *Store) LastPunch(ctx context.Context, site protocol.SiteID) (p Punch, found bool, err error) {
	var epoch, seq, status, nth int64
	var text, pin string
	err = s.read.QueryRowContext(ctx, `SELECT v.terminal, v.time, v.pin, v.status, v.nth, v.epoch, v.seq
		FROM epoch e JOIN segment g ON g.epoch = e.id AND g.last = e.through JOIN sighting v ON v.epoch = e.id AND v.seq = e.through
		WHERE e.site = $1 ORDER BY g.received DESC, e.id DESC LIMIT 1`, string(site)).Scan(&p.Terminal, &text, &pin, &status, &nth, &epoch, &seq)
	if errors.Is(err, sql.ErrNoRows) {
		return Punch{}, false, nil
	}
	if err == nil {
		p, found, err = s.sighted(ctx, epoch, seq)
	}
	if err != nil {
		return Punch{}, false, fmt.Errorf("read last punch of site %s: %w", site, s.engine.mapped(err))
	}
	return p, found, nil
}

// sighted returns the punch of one sighting alone.
func (s *Store) sighted(ctx context.Context, epoch, seq int64) (p Punch, found bool, err error) {
	var g grouping
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		_, _, err := g.add(rows)
		return err
	}, sightingColumns+"WHERE v.epoch = $1 AND v.seq = $2", epoch, seq)
	p, found = g.end()
	return p, found, err
}

// pagePunches is how many punches are read at once.
const pagePunches = 1000

func (s *Store) punches(ctx context.Context, f Filter, which string) iter.Seq2[Punch, error] {
	return func(yield func(Punch, error) bool) {
		left := f.Limit
		for {
			f.Limit = pagePunches
			if left > 0 {
				f.Limit = min(left, pagePunches)
			}
			page, err := s.page(ctx, f, which)
			if err != nil {
				yield(Punch{}, fmt.Errorf("read punches: %w", s.engine.mapped(err)))
				return
			}
			for _, p := range page {
				if !yield(p, nil) {
					return
				}
			}
			if left -= len(page); len(page) < f.Limit || left == 0 {
				return
			}
			next := page[len(page)-1].Cursor()
			f.After = &next
		}
	}
}

// page reads one page: first the keys from the index alone, then their sightings.
func (s *Store) page(ctx context.Context, f Filter, which string) (page []Punch, err error) {
	where, order, args := f.sql(which)
	g := grouping{}
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		p, complete, err := g.add(rows)
		if complete {
			page = append(page, p)
		}
		return err
	}, `WITH k AS (SELECT DISTINCT v.time, v.terminal, v.pin, v.status, v.nth FROM sighting v `+where+" ORDER BY "+order+
		fmt.Sprintf(" LIMIT %d) ", f.Limit)+sightingColumns+
		`JOIN k ON k.terminal = v.terminal AND k.time = v.time AND k.pin = v.pin AND k.status = v.status AND k.nth = v.nth
		ORDER BY `+order+", v.epoch, v.seq", args...)
	if p, found := g.end(); found {
		page = append(page, p)
	}
	return page, err
}

// sightingColumns reads sightings with what belongs to them.
const sightingColumns = `SELECT v.terminal, v.time, v.pin, v.status, v.nth, v.seq, v.canonical, v.flags, e.name, e.site,
	COALESCE((SELECT g.received FROM segment g WHERE g.epoch = v.epoch AND g.last >= v.seq ORDER BY g.last LIMIT 1), 0)
	FROM sighting v JOIN epoch e ON e.id = v.epoch `

// grouping makes punches of sightings that come in the order of their keys.
type grouping struct {
	now  Punch
	key  Cursor
	some bool
}

// add takes the next sighting; complete tells that it begins another punch, and
// returns the one before.
func (g *grouping) add(row scanner) (p Punch, complete bool, err error) {
	var key Cursor
	var next Punch
	var canonical []byte
	var flags, received int64
	if err := row.Scan(&key.Terminal, &key.Time, &key.PIN, &key.Status, &key.Nth, &next.Seq, &canonical, &flags,
		hashColumn{&next.Epoch}, &next.Site, &received); err != nil {
		return p, false, err
	}
	if next.Record, err = protocol.ParseCanonical(canonical); err != nil {
		return p, false, fmt.Errorf("record %d of epoch %s: %w", next.Seq, next.Epoch.Short(), err)
	}
	if g.some && key == g.key {
		g.now.Sightings++
		if g.now.Verify != next.Verify || g.now.WorkCode != next.WorkCode {
			g.now.Flags |= FlagContradiction
		}
		return p, false, nil
	}
	p, complete = g.end()
	next.Normal, next.Received, next.Sightings, next.Terminal = key.PIN, instant(received), 1, key.Terminal
	next.Flags = Flags(flags)
	g.now, g.key, g.some = next, key, true
	return p, complete, nil
}

// end returns the last punch.
func (g *grouping) end() (Punch, bool) {
	p, some := g.now, g.some
	g.some = false
	return p, some
}
