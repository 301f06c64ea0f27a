package hubapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/protocol/trust/trusttest"
	"github.com/bkpsdmd-babel/sidik/provision/internal/hubapi"
)

const password, token = "tujuh perahu biru 34", "sidik_token_uji"

// authority signs certificates of servers.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() (a authority, err error) {
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return a, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err == nil {
		a.certificate, err = x509.ParseCertificate(der)
	}
	return a, err
}

// server is a certificate for a role, and for this machine.
func (a authority) server(t testing.TB, role trust.Role) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{string(role)}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// world is who the whole world trusts. The library reads it once for a program.
var world = sync.OnceValues(newAuthority)

func TestMain(m *testing.M) {
	a, err := world()
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "hubapi")
	if err == nil {
		file := filepath.Join(dir, "world.pem")
		err = errors.Join(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}), 0o600), os.Setenv("SSL_CERT_FILE", file))
	}
	if err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir) // what is left in the folder of temporary files hurts nobody
	os.Exit(code)
}

// hub answers as a hub does, and remembers what it was told.
type hub struct {
	*httptest.Server
	root      trusttest.Root
	authority authority
	keys      seal.SigningKey
	sealing   seal.SealingKey
	document  []byte

	mu   sync.Mutex // guards told
	told []string   // bodies and credentials
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{root: trusttest.NewRoot(t)}
	var err error
	if h.authority, err = newAuthority(); err == nil {
		h.keys, err = seal.GenerateSigningKey()
	}
	if err == nil {
		h.sealing, err = seal.GenerateSealingKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	h.signs(t, 0)
	h.listens(t, h.authority.server(t, trust.RolePages))
	return h
}

// signs has the root sign the hub's document after the one of a number.
func (h *hub) signs(t testing.TB, after uint64) {
	t.Helper()
	h.document = h.root.Sign(t, trust.Request{Number: after, Keys: protocol.KeyList{
		Signing: []protocol.HubKey{{Key: h.keys.Public()}}, Sealing: []seal.SealingPublic{h.sealing.Public()}, Authorities: [][]byte{h.authority.certificate.Raw},
	}})
}

// listens opens the pages with a certificate.
func (h *hub) listens(t testing.TB, certificate tls.Certificate) {
	t.Helper()
	h.Server = httptest.NewUnstartedServer(h)
	h.Config.ErrorLog = log.New(new(strings.Builder), "", 0)
	h.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	h.StartTLS()
	t.Cleanup(h.Close)
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == protocol.PathKeys {
		_, _ = w.Write(h.document)
		return
	}
	var body strings.Builder
	_ = json.NewEncoder(&body).Encode(r.Header.Get("Authorization"))
	var sent any
	_ = json.NewDecoder(r.Body).Decode(&sent)
	_ = json.NewEncoder(&body).Encode(sent)
	h.mu.Lock()
	h.told = append(h.told, body.String())
	h.mu.Unlock()
	switch r.URL.Path {
	case "/api/v1/tokens":
		fmt.Fprintf(w, `{"token":%q,"expires":%q}`, token, time.Now().Add(time.Hour).Format(time.RFC3339))
	case "/api/v1/sites":
		fmt.Fprint(w, `{"sites":[{"site":"samsat-koba","standing":"expected"}]}`)
	case "/api/v1/kit":
		text, _ := json.Marshal(map[string]any{"root": h.root.Fingerprint(), "agents": "https://hub.example.go.id:8443", "keys": json.RawMessage(h.document)})
		_, _ = w.Write(text)
	default:
		http.Redirect(w, r, "/api/v1/sites", http.StatusTemporaryRedirect)
	}
}

// heard is all that the hub was told.
func (h *hub) heard() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.told, "\n")
}

func (h *hub) login(t testing.TB) (hubapi.Profile, error) {
	t.Helper()
	return hubapi.Login(t.Context(), h.URL, h.root.Fingerprint(), "admin-uji", password, "test")
}

// sites asks for them by a login.
func sites(t testing.TB, p hubapi.Profile) (hubapi.Profile, error) {
	t.Helper()
	c, renewed, err := hubapi.Open(t.Context(), p)
	if err != nil {
		return renewed, err
	}
	defer c.Close()
	all, err := c.Sites(t.Context())
	if err == nil && (len(all) != 1 || all[0].Site != "samsat-koba") {
		t.Errorf("the sites are %v", all)
	}
	return renewed, err
}
