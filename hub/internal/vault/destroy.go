package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Destruction is a data key that is no more, and with it everything that it sealed,
// also in every backup.
type Destruction struct {
	Kind   Kind      `json:"kind"`
	Number int64     `json:"number"` // the employee, or the day since 1970
	Life   int       `json:"life"`   // which of its data keys, from 0
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	Why    string    `json:"why"`
}

// name is how the audit tells data keys apart.
func (d Destruction) name() string { return fmt.Sprintf("%s %d, key %d", d.Kind, d.Number, d.Life) }

// key is the destruction without what was said about it.
func (d Destruction) key() Destruction {
	return Destruction{Kind: d.Kind, Number: d.Number, Life: d.Life}
}

// Destroy destroys an employee's data key and templates. What the vault gets of the
// same employee later is kept under a new key. Destroying what is destroyed returns
// the destruction that there was.
func (v *Vault) Destroy(ctx context.Context, by By, employee int64) (d Destruction, err error) {
	err = v.update(ctx, by, func(tx *sql.Tx, a *audit, key tree) error {
		if employee < 1 || employee > maxNumber {
			return fmt.Errorf("%w: employee %d", ErrTemplate, employee)
		}
		next, err := life(ctx, tx, key, KindEmployee, employee)
		if err != nil {
			return err
		}
		held, err := count(ctx, tx, "SELECT COUNT(*) FROM template WHERE employee = $1", employee)
		if err != nil {
			return err
		}
		if held == 0 && next > 0 {
			before, err := destructions(ctx, tx, "WHERE kind = $1 AND number = $2 ORDER BY life DESC LIMIT 1", string(KindEmployee), employee)
			if err != nil || len(before) == 1 {
				d = before[0]
				return err
			}
		}
		d = Destruction{KindEmployee, employee, next, instant(millis(a.at)), by.Who, by.Why}
		return v.destroy(ctx, tx, a, key, ActDestroy, d)
	})
	if err != nil {
		return Destruction{}, fmt.Errorf("destroy templates of employee %d: %w", employee, err)
	}
	return d, nil
}

// Periods say how long what nobody accepted is kept, from the end of the day on
// which it came. 0 keeps it for ever.
type Periods struct {
	Found time.Duration
	Copy  time.Duration
}

// Expire destroys the data keys of the days whose period is over, and returns how
// many. Days on which nothing is left are destroyed too: backups still have them.
func (v *Vault) Expire(ctx context.Context, by By, periods Periods) (days int, err error) {
	err = v.update(ctx, by, func(tx *sql.Tx, a *audit, key tree) error {
		var over []Destruction
		for _, p := range []struct {
			kind   Kind
			period time.Duration
		}{{KindFound, periods.Found}, {KindCopy, periods.Copy}} {
			if p.period <= 0 {
				continue
			}
			numbers, err := expired(ctx, tx, p.kind, cutoff(p.period, a.at))
			if err != nil {
				return err
			}
			for _, number := range numbers {
				next, err := life(ctx, tx, key, p.kind, number)
				if err != nil {
					return err
				}
				over = append(over, Destruction{p.kind, number, next, instant(millis(a.at)), by.Who, by.Why})
			}
		}
		days = len(over)
		return v.destroy(ctx, tx, a, key, ActDestroy, over...)
	})
	if err != nil {
		return 0, fmt.Errorf("expire found templates: %w", err)
	}
	return days, nil
}

// cutoff is the first day that a period still covers.
func cutoff(period time.Duration, now time.Time) int64 { return day(now.Add(-period)) }

// Overdue returns the found templates and copies that Expire would destroy now.
func (v *Vault) Overdue(ctx context.Context, p Periods) (over []Found, err error) {
	all, err := v.FoundAt(ctx, "", "")
	for _, f := range all {
		period := p.Found
		if f.Kind == KindCopy {
			period = p.Copy
		}
		if period > 0 && day(f.At) < cutoff(period, v.now()) {
			over = append(over, f)
		}
	}
	return over, err
}

// expired returns the days before a day that may still have a data key: every one
// since the last that was destroyed, or since the first find, and those with rows.
func expired(ctx context.Context, tx *sql.Tx, kind Kind, before int64) ([]int64, error) {
	days := map[int64]bool{}
	var first sql.NullInt64
	err := tx.QueryRowContext(ctx, "SELECT MAX(number) + 1 FROM vault_destruction WHERE kind = $1", string(kind)).Scan(&first)
	if err == nil && !first.Valid {
		var at int64
		err = tx.QueryRowContext(ctx, "SELECT at FROM vault_audit WHERE act = $1 ORDER BY n LIMIT 1", string(ActFind)).Scan(&at)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		first.Int64 = day(instant(at))
	}
	if err != nil {
		return nil, err
	}
	for d := first.Int64; d < before; d++ {
		days[d] = true
	}
	rows, err := tx.QueryContext(ctx, "SELECT DISTINCT day FROM template_found WHERE kind = $1 AND day < $2", string(kind), before)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d int64
		if err := rows.Scan(&d); err != nil {
			return nil, err
		}
		days[d] = true
	}
	return slices.Sorted(maps.Keys(days)), rows.Err()
}

// destroy destroys data keys: first the list says so, then the key forgets, then
// the rows go. A power cut in between leaves what Open finishes.
func (v *Vault) destroy(ctx context.Context, tx *sql.Tx, a *audit, key tree, act Act, all ...Destruction) error {
	if len(all) == 0 {
		return nil
	}
	if err := appendList(v.listPath(), all); err != nil {
		return err
	}
	if err := v.forget(key, all); err != nil {
		return err
	}
	for _, d := range all {
		if err := clearRows(ctx, tx, a, act, d); err != nil {
			return err
		}
	}
	return nil
}

// forget takes data keys out of the vault key.
func (v *Vault) forget(key tree, all []Destruction) error {
	changed := false
	for _, d := range all {
		less, took := key.without(leafOf(d.Kind, d.Number, d.Life))
		key, changed = less, changed || took
	}
	if !changed {
		return nil
	}
	return replaceKey(v.keyPath(), key)
}

// clearRows removes what a data key sealed, which nobody can read any more.
func clearRows(ctx context.Context, tx *sql.Tx, a *audit, act Act, d Destruction) error {
	var err error
	var ref Ref
	if d.Kind == KindEmployee {
		ref.Employee = d.Number
		_, err = tx.ExecContext(ctx, "DELETE FROM template WHERE employee = $1 AND life <= $2", d.Number, d.Life)
	} else {
		_, err = tx.ExecContext(ctx, "DELETE FROM template_found WHERE kind = $1 AND day = $2 AND life <= $3", string(d.Kind), d.Number, d.Life)
	}
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO vault_destruction (kind, number, life, at, who, why) VALUES ($1, $2, $3, $4, $5, $6)",
		string(d.Kind), d.Number, d.Life, millis(d.At), d.Who, d.Why); err != nil {
		return err
	}
	_, err = a.add(ctx, act, ref, d.name())
	return err
}

// Destructions returns all of them, in the order in which they happened.
func (v *Vault) Destructions(ctx context.Context) (all []Destruction, err error) {
	err = v.store.Query(ctx, func(rows *sql.Rows) error {
		d, err := scanDestruction(rows)
		all = append(all, d)
		return err
	}, selectDestruction+" ORDER BY at, kind, number, life")
	if err != nil {
		return nil, fmt.Errorf("read destructions: %w", err)
	}
	return all, nil
}

const selectDestruction = "SELECT kind, number, life, at, who, why FROM vault_destruction"

func scanDestruction(rows *sql.Rows) (d Destruction, err error) {
	var at int64
	err = rows.Scan(&d.Kind, &d.Number, &d.Life, &at, &d.Who, &d.Why)
	d.At = instant(at)
	return d, err
}

func destructions(ctx context.Context, tx *sql.Tx, where string, args ...any) (all []Destruction, err error) {
	rows, err := tx.QueryContext(ctx, selectDestruction+" "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		d, err := scanDestruction(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, rows.Err()
}

// life is which data key of an employee or day is in use: the first that was not
// destroyed, by the database and by the key itself.
func life(ctx context.Context, tx *sql.Tx, key tree, kind Kind, number int64) (int, error) {
	next, err := count(ctx, tx, "SELECT COALESCE(MAX(life) + 1, 0) FROM vault_destruction WHERE kind = $1 AND number = $2", string(kind), number)
	if err != nil {
		return 0, err
	}
	for ; next <= maxLife; next++ {
		if _, there := key.over(leafOf(kind, number, int(next))); there {
			return int(next), nil
		}
	}
	return 0, fmt.Errorf("%s %d: %w, and so were all that could follow it", kind, number, ErrDestroyed)
}
