package holding

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Said is a message of an agent whose signature was checked: by which key, about
// which terminal, in which order.
type Said struct {
	Site   protocol.SiteID
	Serial protocol.Serial
	Agent  seal.KeyID
	Seq    protocol.Seq // (boot number, counter), rising over all that the agent says
	At     time.Time    // when it came
}

// TakeInventory keeps an inventory whose text was opened and checked, and the key to
// which the agent wants to be answered. ErrReplay, ErrNoTerminal and ErrNotAdmitted
// change nothing.
func (h *Holding) TakeInventory(ctx context.Context, s Said, sealing seal.SealingPublic, text []byte, inv roster.Inventory) error {
	err := h.db.Update(ctx, func(tx *sql.Tx) error {
		if err := s.newest(ctx, tx, h.db.Within(tx), protocol.KindInventory); err != nil {
			return err
		}
		fingers := 0
		for _, u := range inv.Users {
			fingers += len(u.Fingers)
		}
		if err := s.keep(ctx, tx, protocol.KindInventory, len(inv.Users), fingers, protocol.Seq{}, text); err != nil {
			return err
		}
		// A message that somebody kept back must not bring an older key back.
		site := s
		site.Serial = ""
		if err := site.rise(ctx, tx, "sealing"); err != nil {
			if errors.Is(err, ErrReplay) {
				return nil
			}
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO sealing_key (site, agent, key_id, public) VALUES ($1, $2, $3, $4)
			ON CONFLICT (site, agent) DO UPDATE SET key_id = excluded.key_id, public = excluded.public`,
			string(s.Site), string(s.Agent), string(sealing.KeyID()), sealing.String())
		return err
	})
	if err != nil {
		return fmt.Errorf("keep inventory of terminal %s of site %s: %w", s.Serial, s.Site, err)
	}
	return nil
}

// TakeResults keeps what an agent says of applying a roster, and of each change what
// became of it; refusals as TakeInventory.
func (h *Holding) TakeResults(ctx context.Context, s Said, r protocol.Results) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = h.db.Update(ctx, func(tx *sql.Tx) error {
			if err := s.newest(ctx, tx, h.db.Within(tx), protocol.KindResults); err != nil {
				return err
			}
			if err := s.keep(ctx, tx, protocol.KindResults, 0, 0, r.Roster, text); err != nil {
				return err
			}
			return s.note(ctx, tx, r)
		})
	}
	if err != nil {
		return fmt.Errorf("keep results of terminal %s of site %s: %w", s.Serial, s.Site, err)
	}
	return nil
}

// Take runs keep for a message of a kind that is kept elsewhere, and remembers its
// order when keep has succeeded; refusals as TakeInventory.
func (h *Holding) Take(ctx context.Context, s Said, kind protocol.Kind, keep func() error) error {
	var last protocol.Seq
	err := one(ctx, h.db.Query, func(rows *sql.Rows) error {
		var life, counter int64
		err := rows.Scan(&life, &counter)
		last = protocol.Seq{Life: uint64(life) ^ 1<<63, Counter: uint64(counter) ^ 1<<63}
		return err
	}, nil, "SELECT life, counter FROM said_order WHERE site = $1 AND agent = $2 AND kind = $3 AND serial = $4",
		string(s.Site), string(s.Agent), string(kind), string(s.Serial))
	if err == nil && !last.Less(s.Seq) {
		err = ErrReplay
	}
	if err == nil {
		err = h.Registered(ctx, s.Site, s.Serial)
	}
	if err == nil {
		err = keep()
	}
	if err == nil {
		err = h.db.Update(ctx, func(tx *sql.Tx) error { return s.newest(ctx, tx, h.db.Within(tx), kind) })
	}
	if err != nil {
		return fmt.Errorf("take %s of terminal %s of site %s: %w", kind, s.Serial, s.Site, err)
	}
	return nil
}

// newest checks that a message may be taken, and remembers its order.
func (s Said) newest(ctx context.Context, tx *sql.Tx, read reader, kind protocol.Kind) error {
	if err := one(ctx, read, func(*sql.Rows) error { return nil }, ErrNotAdmitted,
		"SELECT 1 FROM agent_key WHERE site = $1 AND retired = 0 AND SUBSTR(fingerprint, 1, 16) = $2", string(s.Site), string(s.Agent)); err != nil {
		return err
	}
	if err := registered(ctx, read, s.Site, s.Serial); err != nil {
		return err
	}
	return s.rise(ctx, tx, string(kind))
}

// rise remembers the order of what was said; ErrReplay where it does not rise.
func (s Said) rise(ctx context.Context, tx *sql.Tx, kind string) error {
	result, err := tx.ExecContext(ctx, `INSERT INTO said_order (site, agent, kind, serial, life, counter) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (site, agent, kind, serial) DO UPDATE SET life = excluded.life, counter = excluded.counter
		WHERE said_order.life < excluded.life OR said_order.life = excluded.life AND said_order.counter < excluded.counter`,
		string(s.Site), string(s.Agent), kind, string(s.Serial), ordered(s.Seq.Life), ordered(s.Seq.Counter))
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return ErrReplay
}

func (s Said) keep(ctx context.Context, tx *sql.Tx, kind protocol.Kind, users, fingers int, order protocol.Seq, text []byte) error {
	order = issuable(order)
	digest := sha256.Sum256(text)
	_, err := tx.ExecContext(ctx, `INSERT INTO said (site, serial, kind, at, users, fingers, generation, revision, digest, content)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (site, serial, kind) DO UPDATE SET at = excluded.at, users = excluded.users, fingers = excluded.fingers,
			generation = excluded.generation, revision = excluded.revision, digest = excluded.digest, content = excluded.content, stick = 0`,
		string(s.Site), string(s.Serial), string(kind), s.At.UnixMilli(), users, fingers, int64(order.Life), int64(order.Counter), digest[:], text)
	return err
}

// issuable is an order, or none where no hub can have issued it.
func issuable(order protocol.Seq) protocol.Seq {
	if order.Life >= math.MaxInt64 || order.Counter >= math.MaxInt64 {
		return protocol.Seq{}
	}
	return order
}

// Inventory is what a terminal holds, and since when the hub knows.
type Inventory struct {
	At     time.Time
	Digest protocol.Hash // SHA-256 of its text
	By     string        // who loaded it from files of the terminal; empty: its agent read it
	roster.Inventory
}

// Inventory returns the newest inventory of a terminal; ErrNone where none came.
func (h *Holding) Inventory(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (inv Inventory, err error) {
	inv.At, inv.Digest, inv.By, err = said(ctx, h.db.Query, site, serial, protocol.KindInventory, &inv.Inventory)
	if err != nil {
		return inv, fmt.Errorf("read inventory of terminal %s of site %s: %w", serial, site, err)
	}
	return inv, nil
}

// Inventories is a number that rises whenever an inventory of any terminal comes.
func (h *Holding) Inventories(ctx context.Context) (n int64, err error) {
	err = h.db.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) },
		"SELECT CAST(COALESCE(SUM(at), 0) AS BIGINT) FROM said WHERE kind = $1", string(protocol.KindInventory))
	if err != nil {
		return 0, fmt.Errorf("read when inventories came: %w", err)
	}
	return n, nil
}

// Results returns what a terminal's agent said last of applying its roster, and when
// it came; ErrNone where nothing came.
func (h *Holding) Results(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (r protocol.Results, at time.Time, err error) {
	at, _, _, err = said(ctx, h.db.Query, site, serial, protocol.KindResults, &r)
	if err != nil {
		return r, at, fmt.Errorf("read results of terminal %s of site %s: %w", serial, site, err)
	}
	return r, at, nil
}

// reported is the order of the roster that a terminal's agent spoke of last.
func reported(ctx context.Context, read reader, site protocol.SiteID, serial protocol.Serial) (order protocol.Seq, err error) {
	err = one(ctx, read, func(rows *sql.Rows) error { return rows.Scan(&order.Life, &order.Counter) }, nil,
		"SELECT generation, revision FROM said WHERE site = $1 AND serial = $2 AND kind = $3", string(site), string(serial), string(protocol.KindResults))
	return order, err
}

func said(ctx context.Context, read reader, site protocol.SiteID, serial protocol.Serial, kind protocol.Kind, to any) (at time.Time, digest protocol.Hash, by string, err error) {
	err = one(ctx, read, func(rows *sql.Rows) error {
		var ms int64
		var sum, text []byte
		if err := rows.Scan(&ms, &sum, &text, &by); err != nil {
			return err
		}
		at = instant(ms)
		if err := hash(&digest, sum); err != nil {
			return err
		}
		return json.Unmarshal(text, to)
	}, ErrNone, `SELECT s.at, s.digest, s.content, COALESCE(f.loaded_by, '') FROM said s LEFT JOIN stick f ON f.id = s.stick
		WHERE s.site = $1 AND s.serial = $2 AND s.kind = $3`, string(site), string(serial), string(kind))
	return at, digest, by, err
}
