package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// MaxTemplate is the size of the largest template, in bytes.
const MaxTemplate = 16 << 10

// Ref names one template of an employee.
type Ref struct {
	Employee  int64 // the register's internal id, from 1
	Finger    uint8 // 0 to 9
	Algorithm uint8 // 9 or 10
	Digest    protocol.Hash
}

// Held is what the vault tells about a template without opening it.
type Held struct {
	Ref
	Origin   string    // where it came from, as Origin writes it
	Captured time.Time // to the millisecond; zero where nobody knows
	Best     bool      // the copy that rosters name; one for each finger and algorithm
}

// Template is a template in clear.
type Template struct {
	Held
	Plain Plain
}

// check reports what cannot be kept, without saying anything about the bytes.
func (r Ref) check(p Plain) error {
	switch n := len(p.Bytes()); {
	case r.Employee < 1 || r.Employee > maxNumber:
		return fmt.Errorf("%w: employee %d", ErrTemplate, r.Employee)
	case r.Finger > 9 || r.Algorithm != 9 && r.Algorithm != 10 || r.Digest.IsZero():
		return fmt.Errorf("%w: finger %d of algorithm %d", ErrTemplate, r.Finger, r.Algorithm)
	case n == 0 || n > MaxTemplate:
		return fmt.Errorf("%w: %d bytes", ErrTemplate, n)
	}
	return nil
}

// sealing binds a template to its row.
func (h Held) sealing(life int) sealing {
	return sealing{leafOf(KindEmployee, h.Employee, life), []string{
		string(KindEmployee), strconv.FormatInt(h.Employee, 10), strconv.Itoa(int(h.Finger)), strconv.Itoa(int(h.Algorithm)), h.Digest.String(),
		h.Origin, strconv.FormatInt(millis(h.Captured), 10),
	}}
}

// Put keeps templates of employees, all or none. One that is held already keeps its
// origin. The first copy of a finger becomes the best one, a later one when it says
// so. The digest is the caller's: the vault does not know what it covers.
func (v *Vault) Put(ctx context.Context, by By, templates ...Template) error {
	err := v.update(ctx, by, func(tx *sql.Tx, a *audit, key tree) error {
		for _, t := range templates {
			if err := put(ctx, tx, a, key, t, ActPut, t.Origin); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put templates: %w", err)
	}
	return nil
}

// put keeps one template and writes it down as act.
func put(ctx context.Context, tx *sql.Tx, a *audit, key tree, t Template, act Act, detail string) error {
	if err := t.check(t.Plain); err != nil {
		return err
	}
	n, err := count(ctx, tx, "SELECT COUNT(*) FROM template WHERE employee = $1 AND finger = $2 AND algorithm = $3 AND digest = $4", t.columns()...)
	if err != nil {
		return err
	}
	if n == 0 {
		life, err := life(ctx, tx, key, KindEmployee, t.Employee)
		if err != nil {
			return err
		}
		sealed, err := t.sealing(life).seal(key, t.Plain.Bytes())
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO template (employee, finger, algorithm, digest, life, origin, captured, best, sealed)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8)`, append(t.columns(), life, t.Origin, millis(t.Captured), sealed)...); err != nil {
			return err
		}
	}
	if n == 0 || act != ActPut {
		if _, err := a.add(ctx, act, t.Ref, detail); err != nil {
			return err
		}
	}
	best, err := count(ctx, tx, "SELECT COUNT(*) FROM template WHERE employee = $1 AND finger = $2 AND algorithm = $3 AND best = 1", t.columns()[:3]...)
	if err != nil || best > 0 && !t.Best {
		return err
	}
	return markBest(ctx, tx, a, t.Ref)
}

// MarkBest makes one copy of a finger the one that rosters name.
func (v *Vault) MarkBest(ctx context.Context, by By, ref Ref) error {
	err := v.update(ctx, by, func(tx *sql.Tx, a *audit, _ tree) error { return markBest(ctx, tx, a, ref) })
	if err != nil {
		return fmt.Errorf("mark best template: %w", err)
	}
	return nil
}

func markBest(ctx context.Context, tx *sql.Tx, a *audit, ref Ref) error {
	n, err := count(ctx, tx, "SELECT COUNT(*) FROM template WHERE employee = $1 AND finger = $2 AND algorithm = $3 AND digest = $4 AND best = 0", ref.columns()...)
	if err != nil || n == 0 {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE template SET best = 0 WHERE employee = $1 AND finger = $2 AND algorithm = $3 AND best = 1", ref.columns()[:3]...); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE template SET best = 1 WHERE employee = $1 AND finger = $2 AND algorithm = $3 AND digest = $4", ref.columns()...); err != nil {
		return err
	}
	_, err = a.add(ctx, ActBest, ref, "")
	return err
}

// Get opens templates and writes each into the audit before it is given out. What
// the vault does not hold is missing from the answer; a row that was tampered with
// refuses the whole (ErrSealed). Ask for a hundred at once rather than for one: each
// call is one write to disk.
func (v *Vault) Get(ctx context.Context, by By, refs ...Ref) ([]Template, error) {
	var all []Template
	err := v.update(ctx, by, func(tx *sql.Tx, a *audit, key tree) error {
		all = nil
		for _, r := range refs {
			t := Template{Held: Held{Ref: r}}
			var captured int64
			var life int
			var sealed []byte
			err := tx.QueryRowContext(ctx, `SELECT life, origin, captured, best = 1, sealed FROM template
				WHERE employee = $1 AND finger = $2 AND algorithm = $3 AND digest = $4`, r.columns()...).Scan(&life, &t.Origin, &captured, &t.Best, &sealed)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			t.Captured = instant(captured)
			plain, err := t.sealing(life).open(key, sealed)
			if err != nil {
				return fmt.Errorf("finger %d of employee %d: %w", r.Finger, r.Employee, err)
			}
			t.Plain = NewPlain(plain)
			if _, err := a.add(ctx, ActGet, r, ""); err != nil {
				return err
			}
			all = append(all, t)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("get templates: %w", err)
	}
	return all, nil
}

// Have returns what is held of one employee, by finger and algorithm.
func (v *Vault) Have(ctx context.Context, employee int64) ([]Held, error) {
	return v.held(ctx, "WHERE employee = $1", employee)
}

// Best returns the best copies of all employees, by employee, finger and algorithm.
func (v *Vault) Best(ctx context.Context) ([]Held, error) { return v.held(ctx, "WHERE best = 1") }

// All returns every copy of all employees, by employee, finger and algorithm.
func (v *Vault) All(ctx context.Context) ([]Held, error) { return v.held(ctx, "") }

// ByDigest returns whose templates have a digest; more than one where equal bytes
// are held for two employees, which is a finding.
func (v *Vault) ByDigest(ctx context.Context, digest protocol.Hash) ([]Held, error) {
	return v.held(ctx, "WHERE digest = $1", digest[:])
}

func (v *Vault) held(ctx context.Context, where string, args ...any) (all []Held, err error) {
	err = v.store.Query(ctx, func(rows *sql.Rows) error {
		var h Held
		var digest []byte
		var captured int64
		err := rows.Scan(&h.Employee, &h.Finger, &h.Algorithm, &digest, &h.Origin, &captured, &h.Best)
		if err != nil {
			return err
		}
		h.Captured = instant(captured)
		h.Digest, err = digestOf(digest)
		all = append(all, h)
		return err
	}, "SELECT employee, finger, algorithm, digest, origin, captured, best = 1 FROM template "+where+
		" ORDER BY employee, finger, algorithm, best DESC, captured DESC, digest", args...)
	if err != nil {
		return nil, fmt.Errorf("read what the vault holds: %w", err)
	}
	return all, nil
}

// columns is the key of the row.
func (r Ref) columns() []any {
	return []any{r.Employee, int64(r.Finger), int64(r.Algorithm), r.Digest[:]}
}

func count(ctx context.Context, tx *sql.Tx, query string, args ...any) (n int64, err error) {
	err = tx.QueryRowContext(ctx, query, args...).Scan(&n)
	return n, err
}
