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
		if _, err := tx.ExecContext(ctx, "INSERT INTO site (id, added) VALUES ($1, $2)", string(site), millis(at)); err != nil {
			return err
		}
		if err := record(ctx, tx, Deed{At: at, Kind: DeedSite, Site: site}); err != nil {
			return err
		}
		return admit(ctx, tx, site, agent, at)
	})
	if err != nil {
		return fmt.Errorf("add site %s: %w", site, err)
	}
	return nil
}

// ReplaceKey admits another key in place of the present one, whose signatures
// stay evidence. A key that was retired once can come back.
func (s *Store) ReplaceKey(ctx context.Context, site protocol.SiteID, agent seal.Fingerprint, at time.Time) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		held, err := admitted(ctx, tx, site)
		if err != nil || held.Fingerprint == agent {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE agent_key SET retired = $1 WHERE site = $2 AND retired = 0", max(1, millis(at)), string(site)); err != nil {
			return err
		}
		return admit(ctx, tx, site, agent, at)
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
		if _, err := tx.ExecContext(ctx, "UPDATE agent_key SET public_key = $1 WHERE site = $2 AND fingerprint = $3",
			key.String(), string(site), string(held.Fingerprint)); err != nil {
			return err
		}
		return record(ctx, tx, Deed{At: at, Kind: DeedKey, Site: site, Subject: string(held.Fingerprint), Detail: key.String()})
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
