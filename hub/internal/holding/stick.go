package holding

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Stick is files of a terminal that a person loaded as its inventory.
type Stick struct {
	ID        int64
	Site      protocol.SiteID
	Serial    protocol.Serial
	Copied    time.Time // from the terminal, as that person says
	At        time.Time // when it was loaded
	By        string
	Reason    string        // why it counts though something spoke against it
	UserFile  protocol.Hash // SHA-256 of what is kept nowhere
	Templates protocol.Hash
	Users     int
	Fingers   int
	Digest    protocol.Hash // of the inventory's text
}

// TakeStick keeps an inventory that was made of files, as of the moment in which they
// were copied, and who vouches for it. ErrReplay, where an inventory of that moment or a
// later one is known, and ErrNoTerminal change nothing. An agent's next word replaces it.
func (h *Holding) TakeStick(ctx context.Context, s Stick, text []byte) (id int64, err error) {
	err = h.db.Update(ctx, func(tx *sql.Tx) error {
		read := h.db.Within(tx)
		if err := registered(ctx, read, s.Site, s.Serial); err != nil {
			return err
		}
		if err := one(ctx, read, func(rows *sql.Rows) error { return rows.Scan(&id) }, nil, "SELECT CAST(COALESCE(MAX(id), 0) + 1 AS BIGINT) FROM stick"); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `INSERT INTO said (site, serial, kind, at, users, fingers, generation, revision, digest, content, stick)
			VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9)
			ON CONFLICT (site, serial, kind) DO UPDATE SET at = excluded.at, users = excluded.users, fingers = excluded.fingers,
				digest = excluded.digest, content = excluded.content, stick = excluded.stick
			WHERE said.at < excluded.at`,
			string(s.Site), string(s.Serial), string(protocol.KindInventory), s.Copied.UnixMilli(), s.Users, s.Fingers, s.Digest[:], text, id)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return orReplay(err)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO stick (id, site, serial, copied, loaded_at, loaded_by, reason, user_file, template_file, users, fingers, digest)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			id, string(s.Site), string(s.Serial), s.Copied.UnixMilli(), s.At.UnixMilli(), s.By, s.Reason, s.UserFile[:], s.Templates[:], s.Users, s.Fingers, s.Digest[:])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("keep inventory of terminal %s of site %s from files: %w", s.Serial, s.Site, err)
	}
	return id, nil
}

// orReplay is ErrReplay unless something else went wrong.
func orReplay(err error) error {
	if err != nil {
		return err
	}
	return ErrReplay
}

// Sticks returns what was loaded for a terminal, the newest first; an empty site or
// serial is any.
func (h *Holding) Sticks(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (all []Stick, err error) {
	err = h.db.Query(ctx, func(rows *sql.Rows) error {
		var s Stick
		var copied, at int64
		var users, templates, digest []byte
		if err := rows.Scan(&s.ID, &s.Site, &s.Serial, &copied, &at, &s.By, &s.Reason, &users, &templates, &s.Users, &s.Fingers, &digest); err != nil {
			return err
		}
		s.Copied, s.At = instant(copied), instant(at)
		for _, column := range []struct {
			to   *protocol.Hash
			from []byte
		}{{&s.UserFile, users}, {&s.Templates, templates}, {&s.Digest, digest}} {
			if err := hash(column.to, column.from); err != nil {
				return err
			}
		}
		all = append(all, s)
		return nil
	}, `SELECT id, site, serial, copied, loaded_at, loaded_by, reason, user_file, template_file, users, fingers, digest FROM stick
		WHERE ($1 = '' OR site = $1) AND ($2 = '' OR serial = $2) ORDER BY id DESC`, string(site), string(serial))
	if err != nil {
		return nil, fmt.Errorf("read inventories from files: %w", err)
	}
	return all, nil
}
