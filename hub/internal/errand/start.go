package errand

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Order is what Start is asked for.
type Order struct {
	Site   protocol.SiteID
	Kind   protocol.JobKind
	Serial protocol.Serial // may be empty where the site has one terminal
	Force  bool
	Alone  bool          // of a key-make: no other system reads the terminal, and would be cut off
	For    time.Duration // until it expires; 0: Lasts
	Who    string        // the person who orders
}

// Kinds are what can be ordered. That a key is written follows from that it was made.
func Kinds() []protocol.JobKind {
	return slices.DeleteFunc(protocol.Errands(), func(k protocol.JobKind) bool { return k == protocol.JobKeyWrite })
}

// Start orders an errand. A Refusal changes nothing.
func (e *Errands) Start(ctx context.Context, o Order, at time.Time) (made Errand, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("order %s of site %s: %w", o.Kind, o.Site, err)
		}
	}()
	lasts := o.For
	if lasts == 0 {
		lasts = Lasts
	}
	switch {
	case !slices.Contains(Kinds(), o.Kind):
		return made, ErrKind
	case o.Kind == protocol.JobKeyMake && !o.Alone:
		return made, ErrAlone
	case o.Who == "":
		return made, ErrWho
	case o.Force && o.Kind != protocol.JobClock:
		return made, ErrForce
	case lasts < time.Second || lasts > Longest:
		return made, ErrTime
	}
	generation, err := e.db.Generation(ctx)
	if err != nil {
		return made, err
	}
	at = at.UTC().Truncate(time.Millisecond)
	made = Errand{Site: o.Site, Kind: o.Kind, Force: o.Force, OrderedBy: o.Who, OrderedAt: at, Expires: at.Add(lasts).Truncate(time.Second), State: Waiting}
	err = e.db.Update(ctx, func(tx *sql.Tx) error {
		made.Number.Life = generation.Number
		if made.Serial, err = where(ctx, e.db.Within(tx), o); err != nil {
			return err
		}
		return made.insert(ctx, tx)
	})
	return made, err
}

// where is the terminal that an order means; empty where it is of the whole site.
func where(ctx context.Context, query reader, o Order) (protocol.Serial, error) {
	var serials []protocol.Serial
	known := false
	err := query(ctx, func(rows *sql.Rows) error {
		known = true
		var serial protocol.Serial
		err := rows.Scan(&serial)
		if serial != "" {
			serials = append(serials, serial)
		}
		return err
	}, `SELECT COALESCE(t.serial, '') FROM site s LEFT JOIN terminal t ON t.site = s.id AND t.registered > 0 WHERE s.id = $1`, string(o.Site))
	switch {
	case err != nil:
		return "", err
	case !known:
		return "", ErrSite
	case !o.Kind.OfTerminal():
		if o.Serial != "" {
			return "", ErrTerminal
		}
		return "", nil
	case o.Serial == "" && len(serials) == 1:
		return serials[0], nil
	case !slices.Contains(serials, o.Serial):
		return "", ErrTerminal
	}
	return o.Serial, nil
}

// insert gives the errand its id and its number among all jobs of the site.
func (e *Errand) insert(ctx context.Context, tx *sql.Tx) error {
	var n int64
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM errand WHERE site = $1 AND kind = $2 AND serial = $3 AND state IN ('waiting', 'begun') AND expires > $4`,
		string(e.Site), string(e.Kind), string(e.Serial), e.OrderedAt.UnixMilli()).Scan(&n)
	if err != nil {
		return err
	}
	if n > 0 {
		return ErrBusy
	}
	forced := 0
	if e.Force {
		forced = 1
	}
	kept := ""
	if !e.Kept.IsZero() {
		kept = e.Kept.String()
	}
	var number int64
	err = tx.QueryRowContext(ctx, `INSERT INTO errand (id, site, generation, number, kind, serial, forced, ordered_by, ordered_at, expires, state, ended, reason, ended_at, result, heard, kept)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM errand), $1, $2,
			(SELECT COALESCE(MAX(n), 0) + 1 FROM (SELECT number AS n FROM job WHERE site = $1 UNION ALL SELECT number AS n FROM errand WHERE site = $1) AS jobs),
			$3, $4, $5, $6, $7, $8, 'waiting', '', '', 0, '', 0, $9) RETURNING id, number`,
		string(e.Site), int64(e.Number.Life), string(e.Kind), string(e.Serial), forced, e.OrderedBy, e.OrderedAt.UnixMilli(), e.Expires.UnixMilli(), kept).Scan(&e.ID, &number)
	e.Number.Counter = uint64(number)
	return err
}
