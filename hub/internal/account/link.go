package account

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
)

// linkLife is how long a link may be used.
const linkLife = 24 * time.Hour

// secret is one that nobody guesses, in letters and digits that can be read out.
func secret() string { return strings.ToLower(base32.StdEncoding.EncodeToString(random(20))) }

// digest is what the database keeps of a secret: it counts in this life of the hub only,
// so that no copy of the database brings back what was revoked or used.
func digest(ctx context.Context, query reader, secret string) ([]byte, error) {
	life, err := generation(ctx, query)
	sum := sha256.Sum256(fmt.Append(nil, life, "/", secret))
	return sum[:], err
}

// Link makes a new link by which the owner of an account chooses a password, and returns
// its code, which is shown once. Links of before count no more.
func (a *Accounts) Link(ctx context.Context, by By, id ID) (code string, err error) {
	err = a.db.Update(ctx, func(tx *sql.Tx) error {
		h, err := one(ctx, a.db.Within(tx), "WHERE id = $1", int64(id))
		if err != nil {
			return err
		}
		if !h.Disabled.IsZero() {
			return ErrDisabled
		}
		code, err = a.link(ctx, tx, by, id)
		return err
	})
	return code, err
}

// FirstLink makes the link by which the first administrator makes their account; there
// is none, and an empty code, once somebody can manage accounts.
func (a *Accounts) FirstLink(ctx context.Context, by By) (code string, err error) {
	err = a.db.Update(ctx, func(tx *sql.Tx) error {
		needed, err := a.empty(ctx, tx)
		if err == nil && needed {
			code, err = a.link(ctx, tx, by, 0)
		}
		return err
	})
	return code, err
}

// empty tells that nobody can manage accounts: none ever chose a password for it.
func (a *Accounts) empty(ctx context.Context, tx *sql.Tx) (bool, error) {
	all, err := read(ctx, a.db.Within(tx), "")
	for _, h := range all {
		if h.Ready && Can(h.Role, Manage) {
			return false, nil
		}
	}
	return err == nil, err
}

func (a *Accounts) link(ctx context.Context, tx *sql.Tx, by By, id ID) (string, error) {
	if _, err := tx.ExecContext(ctx, "DELETE FROM account_link WHERE account = $1 OR expires < $2", int64(id), a.now().UnixMilli()); err != nil {
		return "", err
	}
	code := secret()
	kept, err := digest(ctx, a.db.Within(tx), code)
	if err != nil {
		return "", err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO account_link (secret, account, expires) VALUES ($1, $2, $3)",
		kept, int64(id), a.now().Add(linkLife).UnixMilli()); err != nil {
		return "", err
	}
	return code, a.note(ctx, tx, by, ActLink, id, "")
}

// LinkOf returns whose a link is: the zero Account where it makes the first one, ErrLink
// where it cannot be used.
func (a *Accounts) LinkOf(ctx context.Context, code string) (Account, error) {
	return a.linkOf(ctx, a.db.Query, code)
}

func (a *Accounts) linkOf(ctx context.Context, query reader, code string) (Account, error) {
	id, found := ID(0), false
	kept, err := digest(ctx, query, code)
	if err != nil {
		return Account{}, err
	}
	err = query(ctx, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(&id)
	}, "SELECT account FROM account_link WHERE secret = $1 AND expires > $2", kept, a.now().UnixMilli())
	switch {
	case err != nil:
		return Account{}, fmt.Errorf("read link: %w", err)
	case !found:
		return Account{}, ErrLink
	case id == 0:
		return Account{}, nil
	}
	h, err := one(ctx, query, "WHERE id = $1", int64(id))
	return h.Account, err
}

// Choose uses a link: its owner has a password from now on, and whoever was logged in
// under the account, or has a token of it, is nobody any more. first is who the first administrator is; it counts
// only where the link makes one.
func (a *Accounts) Choose(ctx context.Context, code string, first Account, password, address string) (who Account, err error) {
	if who, err = a.LinkOf(ctx, code); err != nil {
		return Account{}, err
	}
	if who.ID == 0 {
		who = Account{Name: first.Name, FullName: first.FullName, Role: AdminAgency}
		if err := who.check(); err != nil {
			return Account{}, err
		}
	}
	if err := checkPassword(password, who.Name); err != nil {
		return Account{}, err
	}
	hash, err := a.hash.make(ctx, password)
	if err != nil {
		return Account{}, err
	}
	err = a.db.Update(ctx, func(tx *sql.Tx) error {
		again, err := a.linkOf(ctx, a.db.Within(tx), code)
		if err != nil {
			return err // somebody was quicker with the same link
		}
		if again.ID == 0 {
			if who, err = a.first(ctx, tx, who, address); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM account_link WHERE account IN (0, $1)", int64(who.ID)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE account_token SET revoked = $1 WHERE account = $2 AND revoked = 0", a.now().UnixMilli(), int64(who.ID)); err != nil {
			return err
		}
		who, err = a.setPassword(ctx, tx, who, hash, address)
		return err
	})
	return who, err
}

// first makes the first administrator, unless another one was made since.
func (a *Accounts) first(ctx context.Context, tx *sql.Tx, who Account, address string) (Account, error) {
	needed, err := a.empty(ctx, tx)
	if err != nil {
		return who, err
	}
	if !needed {
		return who, ErrLink
	}
	return a.insert(ctx, tx, By{who.By(), address}, who)
}

// ChangePassword puts a new password in place of the one that its owner says.
func (a *Accounts) ChangePassword(ctx context.Context, id ID, old, chosen, address string) (who Account, err error) {
	h, err := one(ctx, a.db.Query, "WHERE id = $1", int64(id))
	if err != nil {
		return Account{}, err
	}
	if err := checkPassword(chosen, h.Name); err != nil {
		return Account{}, err
	}
	if err := a.db.Update(ctx, func(tx *sql.Tx) error { return a.countTry(ctx, tx, h.Name) }); err != nil {
		return Account{}, err
	}
	good, err := a.hash.is(ctx, h.password, old)
	if err == nil && !good {
		err = ErrWrong
	}
	if err != nil {
		return Account{}, err
	}
	hash, err := a.hash.make(ctx, chosen)
	if err != nil {
		return Account{}, err
	}
	err = a.db.Update(ctx, func(tx *sql.Tx) error {
		if who, err = a.setPassword(ctx, tx, h.Account, hash, address); err != nil {
			return err
		}
		return a.forget(ctx, tx, h.Name)
	})
	return who, err
}

// setPassword keeps a password's hash, and ends all that was logged in before.
func (a *Accounts) setPassword(ctx context.Context, tx *sql.Tx, who Account, hash, address string) (Account, error) {
	now := a.now()
	if _, err := tx.ExecContext(ctx, "UPDATE account SET password = $1, life = life + 1, seen_at = $2 WHERE id = $3", hash, now.UnixMilli(), int64(who.ID)); err != nil {
		return who, err
	}
	if err := a.note(ctx, tx, By{who.By(), address}, ActPassword, who.ID, ""); err != nil {
		return who, err
	}
	h, err := one(ctx, a.db.Within(tx), "WHERE id = $1", int64(who.ID))
	return h.Account, err
}
