package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Terminal is one that is registered at a site, or one that was only heard of.
type Terminal struct {
	Site       protocol.SiteID
	Serial     protocol.Serial
	Registered time.Time          // zero: not registered, its sightings show no punch yet
	Sightings  int64              // records that are stored
	Last       protocol.LocalTime // the newest time among them that exists, "" for none
}

// AddTerminal registers a terminal. What its agent sent before becomes punches
// in the same moment. The same again changes nothing.
func (s *Store) AddTerminal(ctx context.Context, site protocol.SiteID, serial protocol.Serial, at time.Time) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		if err := known(ctx, tx, site); err != nil {
			return err
		}
		var id, registered int64
		err := tx.QueryRowContext(ctx, "SELECT id, registered FROM terminal WHERE site = $1 AND serial = $2", string(site), string(serial)).
			Scan(&id, &registered)
		when := max(1, millis(at))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			err = tx.QueryRowContext(ctx, `INSERT INTO terminal (id, site, serial, registered, sightings)
				VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM terminal), $1, $2, $3, 0) RETURNING id`, string(site), string(serial), when).Scan(&id)
		case err != nil || registered > 0:
			return err
		default:
			_, err = tx.ExecContext(ctx, "UPDATE terminal SET registered = $1 WHERE id = $2", when, id)
		}
		if err != nil {
			return err
		}
		return record(ctx, tx, Deed{At: instant(when), Kind: DeedTerminal, Site: site, Subject: string(serial), Detail: strconv.FormatInt(id, 10)})
	})
	if err != nil {
		return fmt.Errorf("add terminal %s to site %s: %w", serial, site, err)
	}
	return nil
}

// Terminals returns a site's terminals, or those of all sites for "".
func (s *Store) Terminals(ctx context.Context, site protocol.SiteID) (all []Terminal, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		var t Terminal
		var registered int64
		err := rows.Scan(&t.Site, &t.Serial, &registered, &t.Sightings, &t.Last)
		t.Registered = instant(registered)
		all = append(all, t)
		return err
	}, `SELECT t.site, t.serial, t.registered, t.sightings,
			COALESCE((SELECT MAX(s.time) FROM sighting s WHERE s.terminal = t.id AND s.time < 'A'), '')
		FROM terminal t WHERE $1 = '' OR t.site = $1 ORDER BY t.site, t.serial`, string(site))
	if err != nil {
		return nil, fmt.Errorf("read terminals: %w", s.engine.mapped(err))
	}
	return all, nil
}
