package uplink_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/agent/internal/uplink"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt/mqtttest"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	site    protocol.SiteID = "samsat-demo"
	echo                    = "test/echo"
	patient                 = time.Hour // an interval that does not end within a test
)

// world is one agent's line with a real buffer and broker, and a hub that says
// what the test tells it to say.
type world struct {
	t         *testing.T
	url       string
	root, hub seal.SigningKey
	agent     seal.SigningKey
	sealing   seal.SealingPublic // the hub's
	trusted   *keyring.Keyring
	documents uint64 // signed so far
	buffer    *buffer.Buffer
	health    health
	uplink    *uplink.Uplink
	outcomes  chan buffer.Outcome

	conn     *mqtt.Conn // the hub's
	segments chan protocol.Segment
	states   chan protocol.State
	echoes   chan string
	progress chan protocol.Progress
	first    chan protocol.Kind       // of all that the hub hears, only the first
	hashes   map[uint64]protocol.Hash // of the segments that next returned
	noise    uint64
}

type health struct {
	key     seal.PublicKey
	changed chan struct{}
}

func (h health) State() protocol.State {
	return protocol.State{Boot: "0123456789abcdef", Key: h.key, Clock: protocol.ClockHeld, Capacity: protocol.Capacity{DaysLeft: -1}}
}

func (h health) Changed() <-chan struct{} { return h.changed }

func newKey(t *testing.T) seal.SigningKey {
	t.Helper()
	key, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newWorld starts broker and hub, not the agent.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, url: mqtttest.StartMosquitto(t).URLs()[0], root: newKey(t), hub: newKey(t), agent: newKey(t),
		outcomes: make(chan buffer.Outcome, 1000), segments: make(chan protocol.Segment, 1000),
		states: make(chan protocol.State, 1000), echoes: make(chan string, 1000), progress: make(chan protocol.Progress, 10), first: make(chan protocol.Kind, 1), hashes: map[uint64]protocol.Hash{},
	}
	w.health = health{w.agent.Public(), make(chan struct{}, 1)}
	sealing, err := seal.GenerateSealingKey()
	if err != nil {
		t.Fatal(err)
	}
	w.sealing = sealing.Public()
	if w.trusted, err = keyring.Open(keyring.Options{Dir: t.TempDir(), Root: w.root.Public().Fingerprint(),
		Now: func() (time.Time, bool) { return time.Now(), true }}); err != nil {
		t.Fatal(err)
	}
	if w.buffer, _, err = buffer.Open(t.Context(), buffer.Options{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.buffer.Close(); err != nil {
			t.Error(err)
		}
	})
	connected := make(chan *mqtt.Conn, 1)
	run(t, func(ctx context.Context) error {
		return mqtt.Run(ctx, mqtt.Options{
			Brokers: []string{w.url}, ClientID: "hub",
			Subscribe: []string{protocol.TopicUp(protocol.KindState), protocol.TopicUp(protocol.KindPunches), protocol.TopicUp(protocol.KindProgress), protocol.TopicUp(protocol.KindResults), echo},
		}, func(ctx context.Context, c *mqtt.Conn) error {
			connected <- c
			for {
				select {
				case m, open := <-c.Messages():
					if !open {
						return nil
					}
					w.hear(m)
				case <-ctx.Done():
					return nil
				}
			}
		})
	})
	w.conn = <-connected
	return w
}

// run runs a part until the test ends, or stop is called.
func run(t *testing.T, part func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := part(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("part ended: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

// options are those of the agent's line.
func (w *world) options() uplink.Options {
	return uplink.Options{
		Site: site, Key: w.agent, Hub: w.trusted, Line: line{w.url}, Buffer: w.buffer, Health: w.health,
		Now: func() *time.Time { return nil }, Receipt: func(o buffer.Outcome) { w.outcomes <- o },
		Logger: slog.New(slog.DiscardHandler), StateEvery: patient, ResendAfter: patient,
	}
}

func (w *world) start(o uplink.Options) (stop func()) {
	w.uplink = uplink.New(o)
	return run(w.t, w.uplink.Run)
}

func (w *world) hear(m mqtt.Message) {
	if m.Topic == echo {
		w.echoes <- string(m.Payload)
		return
	}
	e, err := protocol.Open(m.Topic, m.Payload, func(protocol.SiteID, seal.KeyID) (seal.PublicKey, bool) { return w.agent.Public(), true })
	if err != nil || e.To != w.hub.Public().KeyID() {
		w.t.Errorf("message to %q at %s: %v", e.To, m.Topic, err)
		return
	}
	select {
	case w.first <- e.Kind:
	default:
	}
	switch e.Kind {
	case protocol.KindPunches:
		var s protocol.Segment
		if err := e.Into(&s); err != nil {
			w.t.Errorf("segment: %v", err)
		}
		w.segments <- s
	case protocol.KindState:
		var s protocol.State
		if err := e.Into(&s); err != nil {
			w.t.Errorf("state: %v", err)
		}
		w.states <- s
	case protocol.KindProgress:
		var p protocol.Progress
		if err := e.Into(&p); err != nil {
			w.t.Errorf("progress: %v", err)
		}
		w.progress <- p
	}
}

// publish says something as anybody at the broker could.
func (w *world) publish(topic string, payload []byte) {
	w.t.Helper()
	if err := w.conn.Publish(w.t.Context(), mqtt.Message{Topic: topic, Payload: payload, Retained: topic != echo}); err != nil {
		w.t.Fatalf("publish at %s: %v", topic, err)
	}
}

func sealed(t *testing.T, e protocol.Envelope, body any, key seal.SigningKey) []byte {
	t.Helper()
	payload, err := protocol.Seal(e, body, key)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func (w *world) sayKeys(key seal.SigningKey) {
	w.t.Helper()
	w.signKeys(w.root, key)
}

// signKeys publishes a keys document that some root signed.
func (w *world) signKeys(root, hub seal.SigningKey) {
	w.t.Helper()
	w.documents++
	message, err := trust.Sign(root, w.documents, time.Now(), protocol.KeyList{
		Signing: []protocol.HubKey{{Key: hub.Public()}}, Sealing: []seal.SealingPublic{w.sealing}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.publish(protocol.Topic{Site: protocol.HubSite, Kind: protocol.KindKeys}.String(), message)
}

// line is one broker that stays where it is.
type line struct{ url string }

func (l line) Brokers() []string        { return []string{l.url} }
func (l line) TLS() *tls.Config         { return nil }
func (l line) Changed() <-chan struct{} { return nil }

func (w *world) sayHub(counter uint64, status protocol.HubStatus) {
	w.t.Helper()
	e := protocol.Envelope{Kind: protocol.KindHub, Site: protocol.HubSite, Seq: protocol.Seq{Life: 5, Counter: counter}}
	w.publish(e.Topic().String(), sealed(w.t, e, protocol.Hub{Status: status, Generation: generation(5)}, w.hub))
}

// generation is the hub's life of a number, the same in every call.
func generation(number uint64) protocol.Generation {
	return protocol.Generation{ID: protocol.Hash{byte(number)}, Number: number}
}

// envelope is that of a receipt for the agent.
func (w *world) envelope(life, counter uint64) protocol.Envelope {
	return protocol.Envelope{Kind: protocol.KindReceipt, Site: site, To: w.agent.Public().KeyID(), Seq: protocol.Seq{Life: life, Counter: counter}}
}

var receiptTopic = protocol.Topic{Site: site, Kind: protocol.KindReceipt}.String()

// stored is a receipt over the present epoch through a sequence whose hash next has seen.
func (w *world) stored(number, through uint64) protocol.Receipt {
	r := protocol.Receipt{Generation: generation(number), Epochs: []protocol.EpochStore{}}
	if through > 0 {
		r.Epochs = append(r.Epochs, protocol.EpochStore{Epoch: w.buffer.Epoch(), Through: through, Hash: w.hashes[through]})
	}
	return r
}

func (w *world) sayReceipt(counter, through uint64) {
	w.t.Helper()
	w.publish(receiptTopic, sealed(w.t, w.envelope(5, counter), w.stored(5, through), w.hub))
}

// next is the next segment that the hub hears.
func (w *world) next() protocol.Segment {
	w.t.Helper()
	s := wait(w.t, "a segment", w.segments)
	links, err := s.Links()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range links {
		w.hashes[l.Seq] = l.Hash
	}
	return s
}

func wait[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s did not come within 20 s", what)
	}
	return v
}

// until polls for something that other goroutines bring about.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// settle returns when the agent has looked for something to send twice and the
// hub has heard what it found.
func (w *world) settle() {
	w.t.Helper()
	for range 2 {
		w.noise++
		w.publish(receiptTopic, []byte("noise"))
		until(w.t, "noise refused", func() bool { return w.uplink.Status().Refused[protocol.ReasonForm] == w.noise })
	}
	w.publish(echo, fmt.Append(nil, w.noise))
	wait(w.t, "the hub's echo", w.echoes)
}

func (w *world) silent() {
	w.t.Helper()
	w.settle()
	select {
	case s := <-w.segments:
		w.t.Fatalf("segment %d–%d was sent", s.First, s.Last)
	default:
	}
}

// keep appends n punches.
func (w *world) keep(n int) {
	w.t.Helper()
	first := int(w.buffer.Last())
	f := buffer.Flush{Serial: "DEMO-0001"}
	for i := first; i < first+n; i++ {
		at := time.Date(2026, 1, 2, 7, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Second)
		f.Entries = append(f.Entries, buffer.Entry{Mark: uint64(i) + 1, Record: protocol.Record{
			Serial: f.Serial, PIN: fmt.Sprint(i + 1), Time: protocol.NewLocalTime(at), Verify: 1,
			Source: protocol.SourceZK, Raw: fmt.Appendf(nil, "%040d", i), Read: "0123456789abcdef",
		}})
	}
	if err := w.buffer.Append(f); err != nil {
		w.t.Fatal(err)
	}
}
