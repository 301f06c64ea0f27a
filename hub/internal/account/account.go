// Package account knows who may look at the hub and change it: accounts with their roles
// and units, passwords, links to choose one, tokens of tools, sessions, and what may be
// done by whom (Can).
//
// It keeps its tables through the two doors of the store and reads the register for the
// tree of units. It must not know HTTP, pages or cookies: web/door does. Beware: secrets
// pass through here. No error, log line or row holds a password, a link or a token; what
// the database keeps of them is a hash.
package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
)

// Database is what accounts need of the store.
type Database interface {
	Update(ctx context.Context, change func(*sql.Tx) error) error
	Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
	Within(tx *sql.Tx) func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
}

// ID is an account's number, from 1.
type ID int64

// Account is one person's.
type Account struct {
	ID       ID
	Name     string // by which they log in: small letters, digits, dots and hyphens
	FullName string
	Role     Role
	Units    []placement.UnitID // for which it counts; none for roles that count for all
	Made     time.Time
	Seen     time.Time // of the last login; zero: never
	Disabled time.Time // since when; zero: it is not
	Ready    bool      // a password was chosen

	life int64 // what was logged in under another one counts no more
}

// By is how the account is written where somebody has changed something: nobody else has
// the name in brackets.
func (a Account) By() string { return a.FullName + " (" + a.Name + ")" }

// State says in a word how the account is: ready, waiting for its owner to choose a
// password, or disabled.
func (a Account) State() string {
	switch {
	case !a.Disabled.IsZero():
		return "disabled"
	case !a.Ready:
		return "waiting"
	}
	return "ready"
}

// Refusal is why something is not done; people read the sentence account.refused-<it>.
type Refusal string

// The refusals.
const (
	ErrWrong       Refusal = "wrong"       // name or password, and nobody says which
	ErrSlow        Refusal = "slow"        // too many tries: wait
	ErrBusy        Refusal = "busy"        // too many log in at once
	ErrShort       Refusal = "short"       // a password of too few letters
	ErrCommon      Refusal = "common"      // a password that is tried first
	ErrLong        Refusal = "long"        // a password of more bytes than are looked at
	ErrLink        Refusal = "link"        // the link is used, old, or none
	ErrName        Refusal = "name"        // not a name to log in by
	ErrTaken       Refusal = "taken"       // somebody has the name
	ErrFullName    Refusal = "full-name"   // no full name
	ErrRole        Refusal = "role"        // no role
	ErrUnits       Refusal = "units"       // the role needs a unit
	ErrLast        Refusal = "last"        // nobody else could manage accounts
	ErrNone        Refusal = "none"        // no such account
	ErrDisabled    Refusal = "disabled"    // the account is disabled
	ErrPurpose     Refusal = "purpose"     // a token for nothing
	ErrManyTokens  Refusal = "many-tokens" // more tokens than anybody needs
	ErrNoSuchToken Refusal = "no-token"    // the token is not the account's
)

func (r Refusal) Error() string { return "account: " + string(r) }

// Accounts are all accounts in a database. They are safe for concurrent use.
type Accounts struct {
	db        Database
	now       func() time.Time
	hash      *hasher
	addresses *limiter
	refusals  *limiter // of each account
	said      *limiter // refusals that were written down lately
}

// New is the accounts in db. now is the moment of everything that is kept.
func New(db Database, now func() time.Time) *Accounts {
	return &Accounts{db: db, now: now, hash: newHasher(),
		addresses: newLimiter(addressFailures, addressWindow), refusals: newLimiter(refusalsMost, time.Minute), said: newLimiter(1, time.Minute)}
}

// reader is Query outside or inside of a change.
type reader func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error

const columns = "id, name, full_name, role, password, life, made_at, seen_at, disabled"

// held is an account with its password's hash, which leaves this package nowhere.
type held struct {
	Account
	password string
}

// read returns the accounts that a condition names, by name.
func read(ctx context.Context, query reader, where string, args ...any) ([]held, error) {
	var list []held
	err := query(ctx, func(rows *sql.Rows) error {
		var a held
		var made, seen, disabled int64
		if err := rows.Scan(&a.ID, &a.Name, &a.FullName, &a.Role, &a.password, &a.life, &made, &seen, &disabled); err != nil {
			return err
		}
		a.Made, a.Seen, a.Disabled, a.Ready = instant(made), instant(seen), instant(disabled), a.password != ""
		list = append(list, a)
		return nil
	}, "SELECT "+columns+" FROM account "+where+" ORDER BY name", args...)
	for i := range list {
		if err == nil {
			err = query(ctx, func(rows *sql.Rows) error {
				var unit placement.UnitID
				err := rows.Scan(&unit)
				list[i].Units = append(list[i].Units, unit)
				return err
			}, "SELECT unit FROM account_unit WHERE account = $1 ORDER BY unit", int64(list[i].ID))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	return list, nil
}

// one is read for a single account; ErrNone where there is none.
func one(ctx context.Context, query reader, where string, args ...any) (held, error) {
	list, err := read(ctx, query, where, args...)
	if err == nil && len(list) == 0 {
		err = ErrNone
	}
	if err != nil {
		return held{}, err
	}
	return list[0], nil
}

// List returns all accounts, by name.
func (a *Accounts) List(ctx context.Context) ([]Account, error) {
	list, err := read(ctx, a.db.Query, "")
	all := make([]Account, len(list))
	for i, h := range list {
		all[i] = h.Account
	}
	return all, err
}

// Get returns one account, or ErrNone.
func (a *Accounts) Get(ctx context.Context, id ID) (Account, error) {
	h, err := one(ctx, a.db.Query, "WHERE id = $1", int64(id))
	return h.Account, err
}

// Named returns the account that somebody logs in to by a name, or ErrNone.
func (a *Accounts) Named(ctx context.Context, name string) (Account, error) {
	h, err := one(ctx, a.db.Query, "WHERE name = $1", strings.ToLower(name))
	return h.Account, err
}

// Add makes an account without a password, and the code of the link by which its owner
// chooses one. Nobody else ever knows it.
func (a *Accounts) Add(ctx context.Context, by By, n Account) (made Account, code string, err error) {
	if err := n.check(); err != nil {
		return Account{}, "", err
	}
	err = a.db.Update(ctx, func(tx *sql.Tx) error {
		if made, err = a.insert(ctx, tx, by, n); err != nil {
			return err
		}
		code, err = a.link(ctx, tx, by, made.ID)
		return err
	})
	return made, code, err
}

// check says what is wrong with an account that is to be made.
func (a Account) check() error {
	switch {
	case !goodName(a.Name):
		return ErrName
	case strings.TrimSpace(a.FullName) == "" || utf8.RuneCountInString(a.FullName) > 60 || !utf8.ValidString(a.FullName) || strings.ContainsFunc(a.FullName, unicode.IsControl):
		return ErrFullName
	}
	return a.Role.checkUnits(a.Units)
}

// goodName tells whether a text is a name to log in by.
func goodName(name string) bool {
	return len(name) >= 3 && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" && name[0] >= 'a'
}

// insert writes a new account within a change.
func (a *Accounts) insert(ctx context.Context, tx *sql.Tx, by By, n Account) (Account, error) {
	if _, err := one(ctx, a.db.Within(tx), "WHERE name = $1", n.Name); err == nil {
		return n, ErrTaken
	} else if !errors.Is(err, ErrNone) {
		return n, err
	}
	if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(id), 0) + 1 FROM account").Scan(&n.ID); err != nil {
		return n, err
	}
	n.Made = instant(a.now().UnixMilli())
	if _, err := tx.ExecContext(ctx, "INSERT INTO account ("+columns+") VALUES ($1, $2, $3, $4, '', 1, $5, 0, 0)",
		int64(n.ID), n.Name, n.FullName, string(n.Role), n.Made.UnixMilli()); err != nil {
		return n, err
	}
	n.life = 1
	if err := insertUnits(ctx, tx, n.ID, n.Units); err != nil {
		return n, err
	}
	return n, a.note(ctx, tx, by, ActAdd, n.ID, string(n.Role))
}

// instant reads a moment of the database, in UTC; 0 is none.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
