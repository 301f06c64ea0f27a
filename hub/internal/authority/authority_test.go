package authority_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string) *authority.Authority {
	t.Helper()
	a, _, err := authority.LoadOrCreate(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ecdsaKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAuthorityIsKept(t *testing.T) {
	dir := t.TempDir()
	first, created, err := authority.LoadOrCreate(dir, time.Now())
	if err != nil || !created {
		t.Fatalf("LoadOrCreate = created %v, %v", created, err)
	}
	again, created, err := authority.LoadOrCreate(dir, time.Now())
	if err != nil || created || !again.Certificate().Equal(first.Certificate()) {
		t.Errorf("second LoadOrCreate = created %v, another certificate, %v", created, err)
	}
	for _, name := range []string{"authority.key", "authority.crt"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", name, info.Mode(), err)
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 2 {
		t.Errorf("the folder holds %v, %v", names, err)
	}
	c := first.Certificate()
	if !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero || c.NotAfter.Before(time.Now().AddDate(19, 0, 0)) {
		t.Errorf("certificate: authority %v, path length %d, until %v", c.IsCA, c.MaxPathLen, c.NotAfter)
	}
}

// What a power cut between the two files leaves becomes an authority under which the
// certificates of the same key go on to count.
func TestKeyAloneGetsACertificate(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	leaf := client(t, first, authority.Subject{Kind: authority.Site, Name: "samsat"}, time.Now(), time.Hour)
	if err := os.Remove(filepath.Join(dir, "authority.crt")); err != nil {
		t.Fatal(err)
	}
	again, created, err := authority.LoadOrCreate(dir, time.Now())
	if err != nil || created {
		t.Fatalf("LoadOrCreate = created %v, %v", created, err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: again.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("a certificate from before: %v", err)
	}
}

func TestDamagedFilesAreNeverReplaced(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	otherDir := t.TempDir()
	open(t, otherDir)
	other, err := os.ReadFile(filepath.Join(otherDir, "authority.crt"))
	if err != nil {
		t.Fatal(err)
	}
	leaf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: client(t, open(t, otherDir), authority.Subject{Kind: authority.Hub}, time.Now(), time.Hour).Raw})
	for _, row := range []struct {
		name, file string
		text       []byte // nil: removed
	}{
		{"an empty key", "authority.key", []byte{}},
		{"a key cut off", "authority.key", []byte("-----BEGIN PRIVATE KEY-----\nMIG")},
		{"a key that is none", "authority.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})},
		{"a key of another sort", "authority.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})},
		{"a certificate without its key", "authority.key", nil},
		{"an empty certificate", "authority.crt", []byte{}},
		{"another authority's certificate", "authority.crt", other},
		{"a client's certificate", "authority.crt", leaf},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir)
			path := filepath.Join(dir, row.file)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if row.text != nil {
				if err := os.WriteFile(path, row.text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if a, created, err := authority.LoadOrCreate(dir, time.Now()); a != nil || created || !errors.Is(err, authority.ErrFiles) {
				t.Errorf("LoadOrCreate = %v, %v, %v, want ErrFiles", a, created, err)
			}
			if text, err := os.ReadFile(path); row.text != nil && (err != nil || string(text) != string(row.text)) || row.text == nil && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

// client issues a certificate and parses it.
func client(t testing.TB, a *authority.Authority, s authority.Subject, now time.Time, life time.Duration) *x509.Certificate {
	t.Helper()
	der, err := a.Client(s, ecdsaKey(t).Public(), now, life)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func TestClientCertificates(t *testing.T) {
	a, now := open(t, t.TempDir()), time.Now().Truncate(time.Second)
	edPublic, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []any{edPublic, ecdsaKey(t).Public()} {
		der, err := a.Client(authority.Subject{Kind: authority.Site, Name: "samsat-belitung"}, key, now, 90*24*time.Hour)
		if err != nil {
			t.Fatalf("%T: %v", key, err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if leaf.Subject.CommonName != "samsat-belitung" || !leaf.NotBefore.Equal(now.Add(-time.Hour)) || !leaf.NotAfter.Equal(now.Add(90*24*time.Hour)) || leaf.IsCA {
			t.Errorf("%T: CN %q, from %v until %v, authority %v", key, leaf.Subject.CommonName, leaf.NotBefore, leaf.NotAfter, leaf.IsCA)
		}
		verify := func(usage x509.ExtKeyUsage) error {
			_, err := leaf.Verify(x509.VerifyOptions{Roots: a.Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
			return err
		}
		if err := verify(x509.ExtKeyUsageClientAuth); err != nil {
			t.Errorf("%T: as a client: %v", key, err)
		}
		if err := verify(x509.ExtKeyUsageServerAuth); err == nil {
			t.Errorf("%T: a site can stand as a server", key)
		}
	}
	if end := a.Certificate().NotAfter; !client(t, a, authority.Subject{Kind: authority.Hub}, now, 50*365*24*time.Hour).NotAfter.Equal(end) {
		t.Error("a certificate outlives its authority")
	}
}

func TestClientCertificatesThatAreNotIssued(t *testing.T) {
	a := open(t, t.TempDir())
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good, site := ecdsaKey(t).Public(), authority.Subject{Kind: authority.Site, Name: "samsat"}
	for _, row := range []struct {
		name    string
		subject authority.Subject
		key     any
		life    time.Duration
	}{
		{"nobody", authority.Subject{}, good, time.Hour},
		{"a site without a name", authority.Subject{Kind: authority.Site}, good, time.Hour},
		{"a site with the hub's name", authority.Subject{Kind: authority.Site, Name: "_"}, good, time.Hour},
		{"a site with an operator's name", authority.Subject{Kind: authority.Site, Name: "_ani"}, good, time.Hour},
		{"a site with a wildcard", authority.Subject{Kind: authority.Site, Name: "+"}, good, time.Hour},
		{"a site with another level", authority.Subject{Kind: authority.Site, Name: "a/b"}, good, time.Hour},
		{"an operator without a name", authority.Subject{Kind: authority.Operator}, good, time.Hour},
		{"a hub with a name", authority.Subject{Kind: authority.Hub, Name: "ani"}, good, time.Hour},
		{"another curve", site, p384.Public(), time.Hour},
		{"a private key", site, ecdsaKey(t), time.Hour},
		{"no key", site, nil, time.Hour},
		{"no life", site, good, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			if der, err := a.Client(row.subject, row.key, time.Now(), row.life); err == nil || der != nil {
				t.Errorf("Client = %d bytes, %v, want an error", len(der), err)
			}
		})
	}
}

func TestSubjectsAndCommonNamesAreOne(t *testing.T) {
	for cn, want := range map[string]authority.Subject{
		"_":               {Kind: authority.Hub},
		"_ani":            {Kind: authority.Operator, Name: "ani"},
		"samsat-belitung": {Kind: authority.Site, Name: "samsat-belitung"},
	} {
		if got, err := authority.ParseSubject(cn); err != nil || got != want || got.CN() != cn {
			t.Errorf("ParseSubject(%q) = %v, %v, want %v", cn, got, err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		cn := rapid.OneOf(rapid.String(), rapid.StringMatching(`_{0,2}[a-zA-Z0-9/+#*>. -]{0,50}`)).Draw(t, "cn")
		s, err := authority.ParseSubject(cn)
		if err != nil {
			if s != (authority.Subject{}) || !errors.Is(err, authority.ErrSubject) {
				t.Fatalf("ParseSubject = %v, %v", s, err)
			}
			return
		}
		if s.CN() != cn {
			t.Fatalf("%q became %v and then %q", cn, s, s.CN())
		}
	})
}

func TestListenerAndHubMeet(t *testing.T) {
	a, other := open(t, t.TempDir()), open(t, t.TempDir())
	pair := func(a *authority.Authority) tls.Certificate {
		pair, err := a.Self(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	with := func(name string, certificates ...tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: a.Pool(), ServerName: name, Certificates: certificates}
	}
	self := a.SelfConfig()
	older := with("127.0.0.1", pair(a))
	older.MaxVersion = tls.VersionTLS12
	wrongTrust := with("127.0.0.1", pair(a))
	wrongTrust.RootCAs = other.Pool()
	slow := with("mqtt.hub.example", pair(a)) // a Raspberry Pi whose clock stands at the day of the authority
	slow.Time = func() time.Time { return a.Certificate().NotBefore.Add(time.Second) }
	for _, row := range []struct {
		name   string
		client *tls.Config
		meets  bool
	}{
		{"the hub by itself", self, true},
		{"by name", with("mqtt.hub.example", pair(a)), true},
		{"by IPv4", with("192.0.2.7", pair(a)), true},
		{"by IPv6", with("2001:db8::7", pair(a)), true},
		{"a clock that is behind", slow, true},
		{"another name", with("hub.example", pair(a)), false},
		{"no certificate", with("127.0.0.1"), false},
		{"another authority's client", with("127.0.0.1", pair(other)), false},
		{"another authority's listener", wrongTrust, false},
		{"TLS 1.2", older, false},
		{"a listener as a client", with("127.0.0.1", server(t, a)), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := meet(t, a.ServerConfig([]string{"mqtt.hub.example", "192.0.2.7", "2001:db8::7"}, tls.RequireAndVerifyClientCert), row.client)
			if (err == nil) != row.meets {
				t.Errorf("handshake: %v, want success %v", err, row.meets)
			}
		})
	}
	if _, err := a.Server([]string{""}, time.Now()); err == nil {
		t.Error("a certificate for nothing was issued")
	}
}

func server(t testing.TB, a *authority.Authority) tls.Certificate {
	t.Helper()
	pair, err := a.Server(nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// meet shakes hands over a pipe and returns what either side says.
func meet(t testing.TB, serverConfig, clientConfig *tls.Config) error {
	t.Helper()
	left, right := net.Pipe()
	deadline := time.Now().Add(30 * time.Second)
	left.SetDeadline(deadline)
	right.SetDeadline(deadline)
	said := make(chan error, 1)
	go func() {
		s := tls.Server(left, serverConfig)
		err := s.HandshakeContext(t.Context())
		if err == nil {
			_, err = s.Write([]byte("x"))
		}
		left.Close()
		said <- err
	}()
	c := tls.Client(right, clientConfig)
	err := c.HandshakeContext(t.Context())
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	right.Close()
	return errors.Join(err, <-said)
}

// A certificate signed by a site's is worth nothing, also when it says that it may sign.
func TestSitesAreNoAuthorities(t *testing.T) {
	a, key := open(t, t.TempDir()), ecdsaKey(t)
	der, err := a.Client(authority.Subject{Kind: authority.Site, Name: "samsat"}, key.Public(), time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	site, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	forged := ecdsaKey(t)
	chain, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "_"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, site, forged.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	err = meet(t, a.ServerConfig(nil, tls.RequireAndVerifyClientCert),
		&tls.Config{RootCAs: a.Pool(), ServerName: "localhost", Certificates: []tls.Certificate{{Certificate: [][]byte{chain, der}, PrivateKey: forged}}})
	if err == nil {
		t.Error("a site made a certificate of the hub")
	}
}

func TestListenerOfAnotherProgram(t *testing.T) {
	a := open(t, t.TempDir())
	certificate, key, err := a.ServerPEM([]string{"mqtt.example"}, time.Now(), 400*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.PEM()) {
		t.Fatal("PEM of the authority cannot be read")
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "mqtt.example", CurrentTime: time.Now().AddDate(1, 0, 0)}); err != nil {
		t.Error(err)
	}
}

func TestRevocationListIsTheAuthoritys(t *testing.T) {
	a := open(t, t.TempDir())
	text, err := a.RevocationList([]authority.Number{"7", "1b"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	list, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(a.Certificate()); err != nil {
		t.Error(err)
	}
	if got := list.RevokedCertificateEntries; len(got) != 2 || got[1].SerialNumber.Int64() != 27 || !list.NextUpdate.Equal(a.Certificate().NotAfter) {
		t.Errorf("it names %v, until %v", got, list.NextUpdate)
	}
	if _, err := a.RevocationList([]authority.Number{"7", "seven"}, time.Now()); err == nil {
		t.Error("a list with what is no number was made")
	}
}
