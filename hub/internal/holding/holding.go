// Package holding keeps what terminals should hold and what they do hold: the
// rosters that the hub has issued, in their order, and of each terminal the newest
// inventory and results that its admitted agent has signed.
//
// It knows its tables and the rule's types. It must not know pages, MQTT, templates
// or why a roster is as it is; it reaches the database through the store only.
//
// Beware: rosters and inventories hold names. None of it belongs in an error or a
// log, and of a roster that was replaced only numbers are kept.
package holding

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Database is what holding needs of the store.
type Database interface {
	Update(ctx context.Context, change func(*sql.Tx) error) error
	Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
	Within(tx *sql.Tx) func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
}

// Holding is all of this in a database. It is safe for concurrent use.
type Holding struct{ db Database }

// New is the holding in db.
func New(db Database) *Holding { return &Holding{db} }

// Errors by which callers decide.
var (
	ErrNone        = errors.New("nothing is known of it yet")
	ErrNoTerminal  = errors.New("the terminal is not registered at this site")
	ErrNotAdmitted = errors.New("the key is not the site's admitted one")
	ErrReplay      = errors.New("something newer is known already")
)

// registered reports ErrNoTerminal for a terminal that nobody registered at the site.
func registered(ctx context.Context, read reader, site protocol.SiteID, serial protocol.Serial) error {
	return one(ctx, read, func(*sql.Rows) error { return nil }, ErrNoTerminal,
		"SELECT 1 FROM terminal WHERE site = $1 AND serial = $2 AND registered > 0", string(site), string(serial))
}

// Registered reports ErrNoTerminal for a terminal that nobody registered at the site.
func (h *Holding) Registered(ctx context.Context, site protocol.SiteID, serial protocol.Serial) error {
	if err := registered(ctx, h.db.Query, site, serial); err != nil {
		return fmt.Errorf("terminal %s of site %s: %w", serial, site, err)
	}
	return nil
}

// Sealing returns the key to which a site's agent wants its rosters and templates
// sealed; ErrNone until an inventory of it has come.
func (h *Holding) Sealing(ctx context.Context, site protocol.SiteID, agent seal.KeyID) (key seal.SealingPublic, err error) {
	err = one(ctx, h.db.Query, func(rows *sql.Rows) error {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		key, err = seal.ParseSealingPublic(text)
		return err
	}, ErrNone, "SELECT public FROM sealing_key WHERE site = $1 AND agent = $2", string(site), string(agent))
	if err != nil {
		return key, fmt.Errorf("read sealing key of site %s: %w", site, err)
	}
	return key, nil
}

// reader runs a query and calls row for every row of the answer.
type reader func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error

// one reads one row; none is the error where there is no such row.
func one(ctx context.Context, read reader, row func(*sql.Rows) error, none error, query string, args ...any) error {
	found := false
	err := read(ctx, func(rows *sql.Rows) error {
		found = true
		return row(rows)
	}, query, args...)
	if err == nil && !found {
		return none
	}
	return err
}

// hash scans a column of 32 bytes.
func hash(to *protocol.Hash, from []byte) error {
	if len(from) != len(to) {
		return fmt.Errorf("a hash column holds %d bytes", len(from))
	}
	*to = protocol.Hash(from)
	return nil
}

// instant reads a time that is kept as Unix milliseconds.
func instant(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// ordered maps all of uint64 to int64 so that the order stays: BIGINT has a sign.
func ordered(n uint64) int64 { return int64(n ^ 1<<63) }
