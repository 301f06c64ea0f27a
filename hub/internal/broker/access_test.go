package broker_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/broker"
	"github.com/bkpsdmd-babel/sidik/hub/internal/broker/brokertest"
)

// journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// guarded is the embedded broker with Access, and the list of who is revoked.
type guarded struct {
	*broker.Broker
	office brokertest.Broker

	mu      sync.Mutex
	revoked []authority.Subject
}

var errRevoked = errors.New("revoked")

func (g *guarded) admit(leaf *x509.Certificate) (authority.Subject, error) {
	s, err := authority.ParseSubject(leaf.Subject.CommonName)
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Contains(g.revoked, s) {
		return authority.Subject{}, errRevoked
	}
	return s, err
}

func (g *guarded) revoke(s authority.Subject) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.revoked = append(g.revoked, s)
}

func startGuarded(t testing.TB, patience time.Duration) *guarded {
	t.Helper()
	ca, _, err := authority.LoadOrCreate(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	log := &journal{}
	g := &guarded{revoked: []authority.Subject{brokertest.Site(brokertest.Gone)}}
	b, err := broker.Start(t.Context(), broker.Options{
		Dir: t.TempDir(), Listen: "0.0.0.0:0", Patience: patience,
		Access: &broker.Access{TLS: ca.ServerConfig(nil, tls.RequireAndVerifyClientCert), Self: ca.SelfConfig(), Admit: g.admit},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatalf("%v; it says:\n%s", err, log)
	}
	t.Cleanup(b.Close)
	u, err := url.Parse(b.URL())
	if err != nil || u.Scheme != "ssl" || u.Hostname() != "127.0.0.1" {
		t.Fatalf("URL = %s, %v", b.URL(), err)
	}
	g.Broker = b
	g.office = brokertest.Broker{Name: "embedded", Address: u.Host, Hub: u.Host, Authority: ca, Log: log.String}
	return g
}

func TestStrangersAreRefused(t *testing.T) {
	brokertest.Strangers(t, startGuarded(t, 0).office)
}

// Whoever is admitted does all of what the table of rights says.
func TestRightsAreGranted(t *testing.T) { brokertest.Rights(t, startGuarded(t, 0).office) }

func TestRevocationEndsTheConnectionAndKeepsItOut(t *testing.T) {
	g := startGuarded(t, 0)
	b, neighbour := g.office, brokertest.Site(brokertest.Neighbour)
	site, other := b.Enter(t, neighbour, brokertest.Agent(neighbour.Name)), b.Enter(t, brokertest.Site(brokertest.Honest), brokertest.Agent(brokertest.Honest))
	if n := g.End(brokertest.Site("unheard-of")); n != 0 {
		t.Errorf("End of somebody who is not there ended %d", n)
	}
	g.revoke(neighbour)
	if n := g.End(neighbour); n != 1 {
		t.Errorf("End = %d connections, want 1", n)
	}
	if err := site.Ended(); err != nil {
		t.Error(err)
	}
	c, err := brokertest.Dial(netip.MustParseAddr("127.0.2.1"), b.Address, b.TLS(t, neighbour))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Connect(brokertest.Agent(neighbour.Name), nil); err == nil {
		t.Error("a revoked site is in")
	}
	b.Said(t, 0, `from=127.0.2.1 reason="\"samsat-2\" is not admitted: revoked"`)
	if err := other.Publish("sidik/v1/"+brokertest.Honest+"/state", nil, false); err != nil {
		t.Errorf("the other site: %v", err)
	}
}

// Revoked while it comes in: whichever is first, it does not stay. (End waits for those
// who are being admitted.)
func TestRevocationMissesNobodyWhoIsComingIn(t *testing.T) {
	g := startGuarded(t, 0)
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	for n := range rounds {
		s := brokertest.Site(fmt.Sprintf("site-%d", n))
		c, err := brokertest.Dial(netip.MustParseAddr("127.0.0.1"), g.office.Address, g.office.TLS(t, s))
		if err != nil {
			t.Fatal(err)
		}
		var racing sync.WaitGroup
		racing.Go(func() { c.Connect(brokertest.Agent(s.Name), nil) })
		g.revoke(s)
		g.End(s)
		racing.Wait()
		if err := c.Ended(); err != nil {
			t.Fatalf("round %d: %v", n, err)
		}
		c.Close()
	}
}

// The engine knows a session by its client id alone: it ends the older of two connections
// that come with one, whoever they are. So nobody may come with somebody else's.
func TestNobodyThrowsOutAnotherByItsClientID(t *testing.T) {
	g := startGuarded(t, 0)
	b, hub := g.office, authority.Subject{Kind: authority.Hub}
	honest := b.Enter(t, brokertest.Site(brokertest.Honest), brokertest.Agent(brokertest.Honest))
	colleague := b.Enter(t, brokertest.Operator(brokertest.Colleague), "_"+brokertest.Colleague)
	own := b.Enter(t, hub, "sidik-hub")
	for n, row := range []struct {
		name    string
		subject authority.Subject
		id      string
		in      bool
	}{
		{"a site as another site", brokertest.Site(brokertest.Neighbour), brokertest.Agent(brokertest.Honest), false},
		{"a site as the hub", brokertest.Site(brokertest.Neighbour), "sidik-hub", false},
		{"a site as an operator", brokertest.Site(brokertest.Neighbour), "_" + brokertest.Colleague, false},
		{"a site with any id", brokertest.Site(brokertest.Neighbour), brokertest.Agent(brokertest.Neighbour) + "-2", false},
		{"a site without an id", brokertest.Site(brokertest.Neighbour), "", false},
		{"an operator as a site", brokertest.Operator(brokertest.Person), brokertest.Agent(brokertest.Honest), false},
		{"an operator as the hub", brokertest.Operator(brokertest.Person), "sidik-hub", false},
		{"an operator whose colleague's name begins with theirs", brokertest.Operator(brokertest.Person), "_" + brokertest.Colleague, false},
		{"the hub as a site", hub, brokertest.Agent(brokertest.Honest), false},
		{"an operator with several programs", brokertest.Operator(brokertest.Person), "_" + brokertest.Person + "_desk", true},
		{"the hub with a second connection", hub, "sidik-watch-1", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			from := netip.AddrFrom4([4]byte{127, 0, 3, byte(n + 1)})
			c, err := brokertest.Dial(from, b.Address, b.TLS(t, row.subject))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Connect(row.id, nil); (err == nil) != row.in {
				t.Errorf("Connect: %v, want in %v", err, row.in)
			}
			if !row.in {
				b.Said(t, 0, fmt.Sprintf(`from=%s reason="%s comes with the client id`, from, row.subject))
			}
		})
	}
	for name, c := range map[string]*brokertest.Client{"site": honest, "operator": colleague, "hub": own} {
		if err := c.Subscribe("sidik/v1/_/hub", 0); err != nil {
			t.Errorf("the %s was thrown out: %v", name, err)
		}
	}
}

func TestWhoTakesForeverToComeInIsEnded(t *testing.T) {
	const patience = 300 * time.Millisecond
	g := startGuarded(t, patience)
	b := g.office
	for n, start := range brokertest.Starts() {
		t.Run(start.Name, func(t *testing.T) {
			from := netip.AddrFrom4([4]byte{127, 0, 4, byte(n + 1)})
			if err := start.Begin(t, b, from).Ended(); err != nil {
				t.Error(err)
			}
			says := "TLS handshake error"
			if start.TLS {
				says = "it sent no CONNECT within 300ms"
			}
			b.Said(t, 0, "from="+from.String()+` reason="`+says)
		})
	}
	b.Enter(t, brokertest.Site(brokertest.Honest), brokertest.Agent(brokertest.Honest))
}

func TestSlowClientsLeaveRoom(t *testing.T) { brokertest.Slow(t, startGuarded(t, time.Hour).office) }

// A connection does not outlive the certificate that it came with.
func TestConnectionEndsWithItsCertificate(t *testing.T) {
	g := startGuarded(t, 0)
	site := brokertest.Site(brokertest.Honest)
	config := g.office.TLS(t, site)
	config.Certificates = []tls.Certificate{brokertest.Certificate(t, g.office.Authority, site, time.Now(), 2*time.Second)}
	c, err := brokertest.Dial(netip.MustParseAddr("127.0.0.1"), g.office.Address, config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Connect(brokertest.Agent(site.Name), nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Ended(); err != nil {
		t.Error(err)
	}
}

// One site cannot use up what the engine has for all.
func TestSiteWithThousandsOfSubscriptionsShutsNobodyOut(t *testing.T) {
	g := startGuarded(t, 0)
	greedy := g.office.Enter(t, brokertest.Site(brokertest.Neighbour), brokertest.Agent(brokertest.Neighbour))
	for _, qos := range []byte{1, 0} { // of the first the engine keeps much, of the second little
		granted := 0
		for n := range 1000 {
			err := greedy.Subscribe(fmt.Sprintf("sidik/v1/%s/roster/%d", brokertest.Neighbour, n), qos)
			if err == nil {
				granted++
			} else if !errors.Is(err, brokertest.ErrRefused) {
				t.Fatal(err)
			}
		}
		if granted == 0 || granted > 128 {
			t.Errorf("%d subscriptions were granted", granted)
		}
	}
	g.office.Said(t, 0, "maximum subscriptions exceeded")
	brokertest.Rights(t, g.office)
}
