package reader

import (
	"context"
	"crypto/x509"
	"database/sql"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
)

// Certificate is what one person was given.
type Certificate struct {
	Number      authority.Number
	Name        string
	By          string // who made it
	Made, Until time.Time
	Revoked     Revocation // zero: never
}

// Revocation is that a certificate was withdrawn.
type Revocation struct {
	By, Reason string
	At         time.Time
}

// Standing is whether a certificate counts.
type Standing string

// The standings.
const (
	Counts    Standing = "counts"
	Ended     Standing = "ended"
	Withdrawn Standing = "withdrawn"
)

// Standing is that of a certificate at a moment.
func (c Certificate) Standing(now time.Time) Standing {
	switch {
	case !c.Revoked.At.IsZero():
		return Withdrawn
	case !now.Before(c.Until):
		return Ended
	}
	return Counts
}

// Holder says which operator a verified certificate names, and that they may still come
// in; its error is why not.
func (r *Readers) Holder(ctx context.Context, leaf *x509.Certificate) (authority.Subject, error) {
	s, err := authority.ParseSubject(leaf.Subject.CommonName)
	if err != nil {
		return s, err
	}
	number := authority.NumberOf(leaf)
	if s.Kind != authority.Operator {
		return s, fmt.Errorf("certificate %s is no operator's", number)
	}
	found, err := r.read(ctx, "WHERE number = $1 AND name = $2", string(number), s.Name)
	switch {
	case err != nil:
		return s, err
	case len(found) == 0:
		return s, fmt.Errorf("certificate %s is not written down here, an older hub may have made it: make a new one, with sidik-hub operator-certificate make", number)
	case !found[0].Revoked.At.IsZero():
		return s, fmt.Errorf("certificate %s was withdrawn on %s", number, found[0].Revoked.At.Format(time.DateTime))
	}
	return s, nil
}

// List returns all certificates by name, the newest of a person first.
func (r *Readers) List(ctx context.Context) ([]Certificate, error) {
	return r.read(ctx, "ORDER BY name, made_at DESC, number")
}

// Withdrawn are the certificates that were withdrawn and have not ended. The embedded
// broker asks Holder; connections that stand, and other brokers, need this list.
func (r *Readers) Withdrawn(ctx context.Context) ([]Certificate, error) {
	return r.read(ctx, "WHERE revoked_at > 0 AND expires > $1 ORDER BY number", r.o.Now().UnixMilli())
}

func (r *Readers) read(ctx context.Context, which string, args ...any) (all []Certificate, err error) {
	err = r.o.Database.Query(ctx, func(rows *sql.Rows) error {
		var c Certificate
		var made, until, revoked int64
		if err := rows.Scan(&c.Number, &c.Name, &c.By, &made, &until, &c.Revoked.By, &revoked, &c.Revoked.Reason); err != nil {
			return err
		}
		c.Made, c.Until = time.UnixMilli(made).UTC(), time.UnixMilli(until).UTC()
		if revoked != 0 {
			c.Revoked.At = time.UnixMilli(revoked).UTC()
		}
		all = append(all, c)
		return nil
	}, "SELECT number, name, made_by, made_at, expires, revoked_by, revoked_at, reason FROM reader "+which, args...)
	if err != nil {
		return nil, fmt.Errorf("read operators' certificates: %w", err)
	}
	return all, nil
}
