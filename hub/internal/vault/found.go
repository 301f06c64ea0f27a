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

// Found is a template that a terminal held, as the vault tells about it. It is
// nobody's finger until a named person has accepted it.
type Found struct {
	ID        int64 // given by the vault, never reused
	Kind      Kind  // KindFound or KindCopy
	Site      protocol.SiteID
	Serial    protocol.Serial
	PIN       string // under which the terminal held it, in normal form
	Finger    uint8
	Algorithm uint8
	Digest    protocol.Hash
	At        time.Time // when the vault got it; its period counts from the end of that day
}

// Find is a found template in clear. ID and At are the vault's.
type Find struct {
	Found
	Plain Plain
}

// where is how audit and origin name the place.
func (f Found) where() string {
	return Origin{Kind: f.Kind, Site: f.Site, Serial: f.Serial, PIN: f.PIN}.String()
}

// sealing binds a found template to its row, under the data key of its day.
func (f Found) sealing(life int) sealing {
	return sealing{leafOf(f.Kind, day(f.At), life), []string{
		string(f.Kind), string(f.Site), string(f.Serial), f.PIN, strconv.Itoa(int(f.Finger)), strconv.Itoa(int(f.Algorithm)), f.Digest.String(),
		strconv.FormatInt(millis(f.At), 10),
	}}
}

// Find keeps templates that terminals held, all or none. What the vault has from
// that place already is left as it is, its period too.
func (v *Vault) Find(ctx context.Context, by By, finds ...Find) error {
	err := v.update(ctx, by, func(tx *sql.Tx, a *audit, key tree) error {
		for _, f := range finds {
			f.PIN, f.At = protocol.NormalPIN(f.PIN), instant(millis(a.at))
			if err := find(ctx, tx, a, key, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep found templates: %w", err)
	}
	return nil
}

func find(ctx context.Context, tx *sql.Tx, a *audit, key tree, f Find) error {
	ref := Ref{Finger: f.Finger, Algorithm: f.Algorithm, Digest: f.Digest}
	somebody := ref
	somebody.Employee = 1 // the register has nobody for it yet; everything else is checked
	if err := somebody.check(f.Plain); err != nil {
		return err
	}
	if f.Kind != KindFound && f.Kind != KindCopy {
		return fmt.Errorf("%w: of kind %q", ErrTemplate, f.Kind)
	}
	columns := []any{string(f.Kind), string(f.Site), string(f.Serial), f.PIN, int64(f.Finger), int64(f.Algorithm), f.Digest[:]}
	n, err := count(ctx, tx, `SELECT COUNT(*) FROM template_found
		WHERE kind = $1 AND site = $2 AND serial = $3 AND pin = $4 AND finger = $5 AND algorithm = $6 AND digest = $7`, columns...)
	if err != nil || n > 0 {
		return err
	}
	life, err := life(ctx, tx, key, f.Kind, day(f.At))
	if err != nil {
		return err
	}
	sealed, err := f.sealing(life).seal(key, f.Plain.Bytes())
	if err != nil {
		return err
	}
	id, err := a.add(ctx, ActFind, ref, f.where())
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO template_found (kind, site, serial, pin, finger, algorithm, digest, id, at, day, life, sealed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`, append(columns, id, millis(f.At), day(f.At), life, sealed)...)
	return err
}

const foundColumns = "id, kind, site, serial, pin, finger, algorithm, digest, at"

func (f *Found) scan(scan func(...any) error, more ...any) error {
	var digest []byte
	var at int64
	err := scan(append([]any{&f.ID, &f.Kind, &f.Site, &f.Serial, &f.PIN, &f.Finger, &f.Algorithm, &digest, &at}, more...)...)
	if err != nil {
		return err
	}
	f.At = instant(at)
	f.Digest, err = digestOf(digest)
	return err
}

// FoundAt returns what was found at a terminal and is not accepted yet, by PIN and
// finger; for an empty serial at all terminals of the site, for an empty site at all.
func (v *Vault) FoundAt(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (all []Found, err error) {
	err = v.store.Query(ctx, func(rows *sql.Rows) error {
		var f Found
		err := f.scan(rows.Scan)
		all = append(all, f)
		return err
	}, "SELECT "+foundColumns+` FROM template_found WHERE ($1 = '' OR site = $1) AND ($2 = '' OR serial = $2)
		ORDER BY site, serial, pin, finger, algorithm, id`, string(site), string(serial))
	if err != nil {
		return nil, fmt.Errorf("read found templates: %w", err)
	}
	return all, nil
}

// Accept makes a found template an employee's finger: a named person says that it
// is. best makes it the copy that rosters name. ErrNoFind where it is no more.
func (v *Vault) Accept(ctx context.Context, by By, id, employee int64, best bool) (ref Ref, err error) {
	err = v.update(ctx, by, func(tx *sql.Tx, a *audit, key tree) error {
		var f Found
		var life int
		var sealed []byte
		row := tx.QueryRowContext(ctx, "SELECT "+foundColumns+", life, sealed FROM template_found WHERE id = $1", id)
		err := f.scan(row.Scan, &life, &sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoFind
		}
		if err != nil {
			return err
		}
		plain, err := f.sealing(life).open(key, sealed)
		if err != nil {
			return err
		}
		ref = Ref{Employee: employee, Finger: f.Finger, Algorithm: f.Algorithm, Digest: f.Digest}
		t := Template{Held{Ref: ref, Origin: f.where(), Best: best}, NewPlain(plain)}
		if err := put(ctx, tx, a, key, t, ActAccept, f.where()); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM template_found WHERE id = $1", id)
		return err
	})
	if err != nil {
		return Ref{}, fmt.Errorf("accept found template %d for employee %d: %w", id, employee, err)
	}
	return ref, nil
}
