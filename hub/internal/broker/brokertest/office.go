// Package brokertest has the matrix of strangers: what a guarded broker refuses, and
// that it says why. The embedded broker and every broker whose settings broker-config
// writes pass it.
//
// It knows MQTT packet by packet, and certificates. It must not know how a broker refuses.
//
// Beware: it connects from many addresses of 127.0.0.0/8, which Linux allows.
package brokertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/rights"
)

// Who is who in these tests. Gone has a certificate of the authority that has not ended,
// and was revoked.
const (
	Honest    = "samsat"
	Neighbour = "samsat-2" // whose name begins with the honest one's
	Gone      = "gone"
	Person    = "ani"
	Colleague = "anita"
)

// Broker is a guarded broker that admits all of the above but Gone.
type Broker struct {
	Name      string // as in the matrix
	Address   string // of the listener for sites and operators
	Hub       string // of the listener for the hub
	Authority *authority.Authority
	Log       func() string // what it has logged so far
}

// Certificate is a client certificate of an authority with a new key.
func Certificate(t testing.TB, a *authority.Authority, s authority.Subject, now time.Time, life time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := a.Client(s, key.Public(), now, life)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// TLS is a client's, with the certificate of a subject.
func (b Broker) TLS(t testing.TB, s authority.Subject) *tls.Config {
	t.Helper()
	return b.with(Certificate(t, b.Authority, s, time.Now(), time.Hour))
}

func (b Broker) with(certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: b.Authority.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS13, Certificates: certificates}
}

// Enter connects a subject that is admitted.
func (b Broker) Enter(t testing.TB, s authority.Subject, id string) *Client {
	t.Helper()
	address := b.Address
	if s.Kind == authority.Hub {
		address = b.Hub
	}
	c, err := Dial(netip.MustParseAddr("127.0.0.1"), address, b.TLS(t, s))
	if err == nil {
		t.Cleanup(func() { c.Close() })
		err = c.Connect(id, nil)
	}
	if err != nil {
		t.Fatalf("%s cannot come in: %v; the broker says:\n%s", s, err, b.Log())
	}
	return c
}

// Site and Operator are subjects.
func Site(name string) authority.Subject {
	return authority.Subject{Kind: authority.Site, Name: name}
}

// Operator is a person who reads everything.
func Operator(name string) authority.Subject {
	return authority.Subject{Kind: authority.Operator, Name: name}
}

// Agent is the client id of a site's agent.
func Agent(site string) string { return "sidik-agent-" + site }

// Rights shows that each subject can do all that it has a right to.
func Rights(t *testing.T, b Broker) {
	topic := func(right string) string { return strings.Replace(right, "#", "A1", 1) }
	hub := b.Enter(t, authority.Subject{Kind: authority.Hub}, "sidik-hub")
	site := b.Enter(t, Site(Honest), Agent(Honest))
	person := b.Enter(t, Operator(Person), "_"+Person)
	for _, reader := range []*Client{hub, person} {
		if err := reader.Subscribe("sidik/v1/#", 1); err != nil {
			t.Fatal(err)
		}
	}
	may := rights.Of(Site(Honest))
	for _, right := range may.Read {
		if err := site.Subscribe(right, 1); err != nil {
			t.Errorf("the site reads %s: %v", right, err)
		}
	}
	arrives := func(at *Client, who, topic string) {
		t.Helper()
		got, payload, _, err := at.Next()
		if err != nil || got != topic || string(payload) != topic {
			t.Fatalf("%s gets %s %.40q, %v, want %s", who, got, payload, err, topic)
		}
	}
	for _, right := range may.Write {
		if err := site.Publish(topic(right), []byte(topic(right)), true); err != nil {
			t.Fatalf("the site writes %s: %v", right, err)
		}
		arrives(hub, "the hub", topic(right))
		arrives(person, "the operator", topic(right))
	}
	for _, right := range may.Read {
		if err := hub.Publish(topic(right), []byte(topic(right)), true); err != nil {
			t.Fatalf("the hub writes %s: %v", right, err)
		}
		arrives(site, "the site", topic(right))
		arrives(hub, "the hub itself", topic(right))
		arrives(person, "the operator", topic(right))
	}
}

// office is an honest site and the hub, who go on working while strangers try.
type office struct {
	broker Broker
	hub    *Client
	site   *Client
	count  int
}

func open(t testing.TB, b Broker) *office {
	t.Helper()
	o := &office{broker: b, hub: b.Enter(t, authority.Subject{Kind: authority.Hub}, "sidik-hub"), site: b.Enter(t, Site(Honest), Agent(Honest))}
	if err := o.hub.Subscribe("sidik/v1/#", 0); err != nil {
		t.Fatal(err)
	}
	return o
}

// works sends a punch and returns what else reached the hub before it.
func (o *office) works(t testing.TB) (before []string) {
	t.Helper()
	o.count++
	punch := fmt.Sprintf("punch %d", o.count)
	if err := o.site.Publish("sidik/v1/"+Honest+"/punches", []byte(punch), false); err != nil {
		t.Fatalf("the honest site cannot publish: %v; the broker says:\n%s", err, o.broker.Log())
	}
	for {
		topic, payload, _, err := o.hub.Next()
		if err != nil {
			t.Fatalf("the hub gets nothing: %v; the broker says:\n%s", err, o.broker.Log())
		}
		if string(payload) == punch {
			return before
		}
		if len(payload) > 100 {
			payload = payload[:100]
		}
		before = append(before, topic+" "+string(payload))
	}
}

// Said waits until the broker's log, from an offset on, has a text.
func (b Broker) Said(t testing.TB, since int, text string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		log := b.Log()
		if strings.Contains(log[since:], text) {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline.C:
			t.Errorf("the broker does not say %q but:\n%s", text, log[since:])
			return
		}
	}
}
