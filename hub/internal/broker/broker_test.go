package broker_test

import (
	"net/url"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/hub/internal/broker"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt/mqtttest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		child(dir)
	}
	goleak.VerifyTestMain(m)
}

// embedded is the broker as the tests of all brokers want it.
type embedded struct {
	t       testing.TB
	options broker.Options
	running *broker.Broker
}

func start(t testing.TB, dir string) *embedded {
	e := &embedded{t: t, options: broker.Options{Dir: dir, Listen: "127.0.0.1:0"}}
	e.Start()
	t.Cleanup(e.Stop)
	return e
}

func (e *embedded) Name() string            { return "embedded" }
func (e *embedded) URLs() []string          { return []string{e.running.URL()} }
func (e *embedded) ForbiddenFilter() string { return "a blank/+" }

func (e *embedded) Start() {
	e.t.Helper()
	b, err := broker.Start(e.t.Context(), e.options)
	if err != nil {
		e.t.Fatal(err)
	}
	e.running = b
	u, err := url.Parse(b.URL())
	if err != nil {
		e.t.Fatal(err)
	}
	e.options.Listen = u.Host
}

func (e *embedded) Stop() { e.running.Close() }

func TestConformance(t *testing.T) { mqtttest.Conformance(t, start(t, t.TempDir())) }
