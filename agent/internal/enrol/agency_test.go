package enrol_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/internal/enrol"
	"github.com/bkpsdmd-babel/sidik/agent/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/protocol/trust/trusttest"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "crash" {
		os.Exit(crashChild(os.Args[2], seal.Fingerprint(os.Args[3]), os.Args[4]))
	}
	goleak.VerifyTestMain(m)
}

const site = protocol.SiteID("samsat-belitung")

// agency is the hub's side with the rules of the real one: one code lets one key in, the
// same key again too, and whoever is in renews by its key with requests that rise.
type agency struct {
	t       testing.TB
	root    trusttest.Root
	hub     seal.SigningKey
	request trust.Request
	ca      *x509.Certificate
	key     *ecdsa.PrivateKey
	server  *httptest.Server

	mu       sync.Mutex // guards what follows
	document []byte
	code     protocol.ClaimCode
	bound    protocol.Serial // the code is, to this terminal; empty: to none
	admitted seal.PublicKey  // zero: nobody
	newest   protocol.Seq
	serial   int64         // of the certificate that was given last
	life     time.Duration // of certificates; to be renewed at once where it is 0
	mute     bool          // what is granted does not arrive
	asked    []protocol.Kind
}

func newAgency(t testing.TB) *agency {
	t.Helper()
	a := &agency{t: t, root: trusttest.NewRoot(t), code: protocol.NewClaimCode()}
	var err error
	a.hub, err = seal.GenerateSigningKey()
	a.must(err)
	sealing, err := seal.GenerateSealingKey()
	a.must(err)
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	a.ca = &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der := a.sign(a.ca, a.key.Public())
	a.ca, err = x509.ParseCertificate(der)
	a.must(err)
	a.request.Keys = protocol.KeyList{Signing: []protocol.HubKey{{Key: a.hub.Public()}}, Sealing: []seal.SealingPublic{sealing.Public()}, Authorities: [][]byte{der}}
	a.document = a.root.Sign(t, a.request)
	a.server = a.listen(http.HandlerFunc(a.answer))
	return a
}

func (a *agency) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// sign issues a certificate.
func (a *agency) sign(template *x509.Certificate, public any) []byte {
	a.serial++
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(a.serial), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, a.ca, public, a.key)
	a.must(err)
	return der
}

// listen serves with a certificate of this agency.
func (a *agency) listen(h http.Handler) *httptest.Server {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.must(err)
	leaf := a.sign(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{string(trust.RoleAgents)}}, key.Public())
	return serve(a.t, h, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf}, PrivateKey: key}}})
}

// serve is a server by TLS; without a configuration, with a certificate that names its host.
func serve(t testing.TB, h http.Handler, c *tls.Config) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.TLS = c
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func (a *agency) answer(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.URL.Path == protocol.PathKeys {
		w.Write(a.document)
		return
	}
	text, err := io.ReadAll(r.Body)
	a.must(err)
	e, err := protocol.Parse("", text)
	a.must(err)
	a.asked = append(a.asked, e.Kind)
	public, denial := a.judge(e)
	if denial != "" {
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(protocol.Denial{Code: denial})
		return
	}
	der := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: string(site)}}, public)
	if a.mute {
		panic(http.ErrAbortHandler)
	}
	g := protocol.Grant{Certificate: der, Until: time.Now().Add(2 * time.Hour), Renew: time.Now().Add(a.life), Brokers: []string{"ssl://127.0.0.1:8883"}}
	grant, err := protocol.Seal(protocol.Envelope{Kind: protocol.KindGrant, Site: site, To: a.admitted.KeyID(), Seq: e.Seq}, g, a.hub)
	a.must(err)
	w.Write(grant)
}

func (a *agency) judge(e protocol.Envelope) (public any, denial protocol.DenialCode) {
	var shown []byte
	switch e.Kind {
	case protocol.KindClaim:
		var c protocol.Claim
		a.must(e.Into(&c))
		switch {
		case c.Code.Hash() != a.code.Hash():
			return nil, protocol.DeniedUnknown
		case a.bound != "" && !slices.Contains(c.Terminals, a.bound):
			return nil, protocol.DeniedTerminal
		case a.admitted.IsZero():
			a.admitted = c.Key
		case a.admitted != c.Key:
			return nil, protocol.DeniedUsed
		}
		shown = c.TLS
	case protocol.KindRenewal:
		var r protocol.Renewal
		a.must(e.Into(&r))
		if a.admitted.IsZero() || !e.SignedBy(a.admitted) {
			return nil, protocol.DeniedKey
		}
		if !a.newest.Less(e.Seq) {
			return nil, protocol.DeniedReplay
		}
		a.newest = e.Seq
		shown = r.TLS
	default:
		return nil, protocol.DeniedForm
	}
	public, err := x509.ParsePKIXPublicKey(shown)
	a.must(err)
	return public, ""
}

// requests are the kinds of what was asked since the last time.
func (a *agency) requests() (all []protocol.Kind) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all, a.asked = a.asked, nil
	return all
}

func clock() (time.Time, bool) { return time.Now(), true }

// openKeys opens the keyring of a data folder.
func openKeys(dir string, root seal.Fingerprint) (*keyring.Keyring, error) {
	return keyring.Open(keyring.Options{Dir: dir, Root: root, Now: clock})
}

// newEnrolment is one start of an agent.
func newEnrolment(dir, hub string, keys *keyring.Keyring, boot uint64) *enrol.Enrolment {
	return enrol.New(enrol.Options{
		Site: site, Hub: hub, Dir: dir, Boot: boot, Version: "test", Keyring: keys, Line: func() bool { return true }, Terminals: func() []protocol.Serial { return []protocol.Serial{} },
		Now: clock, Changed: func() {}, Logger: slog.New(slog.DiscardHandler), RetryMin: time.Millisecond, RetryMax: 10 * time.Millisecond,
	})
}

// certificate is the number of the certificate that a keyring holds; 0 for none.
func certificate(k *keyring.Keyring) int64 {
	g, granted := k.Granted()
	if !granted {
		return 0
	}
	leaf, err := x509.ParseCertificate(g.Certificate)
	if err != nil {
		return 0
	}
	return leaf.SerialNumber.Int64()
}
