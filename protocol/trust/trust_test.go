package trust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

var signedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newKey(t testing.TB) seal.SigningKey {
	t.Helper()
	k, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// authority is a certificate authority with one server certificate.
type authority struct {
	der    []byte
	server tls.Certificate
}

func newAuthority(t testing.TB, from, until time.Time) authority {
	t.Helper()
	make := func(serial int64, template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer *ecdsa.PrivateKey) []byte {
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(serial), from, until
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER := make(1, ca, ca, caKey, caKey)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{string(trust.RoleAgents), "hub.example.go.id"}}
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	return authority{caDER, tls.Certificate{Certificate: [][]byte{make(2, leaf, parsed, key, caKey)}, PrivateKey: key}}
}

func list(t testing.TB, hub seal.SigningKey, authorities ...[]byte) protocol.KeyList {
	t.Helper()
	sealing, err := seal.GenerateSealingKey()
	if err != nil {
		t.Fatal(err)
	}
	return protocol.KeyList{Signing: []protocol.HubKey{{Key: hub.Public()}}, Sealing: []seal.SealingPublic{sealing.Public()}, Authorities: authorities}
}

func sign(t testing.TB, root seal.SigningKey, number uint64, l protocol.KeyList) []byte {
	t.Helper()
	message, err := trust.Sign(root, number, signedAt, l)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestOpenTrustsItsRootOnly(t *testing.T) {
	root, hub := newKey(t), newKey(t)
	good := sign(t, root, 7, list(t, hub))
	d, err := trust.Open(root.Public().Fingerprint(), good)
	if err != nil {
		t.Fatal(err)
	}
	if d.Number() != 7 || !d.At().Equal(signedAt) || d.Hub() != hub.Public() || d.IsZero() || string(d.Message()) != string(good) {
		t.Errorf("document = number %d at %s by %s", d.Number(), d.At(), d.Hub().KeyID())
	}
	// The hub itself, or anybody else, cannot say which keys count.
	byHub := func() []byte {
		l := list(t, hub)
		l.Root = root.Public()
		m, err := protocol.Seal(protocol.Envelope{Kind: protocol.KindKeys, Site: protocol.HubSite, Seq: protocol.Seq{Life: 1, Counter: 8}, At: &signedAt}, l, hub)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	other := newKey(t)
	for name, message := range map[string][]byte{
		"signed by the hub in the root's name": byHub(),
		"signed by another root":               sign(t, other, 8, list(t, hub)),
		"cut off":                              good[:len(good)-2],
		"nothing":                              nil,
	} {
		if d, err := trust.Open(root.Public().Fingerprint(), message); err == nil || !d.IsZero() {
			t.Errorf("%s: Open = %+v, %v, want a refusal", name, d.Number(), err)
		}
	}
	for i := range good {
		changed := append([]byte{}, good...)
		changed[i] ^= 1
		if _, err := trust.Open(root.Public().Fingerprint(), changed); err == nil {
			t.Fatalf("byte %d changed: opened", i)
		}
	}
	var refusal *protocol.Refusal
	if _, err := trust.Open(other.Public().Fingerprint(), good); !errors.Is(err, trust.ErrRoot) || !errors.As(err, &refusal) {
		t.Errorf("another root: %v, want ErrRoot in a refusal", err)
	}
}

func TestSignRefusesWhatNobodyCouldUse(t *testing.T) {
	root, hub := newKey(t), newKey(t)
	for name, l := range map[string]protocol.KeyList{
		"no keys":                     {},
		"an authority that is none":   list(t, hub, []byte("nonsense")),
		"a server's, no authority's":  list(t, hub, newAuthority(t, signedAt, signedAt.AddDate(1, 0, 0)).server.Certificate[0]),
		"a signing key without bytes": {Signing: []protocol.HubKey{{}}, Sealing: list(t, hub).Sealing},
	} {
		if _, err := trust.Sign(root, 1, signedAt, l); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestTheNewestDocumentCounts(t *testing.T) {
	root, stolen, fresh := newKey(t), newKey(t), newKey(t)
	open := func(message []byte) trust.Document {
		d, err := trust.Open(root.Public().Fingerprint(), message)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first, third := open(sign(t, root, 1, list(t, stolen))), open(sign(t, root, 3, list(t, fresh)))
	if !first.Newer(trust.Document{}) || !third.Newer(first) || first.Newer(third) || first.Newer(first) {
		t.Error("the order of documents is not that of their numbers")
	}
	if _, found := third.Key(stolen.Public().KeyID(), signedAt); found {
		t.Error("a key that the newest document does not name still counts")
	}
	if k, found := third.Key(fresh.Public().KeyID(), signedAt); !found || k != fresh.Public() {
		t.Error("the newest document's key is not found")
	}
	until := signedAt.AddDate(0, 3, 0)
	l := list(t, fresh)
	l.Signing = append(l.Signing, protocol.HubKey{Key: stolen.Public(), Until: &until})
	both := open(sign(t, root, 4, l))
	if _, found := both.Key(stolen.Public().KeyID(), until.Add(-time.Second)); !found {
		t.Error("an older key does not count before its end")
	}
	if _, found := both.Key(stolen.Public().KeyID(), until); found {
		t.Error("an older key counts after its end")
	}
}

// The client talks to servers of the document's authorities only, and a machine
// without a clock is not shut out by a certificate that is newer than it believes.
func TestClient(t *testing.T) {
	root := newKey(t)
	now := time.Now()
	ours := newAuthority(t, now.Add(-time.Hour), now.Add(time.Hour))
	foreign := newAuthority(t, now.Add(-time.Hour), now.Add(time.Hour))
	d, err := trust.Open(root.Public().Fingerprint(), sign(t, root, 1, list(t, newKey(t), ours.der)))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name         string
		server       authority
		document     trust.Document
		role         trust.Role
		now          time.Time
		synchronised bool
		good         bool
	}{
		{"our hub", ours, d, trust.RoleAgents, now, true, true},
		{"another authority", foreign, d, trust.RoleAgents, now, true, false},
		{"the key of another listener", ours, d, trust.RoleBroker, now, true, false},
		{"a held clock years behind", ours, d, trust.RoleAgents, now.AddDate(-5, 0, 0), false, true},
		{"a synchronised clock years behind", ours, d, trust.RoleAgents, now.AddDate(-5, 0, 0), true, false},
		{"an expired certificate", ours, d, trust.RoleAgents, now.AddDate(0, 0, 1), true, false},
		{"an expired certificate by a held clock's lower bound", ours, d, trust.RoleAgents, now.AddDate(0, 0, 1), false, false},
		{"no document", ours, trust.Document{}, trust.RoleAgents, now, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.TLS = &tls.Config{Certificates: []tls.Certificate{row.server.server}}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()
			config := row.document.Client(row.role, func() (time.Time, bool) { return row.now, row.synchronised })
			conn, err := tls.Dial("tcp", server.Listener.Addr().String(), config)
			if err == nil {
				conn.Close()
			}
			if row.good && err != nil || !row.good && !errors.Is(err, trust.ErrServer) {
				t.Errorf("handshake = %v", err)
			}
		})
	}
}

func TestFetchNeedsNoTrustInBetween(t *testing.T) {
	root := newKey(t)
	good := sign(t, root, 5, list(t, newKey(t)))
	foreign := sign(t, newKey(t), 6, list(t, newKey(t)))
	for _, row := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		want   bool
	}{
		{"the document", func(w http.ResponseWriter) { w.Write(good) }, true},
		{"another root's", func(w http.ResponseWriter) { w.Write(foreign) }, false},
		{"an error", func(w http.ResponseWriter) { http.Error(w, "no", http.StatusNotFound) }, false},
		{"a redirect", func(w http.ResponseWriter) { w.Header().Set("Location", "/"); w.WriteHeader(http.StatusFound) }, false},
		{"far too much", func(w http.ResponseWriter) { w.Write(make([]byte, protocol.MaxPayload+2)) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != protocol.PathKeys {
					t.Errorf("asked %s %s", r.Method, r.URL)
				}
				row.answer(w)
			}))
			defer server.Close()
			d, err := trust.Fetch(t.Context(), server.URL, root.Public().Fingerprint())
			if row.want != (err == nil) || row.want != (d.Number() == 5) {
				t.Errorf("Fetch = number %d, %v", d.Number(), err)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	root := newKey(f)
	f.Add(sign(f, root, 1, list(f, newKey(f))))
	f.Add([]byte(`{"v":1,"kind":"keys"}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		if d, err := trust.Open(root.Public().Fingerprint(), message); err == nil && (d.IsZero() || d.Keys().Root != root.Public()) {
			t.Errorf("opened as %+v", d.Keys())
		}
	})
}
