package holding

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Revision is one roster that was issued, without whom it names.
type Revision struct {
	Site    protocol.SiteID
	Serial  protocol.Serial
	Order   protocol.Seq // (generation, revision)
	At      time.Time
	AsOf    roster.Date
	Mode    roster.Mode
	Users   int
	Fingers int
	Added   int // entries, against the revision before
	Removed int
	Changed int
	Digest  protocol.Hash // of the content without its day
	Size    int           // of the text, in bytes

	Approved   protocol.Hash // the plan that a person lets pass the agent's brake; zero: none
	ApprovedBy string
}

// Outgoing is a current roster and whom it is for.
type Outgoing struct {
	Revision
	To   seal.KeyID // the admitted agent
	Seal seal.KeyID // its sealing key, see Sealing
}

// SetRoster issues a roster for a terminal, unless it says nothing new; the day for
// which it was reckoned alone is nothing new. The order is above every one that was
// issued and every one that the site has reported in this generation; it is the
// present one where fresh is false. An unregistered terminal is ErrNoTerminal.
func (h *Holding) SetRoster(ctx context.Context, site protocol.SiteID, serial protocol.Serial, r roster.Roster,
	generation uint64, at time.Time) (order protocol.Seq, fresh bool, err error) {
	if err := r.Check(); err != nil {
		return order, false, fmt.Errorf("set roster of terminal %s: %w", serial, err)
	}
	if r.Serial != serial {
		return order, false, fmt.Errorf("set roster of terminal %s: it is one of terminal %s", serial, r.Serial)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return order, false, fmt.Errorf("set roster of terminal %s: %w", serial, err)
	}
	digest, err := contentDigest(r)
	if err != nil {
		return order, false, fmt.Errorf("set roster of terminal %s: %w", serial, err)
	}
	err = h.db.Update(ctx, func(tx *sql.Tx) error {
		if err := registered(ctx, within(tx), site, serial); err != nil {
			return err
		}
		before, old, err := current(ctx, within(tx), site, serial)
		if err != nil && !errors.Is(err, ErrNone) {
			return err
		}
		reported, err := reported(ctx, within(tx), site, serial)
		if err != nil {
			return err
		}
		// A site that reports more than was issued follows a roster that is lost here.
		ahead := reported.Life <= generation && before.Order.Less(reported)
		if order = before.Order; before.Digest == digest && !ahead {
			return nil
		}
		fresh, order = true, protocol.Seq{Life: max(generation, before.Order.Life)}
		for _, o := range []protocol.Seq{before.Order, reported} {
			if o.Life == order.Life {
				order.Counter = max(order.Counter, o.Counter)
			}
		}
		order.Counter++
		next := Revision{Site: site, Serial: serial, Order: order, At: at, AsOf: r.AsOf, Mode: r.Mode,
			Users: len(r.Entries), Digest: digest, Size: len(text)}
		next.count(old, r)
		return next.insert(ctx, tx, text)
	})
	if err != nil {
		return order, false, fmt.Errorf("set roster of terminal %s of site %s: %w", serial, site, err)
	}
	return order, fresh, nil
}

// contentDigest is the digest of a roster without its day.
func contentDigest(r roster.Roster) (protocol.Hash, error) {
	r.AsOf = ""
	text, err := json.Marshal(r)
	return sha256.Sum256(text), err
}

// count fills in the fingers, and what the roster has that the one before had not.
func (v *Revision) count(old, r roster.Roster) {
	before := make(map[string]roster.Entry, len(old.Entries))
	for _, e := range old.Entries {
		before[e.PIN] = e
	}
	for _, e := range r.Entries {
		v.Fingers += len(e.Fingers)
		was, found := before[e.PIN]
		switch {
		case !found:
			v.Added++
		case !reflect.DeepEqual(was, e):
			v.Changed++
		}
		delete(before, e.PIN)
	}
	v.Removed = len(before)
}

func (v Revision) insert(ctx context.Context, tx *sql.Tx, text []byte) error {
	if _, err := tx.ExecContext(ctx, "UPDATE roster_revision SET current = 0, content = $1 WHERE site = $2 AND serial = $3 AND current = 1",
		[]byte{}, string(v.Site), string(v.Serial)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO roster_revision (site, serial, generation, revision, at, as_of, mode, users, fingers,
		added, removed, changed, digest, size, current, content, approved, approved_by, approved_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15, $16, '', 0)`,
		string(v.Site), string(v.Serial), int64(v.Order.Life), int64(v.Order.Counter), v.At.UnixMilli(), string(v.AsOf), string(v.Mode),
		v.Users, v.Fingers, v.Added, v.Removed, v.Changed, v.Digest[:], v.Size, text, []byte{})
	return err
}

const revisionColumns = `r.site, r.serial, r.generation, r.revision, r.at, r.as_of, r.mode, r.users, r.fingers,
	r.added, r.removed, r.changed, r.digest, r.size, r.approved, r.approved_by`

// scan reads revisionColumns, and more columns behind them.
func (v *Revision) scan(rows *sql.Rows, more ...any) error {
	var at int64
	var digest, approved []byte
	if err := rows.Scan(append([]any{&v.Site, &v.Serial, &v.Order.Life, &v.Order.Counter, &at, &v.AsOf, &v.Mode, &v.Users, &v.Fingers,
		&v.Added, &v.Removed, &v.Changed, &digest, &v.Size, &approved, &v.ApprovedBy}, more...)...); err != nil {
		return err
	}
	v.At = instant(at)
	if len(approved) > 0 {
		if err := hash(&v.Approved, approved); err != nil {
			return err
		}
	}
	return hash(&v.Digest, digest)
}

// ErrNoPlan says that a plan does not wait for an approval, or not any more.
var ErrNoPlan = errors.New("no such plan waits for an approval")

// Approve lets a plan pass the agent's brake. Only the one that the agent stopped at
// under the current roster can be approved, and who does it is kept; another roster
// or another inventory makes another plan.
func (h *Holding) Approve(ctx context.Context, site protocol.SiteID, serial protocol.Serial, plan protocol.Hash, who string, at time.Time) error {
	err := h.db.Update(ctx, func(tx *sql.Tx) error {
		v, _, err := text(ctx, within(tx), site, serial)
		if err != nil {
			return err
		}
		var r protocol.Results
		if _, _, err := said(ctx, within(tx), site, serial, protocol.KindResults, &r); err != nil {
			return err
		}
		if plan.IsZero() || r.State != protocol.StandingBraked || r.Plan != plan || r.Roster != v.Order {
			return ErrNoPlan
		}
		_, err = tx.ExecContext(ctx, `UPDATE roster_revision SET approved = $1, approved_by = $2, approved_at = $3
			WHERE site = $4 AND serial = $5 AND current = 1`, plan[:], who, at.UnixMilli(), string(site), string(serial))
		return err
	})
	if err != nil {
		return fmt.Errorf("approve plan for terminal %s of site %s: %w", serial, site, err)
	}
	return nil
}

// Text returns the current roster of a terminal as JSON; ErrNone where there is none.
func (h *Holding) Text(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (Revision, []byte, error) {
	v, text, err := text(ctx, h.db.Query, site, serial)
	if err != nil {
		return v, nil, fmt.Errorf("read roster of terminal %s of site %s: %w", serial, site, err)
	}
	return v, text, nil
}

// Roster returns the current roster of a terminal; ErrNone where there is none.
func (h *Holding) Roster(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (Revision, roster.Roster, error) {
	v, r, err := current(ctx, h.db.Query, site, serial)
	if err != nil {
		return v, r, fmt.Errorf("read roster of terminal %s of site %s: %w", serial, site, err)
	}
	return v, r, nil
}

func current(ctx context.Context, read reader, site protocol.SiteID, serial protocol.Serial) (v Revision, r roster.Roster, err error) {
	v, content, err := text(ctx, read, site, serial)
	if err == nil {
		err = json.Unmarshal(content, &r)
	}
	return v, r, err
}

func text(ctx context.Context, read reader, site protocol.SiteID, serial protocol.Serial) (v Revision, text []byte, err error) {
	err = one(ctx, read, func(rows *sql.Rows) error { return v.scan(rows, &text) }, ErrNone,
		"SELECT "+revisionColumns+", r.content FROM roster_revision r WHERE r.site = $1 AND r.serial = $2 AND r.current = 1", string(site), string(serial))
	return v, text, err
}

// History returns the rosters that were issued for a terminal, the newest first.
func (h *Holding) History(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (all []Revision, err error) {
	err = h.db.Query(ctx, func(rows *sql.Rows) error {
		var v Revision
		err := v.scan(rows)
		all = append(all, v)
		return err
	}, "SELECT "+revisionColumns+` FROM roster_revision r WHERE r.site = $1 AND r.serial = $2
		ORDER BY r.generation DESC, r.revision DESC`, string(site), string(serial))
	if err != nil {
		return nil, fmt.Errorf("read rosters of terminal %s of site %s: %w", serial, site, err)
	}
	return all, nil
}

// Outgoing returns the current rosters that can be sent, of one site or of all for
// "", by site and serial: the terminal is registered and the agent's sealing key known.
func (h *Holding) Outgoing(ctx context.Context, site protocol.SiteID) (all []Outgoing, err error) {
	err = h.db.Query(ctx, func(rows *sql.Rows) error {
		var o Outgoing
		err := o.scan(rows, &o.To, &o.Seal)
		all = append(all, o)
		return err
	}, "SELECT "+revisionColumns+`, s.agent, s.key_id FROM roster_revision r
		JOIN terminal t ON t.site = r.site AND t.serial = r.serial AND t.registered > 0
		JOIN agent_key k ON k.site = r.site AND k.retired = 0
		JOIN sealing_key s ON s.site = r.site AND s.agent = SUBSTR(k.fingerprint, 1, 16)
		WHERE r.current = 1 AND ($1 = '' OR r.site = $1) ORDER BY r.site, r.serial`, string(site))
	if err != nil {
		return nil, fmt.Errorf("read rosters: %w", err)
	}
	return all, nil
}
