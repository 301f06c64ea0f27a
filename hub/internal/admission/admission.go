// Package admission decides which agent is a site's: it makes and checks claim codes,
// admits the key that a claim shows, gives and renews certificates, and shuts sites out.
//
// It knows its tables, the store's sites and the authority. It must not know HTTP, MQTT
// or pages. Every refusal is a Denied, with the code that the agent is told.
//
// Beware: a claim that was granted is granted again to the same key, because the answer
// may have been lost with the power; to any other key it is used up.
package admission

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Database is what is needed of the store.
type Database interface {
	Update(ctx context.Context, change func(*sql.Tx) error) error
	Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
	Within(tx *sql.Tx) func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
	Register(ctx context.Context, site protocol.SiteID, at time.Time) error
	AddTerminal(ctx context.Context, site protocol.SiteID, serial protocol.Serial, at time.Time) error
	Agent(ctx context.Context, site protocol.SiteID) (store.Agent, error)
	Admit(ctx context.Context, tx *sql.Tx, site protocol.SiteID, key seal.PublicKey, at time.Time) error
	Retire(ctx context.Context, tx *sql.Tx, site protocol.SiteID, at time.Time) error
}

// Issuer makes client certificates, as authority.Authority does.
type Issuer interface {
	Client(s authority.Subject, public crypto.PublicKey, now time.Time, life time.Duration) ([]byte, error)
}

// Options are the parts of Admissions. Changed and Ended may be nil.
type Options struct {
	Database Database
	Issuer   Issuer
	Life     time.Duration              // of a site's certificate; default DefaultLife
	Changed  func(protocol.SiteID)      // another key is admitted now
	Ended    func(site protocol.SiteID) // the admitted key counts no more
	Now      func() time.Time           // nil: the machine's clock
}

// Admissions is all of this in a database. It is safe for concurrent use.
type Admissions struct{ o Options }

// Lives of what is given out.
const (
	DefaultLife  = 90 * 24 * time.Hour // of a certificate; a new one is asked for at two thirds
	DefaultClaim = 24 * time.Hour      // of a claim code
	LongestClaim = 30 * 24 * time.Hour // for a kit that travels by ship
)

// New is the admissions in a database.
func New(o Options) *Admissions {
	if o.Life == 0 {
		o.Life = DefaultLife
	}
	if o.Changed == nil {
		o.Changed = func(protocol.SiteID) {}
	}
	if o.Ended == nil {
		o.Ended = func(protocol.SiteID) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Admissions{o}
}

// Denied is the error of whoever is not let in: what the agent is told, and beside it
// what only the hub's log says. Nothing that a stranger wrote is in it: it may be long, or
// a code in a place where codes do not belong.
type Denied struct {
	Code  protocol.DenialCode
	Cause string // may be empty
}

func (d *Denied) Error() string {
	if d.Cause == "" {
		return "denied: " + string(d.Code)
	}
	return "denied: " + string(d.Code) + ": " + d.Cause
}

func denied(code protocol.DenialCode, format string, args ...any) error {
	return &Denied{code, fmt.Sprintf(format, args...)}
}

// Register adds a site and its terminals. The same again changes nothing.
func (a *Admissions) Register(ctx context.Context, site protocol.SiteID, terminals ...protocol.Serial) error {
	if err := a.o.Database.Register(ctx, site, a.o.Now()); err != nil {
		return err
	}
	for _, serial := range terminals {
		if err := a.o.Database.AddTerminal(ctx, site, serial, a.o.Now()); err != nil {
			return err
		}
	}
	return nil
}

// Claim judges an agent's claim. message is the envelope as it came, its key not yet
// known: the claim shows it, and the code is what makes it count.
func (a *Admissions) Claim(ctx context.Context, e protocol.Envelope) (certificate Certificate, agent seal.PublicKey, err error) {
	var c protocol.Claim
	if e.Kind != protocol.KindClaim {
		return Certificate{}, agent, denied(protocol.DeniedForm, "no claim")
	}
	if err := e.Into(&c); err != nil {
		return Certificate{}, agent, denied(protocol.DeniedForm, "%s", protocol.ReasonOf(err))
	}
	if !e.SignedBy(c.Key) {
		return Certificate{}, agent, denied(protocol.DeniedForm, "it is not signed by the key that it shows")
	}
	public, err := x509.ParsePKIXPublicKey(c.TLS)
	if err != nil {
		return Certificate{}, agent, denied(protocol.DeniedForm, "%v", err)
	}
	changed := false
	err = a.o.Database.Update(ctx, func(tx *sql.Tx) error {
		now := a.o.Now()
		changed = false
		first, err := a.judge(ctx, tx, e.Site, c, now)
		if err != nil {
			return err
		}
		if first {
			if err := a.o.Database.Admit(ctx, tx, e.Site, c.Key, now); err != nil {
				return err
			}
			// A machine that lost its count of starts begins again: a person sent this code.
			if _, err := tx.ExecContext(ctx, "DELETE FROM request WHERE site = $1 AND agent = $2", string(e.Site), string(c.Key.Fingerprint())); err != nil {
				return err
			}
			changed = true
		}
		certificate, err = a.issue(ctx, tx, e.Site, c.Key.Fingerprint(), public, c.TLS, now)
		return err
	})
	if err != nil {
		return Certificate{}, agent, fmt.Errorf("claim of site %s: %w", e.Site, err)
	}
	if changed {
		a.o.Ended(e.Site) // whoever was connected with the former key
		a.o.Changed(e.Site)
	}
	return certificate, c.Key, nil
}

// judge finds the code and uses it up; first tells that it was not used before.
func (a *Admissions) judge(ctx context.Context, tx *sql.Tx, site protocol.SiteID, c protocol.Claim, now time.Time) (first bool, err error) {
	var serial, usedBy string
	var expires, ended int64
	err = tx.QueryRowContext(ctx, "SELECT serial, used_by, expires, ended_at FROM claim WHERE hash = $1 AND site = $2",
		c.Code.Hash().String(), string(site)).Scan(&serial, &usedBy, &expires, &ended)
	agent := string(c.Key.Fingerprint())
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, denied(protocol.DeniedUnknown, "")
	case err != nil:
		return false, err
	case usedBy == agent:
		held, err := a.o.Database.Agent(ctx, site)
		if err == nil && held.Key == c.Key {
			return false, nil
		}
		if err != nil && !errors.Is(err, store.ErrNoSite) {
			return false, err
		}
		return false, denied(protocol.DeniedKey, "the key of this code was replaced or shut out")
	case usedBy != "":
		return false, denied(protocol.DeniedUsed, "by key %s", seal.Fingerprint(usedBy).KeyID())
	case ended != 0 || millis(now) >= expires:
		return false, denied(protocol.DeniedExpired, "")
	case serial != "" && !slices.Contains(c.Terminals, protocol.Serial(serial)):
		return false, denied(protocol.DeniedTerminal, "terminal %s is not among the %d that answered", serial, len(c.Terminals))
	}
	done, err := tx.ExecContext(ctx, "UPDATE claim SET used_by = $1, used_at = $2 WHERE hash = $3 AND used_by = ''", agent, millis(now), c.Code.Hash().String())
	if err != nil {
		return false, err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return false, errors.Join(denied(protocol.DeniedUsed, "in this moment"), err)
	}
	return true, nil
}

// Renew judges the request of a known agent for a new certificate. It proves itself by
// its key alone: its certificate may have expired long ago.
func (a *Admissions) Renew(ctx context.Context, e protocol.Envelope) (certificate Certificate, agent seal.PublicKey, err error) {
	var r protocol.Renewal
	if e.Kind != protocol.KindRenewal {
		return Certificate{}, agent, denied(protocol.DeniedForm, "no renewal")
	}
	if err := e.Into(&r); err != nil {
		return Certificate{}, agent, denied(protocol.DeniedForm, "%s", protocol.ReasonOf(err))
	}
	public, err := x509.ParsePKIXPublicKey(r.TLS)
	if err != nil {
		return Certificate{}, agent, denied(protocol.DeniedForm, "%v", err)
	}
	err = a.o.Database.Update(ctx, func(tx *sql.Tx) error {
		held, err := a.o.Database.Agent(ctx, e.Site)
		if errors.Is(err, store.ErrNoSite) || err == nil && (held.Key.IsZero() || held.Key.KeyID() != e.From) {
			return denied(protocol.DeniedKey, "another key") // which one is a stranger's to say, and as long as it likes
		}
		if err != nil {
			return err
		}
		if !e.SignedBy(held.Key) {
			return denied(protocol.DeniedKey, "it is not signed by key %s", e.From)
		}
		if err := rise(ctx, tx, e.Site, held.Fingerprint, e.Seq); err != nil {
			return err
		}
		agent = held.Key
		certificate, err = a.issue(ctx, tx, e.Site, held.Fingerprint, public, r.TLS, a.o.Now())
		return err
	})
	if err != nil {
		return Certificate{}, seal.PublicKey{}, fmt.Errorf("renewal of site %s: %w", e.Site, err)
	}
	return certificate, agent, nil
}

// rise refuses what is not newer than the newest request of a key.
func rise(ctx context.Context, tx *sql.Tx, site protocol.SiteID, agent seal.Fingerprint, seq protocol.Seq) error {
	var n int64
	err := tx.QueryRowContext(ctx, `INSERT INTO request (site, agent, life, counter) VALUES ($1, $2, $3, $4)
		ON CONFLICT (site, agent) DO UPDATE SET life = excluded.life, counter = excluded.counter
		WHERE request.life < excluded.life OR request.life = excluded.life AND request.counter < excluded.counter
		RETURNING life`, string(site), string(agent), int64(seq.Life), int64(seq.Counter)).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return denied(protocol.DeniedReplay, "request %s", seq)
	}
	return err
}

// Certificate is what a site was given.
type Certificate struct {
	DER   []byte
	Until time.Time
	Renew time.Time // from when a new one should be asked for
}

// issue makes a certificate and writes it down.
func (a *Admissions) issue(ctx context.Context, tx *sql.Tx, site protocol.SiteID, agent seal.Fingerprint, public crypto.PublicKey, spki []byte,
	now time.Time) (Certificate, error) {
	der, err := a.o.Issuer.Client(authority.Subject{Kind: authority.Site, Name: string(site)}, public, now, a.o.Life)
	if errors.Is(err, authority.ErrPublicKey) {
		return Certificate{}, denied(protocol.DeniedForm, "%v", err)
	}
	if err != nil {
		return Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return Certificate{}, err
	}
	sum := sha256.Sum256(spki)
	_, err = tx.ExecContext(ctx, "INSERT INTO certificate (serial, site, agent, public, issued, expiry) VALUES ($1, $2, $3, $4, $5, $6)",
		string(authority.NumberOf(leaf)), string(site), string(agent), hex.EncodeToString(sum[:]), millis(now), millis(leaf.NotAfter))
	return Certificate{DER: der, Until: leaf.NotAfter.UTC(), Renew: now.Add(leaf.NotAfter.Sub(now) * 2 / 3).UTC().Truncate(time.Second)}, err
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
