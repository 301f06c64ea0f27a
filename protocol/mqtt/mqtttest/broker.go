// Package mqtttest has what a test of the uplink needs: real brokers that it
// starts and crashes on free loopback ports, a relay that misbehaves on demand,
// and the one body of tests that every broker must pass.
//
// It knows brokers from outside only. It must not be imported by anything but
// tests: it brings a whole NATS server along.
//
// Beware: Stop is a crash. What a broker had acknowledged may be gone after it,
// which is what the uplink has to live with.
package mqtttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Broker is a broker under test.
type Broker interface {
	Name() string
	URLs() []string          // for mqtt.Options.Brokers; the same after Stop and Start
	Stop()                   // a crash
	Start()                  // again with the same folder and addresses; returns when clients are accepted
	ForbiddenFilter() string // a subscription that it denies
}

// startLimit is how long a broker may take until it accepts clients.
const startLimit = 30 * time.Second

// ready returns when the broker at address accepts an MQTT client, or the error
// of the last attempt.
func ready(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		err := hello(ctx, address)
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// hello connects once: CONNECT of 3.1.1, clean session, keep alive 10 s, client id
// "probe"; CONNACK; DISCONNECT.
func hello(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, "\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05probe"); err != nil {
		return err
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if !bytes.Equal(answer, []byte("\x20\x02\x00\x00")) {
		return fmt.Errorf("CONNACK %x", answer)
	}
	_, err = io.WriteString(conn, "\xe0\x00")
	return err
}

// freePort finds a port that nobody uses at this moment.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// mosquitto is a Mosquitto that guards nothing, as tests of the carrier want it.
type mosquitto struct {
	*Mosquitto
	address string
}

// StartMosquitto starts a Mosquitto with its own folder. It ends with the test,
// also when the test's process is killed.
func StartMosquitto(t testing.TB) Broker {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	rights := filepath.Join(dir, "rights.json")
	write(t, rights, mosquittoRights)
	return &mosquitto{address: address, Mosquitto: StartMosquittoAs(t, fmt.Sprintf(`listener %d 127.0.0.1
allow_anonymous true
plugin %s
plugin_opt_config_file %s
persistence true
persistence_location %s/
`, port, plugin(t), rights, dir), func() error { return ready(address) })}
}

// mosquittoRights allow everything to everybody but one branch. They are for the
// plugin of the Debian package: Mosquitto's acl_file grants every subscription and
// then delivers nothing.
const mosquittoRights = `{
  "defaultACLAccess": {"publishClientSend": true, "publishClientReceive": true, "subscribe": true, "unsubscribe": true},
  "anonymousGroup": "anybody",
  "groups": [{"groupname": "anybody", "roles": [{"rolename": "most"}]}],
  "roles": [{"rolename": "most", "acls": [
    {"acltype": "subscribePattern", "topic": "forbidden/#", "priority": 1, "allow": false}
  ]}]
}`

// plugin finds Mosquitto's plugin for rights.
func plugin(t testing.TB) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/*/mosquitto_dynamic_security.so", "/usr/lib/mosquitto_dynamic_security.so"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	t.Fatal("mosquitto_dynamic_security.so is not in /usr/lib: it belongs to Debian's package mosquitto")
	return ""
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (m *mosquitto) Name() string            { return "mosquitto" }
func (m *mosquitto) URLs() []string          { return []string{"tcp://" + m.address} }
func (m *mosquitto) ForbiddenFilter() string { return "forbidden/+" }

// FreeAddress is a loopback address that nobody listens on at this moment.
func FreeAddress(t testing.TB) netip.AddrPort {
	t.Helper()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(freePort(t)))
}

// cluster is three NATS servers in this process.
type cluster struct {
	t       testing.TB
	options []*server.Options
	nodes   []*server.Server
}

// StartCluster starts three NATS servers that form a cluster.
func StartCluster(t testing.TB) Broker {
	t.Helper()
	dir := t.TempDir()
	var routes []string
	c := &cluster{t: t}
	for n := range 3 {
		port := freePort(t)
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", port))
		name := fmt.Sprintf("node%d", n+1)
		c.options = append(c.options, &server.Options{
			ServerName: name,
			Host:       "127.0.0.1", Port: server.RANDOM_PORT,
			NoSigs: true, NoLog: true,
			Cluster:   server.ClusterOpts{Name: "sidik", Host: "127.0.0.1", Port: port},
			JetStream: true, StoreDir: filepath.Join(dir, name),
			JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 64 << 20,
			MaxPayload: 256<<10 + 4<<10,
			MQTT:       server.MQTTOpts{Host: "127.0.0.1", Port: freePort(t), ConsumerInactiveThreshold: 5 * time.Minute},
		})
	}
	for _, o := range c.options {
		o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
	}
	t.Cleanup(c.Stop)
	c.Start()
	return c
}

func (c *cluster) Name() string { return "cluster" }

func (c *cluster) URLs() (urls []string) {
	for _, o := range c.options {
		urls = append(urls, fmt.Sprintf("tcp://127.0.0.1:%d", o.MQTT.Port))
	}
	return urls
}

// ForbiddenFilter has a blank, which NATS has no subject for.
func (c *cluster) ForbiddenFilter() string { return "a blank/+" }

func (c *cluster) Start() {
	c.t.Helper()
	for _, o := range c.options {
		node, err := server.NewServer(o.Clone())
		if err != nil {
			c.t.Fatalf("start NATS server %s: %v", o.ServerName, err)
		}
		c.nodes = append(c.nodes, node)
		node.Start()
	}
	for _, o := range c.options {
		if err := ready(fmt.Sprintf("127.0.0.1:%d", o.MQTT.Port)); err != nil {
			c.t.Fatalf("start NATS server %s: %v", o.ServerName, err)
		}
	}
}

func (c *cluster) Stop() {
	for _, node := range c.nodes {
		node.Shutdown()
	}
	for _, node := range c.nodes {
		node.WaitForShutdown()
	}
	c.nodes = nil
}
