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
	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/broker/brokertest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/reader"
)

// Beside the running hub a command gives out certificates and withdraws one: that person's
// connection ends, they stay out and the log says why; a colleague reads on. So does
// nobody whom the hub has not written down, whatever the authority has signed.
func TestAWithdrawnCertificateReadsNothingMore(t *testing.T) {
	data, ctx, log := t.TempDir(), t.Context(), &logged{}
	vouch(t, data)
	at := run(t, hub.Config{Data: data, MQTT: "127.0.0.1:0", Agents: "127.0.0.1:0", Pages: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(log, nil))})
	u, err := url.Parse(at.Brokers[0])
	ok(t, err)
	ca, _, err := authority.LoadOrCreate(data, time.Now())
	ok(t, err)
	s, err := hub.OpenStore(ctx, data, "")
	ok(t, err)
	defer func() { ok(t, s.Close()) }()
	readers := reader.New(reader.Options{Database: s, Issuer: ca})
	office := brokertest.Broker{Address: u.Host, Authority: ca, Log: log.String}

	issue := func(name string) tls.Certificate {
		t.Helper()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		ok(t, err)
		der, err := readers.Issue(ctx, "siti", name, key.Public(), 1)
		ok(t, err)
		leaf, err := x509.ParseCertificate(der)
		ok(t, err)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	}
	enter := func(name string, certificate tls.Certificate) (*brokertest.Client, error) {
		t.Helper()
		config := office.TLS(t, brokertest.Operator(name))
		config.Certificates = []tls.Certificate{certificate}
		c, err := brokertest.Dial(netip.MustParseAddr("127.0.0.1"), office.Address, config)
		ok(t, err)
		t.Cleanup(func() { c.Close() })
		return c, c.Connect("_"+name, nil)
	}
	reads := func(name string, certificate tls.Certificate) *brokertest.Client {
		t.Helper()
		c, err := enter(name, certificate)
		ok(t, err)
		ok(t, c.Subscribe("sidik/v1/#", 1))
		_, _, _, err = c.Next() // what is retained
		ok(t, err)
		return c
	}
	refused := func(name string, certificate tls.Certificate, why string) {
		t.Helper()
		if _, err := enter(name, certificate); !errors.Is(err, brokertest.ErrRefused) {
			t.Errorf("Connect = %v, want a refusal", err)
		}
		office.Said(t, 0, `\"_`+name+`\" is not admitted: certificate `+string(authority.NumberOf(certificate.Leaf))+" "+why)
	}

	lost := issue(brokertest.Person)
	person, colleague := reads(brokertest.Person, lost), reads(brokertest.Colleague, issue(brokertest.Colleague))
	_, err = readers.Revoke(ctx, "siti", brokertest.Person, "", "the laptop was lost")
	ok(t, err)
	if err := person.Ended(); err != nil {
		t.Error(err)
	}
	office.Said(t, 0, `msg="an operator's certificate counts no more" operator=ani`)
	refused(brokertest.Person, lost, "was withdrawn on ")
	refused("budi", brokertest.Certificate(t, ca, brokertest.Operator("budi"), time.Now(), time.Hour), "is not written down here")
	reads(brokertest.Person, issue(brokertest.Person))
	if err := colleague.Subscribe("sidik/v1/_/hub", 0); err != nil {
		t.Errorf("the colleague was thrown out: %v", err)
	}
}
