package sidik_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt/mqtttest"
	"github.com/bkpsdmd-babel/sidik/protocol/trust/trusttest"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// The whole system in one test process: simulated terminals on real sockets,
// agents, a broker, a hub with its database. The same scenarios run on every
// broker that the hub knows.

// TestMain fails when a goroutine of hub, agent, broker or terminal is left.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a scenario may take to come to its end. It is far above
// what it takes; a test that needs it has failed.
const patience = 90 * time.Second

// onEachBroker runs a scenario with the embedded broker, Mosquitto and a NATS
// cluster. The short form, which looks for races after the full one has run, is
// content with the first: only the brokers' own code differs.
func onEachBroker(t *testing.T, scenario func(t *testing.T, w *world)) {
	for _, kind := range []struct {
		name  string
		start func(testing.TB) mqtttest.Broker
	}{
		{"embedded broker", func(testing.TB) mqtttest.Broker { return nil }},
		{"Mosquitto", mqtttest.StartMosquitto},
		{"NATS cluster", mqtttest.StartCluster},
	} {
		t.Run(kind.name, func(t *testing.T) {
			w := newWorld(t, kind.start(t))
			w.certified = w.broker == nil
			scenario(t, w)
		})
		if testing.Short() {
			return
		}
	}
}

// world is one hub and its offices.
type world struct {
	t      testing.TB
	dir    string
	broker mqtttest.Broker // nil: the hub's own
	listen string          // address of the hub's own broker
	door   string          // address of the hub's door for agents
	// certified worlds let agents in by claim and certificate; in the others keys are
	// admitted by hand and nothing is encrypted, so that tests can put their own clients on
	// the line.
	certified bool
	life      time.Duration    // of certificates; 0: the usual
	hub       *running         // nil while it is stopped
	root      trusttest.Root   // the agency's
	now       func() time.Time // the hub's clock; nil: the machine's
	form      zktest.Form      // of the terminals' answers
	room      int              // for fingers on each terminal; 0: what its family has
	commKey   uint32           // of each terminal; 0: none
	log       io.Writer        // takes all that hub and agents log, in full; nil: nobody reads it
}

func newWorld(t testing.TB, broker mqtttest.Broker) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), broker: broker, listen: freeAddress(t), door: freeAddress(t), root: trusttest.NewRoot(t)}
	request, err := hub.KeyRequest(w.hubData(), time.Now(), false)
	if err == nil {
		_, err = hub.InstallKeys(w.hubData(), w.root.Sign(t, request))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.stopHub() })
	return w
}

func (w *world) hubData() string { return filepath.Join(w.dir, "hub") }

// brokers is where agents and the hub find the broker.
func (w *world) brokers() []string {
	if w.broker == nil {
		return []string{"tcp://" + w.listen}
	}
	return w.broker.URLs()
}

// running is a part that runs until it is stopped.
type running struct {
	stop context.CancelFunc
	done chan error
}

func run(f func(ctx context.Context) error) *running {
	ctx, stop := context.WithCancel(context.Background())
	r := &running{stop, make(chan error, 1)}
	go func() { r.done <- f(ctx) }() // end waits for it
	return r
}

func (r *running) end(t testing.TB) {
	t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("did not end when it was asked to")
	}
}

// startHub starts the hub and waits until it was born.
func (w *world) startHub() {
	w.t.Helper()
	c := hub.Config{
		Data: w.hubData(), MQTT: w.listen, Pages: "127.0.0.1:0", Version: "test", Logger: w.logger("hub"), Now: w.now,
	}
	if w.broker != nil {
		c.Brokers = w.broker.URLs()
	}
	if w.certified {
		c.Agents, c.CertificateLife = w.door, w.life
	}
	born := make(chan struct{})
	c.Ready = func(hub.Addresses) { close(born) }
	w.hub = run(func(ctx context.Context) error { return hub.Run(ctx, c) })
	select {
	case <-born:
	case err := <-w.hub.done:
		w.t.Fatalf("the hub did not start: %v", err)
	case <-time.After(patience):
		w.t.Fatal("the hub was not born in time")
	}
}

func (w *world) stopHub() {
	w.t.Helper()
	if w.hub != nil {
		w.hub.end(w.t)
		w.hub = nil
	}
}

// logger is where a part of this world logs.
func (w *world) logger(who string) *slog.Logger {
	if w.log == nil {
		return quiet(w.t, who)
	}
	return slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})).With("who", who)
}

// quiet logs to the test when it is asked for in full.
func quiet(t testing.TB, who string) *slog.Logger {
	if os.Getenv("SIDIK_TEST_LOG") == "" {
		return slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("who", who)
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// office is one site: a terminal and an agent.
type office struct {
	kernel   func() protocol.ClockState // of the agent's clock; nil: this machine's
	w        *world
	site     protocol.SiteID
	unit     string // that the terminal serves, where one was registered
	terminal *zktest.Terminal
	config   config.Config
	agent    *running                     // nil while it is stopped
	live     *atomic.Pointer[agent.Agent] // another one after each restart
}

// newOffice makes a terminal of a profile with some punches, and an agent's
// configuration and key. Nothing is admitted and nothing runs.
func (w *world) newOffice(site, profile string, punches int) *office {
	w.t.Helper()
	p, err := zktest.ProfileByName(profile)
	if err != nil {
		w.t.Fatal(err)
	}
	p.TemplateCap = max(p.TemplateCap, w.room)
	terminal, err := zktest.New(zktest.Config{
		Profile: p, Serial: "SIM-" + site, Form: w.form, CommKey: w.commKey, EnrolByHand: true,
		Clock: func() time.Time { return protocol.Wall(time.Now()) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := terminal.Close(); err != nil {
			w.t.Errorf("close terminal: %v", err)
		}
	})
	if err := terminal.Fill(10, 0, punches); err != nil {
		w.t.Fatal(err)
	}
	address, err := terminal.Listen("127.0.0.1:0", true)
	if err != nil {
		w.t.Fatal(err)
	}
	network, live := "tcp", true
	if p.Users == zk.User28 {
		network = "udp"
	}
	o := &office{w: w, site: protocol.SiteID(site), terminal: terminal, config: config.Config{
		Site: site,
		Data: filepath.Join(w.dir, site),
		Hub:  w.wayToHub(),
		Buffer: config.Buffer{
			MaxMB: 64, RetentionDays: 90, RetainPunches: 50_000,
		},
		Terminals: []config.Terminal{{
			Serial: terminal.Serial(), Address: address.String(), Network: network, CommKey: w.commKey,
			Every: config.Duration(time.Second), Live: &live,
		}},
	}}
	w.t.Cleanup(func() { o.stop() })
	return o
}

// wayToHub is what agents' configurations say of it.
func (w *world) wayToHub() config.Hub {
	if w.certified {
		return config.Hub{Address: "https://" + w.door, Root: string(w.root.Fingerprint())}
	}
	return config.Hub{Broker: w.brokers()[0], Root: string(w.root.Fingerprint())}
}

// broken is a way to a broker where there is none.
func (w *world) broken(broker string) config.Hub {
	return config.Hub{Broker: broker, Root: string(w.root.Fingerprint())}
}

// admit does what the hub's operator does: register site and terminal, and give the agent
// a claim code, or compare its key.
func (o *office) admit() {
	t := o.w.t
	t.Helper()
	if o.w.certified {
		code, err := hub.ExpectAgent(t.Context(), o.w.hubData(), "", "operator", o.site, protocol.Serial(o.terminal.Serial()))
		if err == nil {
			err = agent.PutClaim(o.config.Data, code)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	key, _, err := agent.LoadKey(o.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	s, err := hub.OpenStore(t.Context(), o.w.hubData(), "")
	if err != nil {
		t.Fatal(err)
	}
	err = s.AddSite(t.Context(), o.site, key.Public().Fingerprint(), time.Now())
	if err == nil {
		err = s.AddTerminal(t.Context(), o.site, protocol.Serial(o.terminal.Serial()), time.Now())
	}
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

func (o *office) start() {
	t := o.w.t
	t.Helper()
	options := agent.Options{
		Config: o.config, Version: "test", Logger: o.w.logger(string(o.site)),
		StateEvery: 2 * time.Second, ResendAfter: 2 * time.Second, RetryMin: 100 * time.Millisecond, BackoffMax: 2 * time.Second,
		TrySettings: 5 * time.Second, Kernel: o.kernel,
	}
	a, err := agent.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	live := &atomic.Pointer[agent.Agent]{}
	live.Store(a)
	o.live = live
	o.agent = run(func(ctx context.Context) error {
		for {
			err := errors.Join(a.Run(ctx), a.Close())
			if !errors.Is(err, agent.ErrRestart) {
				return err
			}
			if a, err = agent.Open(ctx, options); err != nil { // as the program does
				return err
			}
			live.Store(a)
		}
	})
}

func (o *office) stop() {
	o.w.t.Helper()
	if o.agent != nil {
		o.agent.end(o.w.t)
		o.agent = nil
	}
}

// expected is what the terminal holds, a line each, with running numbers.
func (o *office) expected() []string {
	count := map[string]int{}
	var lines []string
	for _, a := range o.terminal.Punches() {
		when := string(protocol.RawTime(protocol.SourceZK, fmt.Sprint(uint32(a.Time))))
		if wall, exists := a.Time.Wall(); exists {
			when = string(protocol.NewLocalTime(wall))
		}
		key := fmt.Sprintf("%s %s %d", a.PIN, when, a.Status)
		lines = append(lines, fmt.Sprintf("%s verify %d work %d nth %d", key, a.Verify, a.WorkCode, count[key]))
		count[key]++
	}
	slices.Sort(lines)
	return lines
}

// arrive waits until the hub holds exactly what the terminal holds.
func (o *office) arrive() {
	t := o.w.t
	t.Helper()
	o.arriveWrittenTo()
	if n := o.terminal.DisableCount(); n != 0 {
		t.Errorf("terminal was disabled %d times, reading never does", n)
	}
	if !o.terminal.Enabled() {
		t.Error("terminal is left disabled")
	}
}

// arriveWrittenTo is arrive for a terminal that was written to, which disables it for
// moments.
func (o *office) arriveWrittenTo() {
	t := o.w.t
	t.Helper()
	var want, got []string
	eventually(t, func() bool {
		want, got = o.expected(), o.stored()
		return slices.Equal(want, got)
	}, func() string {
		return fmt.Sprintf("site %s: the terminal holds %d punches, the hub %d\n%s", o.site, len(want), len(got), difference(want, got))
	})
}

// arriveAtLeast waits until the hub holds everything that the terminal holds;
// it may hold what the terminal has forgotten.
func (o *office) arriveAtLeast() {
	t := o.w.t
	t.Helper()
	var missing string
	eventually(t, func() bool {
		missing = missingAtHub(o.expected(), o.stored())
		return missing == ""
	}, func() string { return missing })
}

func missingAtHub(want, got []string) string {
	text, _, _ := strings.Cut(difference(want, got), "  only at the hub")
	return text
}

// punch lets n punches be made as fast as the terminal takes them.
func (o *office) punch(n int) {
	o.w.t.Helper()
	users := o.terminal.Users()
	for i := range n {
		if err := o.terminal.Punch(users[i%len(users)].PIN, uint8(i%2)); err != nil {
			o.w.t.Fatal(err)
		}
	}
}

// shows waits until the running agent declares a condition.
func (o *office) shows(code string) {
	o.w.t.Helper()
	eventually(o.w.t, func() bool {
		return slices.ContainsFunc(o.live.Load().Status().State.Conditions, func(c protocol.Condition) bool { return c.Code == code })
	}, func() string {
		return fmt.Sprintf("the agent does not show %s but %+v", code, o.live.Load().Status().State.Conditions)
	})
}

// shows waits until the hub declares a condition.
func (w *world) shows(code string) {
	w.t.Helper()
	s, err := hub.OpenStore(w.t.Context(), w.hubData(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	var seen []string
	eventually(w.t, func() bool {
		conditions, err := s.AllConditions(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		seen = nil
		for _, c := range conditions {
			seen = append(seen, c.Code)
		}
		return slices.Contains(seen, code)
	}, func() string { return fmt.Sprintf("the hub does not show %s but %v", code, seen) })
}

// difference names the first lines that only one side has.
func difference(want, got []string) string {
	var b strings.Builder
	for _, side := range []struct {
		name     string
		have, in []string
	}{{"missing at the hub", want, got}, {"only at the hub", got, want}} {
		left := map[string]int{}
		for _, line := range side.in {
			left[line]++
		}
		shown := 0
		for _, line := range side.have {
			if left[line]--; left[line] < 0 && shown < 3 {
				shown++
				fmt.Fprintf(&b, "  %s: %s\n", side.name, line)
			}
		}
	}
	return b.String()
}

// eventually asks until it is so, or fails with what it saw last.
func eventually(t testing.TB, so func() bool, what func() string) {
	t.Helper()
	within(t, patience, so, what)
}

// within is eventually for what takes long by its size.
func within(t testing.TB, patience time.Duration, so func() bool, what func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		if time.Now().After(deadline) {
			t.Fatal(what())
		}
		<-tick.C
	}
}

// punching lets people punch every few milliseconds until stop is called.
func (o *office) punching(every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var people sync.WaitGroup
	people.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				users := o.terminal.Users()
				if err := o.terminal.Punch(users[n%len(users)].PIN, uint8(n%2)); err != nil {
					o.w.t.Errorf("punch: %v", err)
					return
				}
			}
		}
	})
	return func() { cancel(); people.Wait() }
}

// copyFolder copies the files of a folder that nobody is writing.
func copyFolder(t testing.TB, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
