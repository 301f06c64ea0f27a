package vault

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Act is what was done.
type Act string

// The acts.
const (
	ActPut          Act = "put"
	ActGet          Act = "get"
	ActBest         Act = "best"
	ActFind         Act = "find"
	ActAccept       Act = "accept"
	ActDestroy      Act = "destroy"       // a data key, with what it sealed
	ActDestroyAgain Act = "destroy-again" // after an older copy of database or key was put back
)

// Line is one line of the audit. It holds no bytes of any template.
type Line struct {
	N   int64 // from 1
	At  time.Time
	By  By
	Act Act
	// Ref is the template, or only its employee (0: none) where the line is about no
	// single one.
	Ref    Ref
	Detail string        // of a find: where; of a destruction: which data key
	Hash   protocol.Hash // over the line before and this one
}

// ErrAudit says that the audit was changed.
var ErrAudit = errors.New("the vault's audit was changed")

// sum is the hash of a line that follows the one with hash prev.
func (l Line) sum(prev protocol.Hash) protocol.Hash {
	h := sha256.New()
	h.Write(prev[:])
	var n [8]byte
	for _, number := range []int64{l.N, millis(l.At), l.Ref.Employee, int64(l.Ref.Finger), int64(l.Ref.Algorithm)} {
		binary.BigEndian.PutUint64(n[:], uint64(number))
		h.Write(n[:])
	}
	for _, text := range []string{l.By.Who, l.By.Why, string(l.Act), l.Detail, string(l.Ref.Digest[:])} {
		binary.BigEndian.PutUint64(n[:], uint64(len(text)))
		h.Write(n[:])
		h.Write([]byte(text))
	}
	return protocol.Hash(h.Sum(nil))
}

// audit adds lines within one transaction. Nothing is done to a template without
// one: the line and the deed become durable together.
type audit struct {
	tx   *sql.Tx
	by   By
	at   time.Time
	last Line // the zero Line until one was read or written
}

func (a *audit) add(ctx context.Context, act Act, ref Ref, detail string) (n int64, err error) {
	if a.last.N == 0 {
		var hash []byte
		err := a.tx.QueryRowContext(ctx, "SELECT n, hash FROM vault_audit ORDER BY n DESC LIMIT 1").Scan(&a.last.N, &hash)
		if err == nil {
			a.last.Hash, err = digestOf(hash)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, err
		}
	}
	l := Line{N: a.last.N + 1, At: instant(millis(a.at)), By: a.by, Act: act, Ref: ref, Detail: detail}
	l.Hash = l.sum(a.last.Hash)
	digest := ref.Digest[:]
	if ref.Digest.IsZero() {
		digest = []byte{}
	}
	_, err = a.tx.ExecContext(ctx, `INSERT INTO vault_audit (n, at, who, act, why, employee, finger, algorithm, digest, detail, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		l.N, millis(l.At), l.By.Who, string(act), l.By.Why, ref.Employee, int64(ref.Finger), int64(ref.Algorithm), digest, detail, l.Hash[:])
	a.last = l
	return l.N, err
}

// Audit calls line for every line after the one with number n, in order, for one
// employee or, for 0, for all.
func (v *Vault) Audit(ctx context.Context, n, employee int64, line func(Line) error) error {
	query, args := "SELECT n, at, who, act, why, employee, finger, algorithm, digest, detail, hash FROM vault_audit WHERE n > $1", []any{n}
	if employee != 0 {
		query, args = query+" AND employee = $2", append(args, employee)
	}
	err := v.store.Query(ctx, func(rows *sql.Rows) error {
		var l Line
		var at int64
		var digest, hash []byte
		if err := rows.Scan(&l.N, &at, &l.By.Who, &l.Act, &l.By.Why, &l.Ref.Employee, &l.Ref.Finger, &l.Ref.Algorithm, &digest, &l.Detail, &hash); err != nil {
			return err
		}
		l.At = instant(at)
		var err error
		if len(digest) > 0 {
			if l.Ref.Digest, err = digestOf(digest); err != nil {
				return err
			}
		}
		if l.Hash, err = digestOf(hash); err != nil {
			return err
		}
		return line(l)
	}, query+" ORDER BY n", args...)
	if err != nil {
		return fmt.Errorf("read vault audit: %w", err)
	}
	return nil
}

// Seen tells whether a template was ever in the vault, also when it is no more: what
// was destroyed must not come back from the next terminal that still holds it.
func (v *Vault) Seen(ctx context.Context, digest protocol.Hash) (seen bool, err error) {
	err = v.store.Query(ctx, func(rows *sql.Rows) error {
		seen = true
		return nil
	}, "SELECT 1 FROM vault_audit WHERE digest = $1 LIMIT 1", digest[:])
	if err != nil {
		return false, fmt.Errorf("look for a template in the vault's audit: %w", err)
	}
	return seen, nil
}

// CheckAudit reads the whole audit and returns ErrAudit where a line was changed or
// is missing. Lines cut off at the end are seen only by who knows the last hash.
func (v *Vault) CheckAudit(ctx context.Context) (last Line, err error) {
	err = v.Audit(ctx, 0, 0, func(l Line) error {
		if l.N != last.N+1 || l.sum(last.Hash) != l.Hash {
			return fmt.Errorf("%w: line %d does not follow from the one before", ErrAudit, l.N)
		}
		last = l
		return nil
	})
	return last, err
}
