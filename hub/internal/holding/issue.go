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
)

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
	digest, err := contentDigest(r)
	if err == nil {
		order, fresh, err = h.news(ctx, site, serial, digest, generation)
	}
	if err == nil && fresh {
		order, fresh, err = h.issue(ctx, site, serial, r, digest, generation, at)
	}
	if err != nil {
		return order, false, fmt.Errorf("set roster of terminal %s of site %s: %w", serial, site, err)
	}
	return order, fresh, nil
}

// news tells whether a roster would be another than the current one, without holding
// up those who write.
func (h *Holding) news(ctx context.Context, site protocol.SiteID, serial protocol.Serial, digest protocol.Hash, generation uint64) (protocol.Seq, bool, error) {
	v, err := head(ctx, h.db.Query, site, serial)
	if errors.Is(err, ErrNone) {
		return protocol.Seq{}, true, nil
	}
	if err != nil {
		return protocol.Seq{}, false, err
	}
	if err := registered(ctx, h.db.Query, site, serial); err != nil {
		return protocol.Seq{}, false, err
	}
	reported, err := reported(ctx, h.db.Query, site, serial)
	return v.Order, v.Digest != digest || v.behind(reported, generation), err
}

// behind tells that a site reports more than was issued: it follows a roster that is
// lost here. What it reports of a later life of the hub says nothing to this one.
func (v Revision) behind(reported protocol.Seq, generation uint64) bool {
	return reported.Life <= generation && v.Order.Less(reported)
}

// issue writes a roster that is news.
func (h *Holding) issue(ctx context.Context, site protocol.SiteID, serial protocol.Serial, r roster.Roster, digest protocol.Hash,
	generation uint64, at time.Time) (order protocol.Seq, fresh bool, err error) {
	text, err := json.Marshal(r)
	if err != nil {
		return order, false, err
	}
	err = h.db.Update(ctx, func(tx *sql.Tx) error {
		if err := registered(ctx, h.db.Within(tx), site, serial); err != nil {
			return err
		}
		before, old, err := current(ctx, h.db.Within(tx), site, serial)
		if err != nil && !errors.Is(err, ErrNone) {
			return err
		}
		reported, err := reported(ctx, h.db.Within(tx), site, serial)
		if err != nil {
			return err
		}
		if order = before.Order; before.Digest == digest && !before.behind(reported, generation) {
			return nil // somebody else was first
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
	return order, fresh, err
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
