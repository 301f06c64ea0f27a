package enrol_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/enrol"
	"github.com/bkpsdmd-babel/sidik/hub/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/protocol/trust/trusttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const samsat = protocol.SiteID("samsat-belitung")

// diary is a log that a test reads.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// refusals are the lines about those who were not let in.
func (d *diary) refusals(t testing.TB) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(d.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		if fields["msg"] == "agent refused" {
			all = append(all, fields)
		}
	}
	return all
}

// place is a hub's door on loopback, with all that is behind it.
type place struct {
	t        testing.TB
	url      string
	document trust.Document
	keys     *keyring.Keyring
	log      diary
	*admission.Admissions

	mu      sync.Mutex
	now     time.Time
	program string // file of the one program that samsat is to run
}

func (p *place) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *place) wait(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func newPlace(t testing.TB) *place {
	t.Helper()
	p := &place{t: t, now: time.Now()}
	dir := t.TempDir()
	s, err := store.Open(t.Context(), filepath.Join(dir, "hub.db"))
	p.must(err)
	t.Cleanup(func() { p.must(s.Close()) })
	ca, _, err := authority.LoadOrCreate(dir, p.now)
	p.must(err)
	p.keys, err = keyring.Open(dir)
	p.must(err)
	request, err := keyring.Requested(dir, p.keys, p.now, false, ca.Certificate().Raw)
	p.must(err)
	root := trusttest.NewRoot(t)
	p.document, err = trust.Open(root.Fingerprint(), root.Sign(t, request))
	p.must(err)
	p.Admissions = admission.New(admission.Options{Database: s, Issuer: ca, Now: p.clock})
	p.must(p.Register(t.Context(), samsat))
	log := slog.New(slog.NewJSONHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server := enrol.Server(enrol.Handler(enrol.Options{
		Admissions: p.Admissions, Programs: p, Keys: p.keys, Document: p.document.Message(), Brokers: []string{"ssl://127.0.0.1:8883"}, Logger: log, Now: p.clock,
	}), log)
	server.TLSConfig = ca.ServerConfig([]string{string(trust.RoleAgents)}, tls.VerifyClientCertIfGiven)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	p.must(err)
	p.url = "https://" + l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(enrol.Listen(l, log), "", "") }() // the cleanup waits for it
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return p
}

// post sends a body from an address and returns status and answer.
func (p *place) post(from, path string, body io.Reader) (int, []byte) {
	p.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, DialContext: dialer.DialContext,
		TLSClientConfig: p.document.Client(trust.RoleAgents, func() (time.Time, bool) { return time.Now(), true }),
	}}
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+path, body)
	p.must(err)
	answer, err := client.Do(request)
	p.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	p.must(err)
	return answer.StatusCode, text
}

// machine is an agent with its keys.
type machine struct {
	key seal.SigningKey
	own *ecdsa.PrivateKey // of its certificate
	tls []byte
	n   uint64
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	m.own = private
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

// message is one of this machine's, for a hub's key.
func (m *machine) message(t testing.TB, kind protocol.Kind, site protocol.SiteID, to seal.KeyID, body any) []byte {
	t.Helper()
	m.n++
	message, err := protocol.Seal(protocol.Envelope{Kind: kind, Site: site, To: to, Seq: protocol.Seq{Life: 1, Counter: m.n}}, body, m.key)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func (m *machine) claim(p *place, site protocol.SiteID, code protocol.ClaimCode) []byte {
	return m.message(p.t, protocol.KindClaim, site, p.document.Hub().KeyID(), protocol.Claim{Code: code, Key: m.key.Public(), TLS: m.tls, Terminals: []protocol.Serial{}})
}

func (m *machine) renewal(p *place, site protocol.SiteID) []byte {
	return m.message(p.t, protocol.KindRenewal, site, p.document.Hub().KeyID(), protocol.Renewal{TLS: m.tls})
}

func (p *place) code() protocol.ClaimCode {
	p.t.Helper()
	code, _, err := p.NewCode(context.Background(), "Ani Demo", samsat, "", 0)
	p.must(err)
	return code
}

// denial is the code in an answer.
func denial(t testing.TB, answer []byte) protocol.DenialCode {
	t.Helper()
	var d protocol.Denial
	if err := json.Unmarshal(answer, &d); err != nil {
		t.Fatalf("the answer %q is no denial: %v", answer, err)
	}
	return d.Code
}
