package enrol_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/enrol"
	"github.com/bkpsdmd-babel/sidik/agent/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// machine is an agent's data folder, its keys, and how often it was started.
type machine struct {
	t    testing.TB
	dir  string
	keys *keyring.Keyring
	*enrol.Enrolment
	boots uint64
}

// start opens the keys and makes an enrolment at a hub, as each start of the agent does.
func (m *machine) start(hub string, root seal.Fingerprint) {
	m.t.Helper()
	keys, err := openKeys(m.dir, root)
	if err != nil {
		m.t.Fatal(err)
	}
	m.boots++
	m.keys, m.Enrolment = keys, newEnrolment(m.dir, hub, keys, m.boots)
}

func newMachine(t testing.TB, a *agency, code protocol.ClaimCode) *machine {
	t.Helper()
	m := &machine{t: t, dir: t.TempDir()}
	if !code.IsZero() {
		if _, err := enrol.PutCode(m.dir, code); err != nil {
			t.Fatal(err)
		}
	}
	m.start(a.server.URL, a.root.Fingerprint())
	return m
}

// typed reports whether a code waits on the disk.
func (m *machine) typed() bool {
	_, err := os.Stat(filepath.Join(m.dir, "claim"))
	return err == nil
}

func TestAnAnswerThatGotLostIsAskedForAgain(t *testing.T) {
	a := newAgency(t)
	a.life = time.Hour
	m := newMachine(t, a, a.code)
	a.mute = true
	for range 3 {
		if err := m.Attempt(t.Context()); err == nil || certificate(m.keys) != 0 || !m.typed() {
			t.Fatalf("without an answer: %v, certificate %d, code kept %v", err, certificate(m.keys), m.typed())
		}
		m.start(a.server.URL, a.root.Fingerprint())
	}
	a.mute = false
	if err := m.Attempt(t.Context()); err != nil || certificate(m.keys) == 0 || m.typed() {
		t.Errorf("with an answer: %v, certificate %d, code kept %v", err, certificate(m.keys), m.typed())
	}
	other := newMachine(t, a, a.code)
	var denied *enrol.Denied
	if err := other.Attempt(t.Context()); !errors.As(err, &denied) || denied.Code != protocol.DeniedUsed {
		t.Errorf("another machine with that code: %v", err)
	}
}

// A code that is of no use keeps nobody from renewing, and a new one takes effect.
func TestAKnownAgentRenewsWhateverWasTyped(t *testing.T) {
	a := newAgency(t)
	m := newMachine(t, a, a.code)
	if err := m.Attempt(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"no code", protocol.NewClaimCode().Text()} {
		if err := os.WriteFile(filepath.Join(m.dir, "claim"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		before := certificate(m.keys)
		if err := m.Attempt(t.Context()); err != nil || certificate(m.keys) == before {
			t.Errorf("with %q typed: %v", text, err)
		}
	}
}

// Without code and certificate the key is tried: who was let in once lost the certificate
// only. Who was not is told to get a code.
func TestWhoLostTheCertificateNeedsNoCode(t *testing.T) {
	a := newAgency(t)
	m := newMachine(t, a, a.code)
	if err := m.Attempt(t.Context()); err != nil {
		t.Fatal(err)
	}
	pass := filepath.Join(m.dir, "pass.json")
	for name, spoil := range map[string]func() error{
		"spoiled": func() error { return os.WriteFile(pass, []byte(`{"grant":`), 0o600) },
		"gone":    func() error { return os.Remove(pass) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		m.start(a.server.URL, a.root.Fingerprint())
		if certificate(m.keys) != 0 {
			t.Fatalf("%s: there is a certificate", name)
		}
		if err := m.Attempt(t.Context()); err != nil || certificate(m.keys) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := newMachine(t, a, protocol.ClaimCode{}).Attempt(t.Context()); !errors.Is(err, enrol.ErrNoCode) {
		t.Errorf("somebody who was never let in: %v", err)
	}
}

// Nobody is told the code but a hub that the root vouches for.
func TestACodeIsToldToTheAgencysHubOnly(t *testing.T) {
	a, foreign := newAgency(t), newAgency(t)
	between := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == protocol.PathKeys {
			w.Write(a.document) // it is no secret
			return
		}
		text, err := io.ReadAll(r.Body)
		t.Errorf("%s was sent %q, %v", r.URL, text, err)
	}
	plain := httptest.NewServer(http.HandlerFunc(between)) // whoever listens on the line
	t.Cleanup(plain.Close)
	redirect := a.listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == protocol.PathKeys {
			w.Write(a.document)
			return
		}
		http.Redirect(w, r, plain.URL, http.StatusTemporaryRedirect)
	}))
	public := serve(t, http.HandlerFunc(between), nil)
	for name, row := range map[string]struct {
		hub  string
		want error
	}{
		"a man in the middle with a certificate of the world": {public.URL, trust.ErrServer},
		"a man in the middle who is another agency's hub":     {foreign.listen(http.HandlerFunc(between)).URL, trust.ErrServer},
		"another agency's hub":                                {foreign.server.URL, trust.ErrRoot},
		"a hub that sends elsewhere":                          {redirect.URL, nil},
	} {
		m := newMachine(t, a, a.code)
		m.start(row.hub, a.root.Fingerprint())
		if err := m.Attempt(t.Context()); err == nil || row.want != nil && !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
		if !m.typed() || certificate(m.keys) != 0 {
			t.Errorf("%s: the code is used up, or somebody was believed", name)
		}
	}
	if got := append(a.requests(), foreign.requests()...); len(got) != 0 {
		t.Errorf("somebody was asked for %v", got)
	}
}

// Grants that are not the hub's answer to this very request change nothing.
func TestForgedGrantsAreRefused(t *testing.T) {
	a := newAgency(t)
	m := newMachine(t, a, a.code)
	if err := m.Attempt(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, granted := m.keys.Granted()
	if !granted {
		t.Fatal("there is no grant")
	}
	stranger, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	self := m.keys.Identity().Public().KeyID()
	for name, forge := range map[string]func(e *protocol.Envelope, g *protocol.Grant, key *seal.SigningKey){
		"of another key":           func(_ *protocol.Envelope, _ *protocol.Grant, key *seal.SigningKey) { *key = stranger },
		"to another agent":         func(e *protocol.Envelope, _ *protocol.Grant, _ *seal.SigningKey) { e.To = stranger.Public().KeyID() },
		"for another site":         func(e *protocol.Envelope, _ *protocol.Grant, _ *seal.SigningKey) { e.Site = "samsat-koba" },
		"for a request of before":  func(e *protocol.Envelope, _ *protocol.Grant, _ *seal.SigningKey) { e.Seq.Counter-- },
		"of another kind":          func(e *protocol.Envelope, _ *protocol.Grant, _ *seal.SigningKey) { e.Kind = protocol.KindRenewal },
		"with the old certificate": func(_ *protocol.Envelope, g *protocol.Grant, _ *seal.SigningKey) { *g = before },
		"nothing forged":           func(*protocol.Envelope, *protocol.Grant, *seal.SigningKey) {},
	} {
		hub := a.listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == protocol.PathKeys {
				w.Write(a.document)
				return
			}
			text, err := io.ReadAll(r.Body)
			a.must(err)
			asked, err := protocol.Parse("", text)
			a.must(err)
			var body protocol.Renewal
			a.must(asked.Into(&body))
			public, err := x509.ParsePKIXPublicKey(body.TLS)
			a.must(err)
			e, g, key := protocol.Envelope{Kind: protocol.KindGrant, Site: site, To: self, Seq: asked.Seq}, before, a.hub
			g.Certificate = a.sign(&x509.Certificate{}, public)
			forge(&e, &g, &key)
			grant, err := protocol.Seal(e, g, key)
			a.must(err)
			w.Write(grant)
		}))
		m.start(hub.URL, a.root.Fingerprint())
		err := m.Attempt(t.Context())
		now, _ := m.keys.Granted()
		if good := name == "nothing forged"; good != (err == nil) || good == slices.Equal(now.Certificate, before.Certificate) {
			t.Errorf("%s: %v", name, err)
		}
		before = now
	}
}

// A running agent finds its code, and renews while it runs; it ends when it is told to.
func TestRunGetsInAndStaysIn(t *testing.T) {
	a := newAgency(t)
	m := newMachine(t, a, protocol.ClaimCode{})
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	done, first := make(chan error, 1), a.serial+1
	go func() { done <- m.Run(ctx) }() // waited for below
	if _, err := enrol.PutCode(m.dir, a.code); err != nil {
		t.Fatal(err)
	}
	for certificate(m.keys) < first+2 || m.typed() { // a claim and a renewal at least
		select {
		case <-m.keys.Changed():
		case <-ctx.Done():
			t.Fatal("no certificate comes")
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if c := m.Conditions(); certificate(m.keys) == 0 || m.typed() || len(c) != 0 {
		t.Errorf("certificate %d, code kept %v, conditions %v", certificate(m.keys), m.typed(), c)
	}
}

// A code that is bound to a terminal is brought again when a terminal has answered, and one
// that somebody types at once, however long the pause is by then.
func TestAPauseEndsWhenThereIsAnotherChance(t *testing.T) {
	for name, row := range map[string]struct {
		bound protocol.Serial
		typed func(a *agency) protocol.ClaimCode // at first
	}{
		"a terminal answers":    {"T-1", func(a *agency) protocol.ClaimCode { return a.code }},
		"another code is typed": {"", func(*agency) protocol.ClaimCode { return protocol.NewClaimCode() }},
		"the code is typed":     {"", func(*agency) protocol.ClaimCode { return protocol.ClaimCode{} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAgency(t)
			a.life, a.bound = time.Hour, row.bound
			m := newMachine(t, a, row.typed(a))
			var answered atomic.Bool
			refused := make(chan struct{}, 9)
			m.Enrolment = enrol.New(enrol.Options{
				Site: site, Hub: a.server.URL, Dir: m.dir, Boot: 1, Keyring: m.keys, Line: func() bool { return true }, Now: clock, Logger: slog.New(slog.DiscardHandler), RetryMin: time.Hour,
				Terminals: func() []protocol.Serial {
					if answered.Load() {
						return []protocol.Serial{"T-1"}
					}
					return []protocol.Serial{}
				},
				Changed: func() { refused <- struct{}{} },
			})
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			done := make(chan error, 1)
			go func() { done <- m.Run(ctx) }() // waited for below
			<-refused
			answered.Store(true)
			if _, err := enrol.PutCode(m.dir, a.code); err != nil {
				t.Fatal(err)
			}
			for certificate(m.keys) == 0 {
				select {
				case <-m.keys.Changed():
				case <-ctx.Done():
					t.Fatal("it goes on waiting")
				}
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// Whoever has no certificate is told why.
func TestConditions(t *testing.T) {
	a := newAgency(t)
	for want, code := range map[string]string{"enrol-no-code": "", "enrol-code-unreadable": "kode", "enrol-claim-unknown": protocol.NewClaimCode().Text()} {
		m := newMachine(t, a, protocol.ClaimCode{})
		if code != "" {
			if err := os.WriteFile(filepath.Join(m.dir, "claim"), []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		changed := make(chan struct{})
		m.Enrolment = enrol.New(enrol.Options{
			Site: site, Hub: a.server.URL, Dir: m.dir, Boot: 1, Keyring: m.keys, Line: func() bool { return true }, Terminals: func() []protocol.Serial { return []protocol.Serial{} },
			Now: clock, Changed: func() { close(changed) }, Logger: slog.New(slog.DiscardHandler), RetryMin: time.Minute,
		})
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }() // waited for below
		<-changed
		if c := m.Conditions(); len(c) != 1 || c[0].Code != want || c[0].Severity != protocol.SeverityError {
			t.Errorf("conditions %+v, want %s", c, want)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A machine without a clock that was off for months believes that its certificate counts.
// When no broker takes it, it asks for another one, once; with a clock, or with a line, it
// has no reason to.
func TestAMachineWithoutAClockDoubtsItsCertificate(t *testing.T) {
	for name, row := range map[string]struct{ synchronised, line, asks bool }{
		"no clock, no line": {asks: true},
		"no clock, a line":  {line: true},
		"a clock, no line":  {synchronised: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAgency(t)
			a.life = time.Hour
			m := newMachine(t, a, a.code)
			if err := m.Attempt(t.Context()); err != nil {
				t.Fatal(err)
			}
			before, line := certificate(m.keys), row.line
			m.Enrolment = enrol.New(enrol.Options{
				Site: site, Hub: a.server.URL, Dir: m.dir, Boot: 2, Keyring: m.keys, Terminals: func() []protocol.Serial { return []protocol.Serial{} },
				Line: func() bool { return line }, Now: func() (time.Time, bool) { return time.Now().AddDate(0, -3, 0), row.synchronised },
				Changed: func() {}, Logger: slog.New(slog.DiscardHandler), Doubt: time.Nanosecond,
			})
			m.Due() // from now on it is doubted
			if due := m.Due(); due != row.asks {
				t.Errorf("due: %v", due)
			}
			if err := m.Attempt(t.Context()); err != nil || (certificate(m.keys) != before) != row.asks {
				t.Errorf("certificate %d after %d, %v", certificate(m.keys), before, err)
			}
			line = false // later, in the same start: what went by was counted
			if m.Due(); m.Due() {
				t.Error("it doubts again")
			}
		})
	}
}

// That the hub's door did not answer is told no longer than anybody has to ask there.
func TestADoubtEndsWithTheLine(t *testing.T) {
	a := newAgency(t)
	a.life = time.Hour
	m := newMachine(t, a, a.code)
	if err := m.Attempt(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.server.Close()
	var line atomic.Bool
	told := make(chan struct{}, 9)
	m.Enrolment = enrol.New(enrol.Options{
		Site: site, Hub: a.server.URL, Dir: m.dir, Boot: 2, Keyring: m.keys, Terminals: func() []protocol.Serial { return []protocol.Serial{} },
		Line: line.Load, Now: func() (time.Time, bool) { return time.Now(), false },
		Changed: func() { told <- struct{}{} }, Logger: slog.New(slog.DiscardHandler), RetryMin: time.Millisecond, RetryMax: time.Millisecond, Doubt: time.Nanosecond,
	})
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }() // waited for below
	for _, want := range []int{1, 0} {
		select {
		case <-told:
		case <-ctx.Done():
			t.Fatalf("no news; conditions %+v", m.Conditions())
		}
		if c := m.Conditions(); len(c) != want {
			t.Errorf("line %v: conditions %+v, want %d", line.Load(), c, want)
		}
		line.Store(true)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
