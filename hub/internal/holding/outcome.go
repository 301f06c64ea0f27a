package holding

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Outcome is what became of one kind of change of one person, or of one finger, the
// last time that it was tried at a terminal.
type Outcome struct {
	Site   protocol.SiteID
	Serial protocol.Serial
	At     time.Time
	Order  protocol.Seq // of the roster that it was for
	protocol.Outcome
}

// note keeps the outcomes that results tell of.
func (s Said) note(ctx context.Context, tx *sql.Tx, r protocol.Results) error {
	order := issuable(r.Roster)
	for _, o := range r.Outcomes {
		if _, err := tx.ExecContext(ctx, `INSERT INTO outcome (site, serial, pin, act, finger, at, generation, revision, reason)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (site, serial, pin, act, finger) DO UPDATE SET at = excluded.at,
				generation = excluded.generation, revision = excluded.revision, reason = excluded.reason`,
			string(s.Site), string(s.Serial), protocol.NormalPIN(plain(o.PIN)), plain(o.Act), int(o.Finger), s.At.UnixMilli(),
			int64(order.Life), int64(order.Counter), plain(o.Reason)); err != nil {
			return err
		}
	}
	return nil
}

// plain is a text as PostgreSQL takes it: a terminal may hold any byte in a PIN.
func plain(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// Outcomes returns what became of changes at a terminal, or of those of one person at
// all terminals: an empty site, serial or PIN is any. The newest come first.
func (h *Holding) Outcomes(ctx context.Context, site protocol.SiteID, serial protocol.Serial, pin string) (all []Outcome, err error) {
	err = h.db.Query(ctx, func(rows *sql.Rows) error {
		var o Outcome
		var at int64
		err := rows.Scan(&o.Site, &o.Serial, &o.PIN, &o.Act, &o.Finger, &at, &o.Order.Life, &o.Order.Counter, &o.Reason)
		o.At = instant(at)
		all = append(all, o)
		return err
	}, `SELECT site, serial, pin, act, finger, at, generation, revision, reason FROM outcome
		WHERE ($1 = '' OR site = $1) AND ($2 = '' OR serial = $2) AND ($3 = '' OR pin = $3)
		ORDER BY at DESC, site, serial, pin, act, finger`, string(site), string(serial), protocol.NormalPIN(pin))
	if err != nil {
		return nil, fmt.Errorf("read outcomes: %w", err)
	}
	return all, nil
}
