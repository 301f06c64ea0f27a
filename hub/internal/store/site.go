package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Agent is the admitted agent of a site.
type Agent struct {
	Site        protocol.SiteID
	Fingerprint seal.Fingerprint
	Key         seal.PublicKey // zero until the agent has shown it
	Admitted    time.Time
}

// AddSite adds a site and admits its agent's key. The same again changes nothing.
func (s *Store) AddSite(ctx context.Context, site protocol.SiteID, agent seal.Fingerprint, at time.Time) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		held, err := admitted(ctx, tx, site)
		switch {
		case err == nil && held.Fingerprint == agent:
			return nil
		case err == nil:
			return ErrSiteKey
		case !errors.Is(err, ErrNoSite):
			return err
		}
		err = known(ctx, tx, site)
		if errors.Is(err, ErrNoSite) {
			err = add(ctx, tx, site, at)
		}
		if err != nil {
			return err
		}
		return admit(ctx, tx, site, agent, at)
	})
	if err != nil {
		return fmt.Errorf("add site %s: %w", site, err)
	}
	return nil
}

// Register adds a site of which no agent is admitted yet. The same again changes
// nothing.
func (s *Store) Register(ctx context.Context, site protocol.SiteID, at time.Time) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		err := known(ctx, tx, site)
		if !errors.Is(err, ErrNoSite) {
			return err
		}
		return add(ctx, tx, site, at)
	})
	if err != nil {
		return fmt.Errorf("register site %s: %w", site, err)
	}
	return nil
}

func add(ctx context.Context, tx *sql.Tx, site protocol.SiteID, at time.Time) error {
	if _, err := tx.ExecContext(ctx, "INSERT INTO site (id, added) VALUES ($1, $2)", string(site), millis(at)); err != nil {
		return err
	}
	return record(ctx, tx, Deed{At: at, Kind: DeedSite, Site: site})
}

// known is nil for a registered site, and ErrNoSite for any other.
func known(ctx context.Context, q querier, site protocol.SiteID) error {
	var n int
	if err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM site WHERE id = $1", string(site)).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return ErrNoSite
	}
	return nil
}

// Admit admits a key of a registered site that was shown and proven, in a transaction
// of the caller's; the present one is retired. The same again changes nothing.
func (s *Store) Admit(ctx context.Context, tx *sql.Tx, site protocol.SiteID, key seal.PublicKey, at time.Time) error {
	if err := known(ctx, tx, site); err != nil {
		return fmt.Errorf("admit key of site %s: %w", site, err)
	}
	held, err := admitted(ctx, tx, site)
	if err == nil && held.Key == key {
		return nil
	}
	if err == nil || errors.Is(err, ErrNoSite) {
		err = replace(ctx, tx, site, key.Fingerprint(), at)
	}
	if err == nil {
		err = learn(ctx, tx, site, key, at)
	}
	if err != nil {
		return fmt.Errorf("admit key of site %s: %w", site, err)
	}
	return nil
}

// Retire takes the admitted key of a site away and puts none in its place, in a
// transaction of the caller's. What it signed before stays evidence.
func (s *Store) Retire(ctx context.Context, tx *sql.Tx, site protocol.SiteID, at time.Time) error {
	held, err := admitted(ctx, tx, site)
	if err == nil {
		err = retire(ctx, tx, site, at)
	}
	if err == nil {
		err = record(ctx, tx, Deed{At: instant(max(1, millis(at))), Kind: DeedRetire, Site: site, Subject: string(held.Fingerprint)})
	}
	if err != nil {
		return fmt.Errorf("retire key of site %s: %w", site, err)
	}
	return nil
}

func retire(ctx context.Context, tx *sql.Tx, site protocol.SiteID, at time.Time) error {
	_, err := tx.ExecContext(ctx, "UPDATE agent_key SET retired = $1 WHERE site = $2 AND retired = 0", max(1, millis(at)), string(site))
	return err
}

// replace retires the present key, if there is one, and admits another.
func replace(ctx context.Context, tx *sql.Tx, site protocol.SiteID, agent seal.Fingerprint, at time.Time) error {
	if err := retire(ctx, tx, site, at); err != nil {
		return err
	}
	return admit(ctx, tx, site, agent, at)
}

// learn keeps the public key of an admitted fingerprint.
func learn(ctx context.Context, tx *sql.Tx, site protocol.SiteID, key seal.PublicKey, at time.Time) error {
	if _, err := tx.ExecContext(ctx, "UPDATE agent_key SET public_key = $1 WHERE site = $2 AND fingerprint = $3",
		key.String(), string(site), string(key.Fingerprint())); err != nil {
		return err
	}
	return record(ctx, tx, Deed{At: at, Kind: DeedKey, Site: site, Subject: string(key.Fingerprint()), Detail: key.String()})
}

// ReplaceKey admits another key in place of the present one, whose signatures
// stay evidence. A key that was retired once can come back.
func (s *Store) ReplaceKey(ctx context.Context, site protocol.SiteID, agent seal.Fingerprint, at time.Time) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		held, err := admitted(ctx, tx, site)
		if err != nil || held.Fingerprint == agent {
			return err
		}
		return replace(ctx, tx, site, agent, at)
	})
	if err != nil {
		return fmt.Errorf("replace key of site %s: %w", site, err)
	}
	return nil
}

func admit(ctx context.Context, tx *sql.Tx, site protocol.SiteID, agent seal.Fingerprint, at time.Time) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO agent_key (site, fingerprint, public_key, admitted, retired) VALUES ($1, $2, '', $3, 0)
		ON CONFLICT (site, fingerprint) DO UPDATE SET admitted = excluded.admitted, retired = 0`,
		string(site), string(agent), millis(at)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM attempt WHERE site = $1 AND key_id = $2", string(site), string(agent.KeyID())); err != nil {
		return err
	}
	return record(ctx, tx, Deed{At: at, Kind: DeedAdmit, Site: site, Subject: string(agent)})
}

// LearnKey keeps the public key that the admitted fingerprint stands for. Any
// other key is ErrNotAdmitted. Once known, learning it again changes nothing.
func (s *Store) LearnKey(ctx context.Context, site protocol.SiteID, key seal.PublicKey, at time.Time) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		held, err := admitted(ctx, tx, site)
		switch {
		case err != nil:
			return err
		case held.Fingerprint != key.Fingerprint():
			return ErrNotAdmitted
		case !held.Key.IsZero():
			return nil
		}
		return learn(ctx, tx, site, key, at)
	})
	if err != nil {
		return fmt.Errorf("learn key of site %s: %w", site, err)
	}
	return nil
}

// Agent returns the admitted agent of a site, or ErrNoSite.
func (s *Store) Agent(ctx context.Context, site protocol.SiteID) (Agent, error) {
	a, err := admitted(ctx, s.read, site)
	if err != nil {
		return Agent{}, fmt.Errorf("read site %s: %w", site, s.engine.mapped(err))
	}
	return a, nil
}

// Agents returns the admitted agents of all sites, by site.
func (s *Store) Agents(ctx context.Context) (all []Agent, err error) {
	err = each(ctx, s.read, func(rows *sql.Rows) error {
		a, err := scanAgent(rows)
		all = append(all, a)
		return err
	}, agentColumns+"WHERE retired = 0 ORDER BY site")
	if err != nil {
		return nil, fmt.Errorf("read sites: %w", s.engine.mapped(err))
	}
	return all, nil
}

const agentColumns = "SELECT site, fingerprint, public_key, admitted FROM agent_key "

func admitted(ctx context.Context, q querier, site protocol.SiteID) (Agent, error) {
	a, err := scanAgent(q.QueryRowContext(ctx, agentColumns+"WHERE site = $1 AND retired = 0", string(site)))
	if errors.Is(err, sql.ErrNoRows) {
		return Agent{}, ErrNoSite
	}
	return a, err
}

// scanner is one row, alone or among others.
type scanner interface{ Scan(...any) error }

func scanAgent(row scanner) (a Agent, err error) {
	var key string
	var at int64
	if err := row.Scan(&a.Site, &a.Fingerprint, &key, &at); err != nil {
		return a, err
	}
	if key != "" {
		if a.Key, err = seal.ParsePublicKey(key); err != nil {
			return a, fmt.Errorf("key of site %s: %w", a.Site, err)
		}
	}
	a.Admitted = instant(at)
	return a, nil
}
