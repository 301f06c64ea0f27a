// Package settings keeps what the agency has set for the agents of sites: the text that
// wins over an agent's own file, with who set it and when.
//
// It knows its table and the form of TOML. It must not know MQTT, nor what a setting
// means: the agent judges that, and goes back by itself from what cuts it off.
//
// Beware: operators read settings on the broker. Nothing secret belongs in them.
package settings

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Database is what is needed of the store.
type Database interface {
	Update(ctx context.Context, change func(*sql.Tx) error) error
	Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
	Generation(ctx context.Context) (protocol.Generation, error)
}

// Settings is all of this in a database. It is safe for concurrent use.
type Settings struct{ db Database }

// New is the settings in db.
func New(db Database) *Settings { return &Settings{db} }

// Revision is what was set for one site at one time.
type Revision struct {
	Site  protocol.SiteID
	Order protocol.Seq // (present generation of the hub, revision)
	Text  string
	By    string
	At    time.Time
	To    seal.KeyID // the site's present agent key; empty: it has none
}

// Errors that say what to do next.
var (
	ErrSite    = errors.New("this hub knows no such site; register it first: sidik-hub site register")
	ErrText    = errors.New("the settings are not TOML")
	ErrSize    = fmt.Errorf("the settings are longer than %d bytes", protocol.MaxSettings)
	ErrSecret  = errors.New("communication keys are secret, and settings travel readably: leave comm_key in the agent's own file")
	ErrOwn     = errors.New("site, data, hub.root and hub.broker stay as the agent's own file says")
	ErrSpelled = errors.New("settings have keys in small letters only, as in the agent's own file")
	ErrWho     = errors.New("name the person who sets this")
)

// Set makes text what counts for a site from now on; empty: its own file alone.
func (s *Settings) Set(ctx context.Context, site protocol.SiteID, text, by string, at time.Time) error {
	if err := check(text); err != nil {
		return fmt.Errorf("set for site %s: %w", site, err)
	}
	if strings.TrimSpace(by) == "" {
		return fmt.Errorf("set for site %s: %w", site, ErrWho)
	}
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var known int
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM site WHERE id = $1", string(site)).Scan(&known); err != nil {
			return err
		}
		if known == 0 {
			return ErrSite
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO site_settings (site, revision, text, set_by, set_at)
			VALUES ($1, (SELECT COALESCE(MAX(revision), 0) + 1 FROM site_settings WHERE site = $1), $2, $3, $4)`,
			string(site), text, by, at.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("set for site %s: %w", site, err)
	}
	return nil
}

// check reports settings that no agent can take.
func check(text string) error {
	if (protocol.Config{Settings: text}).Check() != nil {
		return ErrSize
	}
	var tree map[string]any
	meta, err := toml.Decode(text, &tree)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrText, err)
	}
	for _, key := range meta.Keys() {
		if strings.Trim(strings.Join(key, ""), "abcdefghijklmnopqrstuvwxyz_") != "" {
			return ErrSpelled // or "Comm_Key" would travel, and be refused by the agent only
		}
		switch key.String() {
		case "site", "data", "hub.root", "hub.broker":
			return ErrOwn
		case "terminal.comm_key":
			return ErrSecret
		}
	}
	return nil
}

// Of returns what was ever set for a site, the newest first.
func (s *Settings) Of(ctx context.Context, site protocol.SiteID) ([]Revision, error) {
	return s.read(ctx, "WHERE s.site = $1 ORDER BY s.revision DESC", string(site))
}

// Current returns what counts for each site now.
func (s *Settings) Current(ctx context.Context) ([]Revision, error) {
	return s.read(ctx, "WHERE s.revision = (SELECT MAX(n.revision) FROM site_settings n WHERE n.site = s.site) ORDER BY s.site")
}

func (s *Settings) read(ctx context.Context, which string, args ...any) (all []Revision, err error) {
	generation, err := s.db.Generation(ctx)
	if err != nil {
		return nil, fmt.Errorf("read generation: %w", err)
	}
	err = s.db.Query(ctx, func(rows *sql.Rows) error {
		r := Revision{Order: protocol.Seq{Life: generation.Number}}
		var at int64
		var key string
		if err := rows.Scan(&r.Site, &r.Order.Counter, &r.Text, &r.By, &at, &key); err != nil {
			return err
		}
		r.At = time.UnixMilli(at)
		if key != "" {
			r.To = seal.Fingerprint(key).KeyID()
		}
		all = append(all, r)
		return nil
	}, `SELECT s.site, s.revision, s.text, s.set_by, s.set_at, COALESCE(k.fingerprint, '')
		FROM site_settings s LEFT JOIN agent_key k ON k.site = s.site AND k.retired = 0 `+which, args...)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return all, nil
}
