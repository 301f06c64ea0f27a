package account

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// By is who does something to accounts, and from where.
type By struct {
	Who     string // Account.By, or what a command says; empty: nobody who is known
	Address string // empty: from a command
}

// Act is a kind of line in the log of accounts.
type Act string

// The acts.
const (
	ActAdd      Act = "add"
	ActLink     Act = "link"     // a link to choose a password was made
	ActPassword Act = "password" // a password was chosen
	ActDisable  Act = "disable"
	ActEnable   Act = "enable"
	ActRole     Act = "role" // another role, other units
	ActToken    Act = "token"
	ActRevoke   Act = "revoke"
	ActLogin    Act = "login"
	ActFailed   Act = "failed" // somebody knew the name and not the password
	ActRefused  Act = "refused"

	ActProvision Act = "provision" // a site was registered, asked in or shut out
	ActServe     Act = "serve"     // a site was asked for service, or its diagnosis was opened
)

// Line is one line of the log: what became of an account, or what was refused to it.
type Line struct {
	N       int64 // from 1
	At      time.Time
	Who     string
	Act     Act
	Account ID
	Detail  string
	Address string
}

// note writes a line together with what it tells of.
func (a *Accounts) note(ctx context.Context, tx *sql.Tx, by By, act Act, about ID, detail string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO account_log (n, at, who, act, account, detail, address)
		SELECT COALESCE(MAX(n), 0) + 1, $1, $2, $3, $4, $5, $6 FROM account_log`,
		a.now().UnixMilli(), by.Who, string(act), int64(about), detail, by.Address)
	return err
}

// refusalsMost bounds what is written of one account in a minute: whoever tries everything
// is seen to do so, and fills neither the disk nor the place of others.
const refusalsMost = 120

// Refused writes down that an account was refused something. What a page asks for again
// every few seconds is written once a minute.
func (a *Accounts) Refused(ctx context.Context, who Account, what, address string) error {
	if !a.refusals.take(fmt.Sprint(who.ID), a.now()) || !a.said.take(fmt.Sprint(who.ID, " ", what), a.now()) {
		return nil
	}
	return a.db.Update(ctx, func(tx *sql.Tx) error {
		return a.note(ctx, tx, By{who.By(), address}, ActRefused, who.ID, what)
	})
}

// Provisioned writes down what an account did about a site.
func (a *Accounts) Provisioned(ctx context.Context, who Account, what, address string) error {
	return a.db.Update(ctx, func(tx *sql.Tx) error {
		return a.note(ctx, tx, By{who.By(), address}, ActProvision, who.ID, what)
	})
}

// Served writes down that somebody looked into the machine of a site; about is the account,
// 0 for a command.
func (a *Accounts) Served(ctx context.Context, by By, about ID, what string) error {
	return a.db.Update(ctx, func(tx *sql.Tx) error { return a.note(ctx, tx, by, ActServe, about, what) })
}

// Log returns the newest lines, the newest first; about 0 is of all accounts.
func (a *Accounts) Log(ctx context.Context, about ID, limit int) (lines []Line, err error) {
	err = a.db.Query(ctx, func(rows *sql.Rows) error {
		var l Line
		var at int64
		err := rows.Scan(&l.N, &at, &l.Who, &l.Act, &l.Account, &l.Detail, &l.Address)
		l.At = instant(at)
		lines = append(lines, l)
		return err
	}, "SELECT n, at, who, act, account, detail, address FROM account_log WHERE $1 = 0 OR account = $1 ORDER BY n DESC LIMIT $2", int64(about), limit)
	if err != nil {
		return nil, fmt.Errorf("read log of accounts: %w", err)
	}
	return lines, nil
}
