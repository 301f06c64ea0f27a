package holding

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
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

// head is the current roster without its text.
func head(ctx context.Context, read reader, site protocol.SiteID, serial protocol.Serial) (v Revision, err error) {
	err = one(ctx, read, func(rows *sql.Rows) error { return v.scan(rows) }, ErrNone,
		"SELECT "+revisionColumns+" FROM roster_revision r WHERE r.site = $1 AND r.serial = $2 AND r.current = 1", string(site), string(serial))
	return v, err
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
