package hub_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
)

// paper makes a certificate for a name and for this machine, and its key, as PEM.
func paper(t *testing.T, name string) (cert, key []byte, parsed *x509.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	ok(t, err)
	plain, err := x509.MarshalECPrivateKey(private)
	ok(t, err)
	parsed, err = x509.ParseCertificate(der)
	ok(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: plain}), parsed
}

// visit asks over TLS for a host's page at an address, as a browser that trusts a
// certificate would.
func visit(t *testing.T, pages, host, path string, trust *x509.Certificate) (*http.Response, error) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(trust)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: trust.DNSNames[0]}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, pages+path, nil)
	ok(t, err)
	r.Host = host
	answer, err := client.Do(r)
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	return answer, err
}

func TestPagesBeyondLoopbackNeedACertificate(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0", "192.0.2.7:8080", "localhost:0", ":0"} {
		err := hub.Run(t.Context(), hub.Config{Data: t.TempDir(), MQTT: "127.0.0.1:0", Pages: address, Logger: slog.New(slog.DiscardHandler)})
		if !errors.Is(err, hub.ErrLoopback) {
			t.Errorf("pages at %s: %v, want ErrLoopback", address, err)
		}
	}
	folder := t.TempDir()
	err := hub.Run(t.Context(), hub.Config{Data: t.TempDir(), MQTT: "127.0.0.1:0", Pages: "0.0.0.0:0", PagesCert: filepath.Join(folder, "none"), PagesKey: filepath.Join(folder, "none"), Logger: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("pages with files that are not there: %v", err)
	}
}

func TestPagesOverTLS(t *testing.T) {
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "pages.crt"), filepath.Join(folder, "pages.key")
	put := func(cert, key []byte, at time.Time) {
		t.Helper()
		for file, text := range map[string][]byte{certFile: cert, keyFile: key} {
			ok(t, os.WriteFile(file, text, 0o600))
			ok(t, os.Chtimes(file, at, at))
		}
	}
	cert, key, first := paper(t, "hub.example")
	put(cert, key, time.Now().Add(-time.Minute))
	var log logged
	at := run(t, hub.Config{Data: t.TempDir(), MQTT: "127.0.0.1:0", Pages: "127.0.0.1:0", PagesCert: certFile, PagesKey: keyFile, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.HasPrefix(at.Pages, "https://127.0.0.1:") {
		t.Fatalf("the pages are at %s", at.Pages)
	}
	answer, err := visit(t, at.Pages, "hub.example", "/login", first)
	ok(t, err)
	if answer.StatusCode != 200 || answer.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("login over TLS = %d, HSTS %q", answer.StatusCode, answer.Header.Get("Strict-Transport-Security"))
	}
	if answer, err := visit(t, at.Pages, "elsewhere.example", "/login", first); err != nil || answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("by a name that the certificate has not: %v, %v; want 421", answer, err)
	}
	// Renewed: the next connection has the new one. Damaged: the one of before stays.
	cert, key, second := paper(t, "hub.example")
	put(cert, key, time.Now().Add(-30*time.Second))
	_, err = visit(t, at.Pages, "hub.example", "/login", second)
	ok(t, err)
	if _, err := visit(t, at.Pages, "hub.example", "/login", first); err == nil {
		t.Error("the old certificate is still shown")
	}
	put([]byte("half a fi"), key, time.Now())
	for range 2 {
		_, err = visit(t, at.Pages, "hub.example", "/login", second)
		ok(t, err)
	}
	if n := strings.Count(log.String(), "cannot be read"); n != 1 {
		t.Errorf("a damaged certificate is logged %d times, want once:\n%s", n, log.String())
	}
}

func TestPagesTakeTheCertificateOfTheHub(t *testing.T) {
	data := t.TempDir()
	vouch(t, data)
	request, err := hub.KeyRequest(data, time.Now(), false)
	ok(t, err)
	parsed, err := x509.ParseCertificate(request.Keys.Authorities[0])
	ok(t, err)
	parsed.DNSNames = []string{"hub.example"} // by which visit asks
	at := run(t, hub.Config{Data: data, MQTT: "127.0.0.1:0", Agents: "127.0.0.1:0", Names: []string{"hub.example"}, Pages: "0.0.0.0:0", Logger: slog.New(slog.DiscardHandler)})
	port := regexp.MustCompile(`^https://hub\.example:(\d+)$`).FindStringSubmatch(at.Pages) // not the machine's own name
	if port == nil {
		t.Fatalf("the pages are at %s", at.Pages)
	}
	answer, err := visit(t, "https://127.0.0.1:"+port[1], "hub.example:"+port[1], "/", parsed)
	ok(t, err)
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/login" {
		t.Errorf("the first page = %d to %q, want the login", answer.StatusCode, answer.Header.Get("Location"))
	}
	for _, host := range []string{"elsewhere.example", "192.0.2.7", "0.0.0.1"} {
		if answer, err := visit(t, "https://127.0.0.1:"+port[1], host, "/", parsed); err != nil || answer.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("by the name %s: %v, %v; want 421", host, answer, err)
		}
	}
}

// TestTheFirstAdministratorIsInvited at each start, until they came.
func TestTheFirstAdministratorIsInvited(t *testing.T) {
	data := t.TempDir()
	start := func(do func(link string)) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		link, ready := "", make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			ended <- hub.Run(ctx, hub.Config{Data: data, MQTT: "127.0.0.1:0", Pages: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
				Invite: func(l string) { link = l }, Ready: func(hub.Addresses) { close(ready) }})
		}()
		select {
		case <-ready:
		case err := <-ended:
			t.Fatal(err)
		}
		do(link)
		stop()
		ok(t, <-ended)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"name": {"siti"}, "full-name": {"Siti Petugas"}, "password": {"empat kuda besi 91"}, "again": {"empat kuda besi 91"}}
	use := func(link string) *http.Response {
		t.Helper()
		answer, err := client.PostForm(link, form)
		ok(t, err)
		ok(t, answer.Body.Close())
		return answer
	}
	before := ""
	start(func(link string) { before = link })
	start(func(link string) {
		if link == "" || link == before || !strings.HasPrefix(link, "http://127.0.0.1:") {
			t.Fatalf("the second link is %q", link)
		}
		old, err := url.Parse(before)
		ok(t, err)
		now, err := url.Parse(link)
		ok(t, err)
		old.Host = now.Host
		if answer := use(old.String()); answer.StatusCode != http.StatusGone {
			t.Errorf("the link of the start before = %d, want 410", answer.StatusCode)
		}
		answer := use(link)
		if answer.StatusCode != http.StatusSeeOther {
			t.Fatalf("the link = %d", answer.StatusCode)
		}
		for _, c := range answer.Cookies() {
			if strings.Contains(c.Name, "session") && (c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 0 || c.Domain != "") {
				t.Errorf("cookie %+v", c)
			}
		}
	})
	start(func(link string) {
		if link != "" {
			t.Errorf("there is an administrator, and still a link: %s", link)
		}
	})
	for _, name := range []string{"hub.db", "hub.db-wal", "run.json"} {
		text, err := os.ReadFile(filepath.Join(data, name))
		if err == nil && bytes.Contains(text, []byte(strings.SplitAfter(before, "/link/")[1])) {
			t.Errorf("%s holds a link", name)
		}
	}
}

// logged keeps a log.
type logged struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Whoever opens connections to the pages and says nothing leaves room for others, and one
// line in the log.
func TestIdleConnectionsLeaveRoomAtThePages(t *testing.T) {
	var log logged
	at := run(t, hub.Config{Data: t.TempDir(), MQTT: "127.0.0.1:0", Pages: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	u, err := url.Parse(at.Pages)
	ok(t, err)
	from := func(address string) *net.Dialer {
		return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	}
	const more = 10
	for n := range 256 + more {
		c, err := from("127.0.0.2").DialContext(t.Context(), "tcp", u.Host)
		ok(t, err)
		defer c.Close()
		if n >= 256 {
			ok(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Fatalf("connection %d of one address: %v, want its end", n+1, err)
			}
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: from("127.0.0.3").DialContext}}
	answer, err := client.Get(at.Pages + "/login")
	ok(t, err)
	ok(t, answer.Body.Close())
	if answer.StatusCode != http.StatusOK {
		t.Errorf("another address is answered with %d", answer.StatusCode)
	}
	if told := strings.Count(log.String(), "too many connections"); told != 1 {
		t.Errorf("the log has %d lines of it, want one:\n%s", told, log.String())
	}
}
