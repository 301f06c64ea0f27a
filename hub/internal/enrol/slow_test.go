package enrol_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/enrol"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// street is a listener in memory; whoever comes says from where.
type street struct {
	arrivals chan net.Conn
	closed   chan struct{}
}

func (s *street) Accept() (net.Conn, error) {
	select {
	case c := <-s.arrivals:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *street) Close() error { close(s.closed); return nil }

func (s *street) Addr() net.Addr { return &net.TCPAddr{} }

// visitor is the hub's side of a connection.
type visitor struct {
	net.Conn
	from string
}

func (v visitor) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(v.from), Port: 40000} }

func (s *street) arrive(from string) net.Conn {
	here, there := net.Pipe()
	s.arrivals <- visitor{there, from}
	return here
}

// ask brings a whole request and returns the answer's status; 0 where there was none.
func (s *street) ask(t testing.TB, from, body string) int {
	t.Helper()
	pipe := s.arrive(from)
	defer pipe.Close() // and no farewell of TLS, which waits for somebody to read it
	c := tls.Client(pipe, stranger)
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: hub\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", protocol.PathClaim, len(body), body); err != nil {
		return 0
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// stranger is the TLS of somebody who believes anybody.
var stranger = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"}}

// nobody admits nobody.
type nobody struct{}

func (nobody) Claim(context.Context, protocol.Envelope) (admission.Certificate, seal.PublicKey, error) {
	return admission.Certificate{}, seal.PublicKey{}, &admission.Denied{Code: protocol.DeniedUnknown}
}

func (n nobody) Renew(ctx context.Context, e protocol.Envelope) (admission.Certificate, seal.PublicKey, error) {
	return n.Claim(ctx, e)
}

// inStreet runs a test in a bubble, where minutes take no time, with a door in it.
func inStreet(t *testing.T, body func(t *testing.T, s *street, log *diary)) {
	hub := newPlace(t)                                                                             // for its keys
	ca, _, err := authority.LoadOrCreate(t.TempDir(), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) // when a bubble begins
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s, log := &street{make(chan net.Conn), make(chan struct{})}, &diary{}
		logger := slog.New(slog.NewJSONHandler(log, nil))
		server := enrol.Server(enrol.Handler(enrol.Options{
			Admissions: nobody{}, Keys: hub.keys, Document: hub.document.Message(), Logger: logger, Now: time.Now,
		}), logger)
		server.TLSConfig = ca.ServerConfig([]string{string(trust.RoleAgents)}, tls.NoClientCert)
		done := make(chan error, 1)
		go func() { done <- server.ServeTLS(enrol.Listen(s, logger), "", "") }() // waited for below
		body(t, s, log)
		server.Close()
		<-done
	})
}

// Who sends a request letter by letter holds nobody else up, and is sent away.
func TestSlowStrangers(t *testing.T) {
	for _, row := range []struct {
		name, begin, why string
	}{
		{"handshake", "", "no request came"},
		{"head", "POST " + protocol.PathClaim + " HTTP/1.1\r\nHost: hub\r\nX: ", "no request came"},
		{"body", "POST " + protocol.PathClaim + " HTTP/1.1\r\nHost: hub\r\nContent-Length: 9999\r\n\r\n", "timeout"},
	} {
		t.Run(row.name, func(t *testing.T) {
			inStreet(t, func(t *testing.T, s *street, log *diary) {
				start := time.Now()
				gone := make(chan error, 50)
				for range cap(gone) { // more than are judged side by side
					c := s.arrive("203.0.113.9")
					go func() { // its end is counted below
						defer c.Close()
						var line net.Conn = c
						if row.begin != "" {
							line = tls.Client(c, stranger)
						}
						_, err := io.WriteString(line, row.begin)
						go io.Copy(io.Discard, line) // ends with the connection
						for err == nil && time.Since(start) < time.Hour {
							time.Sleep(time.Second) // in a bubble: the stranger's own slowness
							_, err = io.WriteString(line, "x")
						}
						gone <- err
					}()
				}
				synctest.Wait()
				for range 3 {
					if status := s.ask(t, "198.51.100.7", "{}"); status != http.StatusForbidden {
						t.Errorf("somebody else is answered with %d", status)
					}
				}
				if waited := time.Since(start); waited > 0 {
					t.Errorf("somebody else waited %v for slow strangers", waited)
				}
				for range cap(gone) {
					if err := <-gone; err == nil {
						t.Error("a slow stranger may stay")
					}
				}
				if stayed := time.Since(start); stayed > 30*time.Second {
					t.Errorf("slow strangers stayed %v", stayed)
				}
				synctest.Wait()
				told := 0
				for _, line := range log.refusals(t) {
					if line["address"] == "203.0.113.9" && strings.Contains(fmt.Sprint(line["error"]), row.why) {
						told++
					}
				}
				if told != 1 {
					t.Errorf("the log has %d lines of it, want one: %s", told, log)
				}
			})
		})
	}
}

// However many connections one address opens, there is room for the next one, and none of
// them is left when it goes. In IPv6 a whole network counts as one.
func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	for _, row := range []struct{ flood, other string }{
		{"203.0.113.%[2]d", "198.51.100.7"}, {"2001:db8::%[1]x", "2001:db8:0:1::1"}, {"::ffff:203.0.113.%[2]d", "::ffff:198.51.100.7"},
	} {
		t.Run(row.other, func(t *testing.T) {
			inStreet(t, func(t *testing.T, s *street, log *diary) {
				open, refused := 0, 0
				var held []net.Conn
				for n := range 300 {
					c := s.arrive(fmt.Sprintf(row.flood, n+1, 9))
					held = append(held, c)
					c.SetReadDeadline(time.Now().Add(time.Millisecond))
					if _, err := c.Read(make([]byte, 1)); err == io.EOF {
						refused++
					} else {
						open++
					}
				}
				if open != 256 || refused != 44 {
					t.Errorf("%d connections stand and %d were refused, want 256 and 44", open, refused)
				}
				if status := s.ask(t, row.other, "{}"); status != http.StatusForbidden {
					t.Errorf("somebody else is answered with %d", status)
				}
				for _, c := range held {
					c.Close()
				}
				synctest.Wait()
				if status := s.ask(t, fmt.Sprintf(row.flood, 1, 9), "{}"); status != http.StatusForbidden {
					t.Errorf("after its flood the address is answered with %d", status)
				}
				if told := log.refusals(t); len(told) != 4 { // too many, no request came, and the two that asked
					t.Errorf("the log has %d lines: %v", len(told), told)
				}
			})
		})
	}
}

// One network in IPv6 earns its refusals together.
func TestRefusalsOfANetworkAreCountedTogether(t *testing.T) {
	inStreet(t, func(t *testing.T, s *street, _ *diary) {
		for n := range 20 {
			if status := s.ask(t, fmt.Sprintf("2001:db8::%x", n+1), "{}"); status != http.StatusForbidden {
				t.Fatalf("refusal %d: %d", n+1, status)
			}
		}
		if status := s.ask(t, "2001:db8::ffff", "{}"); status != http.StatusTooManyRequests {
			t.Errorf("another address of the network: %d", status)
		}
		if status := s.ask(t, "2001:db8:0:1::1", "{}"); status != http.StatusForbidden {
			t.Errorf("another network: %d", status)
		}
	})
}

// Many machines that are shut out behind one address keep nobody there from renewing, until
// it becomes a flood; and the log stays short.
func TestStraysOfOneAddressAreBounded(t *testing.T) {
	p, m := newPlace(t), newMachine(t)
	w := &answer{}
	h := enrol.Handler(enrol.Options{Admissions: p.Admissions, Keys: p.keys, Document: p.document.Message(), Logger: slog.New(slog.NewJSONHandler(&p.log, nil)), Now: p.clock})
	for n := range 700 {
		*w = answer{head: http.Header{}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, protocol.PathRenewal, bytes.NewReader(m.renewal(p, protocol.SiteID(fmt.Sprint("kantor-", n)))))
		p.must(err)
		r.RemoteAddr = "203.0.113.9:4"
		h.ServeHTTP(w, r)
		if want := n >= 600; (w.status == http.StatusTooManyRequests) != want {
			t.Fatalf("renewal %d is answered with %d", n+1, w.status)
		}
	}
	if told := p.log.refusals(t); len(told) > 22 {
		t.Errorf("the log has %d lines of it", len(told))
	}
}

// FuzzHandler: whatever is sent, the answer is a refusal in a few bytes.
func FuzzHandler(f *testing.F) {
	p := newPlace(f)
	m := newMachine(f)
	f.Add(m.claim(p, samsat, protocol.NewClaimCode()))
	f.Add(m.renewal(p, samsat))
	f.Add([]byte(`{"v":1}`))
	for _, path := range []string{protocol.PathClaim, protocol.PathRenewal} {
		f.Add([]byte(path))
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, body []byte) {
		h := enrol.Handler(enrol.Options{
			Admissions: p.Admissions, Keys: p.keys, Document: p.document.Message(), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		})
		for _, path := range []string{protocol.PathClaim, protocol.PathRenewal} {
			w := &answer{head: http.Header{}}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(string(body)))
			if err != nil {
				t.Fatal(err)
			}
			r.RemoteAddr = "203.0.113.9:4"
			h.ServeHTTP(w, r)
			var d protocol.Denial
			if err := json.Unmarshal(w.body, &d); err != nil || w.status != http.StatusForbidden || len(w.body) > 64 {
				t.Errorf("answered with %d %q", w.status, w.body)
			}
		}
	})
}

// answer is a ResponseWriter that keeps what comes.
type answer struct {
	head   http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header         { return a.head }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { a.body = append(a.body, p...); return len(p), nil }
