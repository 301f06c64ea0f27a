package account

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// After freeTries in vain a name waits, twice as long each time. A day of peace forgets.
const (
	freeTries   = 5
	waitFirst   = time.Minute
	waitLongest = 15 * time.Minute
	forgotten   = 24 * time.Hour
)

// wait is how long a name waits after so many tries in vain.
func wait(tries int) time.Duration {
	if tries < freeTries {
		return 0
	}
	return min(waitLongest, waitFirst<<min(tries-freeTries, 10))
}

// Login returns the account whose name and password somebody has said. A name that nobody
// has is refused like a wrong password: as ErrWrong, as late, and as long after many.
func (a *Accounts) Login(ctx context.Context, name, password, address string) (Account, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	from := network(address)
	if !a.addresses.take(from, a.now()) {
		return Account{}, ErrSlow
	}
	who, err := a.login(ctx, name, password, address)
	if err == nil || !errors.Is(err, ErrWrong) {
		a.addresses.forgive(from)
	}
	return who, err
}

// network is what counts as one address: whoever has an IPv6 address has 2^64 of them.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Unmap().Is4() {
		return address
	}
	return netip.PrefixFrom(ip.WithZone(""), 64).Masked().String()
}

// login counts the try before it looks at the password: many at once are not more tries.
func (a *Accounts) login(ctx context.Context, name, password, address string) (Account, error) {
	var h held
	err := a.db.Update(ctx, func(tx *sql.Tx) error {
		var err error
		if h, err = one(ctx, a.db.Within(tx), "WHERE name = $1", name); err != nil && !errors.Is(err, ErrNone) {
			return err
		}
		return a.countTry(ctx, tx, name)
	})
	if err != nil {
		return Account{}, err
	}
	if !h.Disabled.IsZero() {
		h.password = ""
	}
	good, err := a.hash.is(ctx, h.password, password)
	if err != nil {
		return Account{}, err
	}
	err = a.db.Update(ctx, func(tx *sql.Tx) error {
		if !good { // a name that nobody has takes as long as a wrong password: it is written down too
			return a.note(ctx, tx, By{Address: address}, ActFailed, h.ID, "")
		}
		if err := a.forget(ctx, tx, name); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE account SET seen_at = $1 WHERE id = $2", a.now().UnixMilli(), int64(h.ID)); err != nil {
			return err
		}
		return a.note(ctx, tx, By{h.By(), address}, ActLogin, h.ID, "")
	})
	if err == nil && !good {
		err = ErrWrong
	}
	return h.Account, err
}

// countTry counts a try under a name, or refuses it as ErrSlow.
func (a *Accounts) countTry(ctx context.Context, tx *sql.Tx, name string) error {
	key, now := sha256.Sum256([]byte(name)), a.now()
	if _, err := tx.ExecContext(ctx, "DELETE FROM account_failure WHERE at < $1", now.Add(-forgotten).UnixMilli()); err != nil {
		return err
	}
	var tries int
	var until int64
	err := tx.QueryRowContext(ctx, "SELECT count, until FROM account_failure WHERE name = $1", key[:]).Scan(&tries, &until)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("read tries: %w", err)
	case now.UnixMilli() < until:
		return ErrSlow
	}
	tries++
	until = 0
	if w := wait(tries); w > 0 {
		until = now.Add(w).UnixMilli()
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO account_failure (name, count, at, until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET count = excluded.count, at = excluded.at, until = excluded.until`, key[:], tries, now.UnixMilli(), until)
	return err
}

func (a *Accounts) forget(ctx context.Context, tx *sql.Tx, name string) error {
	key := sha256.Sum256([]byte(name))
	_, err := tx.ExecContext(ctx, "DELETE FROM account_failure WHERE name = $1", key[:])
	return err
}
