package admission_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

const samsat = protocol.SiteID("samsat-belitung")

// gate is a hub's database with its admissions, and a clock of the test's.
type gate struct {
	t      testing.TB
	store  *store.Store
	issuer admission.Issuer
	*admission.Admissions
	now   time.Time
	ended []protocol.SiteID
}

// onEach runs a test on each database.
func onEach(t *testing.T, body func(t *testing.T, g *gate)) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) { body(t, newGate(t, dsn)) })
}

func newGate(t *testing.T, dsn string) *gate {
	t.Helper()
	g := &gate{t: t, now: storetest.Morning()}
	var err error
	if g.store, err = store.Open(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.store.Close(); err != nil {
			t.Error(err)
		}
	})
	g.issuer, _, err = authority.LoadOrCreate(t.TempDir(), g.now)
	if err != nil {
		t.Fatal(err)
	}
	g.Admissions = admission.New(admission.Options{
		Database: g.store, Issuer: g.issuer, Now: func() time.Time { return g.now }, Ended: func(s protocol.SiteID) { g.ended = append(g.ended, s) },
	})
	g.must(g.Register(t.Context(), samsat, "T-1"))
	return g
}

func (g *gate) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// code makes a code for a site.
func (g *gate) code(site protocol.SiteID, serial protocol.Serial) protocol.ClaimCode {
	g.t.Helper()
	code, _, err := g.NewCode(g.t.Context(), "Ani Demo", site, serial, 0)
	g.must(err)
	return code
}

func (g *gate) revoke(site protocol.SiteID) {
	g.t.Helper()
	g.must(g.Revoke(g.t.Context(), "Ani Demo", site, "stolen"))
}

// machine is an agent with its keys and its count of requests.
type machine struct {
	t    testing.TB
	key  seal.SigningKey
	tls  []byte
	boot uint64
	n    uint64
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{t: t, boot: 1}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err == nil {
		m.tls, err = x509.MarshalPKIXPublicKey(private.Public())
	}
	if err == nil {
		m.key, err = seal.GenerateSigningKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// envelope is a message of this machine, as the hub reads it.
func (m *machine) envelope(kind protocol.Kind, site protocol.SiteID, body any) protocol.Envelope {
	m.t.Helper()
	m.n++
	message, err := protocol.Seal(protocol.Envelope{Kind: kind, Site: site, Seq: protocol.Seq{Life: m.boot, Counter: m.n}}, body, m.key)
	if err != nil {
		m.t.Fatal(err)
	}
	e, err := protocol.Parse("", message)
	if err != nil {
		m.t.Fatal(err)
	}
	return e
}

func (m *machine) claim(g *gate, site protocol.SiteID, code protocol.ClaimCode, terminals ...protocol.Serial) (admission.Certificate, error) {
	c, _, err := g.Claim(m.t.Context(), m.envelope(protocol.KindClaim, site, protocol.Claim{Code: code, Key: m.key.Public(), TLS: m.tls, Terminals: terminals}))
	return c, err
}

func (m *machine) renew(g *gate, site protocol.SiteID) (admission.Certificate, error) {
	c, _, err := g.Renew(m.t.Context(), m.envelope(protocol.KindRenewal, site, protocol.Renewal{TLS: m.tls}))
	return c, err
}

// holder asks whether a certificate still lets its bearer in.
func (g *gate) holder(c admission.Certificate) error {
	g.t.Helper()
	leaf, err := x509.ParseCertificate(c.DER)
	g.must(err)
	_, err = g.Holder(g.t.Context(), leaf)
	return err
}

// denial is the code of a refusal, empty where there is none.
func denial(t testing.TB, err error) protocol.DenialCode {
	t.Helper()
	var d *admission.Denied
	if err != nil && !errors.As(err, &d) {
		t.Fatalf("%v is no refusal", err)
	}
	if d == nil {
		return ""
	}
	return d.Code
}

func (g *gate) denies(want protocol.DenialCode, err error) {
	g.t.Helper()
	if got := denial(g.t, err); got != want {
		g.t.Errorf("denied with %q (%v), want %q", got, err, want)
	}
}
