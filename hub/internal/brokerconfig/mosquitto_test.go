package brokerconfig_test

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/broker/brokertest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/brokerconfig"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt/mqtttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mosquitto is a real one with the settings that are written for it.
type mosquitto struct {
	*mqtttest.Mosquitto
	brokertest.Broker
	t        *testing.T
	settings brokerconfig.Settings
}

func startMosquitto(t *testing.T) *mosquitto {
	t.Helper()
	m := newMosquitto(t)
	m.start(m.writeSettings())
	return m
}

// newMosquitto is one that does not run yet.
func newMosquitto(t *testing.T) *mosquitto {
	t.Helper()
	ca, _, err := authority.LoadOrCreate(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m := &mosquitto{t: t, settings: brokerconfig.Settings{
		Folder: t.TempDir(), Listen: mqtttest.FreeAddress(t), ListenHub: mqtttest.FreeAddress(t),
		Subjects: []authority.Subject{brokertest.Site(brokertest.Honest), brokertest.Site(brokertest.Neighbour),
			brokertest.Operator(brokertest.Person), brokertest.Operator(brokertest.Colleague)},
	}}
	certificate, key, err := ca.ServerPEM(nil, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	m.write(brokerconfig.File{Name: brokerconfig.AuthorityFile, Text: string(ca.PEM())})
	m.write(brokerconfig.File{Name: brokerconfig.CertificateFile, Text: string(certificate)})
	m.write(brokerconfig.File{Name: brokerconfig.KeyFile, Text: string(key)})
	m.revoke(ca)
	m.Broker = brokertest.Broker{Name: "mosquitto", Address: m.settings.Listen.String(), Hub: m.settings.ListenHub.String(), Authority: ca,
		Log: func() string { return m.Mosquitto.Log() }}
	return m
}

// start starts it with its own file's text.
func (m *mosquitto) start(conf string) {
	m.t.Helper()
	m.Mosquitto = mqtttest.StartMosquittoAs(m.t, "log_type all\n"+conf, func() error {
		config, deadline := m.TLS(m.t, authority.Subject{Kind: authority.Hub}), time.Now().Add(30*time.Second)
		for {
			c, err := brokertest.Dial(netip.MustParseAddr("127.0.0.1"), m.Hub, config)
			if err == nil {
				err = c.Connect("sidik-hub-probe", nil)
				c.Close()
			}
			if err == nil || time.Now().After(deadline) {
				return err
			}
			<-time.After(20 * time.Millisecond)
		}
	})
}

func (m *mosquitto) write(f brokerconfig.File) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.settings.Folder, f.Name), []byte(f.Text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mosquitto) revoke(ca *authority.Authority, numbers ...authority.Number) {
	m.t.Helper()
	list, err := ca.RevocationList(numbers, time.Now())
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(brokerconfig.File{Name: brokerconfig.RevokedFile, Text: string(list)})
}

// writeSettings writes the list and returns what belongs into Mosquitto's own file.
func (m *mosquitto) writeSettings() string {
	files := brokerconfig.Mosquitto(m.settings)
	for _, f := range files {
		m.write(f)
	}
	return files[0].Text
}

func TestMosquittoRefusesStrangers(t *testing.T) { brokertest.Strangers(t, startMosquitto(t).Broker) }

func TestMosquittoGrantsRights(t *testing.T) { brokertest.Rights(t, startMosquitto(t).Broker) }

func TestMosquittoLetsSlowClientsLeaveRoom(t *testing.T) {
	brokertest.Slow(t, startMosquitto(t).Broker)
}

// However many knock where sites come in, the hub does. What systemd lets Mosquitto open
// has room for all of them.
func TestMosquittoKeepsRoomForTheHub(t *testing.T) {
	m := newMosquitto(t)
	files := brokerconfig.Mosquitto(m.settings)
	places, limit := number(t, `(?m)^max_connections (\d+)$`, files[0].Text), number(t, `(?m)^LimitNOFILE=(\d+)$`, files[2].Text)
	if limit < places+1000 {
		t.Errorf("%d open files for %d connections", limit, places)
	}
	conf := m.writeSettings()
	m.start(strings.Replace(conf, fmt.Sprint("max_connections ", places), "max_connections 20", 1))
	since := len(m.Broker.Log())
	nothing := brokertest.Starts()[0]
	for range 30 {
		nothing.Begin(t, m.Broker, netip.MustParseAddr("127.0.6.1"))
	}
	m.Said(t, since, "max_connections exceeded")
	m.Enter(t, authority.Subject{Kind: authority.Hub}, "sidik-hub")
}

func number(t *testing.T, pattern, text string) int {
	t.Helper()
	found := regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1)
	if len(found) != 1 {
		t.Fatalf("%s is there %d times:\n%s", pattern, len(found), text)
	}
	n, err := strconv.Atoi(found[0][1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Mosquitto puts the certificate's name in the place of the client id, so that one of
// somebody else does nothing.
func TestMosquittoLetsNobodyTakeAnothersClientID(t *testing.T) {
	m := startMosquitto(t)
	honest := m.Enter(t, brokertest.Site(brokertest.Honest), brokertest.Agent(brokertest.Honest))
	for _, id := range []string{brokertest.Agent(brokertest.Honest), brokertest.Honest, "sidik-hub"} {
		m.Enter(t, brokertest.Site(brokertest.Neighbour), id)
	}
	if err := honest.Publish("sidik/v1/"+brokertest.Honest+"/state", nil, false); err != nil {
		t.Errorf("the honest site was thrown out: %v", err)
	}
}

// A site that is revoked is left out of the list. After SIGHUP it may do nothing, on a
// connection that stands as on a new one; that connection stands on.
func TestMosquittoForgetsWhoIsRevoked(t *testing.T) {
	m := startMosquitto(t)
	hub := m.Enter(t, authority.Subject{Kind: authority.Hub}, "sidik-hub")
	gone := m.Enter(t, brokertest.Site(brokertest.Neighbour), brokertest.Agent(brokertest.Neighbour))
	honest := m.Enter(t, brokertest.Site(brokertest.Honest), brokertest.Agent(brokertest.Honest))
	if err := hub.Subscribe("sidik/v1/#", 0); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*brokertest.Client{brokertest.Neighbour: gone, brokertest.Honest: honest} {
		if err := c.Subscribe("sidik/v1/"+name+"/jobs", 0); err != nil {
			t.Fatal(err)
		}
	}
	m.settings.Subjects = []authority.Subject{brokertest.Site(brokertest.Honest)}
	m.writeSettings()
	since := len(m.Broker.Log())
	m.Reload()
	m.Said(t, since, "Reloading config")

	for _, name := range []string{brokertest.Neighbour, brokertest.Honest} {
		if err := hub.Publish("sidik/v1/"+name+"/jobs", []byte("a job"), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := gone.Publish("sidik/v1/"+brokertest.Neighbour+"/punches", []byte("after revocation"), false); err != nil {
		t.Errorf("the connection does not stand, which the documents say: %v", err)
	}
	if gone.Got() {
		t.Error("the revoked site gets what is sent to it on the connection that stands")
	}
	m.Said(t, since, "Denied PUBLISH from "+brokertest.Neighbour)
	again := m.Enter(t, brokertest.Site(brokertest.Neighbour), brokertest.Agent(brokertest.Neighbour))
	if err := again.Publish("sidik/v1/"+brokertest.Neighbour+"/punches", []byte("after revocation"), false); err != nil {
		t.Error(err)
	}
	if err := honest.Publish("sidik/v1/"+brokertest.Honest+"/punches", []byte("the end"), false); err != nil {
		t.Fatal(err)
	}
	if topic, _, _, err := honest.Next(); err != nil || topic != "sidik/v1/samsat/jobs" {
		t.Errorf("the honest site gets %s, %v", topic, err)
	}
	for {
		topic, payload, _, err := hub.Next()
		if err != nil {
			t.Fatal(err)
		}
		if string(payload) == "after revocation" {
			t.Errorf("the revoked site wrote %s", topic)
		}
		if string(payload) == "the end" {
			break
		}
	}
}

// A stolen machine has a certificate with the name of its site or its operator, who have
// another one by now and stand in the list.
func TestMosquittoRefusesARevokedCertificateOfWhoeverIsAdmitted(t *testing.T) {
	m := startMosquitto(t)
	var revoked []authority.Number
	for id, subject := range map[string]authority.Subject{
		brokertest.Agent(brokertest.Honest): brokertest.Site(brokertest.Honest),
		"_" + brokertest.Person:             brokertest.Operator(brokertest.Person),
	} {
		t.Run(subject.String(), func(t *testing.T) {
			stolen, own := m.TLS(t, subject), m.TLS(t, subject)
			enter := func(config *tls.Config) error {
				c, err := brokertest.Dial(netip.MustParseAddr("127.0.0.1"), m.Address, config)
				if err != nil {
					return err
				}
				defer c.Close()
				return c.Connect(id, nil)
			}
			if err := enter(stolen); err != nil {
				t.Fatal(err)
			}
			revoked = append(revoked, authority.NumberOf(stolen.Certificates[0].Leaf))
			m.revoke(m.Authority, revoked...)
			since := len(m.Broker.Log())
			m.Reload()
			m.Said(t, since, "Reloading config")
			if err := enter(own); err != nil {
				t.Errorf("with their own: %v; mosquitto says:\n%s", err, m.Broker.Log()[since:])
			}
			if err := enter(stolen); err == nil {
				t.Error("the stolen machine is in")
			}
			m.Said(t, since, "certificate verify failed")
		})
	}
}
