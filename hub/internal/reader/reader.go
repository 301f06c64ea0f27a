// Package reader keeps the personal certificates with which people read along on the
// broker: who has which, until when, and which were withdrawn.
//
// It knows its table, and whom to ask for a signature. It must not know the key of a
// certificate, which is its person's, nor files, MQTT or pages.
//
// Beware: what is not written down does not count. A certificate is written down before
// it is handed out; one that is older than these records, or than the backup from which
// they came back, is refused like a stranger's.
package reader

import (
	"context"
	"crypto"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
)

// Database is what is needed of the store.
type Database interface {
	Update(ctx context.Context, change func(*sql.Tx) error) error
	Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
}

// Issuer makes client certificates, as authority.Authority does.
type Issuer interface {
	Client(s authority.Subject, public crypto.PublicKey, now time.Time, life time.Duration) ([]byte, error)
}

// Options are the parts of Readers. Who only looks and withdraws needs no Issuer.
type Options struct {
	Database Database
	Issuer   Issuer
	Now      func() time.Time // nil: the machine's clock
}

// Readers is all of this in a database. It is safe for concurrent use.
type Readers struct{ o Options }

// New is the readers in a database.
func New(o Options) *Readers {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Readers{o}
}

// Days for which a certificate lasts.
const (
	UsualDays = 30
	MostDays  = 90 // there may be a broker that does not learn of a revocation
)

// Errors by which callers decide.
var (
	ErrDays   = fmt.Errorf("a certificate for reading lasts 1 to %d days", MostDays)
	ErrReason = errors.New("a reason is needed: it is written down for ever")
	ErrNobody = errors.New("no certificate counts that could be withdrawn")
)

// Issue gives a person a certificate for a key of theirs, and returns its DER once it is
// written down.
func (r *Readers) Issue(ctx context.Context, by, name string, public crypto.PublicKey, days int) (der []byte, err error) {
	if days < 1 || days > MostDays {
		return nil, fmt.Errorf("make certificate of operator %s: %w", name, ErrDays)
	}
	now, life := r.o.Now(), time.Duration(days)*24*time.Hour
	made, err := r.o.Issuer.Client(authority.Subject{Kind: authority.Operator, Name: name}, public, now, life)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(made)
	if err == nil {
		err = r.o.Database.Update(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO reader (number, name, made_by, made_at, expires, revoked_by, revoked_at, reason)
				VALUES ($1, $2, $3, $4, $5, '', 0, '')`,
				string(authority.NumberOf(leaf)), name, by, now.UnixMilli(), leaf.NotAfter.UnixMilli())
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("write down certificate of operator %s: %w", name, err)
	}
	return made, nil
}

// Revoke withdraws a person's certificates: the one with the number or, where that is
// empty, all that count. It says how many these were.
func (r *Readers) Revoke(ctx context.Context, by, name string, number authority.Number, reason string) (withdrawn int64, err error) {
	if reason = strings.TrimSpace(reason); reason == "" {
		return 0, fmt.Errorf("withdraw certificates of operator %s: %w", name, ErrReason)
	}
	err = r.o.Database.Update(ctx, func(tx *sql.Tx) error {
		now := r.o.Now().UnixMilli()
		done, err := tx.ExecContext(ctx, `UPDATE reader SET revoked_by = $1, revoked_at = $2, reason = $3
			WHERE name = $4 AND revoked_at = 0 AND expires > $5 AND (number = $6 OR $6 = '')`, by, now, reason, name, now, string(number))
		if err != nil {
			return err
		}
		if withdrawn, err = done.RowsAffected(); err == nil && withdrawn == 0 {
			err = ErrNobody
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("withdraw certificates of operator %s: %w", name, err)
	}
	return withdrawn, nil
}
