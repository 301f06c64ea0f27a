package mqtttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// Conformance is the body of tests that the carrier and a broker must pass
// together, the same for every broker. It stops and starts the broker.
func Conformance(t *testing.T, b Broker) {
	for _, test := range []struct {
		outcome string
		run     func(*testing.T, Broker)
	}{
		{"retained messages are kept, renewed and cleared", retained},
		{"wildcards see all sites, and their own sender", wildcards},
		{"the largest message passes and a larger one is refused by us", largest},
		{"a denied subscription is an error and never served", denied},
		{"the will of a cut connection carries its number", willOfCut},
		{"an orderly end publishes no will", willNotAtEnd},
		{"two clients with one id are noticed", taken},
		{"an idle line that is dead is noticed", deadIdle},
		{"a busy line that is dead is noticed", deadBusy},
		{"publishing without a line fails at once and keeps nothing", offline},
		{"a farewell is possible after the end was asked for", farewell},
		{"a broker that crashed is found again and subscribed to again", crash},
		{"no publish is called acknowledged that the broker has not seen", honest},
	} {
		t.Run(test.outcome, func(t *testing.T) { test.run(t, b) })
	}
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// quick are options whose times suit a test.
func quick(t *testing.T, urls []string, name string) mqtt.Options {
	return mqtt.Options{
		Brokers: urls, ClientID: id(t, name),
		KeepAlive: time.Second, PingTimeout: time.Second, ConnectTimeout: 10 * time.Second,
		WriteTimeout: time.Second, AckTimeout: 10 * time.Second,
		BackoffMin: 5 * time.Millisecond, BackoffMax: 200 * time.Millisecond,
	}
}

// id is a client id that no other test of this process uses.
func id(t *testing.T, name string) string {
	return fmt.Sprintf("%s-%x", name, time.Now().UnixNano())
}

// topics gives a test a branch of its own: root/site/kind.
func root(t *testing.T) string { return fmt.Sprintf("test%x", time.Now().UnixNano()) }

// start runs a client until the returned function or the test's end stops it.
func start(t *testing.T, o mqtt.Options, serve func(context.Context, *mqtt.Conn) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mqtt.Run(ctx, o, serve) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("Run = %v, want context canceled", err)
				}
			case <-time.After(patience):
				t.Error("Run did not return after its context's end")
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// client is a client whose connections a test gets one after the other.
type client struct {
	t    *testing.T
	up   chan live
	stop func()
}

// live is a connection that is served until its context ends.
type live struct {
	*mqtt.Conn
	ctx context.Context
}

func connect(t *testing.T, o mqtt.Options) client {
	c := client{t: t, up: make(chan live, 1000)}
	c.stop = start(t, o, func(ctx context.Context, conn *mqtt.Conn) error {
		c.up <- live{conn, ctx}
		<-ctx.Done()
		return nil
	})
	return c
}

func (c client) next() live {
	c.t.Helper()
	return receive(c.t, c.up, "a connection")
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v, ok := <-from:
		if !ok {
			t.Fatalf("waiting for %s: the channel was closed", what)
		}
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
	}
	panic("unreachable")
}

func publish(t *testing.T, c live, m mqtt.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if err := c.Publish(ctx, m); err != nil {
		t.Fatalf("Publish(%s, %d bytes) = %v", m.Topic, len(m.Payload), err)
	}
}

func want(t *testing.T, got mqtt.Message, topic, payload string, retained bool) {
	t.Helper()
	if got.Topic != topic || string(got.Payload) != payload || got.Retained != retained {
		t.Fatalf("got %s %.40q retained=%v, want %s %.40q retained=%v", got.Topic, got.Payload, got.Retained, topic, payload, retained)
	}
}

func retained(t *testing.T, b Broker) {
	r := root(t)
	sender := connect(t, quick(t, b.URLs(), "sender")).next()
	kept, cleared, fence := r+"/site-1/state", r+"/site-2/state", r+"/site-3/fence"
	publish(t, sender, mqtt.Message{Topic: kept, Payload: []byte("old"), Retained: true})
	publish(t, sender, mqtt.Message{Topic: kept, Payload: []byte("new"), Retained: true})
	publish(t, sender, mqtt.Message{Topic: cleared, Payload: []byte("x"), Retained: true})
	publish(t, sender, mqtt.Message{Topic: cleared, Retained: true})

	// A broker may acknowledge before its memory is the same everywhere, so the
	// newest state is what must come in the end, on every node.
	for _, url := range b.URLs() {
		deadline := time.Now().Add(patience)
		for {
			o := quick(t, []string{url}, "reader")
			o.Subscribe = []string{r + "/#"}
			c := connect(t, o)
			reader := c.next()
			publish(t, reader, mqtt.Message{Topic: fence, Payload: []byte(url)})
			var seen []string
			for {
				m := receive(t, reader.Messages(), "retained messages")
				if m.Topic == fence && string(m.Payload) == url {
					break
				}
				if m.Retained {
					seen = append(seen, m.Topic+" "+string(m.Payload))
				}
			}
			c.stop()
			if len(seen) == 1 && seen[0] == kept+" new" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("retained at %s: %q, want only %q", url, seen, kept+" new")
			}
		}
	}
	publish(t, sender, mqtt.Message{Topic: kept, Retained: true}) // leave nothing behind
}

func wildcards(t *testing.T, b Broker) {
	r := root(t)
	o := quick(t, b.URLs(), "hub")
	o.Subscribe = []string{r + "/#"}
	hub := connect(t, o).next()
	o = quick(t, b.URLs(), "one-kind")
	o.Subscribe = []string{r + "/+/punches"}
	kind := connect(t, o).next()
	for _, topic := range []string{"/site-1/state", "/site-1/punches", "/_/hub", "/site-2/punches"} {
		publish(t, hub, mqtt.Message{Topic: r + topic, Payload: []byte("m")})
	}
	publish(t, hub, mqtt.Message{Topic: r, Payload: []byte("the root itself")})
	seen := map[string]int{}
	for len(seen) < 5 {
		seen[receive(t, hub.Messages(), "all messages").Topic]++
	}
	for topic, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", topic, n)
		}
	}
	punches := map[string]bool{}
	for len(punches) < 2 {
		punches[receive(t, kind.Messages(), "both punches").Topic] = true
	}
	if !punches[r+"/site-1/punches"] || !punches[r+"/site-2/punches"] {
		t.Errorf("+/punches got %v", punches)
	}
}

func largest(t *testing.T, b Broker) {
	r := root(t)
	o := quick(t, b.URLs(), "hub")
	o.Subscribe = []string{r + "/#"}
	c := connect(t, o).next()
	payload := bytes.Repeat([]byte("0123456789abcdef"), 256<<10/16)
	topic := r + "/" + strings.Repeat("s", mqtt.MaxTopic-len(r)-1-len("/state")) + "/state"
	publish(t, c, mqtt.Message{Topic: topic, Payload: payload, Retained: true})
	if m := receive(t, c.Messages(), "the largest message"); m.Topic != topic || !bytes.Equal(m.Payload, payload) {
		t.Fatalf("got %d bytes on a topic of %d, want %d on %d", len(m.Payload), len(m.Topic), len(payload), len(topic))
	}
	publish(t, c, mqtt.Message{Topic: topic, Retained: true})
	want(t, receive(t, c.Messages(), "the clearing"), topic, "", false)

	for _, bad := range []struct {
		m   mqtt.Message
		err error
	}{
		{mqtt.Message{Topic: r + "/a/state", Payload: append(payload, 'x')}, mqtt.ErrTooLarge},
		{mqtt.Message{Topic: topic + "x"}, mqtt.ErrTopic},
		{mqtt.Message{Topic: ""}, mqtt.ErrTopic},
		{mqtt.Message{Topic: "$SYS/x"}, mqtt.ErrTopic},
		{mqtt.Message{Topic: r + "/+/state"}, mqtt.ErrTopic},
		{mqtt.Message{Topic: r + "/#"}, mqtt.ErrTopic},
		{mqtt.Message{Topic: r + "/a b/state"}, mqtt.ErrTopic},
		{mqtt.Message{Topic: r + "/a.b/state"}, mqtt.ErrTopic},
		{mqtt.Message{Topic: r + "//state"}, mqtt.ErrTopic},
		{mqtt.Message{Topic: r + "/é/state"}, mqtt.ErrTopic},
	} {
		if err := c.Publish(c.ctx, bad.m); !errors.Is(err, bad.err) {
			t.Errorf("Publish(%.40q, %d bytes) = %v, want %v", bad.m.Topic, len(bad.m.Payload), err, bad.err)
		}
	}
	publish(t, c, mqtt.Message{Topic: r + "/a/state", Payload: []byte("still here")})
	want(t, receive(t, c.Messages(), "a message after the refusals"), r+"/a/state", "still here", false)
}

func denied(t *testing.T, b Broker) {
	trouble := make(chan error, 100)
	o := quick(t, b.URLs(), "stranger")
	o.Subscribe = []string{root(t) + "/+/state", b.ForbiddenFilter()}
	o.OnTrouble = func(err error) {
		select {
		case trouble <- err:
		default:
		}
	}
	start(t, o, func(context.Context, *mqtt.Conn) error {
		t.Error("served without its subscription")
		return nil
	})
	if err := receive(t, trouble, "trouble"); !errors.Is(err, mqtt.ErrDenied) || !strings.Contains(err.Error(), b.ForbiddenFilter()) {
		t.Fatalf("trouble is %v, want ErrDenied for %s", err, b.ForbiddenFilter())
	}
}

// willed are options with a will that carries the connection's number.
func willed(t *testing.T, urls []string, topic string) mqtt.Options {
	o := quick(t, urls, "agent")
	o.Will = func(n uint32) (mqtt.Message, error) {
		return mqtt.Message{Topic: topic, Payload: fmt.Appendf(nil, "lost %d", n), Retained: true}, nil
	}
	return o
}

func willOfCut(t *testing.T, b Broker) {
	r := root(t)
	o := quick(t, b.URLs(), "hub")
	o.Subscribe = []string{r + "/#"}
	hub := connect(t, o).next()
	proxy := StartProxy(t, b.URLs()[0])
	agent := connect(t, willed(t, []string{proxy.URL()}, r+"/site-1/state"))
	for range 3 {
		number := agent.next().Connection()
		if n := proxy.Drop(); n != 1 {
			t.Fatalf("dropped %d connections, want 1", n)
		}
		want(t, receive(t, hub.Messages(), "the will"), r+"/site-1/state", fmt.Sprintf("lost %d", number), false)
	}
	agent.stop()
	publish(t, hub, mqtt.Message{Topic: r + "/site-1/state", Retained: true})
}

func willNotAtEnd(t *testing.T, b Broker) {
	r := root(t)
	o := quick(t, b.URLs(), "hub")
	o.Subscribe = []string{r + "/#"}
	hub := connect(t, o).next()
	agent := connect(t, willed(t, b.URLs(), r+"/site-1/state"))
	agent.next()
	agent.stop()
	publish(t, hub, mqtt.Message{Topic: r + "/fence/state", Payload: []byte("fence")})
	want(t, receive(t, hub.Messages(), "the fence"), r+"/fence/state", "fence", false)
}

func taken(t *testing.T, b Broker) {
	trouble := make(chan error, 1000)
	o := quick(t, b.URLs()[:1], "twice")
	o.OnTrouble = func(err error) {
		select {
		case trouble <- err:
		default:
		}
	}
	connect(t, o)
	connect(t, o)
	for {
		if err := receive(t, trouble, "ErrTaken"); errors.Is(err, mqtt.ErrTaken) {
			return
		}
	}
}

// lost waits for the end of a connection and says how long that took.
func lost(t *testing.T, c live, since time.Time) time.Duration {
	t.Helper()
	receive(t, func() <-chan error {
		ended := make(chan error, 1)
		context.AfterFunc(c.ctx, func() { ended <- context.Cause(c.ctx) })
		return ended
	}(), "the loss of the connection")
	if err := context.Cause(c.ctx); !errors.Is(err, mqtt.ErrLost) {
		t.Fatalf("the connection ended with %v, want ErrLost", err)
	}
	return time.Since(since)
}

func deadIdle(t *testing.T, b Broker) {
	proxy := StartProxy(t, b.URLs()[0])
	agent := connect(t, quick(t, []string{proxy.URL()}, "agent"))
	c := agent.next()
	proxy.Freeze()
	took := lost(t, c, time.Now())
	if took > 8*time.Second { // keep alive 1 s, ping 1 s, and a busy machine
		t.Errorf("a dead idle line was noticed after %v", took)
	}
	t.Logf("noticed after %v", took)
	proxy.Thaw()
	agent.next()
}

func deadBusy(t *testing.T, b Broker) {
	r := root(t)
	proxy := StartProxy(t, b.URLs()[0])
	o := quick(t, []string{proxy.URL()}, "agent")
	o.KeepAlive, o.PingTimeout = 60*time.Second, 60*time.Second // only the write limit can notice
	agent := connect(t, o)
	c := agent.next()
	proxy.Freeze()
	since := time.Now()
	var work sync.WaitGroup
	for range 64 {
		work.Go(func() {
			for {
				err := c.Publish(c.ctx, mqtt.Message{Topic: r + "/a/punches", Payload: make([]byte, 256<<10)})
				if err == nil {
					t.Error("a publish into a dead line was acknowledged")
				}
				if c.ctx.Err() != nil {
					return
				}
			}
		})
	}
	took := lost(t, c, since)
	work.Wait()
	if took > 8*time.Second {
		t.Errorf("a dead busy line was noticed after %v", took)
	}
	t.Logf("noticed after %v", took)
	proxy.Drop()
	proxy.Thaw()
	agent.next()
}

func offline(t *testing.T, b Broker) {
	r := root(t)
	proxy := StartProxy(t, b.URLs()[0])
	type result struct {
		err  error
		grew int64
		took time.Duration
	}
	results := make(chan result, 10)
	stop := start(t, quick(t, []string{proxy.URL()}, "agent"), func(ctx context.Context, c *mqtt.Conn) error {
		proxy.Refuse(true)
		proxy.Drop()
		<-ctx.Done()
		const times = 100_000
		before, began := heap(), time.Now()
		var err error
		for range times {
			if err = c.Publish(context.Background(), mqtt.Message{Topic: r + "/a/punches", Payload: make([]byte, 1024)}); err == nil {
				break
			}
		}
		results <- result{err, heap() - before, time.Since(began)}
		return nil
	})
	got := receive(t, results, "the end of publishing")
	stop()
	if !errors.Is(got.err, mqtt.ErrLost) {
		t.Errorf("Publish without a line = %v, want ErrLost", got.err)
	}
	if got.grew > 4<<20 { // 100 000 messages of 1 KiB would be 100 MB
		t.Errorf("publishing without a line kept %d bytes", got.grew)
	}
	if got.took > 10*time.Second {
		t.Errorf("100 000 refusals took %v", got.took)
	}
}

// heap is the number of bytes in use after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func farewell(t *testing.T, b Broker) {
	r := root(t)
	o := quick(t, b.URLs(), "hub")
	o.Subscribe = []string{r + "/#"}
	hub := connect(t, o).next()
	up := make(chan struct{})
	stop := start(t, willed(t, b.URLs(), r+"/site-1/state"), func(ctx context.Context, c *mqtt.Conn) error {
		close(up)
		<-ctx.Done()
		if err := c.Publish(ctx, mqtt.Message{Topic: r + "/site-1/state", Payload: []byte("no")}); !errors.Is(err, context.Canceled) {
			t.Errorf("Publish with an ended context = %v, want context canceled", err)
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return c.Publish(ctx, mqtt.Message{Topic: r + "/site-1/state", Payload: []byte("bye")})
	})
	receive(t, func() chan bool { ok := make(chan bool, 1); go func() { <-up; ok <- true }(); return ok }(), "a connection")
	stop()
	want(t, receive(t, hub.Messages(), "the farewell"), r+"/site-1/state", "bye", false)
}

func crash(t *testing.T, b Broker) {
	r := root(t)
	o := quick(t, b.URLs(), "hub")
	o.Subscribe = []string{r + "/#"}
	hub := connect(t, o)
	agent := connect(t, quick(t, b.URLs(), "agent"))
	for round := range 2 {
		h, a := hub.next(), agent.next()
		// The newest connections: one may have been made and lost while the broker started.
		text := fmt.Sprintf("round %d", round)
		for delivered := false; !delivered; {
			if h.ctx.Err() != nil {
				h = hub.next()
			}
			if a.ctx.Err() != nil {
				a = agent.next()
			}
			if a.Publish(a.ctx, mqtt.Message{Topic: r + "/site-1/punches", Payload: []byte(text)}) != nil {
				continue
			}
			select {
			case m, open := <-h.Messages():
				delivered = open && string(m.Payload) == text
			case <-time.After(time.Second): // acknowledged while the hub was not yet subscribed
			}
		}
		if round == 1 {
			break
		}
		b.Stop()
		lost(t, h, time.Now())
		lost(t, a, time.Now())
		b.Start()
	}
}

func honest(t *testing.T, b Broker) {
	drops := 300
	switch {
	case testing.Short():
		drops = 60
	case os.Getenv("SIDIK_SOAK") != "":
		drops = 3000
	}
	r := root(t)
	o := quick(t, b.URLs(), "hub")
	o.KeepAlive = 60 * time.Second
	o.Subscribe = []string{r + "/+/punches"}
	o.InboxMessages = 1 << 20
	hub := connect(t, o).next()

	var (
		mu     sync.Mutex // guards what follows
		acked  = map[string]bool{}
		failed int
	)
	const agents = 4
	var work sync.WaitGroup
	for n := range agents {
		work.Go(func() {
			dropped(t, b.URLs()[0], r, n, drops/agents, func(text string, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					acked[text] = true
				} else {
					failed++
				}
			})
		})
	}
	work.Wait()
	if t.Failed() {
		return
	}

	seen := map[string]int{}
	missing := len(acked)
	deadline := time.After(patience)
	for missing > 0 {
		select {
		case m, open := <-hub.Messages():
			if !open {
				t.Fatal("the hub's own connection was lost")
			}
			text := string(m.Payload)
			if seen[text]++; seen[text] == 1 && acked[text] {
				missing--
			}
		case <-deadline:
			t.Fatalf("%d of %d acknowledged messages never came", missing, len(acked))
		}
	}
	if failed == 0 {
		t.Error("no publish failed in all those drops: the test tested nothing")
	}
	t.Logf("%d drops: %d acknowledged and all came, %d failed, %d came though they had failed", drops, len(acked), failed, len(seen)-len(acked))
}

// dropped publishes through a line that is cut so many times, and tells the result
// of every publish. A cut comes when the connection has had some acknowledged and
// has others under way.
func dropped(t *testing.T, url, root string, agent, times int, result func(text string, err error)) {
	proxy := StartProxy(t, url)
	o := quick(t, []string{proxy.URL()}, "agent")
	o.BackoffMax = 5 * time.Millisecond
	var number atomic.Uint64
	going := make(chan struct{}, 1)
	stop := start(t, o, func(ctx context.Context, c *mqtt.Conn) error {
		var work sync.WaitGroup
		defer work.Wait()
		for range 4 {
			work.Go(func() {
				for ctx.Err() == nil {
					text := fmt.Sprintf("%d.%d", agent, number.Add(1))
					err := c.Publish(context.Background(), mqtt.Message{Topic: fmt.Sprintf("%s/site-%d/punches", root, agent), Payload: []byte(text)})
					result(text, err)
					if err != nil {
						return
					}
					select {
					case going <- struct{}{}:
					default:
					}
				}
			})
		}
		return nil
	})
	defer stop()
	for range times {
		for range 3 {
			select {
			case <-going:
			case <-time.After(patience):
				t.Errorf("waited %v for a publish", patience)
				return
			}
		}
		proxy.Drop()
	}
}
