// Package release keeps the releases of the agent and says which site is to run which: a
// few sites first, then more, and no further when they fail.
//
// It knows its tables, the folder of programs and what agents say of an order. It must
// not know MQTT, HTTP or the release key's private half: that one is never on a hub.
//
// Beware: the hub only orders. What runs in an office is decided there, by the release
// key and by what the version shows; so the hub can neither bring in a program of its own
// nor keep a bad one running.
package release

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Database is what is needed of the store.
type Database interface {
	Update(ctx context.Context, change func(*sql.Tx) error) error
	Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
	Generation(ctx context.Context) (protocol.Generation, error)
	State(ctx context.Context, site protocol.SiteID) (store.State, bool, error)
	Raise(ctx context.Context, c store.Condition, at time.Time) (fresh bool, err error)
	Clear(ctx context.Context, site protocol.SiteID, code, subject string) (was bool, err error)
}

// folderName is where the programs are, in the hub's data folder, by their digests.
const folderName = "releases"

// Releases is all of this. It is safe for concurrent use.
type Releases struct {
	db     Database
	folder string
}

// New is the releases of a hub.
func New(db Database, data string) *Releases { return &Releases{db, filepath.Join(data, folderName)} }

// Errors that say what to do next.
var (
	ErrKeys    = errors.New("the agency's root vouches for no release key; have it sign: sidik-provision root sign REQUEST --release-key FILE.pub")
	ErrNone    = errors.New("there is no such release; add it first: sidik-hub release add FOLDER")
	ErrOther   = errors.New("there is another release of this version; give the new one another version")
	ErrDigest  = errors.New("a program of the release is missing in the folder, or is not what was signed")
	ErrSite    = errors.New("no agent is admitted for this site")
	ErrPaused  = errors.New("the roll-out is paused; look at why with sidik-hub release list, then: sidik-hub release resume")
	ErrWho     = errors.New("name the person who does this")
	ErrTarget  = errors.New("say to whom: 5%, all, or sites")
	ErrNotHere = errors.New("this site has no order of such a program")
)

// Release is one version, and how far it is.
type Release struct {
	Manifest protocol.Manifest
	Signed   protocol.SignedManifest
	AddedBy  string
	AddedAt  time.Time
	Failures int    // more sites than that may not fail; 0: by the number of sites
	Paused   string // why; empty: it is not
}

// Order is what one site is to run.
type Order struct {
	Site      protocol.SiteID
	Seq       protocol.Seq // (present generation of the hub, revision)
	Version   string
	Downgrade bool
	By        string
	At        time.Time
	To        seal.KeyID // the site's present agent key; empty: it has none
	Paused    bool
	Signed    protocol.SignedManifest
}

// Body is the message by which the site is told.
func (o Order) Body() protocol.Release {
	return protocol.Release{SignedManifest: o.Signed, Downgrade: o.Downgrade}
}

// All returns the releases, the highest version first.
func (r *Releases) All(ctx context.Context) (all []Release, err error) {
	err = r.db.Query(ctx, func(rows *sql.Rows) error {
		var one Release
		var signed string
		var at int64
		if err := rows.Scan(&signed, &one.AddedBy, &at, &one.Failures, &one.Paused); err != nil {
			return err
		}
		if one.Signed, err = protocol.ParseSignedManifest([]byte(signed)); err != nil {
			return err
		}
		if one.Manifest, err = protocol.ParseManifest(one.Signed.Manifest); err != nil {
			return err
		}
		one.AddedAt = time.UnixMilli(at)
		all = append(all, one)
		return nil
	}, "SELECT signed, added_by, added_at, failures, paused FROM release")
	if err != nil {
		return nil, fmt.Errorf("read releases: %w", err)
	}
	sortReleases(all)
	return all, nil
}

// Orders returns what counts for each site now, by site.
func (r *Releases) Orders(ctx context.Context) ([]Order, error) {
	return r.orders(ctx, "")
}

func (r *Releases) orders(ctx context.Context, which string, args ...any) (all []Order, err error) {
	generation, err := r.db.Generation(ctx)
	if err != nil {
		return nil, fmt.Errorf("read generation: %w", err)
	}
	err = r.db.Query(ctx, func(rows *sql.Rows) error {
		o := Order{Seq: protocol.Seq{Life: generation.Number}}
		var at int64
		var key, signed, paused string
		var downgrade int
		if err := rows.Scan(&o.Site, &o.Seq.Counter, &o.Version, &downgrade, &o.By, &at, &signed, &paused, &key); err != nil {
			return err
		}
		o.Downgrade, o.At, o.Paused = downgrade == 1, time.UnixMilli(at), paused != ""
		if key != "" {
			o.To = seal.Fingerprint(key).KeyID()
		}
		o.Signed, err = protocol.ParseSignedManifest([]byte(signed))
		all = append(all, o)
		return err
	}, `SELECT o.site, o.revision, o.version, o.downgrade, o.ordered_by, o.ordered_at, r.signed, r.paused, COALESCE(k.fingerprint, '')
		FROM release_order o JOIN release r ON r.version = o.version
		LEFT JOIN agent_key k ON k.site = o.site AND k.retired = 0
		WHERE o.revision = (SELECT MAX(n.revision) FROM release_order n WHERE n.site = o.site) `+which+` ORDER BY o.site`, args...)
	if err != nil {
		return nil, fmt.Errorf("read orders of releases: %w", err)
	}
	return all, nil
}

// Program opens the program with a digest for a site that is to run it; ErrNotHere for
// any other, and while the roll-out is paused. The caller closes it.
func (r *Releases) Program(ctx context.Context, site protocol.SiteID, digest protocol.Hash) (*os.File, error) {
	orders, err := r.orders(ctx, "AND o.site = $1", string(site))
	if err != nil {
		return nil, err
	}
	for _, o := range orders {
		m, err := protocol.ParseManifest(o.Signed.Manifest)
		if err != nil {
			return nil, err
		}
		for _, f := range m.Files {
			if f.SHA256 == digest && !o.Paused {
				return os.Open(r.path(digest))
			}
		}
	}
	return nil, fmt.Errorf("program %s for site %s: %w", digest.Short(), site, ErrNotHere)
}

func (r *Releases) path(digest protocol.Hash) string { return filepath.Join(r.folder, digest.String()) }

// act writes down what was done.
func act(ctx context.Context, tx *sql.Tx, version, act, detail, by string, at time.Time) error {
	if strings.TrimSpace(by) == "" {
		return ErrWho
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO release_act (id, version, act, detail, done_by, done_at)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM release_act), $1, $2, $3, $4, $5)`, version, act, detail, by, at.UnixMilli())
	return err
}
