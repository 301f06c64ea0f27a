package release

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Target is to whom a release is rolled out: a share of all sites, or some by name.
type Target struct {
	Percent int // 1 to 100; 0: Sites
	Sites   []protocol.SiteID
}

// ParseTarget reads 5%, all, or names of sites.
func ParseTarget(texts []string) (t Target, err error) {
	if len(texts) == 1 && texts[0] == "all" {
		return Target{Percent: 100}, nil
	}
	if len(texts) == 1 && strings.HasSuffix(texts[0], "%") {
		n, err := strconv.Atoi(strings.TrimSuffix(texts[0], "%"))
		if err != nil || n < 1 || n > 100 {
			return t, ErrTarget
		}
		return Target{Percent: n}, nil
	}
	for _, text := range texts {
		site, err := protocol.ParseSiteID(text)
		if err != nil {
			return Target{}, err
		}
		t.Sites = append(t.Sites, site)
	}
	if len(t.Sites) == 0 {
		return t, ErrTarget
	}
	return t, nil
}

// Share picks a share of sites for a version: always the same ones, and with a greater
// share those of the smaller one and more. It is rounded up: one site is the least.
func Share(sites []protocol.SiteID, version string, percent int) []protocol.SiteID {
	place := func(site protocol.SiteID) []byte {
		sum := sha256.Sum256([]byte(version + "\n" + string(site)))
		return sum[:]
	}
	sites = slices.Clone(sites)
	slices.SortFunc(sites, func(a, b protocol.SiteID) int { return bytes.Compare(place(a), place(b)) })
	return sites[:(len(sites)*percent+99)/100]
}

// RollOut orders a version for more sites, and returns which. A site that is to run it, or
// a higher one, already keeps its order, unless it is named or goes down. failures is how many
// sites may fail before the roll-out pauses itself; 0: one of each twenty begun, -1: as before.
func (r *Releases) RollOut(ctx context.Context, version string, to Target, downgrade bool, failures int, by string, at time.Time) (ordered []protocol.SiteID, err error) {
	edition, err := protocol.ParseEdition(version)
	if err != nil {
		return nil, err
	}
	err = r.db.Update(ctx, func(tx *sql.Tx) error {
		ordered = nil
		var paused string
		err := tx.QueryRowContext(ctx, "SELECT paused FROM release WHERE version = $1", version).Scan(&paused)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNone
		case err != nil:
			return err
		case paused != "":
			return ErrPaused
		}
		if failures >= 0 {
			if _, err := tx.ExecContext(ctx, "UPDATE release SET failures = $1 WHERE version = $2", failures, version); err != nil {
				return err
			}
		}
		present, err := presentOrders(ctx, tx)
		if err != nil {
			return err
		}
		for _, site := range to.Sites {
			if _, admitted := present[site]; !admitted {
				return fmt.Errorf("%s: %w", site, ErrSite)
			}
			ordered = append(ordered, site)
		}
		if to.Percent > 0 {
			var all []protocol.SiteID
			for site := range present {
				all = append(all, site)
			}
			for _, site := range Share(all, version, to.Percent) {
				if now := protocol.EditionOf(present[site]); now.Less(edition) || downgrade && now != edition {
					ordered = append(ordered, site)
				}
			}
		}
		slices.Sort(ordered)
		ordered = slices.Compact(ordered)
		down := 0
		if downgrade {
			down = 1
		}
		for _, site := range ordered {
			if _, err := tx.ExecContext(ctx, `INSERT INTO release_order (site, revision, version, downgrade, ordered_by, ordered_at)
				VALUES ($1, (SELECT COALESCE(MAX(revision), 0) + 1 FROM release_order WHERE site = $1), $2, $3, $4, $5)`,
				string(site), version, down, by, at.UnixMilli()); err != nil {
				return err
			}
		}
		return act(ctx, tx, version, "roll-out", fmt.Sprintf("%d sites, downgrade %t", len(ordered), downgrade), by, at)
	})
	if err != nil {
		return nil, fmt.Errorf("roll out release %s: %w", version, err)
	}
	return ordered, nil
}

// presentOrders are all sites that have an agent, with the version that was ordered last.
func presentOrders(ctx context.Context, tx *sql.Tx) (present map[protocol.SiteID]string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT k.site, COALESCE((SELECT o.version FROM release_order o WHERE o.site = k.site ORDER BY o.revision DESC LIMIT 1), '')
		FROM agent_key k WHERE k.retired = 0`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	present = map[protocol.SiteID]string{}
	for rows.Next() {
		var site protocol.SiteID
		var version string
		if err := rows.Scan(&site, &version); err != nil {
			return nil, err
		}
		present[site] = version
	}
	return present, rows.Err()
}

// Pause keeps a version from sites that do not run it yet: they are not told of it, and
// the program is not given out. why must say something.
func (r *Releases) Pause(ctx context.Context, version, why, by string, at time.Time) error {
	if strings.TrimSpace(why) == "" {
		why = "-"
	}
	return r.setPaused(ctx, version, "pause", why, by, at)
}

// Resume lets a paused version go on.
func (r *Releases) Resume(ctx context.Context, version, by string, at time.Time) error {
	if err := r.setPaused(ctx, version, "resume", "", by, at); err != nil {
		return err
	}
	_, err := r.db.Clear(ctx, "", ConditionPaused, version)
	return err
}

func (r *Releases) setPaused(ctx context.Context, version, what, why, by string, at time.Time) error {
	err := r.db.Update(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "UPDATE release SET paused = $1 WHERE version = $2", why, version)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNone)
		}
		return act(ctx, tx, version, what, why, by, at)
	})
	if err != nil {
		return fmt.Errorf("%s release %s: %w", what, version, err)
	}
	return nil
}
