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
)

// A token is for tools that work in somebody's name.
const (
	tokenPrefix = "sidik_" // so that one in a file is recognised
	tokenLife   = 90 * 24 * time.Hour
	tokensMost  = 20 // of one account at a time
)

// Token is what is known of a token; the secret itself was shown once.
type Token struct {
	ID      int64
	Purpose string
	Made    time.Time
	Expires time.Time
}

// NewToken makes a token of an account, and returns its secret, which is kept nowhere.
func (a *Accounts) NewToken(ctx context.Context, who Account, purpose, address string) (secretText string, made Token, err error) {
	purpose = strings.TrimSpace(purpose)
	if purpose == "" || utf8.RuneCountInString(purpose) > 60 || !utf8.ValidString(purpose) || strings.ContainsFunc(purpose, unicode.IsControl) {
		return "", Token{}, ErrPurpose
	}
	secretText = tokenPrefix + secret()
	err = a.db.Update(ctx, func(tx *sql.Tx) error {
		now := a.now()
		made = Token{Purpose: purpose, Made: instant(now.UnixMilli()), Expires: instant(now.Add(tokenLife).UnixMilli())}
		var count int
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM account_token WHERE account = $1 AND revoked = 0 AND expires > $2",
			int64(who.ID), now.UnixMilli()).Scan(&count); err != nil {
			return err
		}
		if count >= tokensMost {
			return ErrManyTokens
		}
		if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(id), 0) + 1 FROM account_token").Scan(&made.ID); err != nil {
			return err
		}
		kept, err := digest(ctx, a.db.Within(tx), secretText)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO account_token (id, account, secret, purpose, made_at, expires, revoked) VALUES ($1, $2, $3, $4, $5, $6, 0)",
			made.ID, int64(who.ID), kept, purpose, made.Made.UnixMilli(), made.Expires.UnixMilli()); err != nil {
			return err
		}
		return a.note(ctx, tx, By{who.By(), address}, ActToken, who.ID, fmt.Sprint(made.ID))
	})
	if err != nil {
		return "", Token{}, err
	}
	return secretText, made, nil
}

// Tokens are those of an account that count now, the newest first.
func (a *Accounts) Tokens(ctx context.Context, id ID) (list []Token, err error) {
	err = a.db.Query(ctx, func(rows *sql.Rows) error {
		var t Token
		var made, expires int64
		err := rows.Scan(&t.ID, &t.Purpose, &made, &expires)
		t.Made, t.Expires = instant(made), instant(expires)
		list = append(list, t)
		return err
	}, "SELECT id, purpose, made_at, expires FROM account_token WHERE account = $1 AND revoked = 0 AND expires > $2 ORDER BY id DESC", int64(id), a.now().UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return list, nil
}

// Revoke ends one of an account's tokens.
func (a *Accounts) Revoke(ctx context.Context, who Account, token int64, address string) error {
	return a.db.Update(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "UPDATE account_token SET revoked = $1 WHERE id = $2 AND account = $3 AND revoked = 0", a.now().UnixMilli(), token, int64(who.ID))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(ErrNoSuchToken, err)
		}
		return a.note(ctx, tx, By{who.By(), address}, ActRevoke, who.ID, fmt.Sprint(token))
	})
}

// ByToken returns whose a token is; ErrWrong where it counts for nobody.
func (a *Accounts) ByToken(ctx context.Context, secretText string) (Account, error) {
	kept, err := digest(ctx, a.db.Query, secretText)
	if err != nil {
		return Account{}, err
	}
	h, err := one(ctx, a.db.Query, `WHERE disabled = 0 AND id =
		(SELECT account FROM account_token WHERE secret = $1 AND revoked = 0 AND expires > $2)`, kept, a.now().UnixMilli())
	if errors.Is(err, ErrNone) {
		err = ErrWrong
	}
	return h.Account, err
}
