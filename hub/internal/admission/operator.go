package admission

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Errors by which callers decide.
var (
	ErrLife     = fmt.Errorf("a claim code is valid for at most %d days", LongestClaim/(24*time.Hour))
	ErrTerminal = errors.New("the terminal is not registered at this site")
	ErrReason   = errors.New("a reason is needed: it is written down for ever")
	ErrNobody   = errors.New("no agent is admitted and no claim code is open: nobody is there to shut out")
)

// NewCode makes a claim code for a site; where serial is not empty, that terminal must
// answer in the office. Codes that the site has open end with it. It is returned once
// and kept as its hash only.
func (a *Admissions) NewCode(ctx context.Context, by string, site protocol.SiteID, serial protocol.Serial, life time.Duration) (code protocol.ClaimCode, expires time.Time, err error) {
	if life == 0 {
		life = DefaultClaim
	}
	if life < 0 || life > LongestClaim {
		return code, expires, ErrLife
	}
	made := protocol.NewClaimCode()
	now := a.o.Now()
	expires = instant(millis(now.Add(life)))
	err = a.o.Database.Update(ctx, func(tx *sql.Tx) error {
		if err := registered(ctx, tx, site, serial); err != nil {
			return err
		}
		if _, err := withdraw(ctx, tx, site, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO claim (hash, site, serial, made_by, made_at, expires, used_by, used_at, ended_at)
			VALUES ($1, $2, $3, $4, $5, $6, '', 0, 0)`, made.Hash().String(), string(site), string(serial), by, millis(now), millis(expires))
		return err
	})
	if err != nil {
		return code, expires, fmt.Errorf("make claim code for site %s: %w", site, err)
	}
	return made, expires, nil
}

func registered(ctx context.Context, tx *sql.Tx, site protocol.SiteID, serial protocol.Serial) error {
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM site WHERE id = $1", string(site)).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return store.ErrNoSite
	}
	if serial == "" {
		return nil
	}
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM terminal WHERE site = $1 AND serial = $2 AND registered > 0",
		string(site), string(serial)).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return ErrTerminal
	}
	return nil
}

// withdraw ends the codes of a site, and says how many were open.
func withdraw(ctx context.Context, tx *sql.Tx, site protocol.SiteID, now time.Time) (open int, err error) {
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM claim WHERE site = $1 AND used_by = '' AND ended_at = 0 AND expires > $2",
		string(site), millis(now)).Scan(&open); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "UPDATE claim SET ended_at = $1 WHERE site = $2 AND used_by = '' AND ended_at = 0", millis(now), string(site))
	return open, err
}

// Revoke shuts a site out: its key counts no more, its codes end, also where a kit was
// lost before its code was used. Its punches stay, and a new code lets a new agent in.
func (a *Admissions) Revoke(ctx context.Context, by string, site protocol.SiteID, reason string) error {
	if reason == "" {
		return fmt.Errorf("revoke site %s: %w", site, ErrReason)
	}
	err := a.o.Database.Update(ctx, func(tx *sql.Tx) error {
		now := a.o.Now()
		if err := registered(ctx, tx, site, ""); err != nil {
			return err
		}
		held, err := a.o.Database.Agent(ctx, site)
		if err == nil {
			err = a.o.Database.Retire(ctx, tx, site, now)
		} else if errors.Is(err, store.ErrNoSite) {
			err = nil // nobody was let in yet
		}
		if err != nil {
			return err
		}
		open, err := withdraw(ctx, tx, site, now)
		if err != nil {
			return err
		}
		if held.Fingerprint == "" && open == 0 {
			return ErrNobody
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO revocation (site, agent, revoked_by, revoked_at, reason) VALUES ($1, $2, $3, $4, $5)",
			string(site), string(held.Fingerprint), by, millis(now), reason)
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke site %s: %w", site, err)
	}
	a.o.Ended(site)
	a.o.Changed(site)
	return nil
}

// Holder says which site a verified certificate names, and that it may still come in; its
// error is why not. A certificate counts while the key that asked for it is the admitted
// one.
func (a *Admissions) Holder(ctx context.Context, leaf *x509.Certificate) (authority.Subject, error) {
	s, err := authority.ParseSubject(leaf.Subject.CommonName)
	if err != nil {
		return s, err
	}
	if s.Kind != authority.Site {
		return s, denied(protocol.DeniedKey, "the certificate is no site's")
	}
	var agent string
	found := false
	if err := a.o.Database.Query(ctx, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(&agent)
	}, "SELECT agent FROM certificate WHERE serial = $1 AND site = $2", string(authority.NumberOf(leaf)), s.Name); err != nil {
		return s, err
	}
	held, err := a.o.Database.Agent(ctx, protocol.SiteID(s.Name))
	switch {
	case errors.Is(err, store.ErrNoSite):
		return s, denied(protocol.DeniedKey, "site %s is shut out or was never admitted", s.Name)
	case err != nil:
		return s, err
	case !found || seal.Fingerprint(agent) != held.Fingerprint:
		return s, denied(protocol.DeniedKey, "the certificate is not of the admitted agent of site %s", s.Name)
	}
	return s, nil
}

// Standing is how far a site is on its way in.
type Standing string

// The standings.
const (
	Registered Standing = "registered" // nobody was asked in yet, or the code has expired
	Expected   Standing = "expected"   // a code is open
	Admitted   Standing = "admitted"
	Revoked    Standing = "revoked"
)

// Site is a site with what lets its agent in.
type Site struct {
	ID        protocol.SiteID
	Standing  Standing
	Agent     seal.Fingerprint // the admitted key; empty for none
	Admitted  time.Time        // when
	Until     time.Time        // the end of its newest certificate; zero: it has none
	Code      time.Time        // until when an open code is valid; zero: none is open
	Terminals []protocol.Serial
	Revoked   Revocation // the last one; zero: never
}

// Revocation is that a site was shut out.
type Revocation struct {
	By, Reason string
	At         time.Time
}

// Sites returns all sites by id.
func (a *Admissions) Sites(ctx context.Context) ([]Site, error) {
	var all []Site
	index := map[protocol.SiteID]int{}
	now := a.o.Now()
	err := a.o.Database.Query(ctx, func(rows *sql.Rows) error {
		var s Site
		var admitted, until, code int64
		if err := rows.Scan(&s.ID, &s.Agent, &admitted, &until, &code); err != nil {
			return err
		}
		s.Admitted, s.Until, s.Code = instant(admitted), instant(until), instant(code)
		switch {
		case s.Agent != "":
			s.Standing = Admitted
		case code != 0:
			s.Standing = Expected
		default:
			s.Standing = Registered
		}
		index[s.ID] = len(all)
		all = append(all, s)
		return nil
	}, `SELECT s.id, COALESCE(k.fingerprint, ''), COALESCE(k.admitted, 0),
			COALESCE((SELECT MAX(c.expiry) FROM certificate c WHERE c.site = s.id AND c.agent = k.fingerprint), 0),
			COALESCE((SELECT MAX(c.expires) FROM claim c WHERE c.site = s.id AND c.used_by = '' AND c.ended_at = 0 AND c.expires > $1), 0)
		FROM site s LEFT JOIN agent_key k ON k.site = s.id AND k.retired = 0 ORDER BY s.id`, millis(now))
	if err == nil {
		err = a.o.Database.Query(ctx, func(rows *sql.Rows) error {
			var site protocol.SiteID
			var serial protocol.Serial
			if err := rows.Scan(&site, &serial); err != nil {
				return err
			}
			if i, found := index[site]; found {
				all[i].Terminals = append(all[i].Terminals, serial)
			}
			return nil
		}, "SELECT site, serial FROM terminal WHERE registered > 0 ORDER BY site, serial")
	}
	if err == nil {
		err = a.o.Database.Query(ctx, func(rows *sql.Rows) error {
			var site protocol.SiteID
			var r Revocation
			var at int64
			if err := rows.Scan(&site, &r.By, &r.Reason, &at); err != nil {
				return err
			}
			if i, found := index[site]; found {
				r.At = instant(at)
				all[i].Revoked = r
				if all[i].Standing == Registered {
					all[i].Standing = Revoked
				}
			}
			return nil
		}, "SELECT site, revoked_by, reason, revoked_at FROM revocation ORDER BY revoked_at")
	}
	if err != nil {
		return nil, fmt.Errorf("read sites: %w", err)
	}
	return all, nil
}
