package errand

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Key is a communication key that an agent made for a terminal.
type Key struct {
	At     time.Time
	Proven time.Time // when it opened the terminal; zero: not yet, and the terminal may have it or the one before
	Digits string    // empty: the box does not open, or holds no key
	box    seal.Box
}

// keep keeps the key that a key-make brought and orders that it be written: the order
// names the box, so the agent writes no key of which the hub has no copy.
func (e Errand) keep(ctx context.Context, tx *sql.Tx, box seal.Box, at time.Time) error {
	text, err := json.Marshal(box)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(box.Data)
	if _, err := tx.ExecContext(ctx, `INSERT INTO comm_key (errand, site, serial, at, box, digest, proven) VALUES ($1, $2, $3, $4, $5, $6, 0)`,
		e.ID, string(e.Site), string(e.Serial), at.UnixMilli(), string(text), hex.EncodeToString(digest[:])); err != nil {
		return err
	}
	write := Errand{Site: e.Site, Number: protocol.Seq{Life: e.Number.Life}, Kind: protocol.JobKeyWrite, Serial: e.Serial, Kept: digest,
		OrderedBy: e.OrderedBy, OrderedAt: at.UTC().Truncate(time.Millisecond), Expires: at.Add(Lasts).UTC().Truncate(time.Second), State: Waiting}
	if err := write.insert(ctx, tx); !errors.Is(err, ErrBusy) { // then one before is still being written, and this one stays in reserve
		return err
	}
	return nil
}

// prove notes that the key of a key-write opened the terminal.
func (e Errand) prove(ctx context.Context, tx *sql.Tx, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE comm_key SET proven = $1 WHERE site = $2 AND serial = $3 AND digest = $4`,
		at.UnixMilli(), string(e.Site), string(e.Serial), e.Kept.String())
	return err
}

// Keys opens the communication keys that were made for a terminal with the hub's key, the
// newest first. Who asks for that is to be written down before.
func (e *Errands) Keys(ctx context.Context, site protocol.SiteID, serial protocol.Serial, key protocol.Opener) (all []Key, err error) {
	err = e.db.Query(ctx, func(rows *sql.Rows) error {
		var k Key
		var at, proven int64
		var box string
		if err := rows.Scan(&at, &proven, &box); err != nil {
			return err
		}
		if k.At = time.UnixMilli(at).UTC(); proven > 0 {
			k.Proven = time.UnixMilli(proven).UTC()
		}
		all = append(all, k)
		return json.Unmarshal([]byte(box), &all[len(all)-1].box)
	}, `SELECT at, proven, box FROM comm_key WHERE site = $1 AND serial = $2 ORDER BY errand DESC`, string(site), string(serial))
	if err == nil && len(all) == 0 {
		err = ErrNone
	}
	var closed error
	opened := false
	for i := range all { // what a site that was taken over had sealed hides no other
		digits, wrong := key.Open(protocol.CommKeyPurpose(site, serial), all[i].box)
		if wrong == nil && !number(digits) {
			wrong = errors.New("there is no key in the box")
		}
		if wrong != nil {
			closed = wrong
			continue
		}
		all[i].Digits, opened = string(digits), true
	}
	if err == nil && !opened {
		err = closed
	}
	if err != nil {
		return nil, fmt.Errorf("open communication keys of terminal %s of site %s: %w", serial, site, err)
	}
	return all, nil
}

// number reports whether a text is a key: it goes to people's screens.
func number(digits []byte) bool {
	_, err := strconv.ParseUint(string(digits), 10, 32)
	return err == nil
}
