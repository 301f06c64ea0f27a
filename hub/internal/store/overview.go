package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Overview is what a page says of a site at first sight.
type Overview struct {
	Agent                  // the admitted one; only its site is told where there is none
	State      State       // Message nil: never heard
	Sightings  int64       // records stored of this site
	Heard      time.Time   // last segment or state; zero: never
	Conditions []Condition // the hub's, of this site
}

// siteColumns are those of scanAgent for registered sites, with an agent or without.
const siteColumns = `SELECT s.id, COALESCE(k.fingerprint, ''), COALESCE(k.public_key, ''), COALESCE(k.admitted, 0)
	FROM site s LEFT JOIN agent_key k ON k.site = s.id AND k.retired = 0 `

// Sites returns all sites, by id, those without an agent too.
func (s *Store) Sites(ctx context.Context) ([]Overview, error) {
	var all []Overview
	err := each(ctx, s.read, func(rows *sql.Rows) error {
		a, err := scanAgent(rows)
		all = append(all, Overview{Agent: a})
		return err
	}, siteColumns+"ORDER BY s.id")
	if err != nil {
		return nil, fmt.Errorf("read sites: %w", s.engine.mapped(err))
	}
	at := map[protocol.SiteID]*Overview{}
	for i := range all {
		at[all[i].Agent.Site] = &all[i]
	}
	conditions, err := s.AllConditions(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range conditions {
		if o := at[c.Site]; o != nil {
			o.Conditions = append(o.Conditions, c)
		}
	}
	if err := s.fill(ctx, at, ""); err != nil {
		return nil, fmt.Errorf("read sites: %w", s.engine.mapped(err))
	}
	return all, nil
}

// Site returns one site, with an agent or without, or ErrNoSite.
func (s *Store) Site(ctx context.Context, site protocol.SiteID) (o Overview, err error) {
	o.Agent, err = scanAgent(s.read.QueryRowContext(ctx, siteColumns+"WHERE s.id = $1", string(site)))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoSite
	}
	if err != nil {
		return Overview{}, fmt.Errorf("read site %s: %w", site, s.engine.mapped(err))
	}
	if o.Conditions, err = s.Conditions(ctx, site); err != nil {
		return Overview{}, err
	}
	if err := s.fill(ctx, map[protocol.SiteID]*Overview{site: &o}, site); err != nil {
		return Overview{}, fmt.Errorf("read site %s: %w", site, s.engine.mapped(err))
	}
	return o, nil
}

// fill adds states, counts and times to the sites of a map; only names the one
// site, "" all.
func (s *Store) fill(ctx context.Context, at map[protocol.SiteID]*Overview, only protocol.SiteID) error {
	const whose = " WHERE $1 = '' OR site = $1"
	if err := each(ctx, s.read, func(rows *sql.Rows) error {
		st, err := scanState(rows)
		if o := at[st.Site]; o != nil {
			o.State, o.Heard = st, st.Received
		}
		return err
	}, stateColumns+whose, string(only)); err != nil {
		return err
	}
	if err := each(ctx, s.read, func(rows *sql.Rows) error {
		var site protocol.SiteID
		var n int64
		err := rows.Scan(&site, &n)
		if o := at[site]; o != nil {
			o.Sightings = n
		}
		return err
	}, "SELECT site, CAST(SUM(through) AS BIGINT) FROM epoch"+whose+" GROUP BY site", string(only)); err != nil {
		return err
	}
	return each(ctx, s.read, func(rows *sql.Rows) error {
		var site protocol.SiteID
		var ms int64
		err := rows.Scan(&site, &ms)
		if o := at[site]; o != nil && instant(ms).After(o.Heard) {
			o.Heard = instant(ms)
		}
		return err
	}, "SELECT site, MAX(at) FROM heard"+whose+" GROUP BY site", string(only))
}

// Totals are the hub's counts, for its metrics.
type Totals struct {
	Sites, Terminals, Unregistered, Epochs, Sightings int64
}

// Totals counts without looking at every row.
func (s *Store) Totals(ctx context.Context) (t Totals, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM site),
		(SELECT COUNT(*) FROM terminal WHERE registered > 0), (SELECT COUNT(*) FROM terminal WHERE registered = 0),
		(SELECT COUNT(*) FROM epoch), (SELECT CAST(COALESCE(SUM(through), 0) AS BIGINT) FROM epoch)`).
		Scan(&t.Sites, &t.Terminals, &t.Unregistered, &t.Epochs, &t.Sightings)
	if err != nil {
		return t, fmt.Errorf("read totals: %w", s.engine.mapped(err))
	}
	return t, nil
}
