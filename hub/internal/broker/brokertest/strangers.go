package brokertest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
)

// forged begins what no stranger may bring to the hub or leave on the broker.
const forged = "forged"

// stranger is a row of the matrix: an attempt, which returns an error when it was not
// refused, and what each broker logs about it.
type stranger struct {
	name    string
	attempt func(a attempt) error
	says    map[string]string // by broker; a broker that is missing is not asked
}

// attempt is what a stranger has.
type attempt struct {
	t    testing.TB
	b    Broker
	from netip.Addr // an address of its own
}

// enter connects with a certificate and a client id.
func (a attempt) enter(config *tls.Config, id string, will *Will) (*Client, error) {
	c, err := Dial(a.from, a.b.Address, config)
	if err != nil {
		return nil, err
	}
	a.t.Cleanup(func() { c.Close() })
	return c, c.Connect(id, will)
}

// outside is an attempt to come in.
func outside(config func(a attempt) *tls.Config, id string) func(a attempt) error {
	return func(a attempt) error {
		if _, err := a.enter(config(a), id, nil); err == nil {
			return errors.New("it is in")
		}
		return nil
	}
}

// publishes is an attempt of somebody who is in to publish.
func publishes(s authority.Subject, id, topic string) func(a attempt) error {
	return func(a attempt) error {
		c, err := a.enter(a.b.TLS(a.t, s), id, nil)
		if err != nil {
			return err
		}
		c.Publish(topic, []byte(forged), true) // whether it is acknowledged or ended tells nothing
		return nil
	}
}

// subscribes is an attempt of somebody who is in to read. A broker may grant and then
// deliver nothing.
func subscribes(filter string) func(a attempt) error {
	return func(a attempt) error {
		c, err := a.enter(a.b.TLS(a.t, Site(Neighbour)), Agent(Neighbour), nil)
		if err != nil {
			return err
		}
		if err := c.Subscribe(filter, 1); err == nil && a.b.Name != "mosquitto" {
			return errors.New("it is granted")
		}
		hub := a.b.Enter(a.t, authority.Subject{Kind: authority.Hub}, "sidik-hub-2")
		for _, topic := range []string{"sidik/v1/" + Honest + "/receipt", "sidik/v1/" + Honest + "/roster/A1", "sidik/v1/_/claims"} {
			if err := hub.Publish(topic, []byte("secret"), false); err != nil {
				return err
			}
		}
		if err := c.Subscribe("sidik/v1/"+Neighbour+"/jobs", 1); err != nil {
			return err
		}
		if err := hub.Publish("sidik/v1/"+Neighbour+"/jobs", []byte("the end"), false); err != nil {
			return err
		}
		topic, payload, _, err := c.Next()
		if err == nil && string(payload) != "the end" {
			err = fmt.Errorf("it reads %s", topic)
		}
		return err
	}
}

// selfMade is a certificate that its holder signed, with the name of the honest site.
func selfMade(a attempt) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: Honest}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.forced(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
}

// forced sends its certificate although the broker did not ask for that authority's.
func (a attempt) forced(c tls.Certificate) *tls.Config {
	config := a.b.with()
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
	return config
}

func matrix() []stranger {
	neighbours := "sidik/v1/" + Honest
	const unknownAuthority = "certificate signed by unknown authority"
	return []stranger{
		{"no TLS", outside(func(attempt) *tls.Config { return nil }, Agent(Honest)),
			map[string]string{"embedded": "does not look like a TLS handshake", "mosquitto": "wrong version number"}},
		{"TLS 1.2", outside(func(a attempt) *tls.Config {
			config := a.b.TLS(a.t, Site(Honest))
			config.MinVersion, config.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
			return config
		}, Agent(Honest)),
			map[string]string{"embedded": "unsupported versions", "mosquitto": "unsupported protocol"}},
		{"no certificate", outside(func(a attempt) *tls.Config { return a.b.with() }, Agent(Honest)),
			map[string]string{"embedded": "didn't provide a certificate", "mosquitto": "peer did not return a certificate"}},
		{"a self-made certificate", outside(selfMade, Agent(Honest)),
			map[string]string{"embedded": unknownAuthority, "mosquitto": "certificate verify failed"}},
		{"another authority's certificate", outside(func(a attempt) *tls.Config {
			other, _, err := authority.LoadOrCreate(a.t.TempDir(), time.Now())
			if err != nil {
				a.t.Fatal(err)
			}
			return a.forced(Certificate(a.t, other, Site(Honest), time.Now(), time.Hour))
		}, Agent(Honest)),
			map[string]string{"embedded": unknownAuthority, "mosquitto": "certificate verify failed"}},
		{"an expired certificate", outside(func(a attempt) *tls.Config {
			return a.b.with(Certificate(a.t, a.b.Authority, Site(Honest), time.Now().Add(-2*time.Hour), time.Hour))
		}, Agent(Honest)),
			map[string]string{"embedded": "certificate has expired", "mosquitto": "certificate verify failed"}},
		{"a listener's certificate", outside(func(a attempt) *tls.Config {
			pair, err := a.b.Authority.Server(nil, time.Now())
			if err != nil {
				a.t.Fatal(err)
			}
			return a.forced(pair)
		}, Agent(Honest)),
			map[string]string{"embedded": "incompatible key usage", "mosquitto": "certificate verify failed"}},
		{"a CONNECT of many megabytes", func(a attempt) error {
			c, err := Dial(a.from, a.b.Address, a.b.TLS(a.t, Site(Neighbour)))
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := c.Write([]byte{0x10, 0xff, 0xff, 0xff, 0x7f}); err != nil { // 256 MiB announced
				return err
			}
			return c.Ended()
		}, map[string]string{"embedded": "maximum payload exceeded", "mosquitto": ""}},
		{"a message of many megabytes", func(a attempt) error {
			c, err := a.enter(a.b.TLS(a.t, Site(Neighbour)), Agent(Neighbour), nil)
			if err != nil {
				return err
			}
			c.Throw("sidik/v1/"+Neighbour+"/punches", bytes.Repeat([]byte(forged), 1<<20), false, 1)
			return c.Ended()
		}, map[string]string{"embedded": "maximum payload exceeded", "mosquitto": ""}},
		{"publishes as its neighbour", publishes(Site(Neighbour), Agent(Neighbour), neighbours+"/state"),
			map[string]string{"embedded": `Publish Violation - Subject \"sidik.v1.samsat.state\"`, "mosquitto": "Denied PUBLISH from"}},
		{"publishes as the hub", publishes(Site(Neighbour), Agent(Neighbour), "sidik/v1/_/keys"),
			map[string]string{"embedded": `Publish Violation - Subject \"sidik.v1._.keys\"`, "mosquitto": "Denied PUBLISH from"}},
		{"answers itself as the hub", publishes(Site(Neighbour), Agent(Neighbour), "sidik/v1/"+Neighbour+"/receipt"),
			map[string]string{"embedded": `Publish Violation - Subject \"sidik.v1.samsat-2.receipt\"`, "mosquitto": "Denied PUBLISH from"}},
		{"publishes outside of the contract", publishes(Site(Neighbour), Agent(Neighbour), "sidik/v1/"+Neighbour+"/roof"),
			map[string]string{"embedded": "Publish Violation", "mosquitto": "Denied PUBLISH from"}},
		{"asks the broker to delete what it keeps", publishes(Site(Neighbour), Agent(Neighbour), "$JS/API/STREAM/DELETE/$MQTT_rmsgs"),
			map[string]string{"embedded": "Publish Violation"}},
		{"an operator who publishes", publishes(Operator(Person), "_"+Person, neighbours+"/state"),
			map[string]string{"embedded": "Publish Violation", "mosquitto": "Denied PUBLISH from"}},
		{"a last will in its neighbour's name", func(a attempt) error {
			c, err := a.enter(a.b.TLS(a.t, Site(Neighbour)), Agent(Neighbour), &Will{neighbours + "/state", forged})
			if err == nil {
				c.Close()
			}
			return nil
		}, map[string]string{"embedded": `Publish Violation - Subject \"sidik.v1.samsat.state\"`, "mosquitto": ""}},
		{"subscribes to its neighbour", subscribes(neighbours + "/receipt"),
			map[string]string{"embedded": `Subscription Violation - Subject \"sidik.v1.samsat.receipt\"`, "mosquitto": ""}},
		{"subscribes to its neighbour's rosters", subscribes(neighbours + "/roster/#"),
			map[string]string{"embedded": "Subscription Violation", "mosquitto": ""}},
		{"subscribes to every site", subscribes("sidik/v1/+/receipt"),
			map[string]string{"embedded": "Subscription Violation", "mosquitto": ""}},
		{"subscribes to everything", subscribes("#"),
			map[string]string{"embedded": "Subscription Violation", "mosquitto": ""}},
		{"subscribes to all that is the hub's", subscribes("sidik/v1/_/#"),
			map[string]string{"embedded": "Subscription Violation", "mosquitto": ""}},
		{"subscribes to the broker's own", subscribes("$JS/#"),
			map[string]string{"embedded": "Subscription Violation"}},
		{"subscribes to what the broker delivers", subscribes("$MQTT/msgs/#"),
			map[string]string{"embedded": ""}},
	}
}

// Strangers runs the matrix. After each row the honest site goes on working, and nothing
// that was forged has reached the hub or stays on the broker.
func Strangers(t *testing.T, b Broker) {
	o := open(t, b)
	o.works(t)
	for n, row := range matrix() {
		says, asked := row.says[b.Name]
		if !asked {
			continue
		}
		t.Run(row.name+" is refused", func(t *testing.T) {
			from := netip.AddrFrom4([4]byte{127, 0, 1, byte(n + 1)})
			since := len(b.Log())
			if err := row.attempt(attempt{t, b, from}); err != nil {
				t.Errorf("%v; the broker says:\n%s", err, b.Log()[since:])
			}
			if says != "" {
				b.Said(t, since, says)
			}
			if before := o.works(t); slices.ContainsFunc(before, func(m string) bool { return strings.Contains(m, forged) }) {
				t.Errorf("it reached the hub: %q", before)
			}
		})
	}
	t.Run("nothing of theirs stays on the broker", func(t *testing.T) {
		late := &office{broker: b, hub: b.Enter(t, authority.Subject{Kind: authority.Hub}, "sidik-hub-late"), site: o.site, count: 1000}
		if err := late.hub.Subscribe("sidik/v1/#", 0); err != nil {
			t.Fatal(err)
		}
		if before := late.works(t); slices.ContainsFunc(before, func(m string) bool { return strings.Contains(m, forged) }) {
			t.Errorf("it is kept: %q", before)
		}
	})
}
