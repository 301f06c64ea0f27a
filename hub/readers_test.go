package hub_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/broker/brokertest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/reader"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// desk is the operators' commands beside a hub, as another process runs them, and clients
// of its broker.
type desk struct {
	t          *testing.T
	admissions *admission.Admissions
	readers    *reader.Readers
	brokertest.Broker
}

// openDesk opens the database of a hub that logs into log.
func openDesk(t *testing.T, data string, log *logged) *desk {
	t.Helper()
	ca, _, err := authority.LoadOrCreate(data, time.Now())
	ok(t, err)
	s, err := hub.OpenStore(t.Context(), data, "")
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return &desk{t, admission.New(admission.Options{Database: s, Issuer: ca}), reader.New(reader.Options{Database: s, Issuer: ca}),
		brokertest.Broker{Authority: ca, Log: log.String}}
}

// at says where the hub's broker is.
func (d *desk) at(brokers []string) error {
	u, err := url.Parse(brokers[0])
	if err == nil {
		d.Address = u.Host
	}
	return err
}

func tlsKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	return key
}

// issue gives an operator a certificate.
func (d *desk) issue(name string) tls.Certificate {
	d.t.Helper()
	key := tlsKey(d.t)
	der, err := d.readers.Issue(d.t.Context(), "siti", name, key.Public(), 1)
	ok(d.t, err)
	leaf, err := x509.ParseCertificate(der)
	ok(d.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// admit lets a machine of a site in.
func (d *desk) admit(site protocol.SiteID) tls.Certificate {
	d.t.Helper()
	ok(d.t, d.admissions.Register(d.t.Context(), site))
	code, _, err := d.admissions.NewCode(d.t.Context(), "siti", site, "", 0)
	ok(d.t, err)
	identity, err := seal.GenerateSigningKey()
	ok(d.t, err)
	key := tlsKey(d.t)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	ok(d.t, err)
	message, err := protocol.Seal(protocol.Envelope{Kind: protocol.KindClaim, Site: site, Seq: protocol.Seq{Life: 1, Counter: 1}},
		protocol.Claim{Code: code, Key: identity.Public(), TLS: public}, identity)
	ok(d.t, err)
	e, err := protocol.Parse("", message)
	ok(d.t, err)
	c, _, err := d.admissions.Claim(d.t.Context(), e)
	ok(d.t, err)
	return tls.Certificate{Certificate: [][]byte{c.DER}, PrivateKey: key}
}

// enter connects somebody with a certificate, from whichever goroutine.
func (d *desk) enter(id string, certificate tls.Certificate) (*brokertest.Client, error) {
	c, err := brokertest.Dial(netip.MustParseAddr("127.0.0.1"), d.Address,
		&tls.Config{RootCAs: d.Authority.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate}})
	if err != nil {
		return nil, err
	}
	d.t.Cleanup(func() { c.Close() })
	return c, c.Connect(id, nil)
}

// Beside the running hub a command gives out certificates and withdraws one: that person's
// connection ends, they stay out and the log says why; a colleague reads on. So does
// nobody whom the hub has not written down, whatever the authority has signed.
func TestAWithdrawnCertificateReadsNothingMore(t *testing.T) {
	data, log := t.TempDir(), &logged{}
	vouch(t, data)
	d := openDesk(t, data, log)
	ok(t, d.at(run(t, hub.Config{Data: data, MQTT: "127.0.0.1:0", Agents: "127.0.0.1:0", Pages: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(log, nil))}).Brokers))
	reads := func(name string, certificate tls.Certificate) *brokertest.Client {
		t.Helper()
		c, err := d.enter("_"+name, certificate)
		ok(t, err)
		ok(t, c.Subscribe("sidik/v1/#", 1))
		_, _, _, err = c.Next() // what is retained
		ok(t, err)
		return c
	}
	refused := func(name string, certificate tls.Certificate, why string) {
		t.Helper()
		if _, err := d.enter("_"+name, certificate); !errors.Is(err, brokertest.ErrRefused) {
			t.Errorf("Connect = %v, want a refusal", err)
		}
		d.Said(t, 0, `\"_`+name+`\" is not admitted: certificate `+string(authority.NumberOf(certificate.Leaf))+" "+why)
	}

	lost := d.issue(brokertest.Person)
	person, colleague := reads(brokertest.Person, lost), reads(brokertest.Colleague, d.issue(brokertest.Colleague))
	_, err := d.readers.Revoke(t.Context(), "siti", brokertest.Person, "", "the laptop was lost")
	ok(t, err)
	if err := person.Ended(); err != nil {
		t.Error(err)
	}
	d.Said(t, 0, `msg="an operator's certificate counts no more" operator=ani`)
	refused(brokertest.Person, lost, "was withdrawn on ")
	refused("budi", brokertest.Certificate(t, d.Authority, brokertest.Operator("budi"), time.Now(), time.Hour), "is not written down here")
	reads(brokertest.Person, d.issue(brokertest.Person))
	if err := colleague.Subscribe("sidik/v1/_/hub", 0); err != nil {
		t.Errorf("the colleague was thrown out: %v", err)
	}
}

// Who comes in while the hub is still starting, and is shut out before it first looks, is
// ended like anybody else. The link for the first administrator is printed just then.
func TestWhoIsShutOutWhileTheHubStartsIsEnded(t *testing.T) {
	data, log := t.TempDir(), &logged{}
	vouch(t, data)
	d := openDesk(t, data, log)
	agent, person := d.admit(demo), d.issue(brokertest.Person)
	in := map[string]*brokertest.Client{}
	run(t, hub.Config{Data: data, MQTT: "127.0.0.1:0", Agents: "127.0.0.1:0", Pages: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(log, nil)),
		Invite: func(string) {
			at, err := hub.Running(data)
			if err == nil {
				err = d.at(at.Brokers)
			}
			if err != nil {
				t.Error(err)
				return
			}
			for id, certificate := range map[string]tls.Certificate{brokertest.Agent(string(demo)): agent, "_" + brokertest.Person: person} {
				if in[id], err = d.enter(id, certificate); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
			_, err = d.readers.Revoke(t.Context(), "siti", brokertest.Person, "", "lost")
			if err := errors.Join(err, d.admissions.Revoke(t.Context(), "siti", demo, "stolen")); err != nil {
				t.Error(err)
			}
		}})
	if len(in) != 2 {
		t.Fatalf("%d came in", len(in))
	}
	for id, c := range in {
		if err := c.Ended(); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}
