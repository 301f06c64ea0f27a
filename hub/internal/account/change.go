package account

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
)

// Disable shuts an account, and ends its sessions, tokens and links for good, or opens it
// again. The last account that can manage others stays open.
func (a *Accounts) Disable(ctx context.Context, by By, id ID, disabled bool) error {
	return a.change(ctx, id, func(tx *sql.Tx, _ Account, last bool) error {
		if disabled && last {
			return ErrLast
		}
		act, since := ActEnable, int64(0)
		if disabled {
			act, since = ActDisable, a.now().UnixMilli()
		}
		if err := a.end(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE account SET disabled = $1 WHERE id = $2", since, int64(id)); err != nil {
			return err
		}
		return a.note(ctx, tx, by, act, id, "")
	})
}

// Assign gives an account another role and other units. Whoever was logged in under it
// logs in again, its tokens and links end: nothing that was given to the former role goes
// on as the new one. The last account that can manage others keeps its role. The same
// again changes nothing.
func (a *Accounts) Assign(ctx context.Context, by By, id ID, role Role, units []placement.UnitID) error {
	units = slices.Compact(slices.Sorted(slices.Values(units)))
	if err := role.checkUnits(units); err != nil {
		return err
	}
	return a.change(ctx, id, func(tx *sql.Tx, was Account, last bool) error {
		switch {
		case role == was.Role && slices.Equal(units, was.Units):
			return nil
		case last && !Can(role, Manage):
			return ErrLast
		}
		if err := a.end(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE account SET role = $1 WHERE id = $2", string(role), int64(id)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM account_unit WHERE account = $1", int64(id)); err != nil {
			return err
		}
		if err := insertUnits(ctx, tx, id, units); err != nil {
			return err
		}
		return a.note(ctx, tx, by, ActRole, id, described(was.Role, was.Units)+" → "+described(role, units))
	})
}

// change does something to an account that is there. last tells that it is the last one
// that can manage others.
func (a *Accounts) change(ctx context.Context, id ID, do func(tx *sql.Tx, was Account, last bool) error) error {
	return a.db.Update(ctx, func(tx *sql.Tx) error {
		all, err := read(ctx, a.db.Within(tx), "")
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(h held) bool { return h.ID == id })
		if i < 0 {
			return ErrNone
		}
		others := slices.ContainsFunc(all, func(h held) bool { return h.ID != id && h.manages() })
		return do(tx, all[i].Account, !others && all[i].manages())
	})
}

// end ends an account's sessions, tokens and links.
func (a *Accounts) end(ctx context.Context, tx *sql.Tx, id ID) error {
	if _, err := tx.ExecContext(ctx, "UPDATE account SET life = life + 1 WHERE id = $1", int64(id)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE account_token SET revoked = $1 WHERE account = $2 AND revoked = 0", a.now().UnixMilli(), int64(id)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM account_link WHERE account = $1", int64(id))
	return err
}

// manages tells that the account can manage others today.
func (a Account) manages() bool { return a.Disabled.IsZero() && a.Ready && Can(a.Role, Manage) }

// described is a role with its units, for the log.
func described(role Role, units []placement.UnitID) string {
	if len(units) == 0 {
		return string(role)
	}
	return string(role) + " " + strings.Trim(fmt.Sprint(units), "[]")
}

func insertUnits(ctx context.Context, tx *sql.Tx, id ID, units []placement.UnitID) error {
	for _, unit := range units {
		if _, err := tx.ExecContext(ctx, "INSERT INTO account_unit (account, unit) VALUES ($1, $2)", int64(id), int64(unit)); err != nil {
			return err
		}
	}
	return nil
}
