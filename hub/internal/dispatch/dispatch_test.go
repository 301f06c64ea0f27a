package dispatch_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/hub/internal/dispatch"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt/mqtttest"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/protocol/trust/trusttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	demo  protocol.SiteID = "demo"
	other protocol.SiteID = "other"
)

// world is a dispatch with a real store and broker, and a witness of all topics.
type world struct {
	t        *testing.T
	url      string
	store    *store.Store
	key      seal.SigningKey
	agent    *storetest.Agent
	marker   *storetest.Agent // of site other
	marks    int
	holding  *holding.Holding
	vault    *vault
	jobs     *jobs
	refused  atomic.Int64
	document []byte // of keys, as the root signed it
	dispatch *dispatch.Dispatch
	heard    chan mqtt.Message
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"))
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	key, err := seal.GenerateSigningKey()
	ok(t, err)
	w := &world{t: t, url: mqtttest.StartMosquitto(t).URLs()[0], store: s, key: key, agent: storetest.NewAgent(t, demo), marker: storetest.NewAgent(t, other),
		holding: holding.New(s), vault: &vault{held: map[protocol.Hash][]byte{}}, jobs: &jobs{}, heard: make(chan mqtt.Message, 100)}
	for _, a := range []*storetest.Agent{w.agent, w.marker} {
		ok(t, s.AddSite(t.Context(), a.Site, a.Key.Public().Fingerprint(), storetest.Morning()))
	}
	w.document = trusttest.NewRoot(t).Sign(t, trust.Request{Keys: protocol.KeyList{
		Signing: []protocol.HubKey{{Key: key.Public()}}, Sealing: []seal.SealingPublic{sealingKey(t).Public()}}})
	w.dispatch = dispatch.New(dispatch.Options{Store: s, Holding: w.holding, Vault: w.vault, Jobs: w.jobs, Key: key, Keys: w.document, Version: "1",
		Sent: func(int) {}, Refused: func(n int) { w.refused.Add(int64(n)) }, Logger: slog.New(slog.DiscardHandler)})
	return w
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// connect runs serve over one connection; the returned function ends it and waits.
func (w *world) connect(o mqtt.Options, serve func(context.Context, *mqtt.Conn) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	o.Brokers = []string{w.url}
	go func() {
		defer close(done)
		if err := mqtt.Run(ctx, o, serve); ctx.Err() == nil {
			w.t.Errorf("connection %s ended: %v", o.ClientID, err)
		}
	}()
	stop = func() { cancel(); <-done }
	w.t.Cleanup(stop)
	return stop
}

// watch hears everything; it returns when the subscription stands.
func (w *world) watch() {
	w.t.Helper()
	up, heard := make(chan struct{}, 1), w.heard
	w.connect(mqtt.Options{ClientID: "witness", Subscribe: []string{protocol.TopicAll}}, func(ctx context.Context, c *mqtt.Conn) error {
		up <- struct{}{}
		for {
			select {
			case m := <-c.Messages():
				heard <- m
			case <-ctx.Done():
				return nil
			}
		}
	})
	wait(w.t, up)
}

func (w *world) serve() (stop func()) {
	w.t.Helper()
	ready := make(chan struct{}, 1)
	stop = w.connect(mqtt.Options{ClientID: "hub", Will: func(uint32) (mqtt.Message, error) { return w.dispatch.Will(context.Background()) }},
		func(ctx context.Context, c *mqtt.Conn) error {
			return w.dispatch.Serve(ctx, c, func() { ready <- struct{}{} })
		})
	wait(w.t, ready)
	return stop
}

func wait[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came within 20 s")
	}
	return v
}

// next opens the next message of the hub.
func (w *world) next(body any) protocol.Envelope {
	w.t.Helper()
	return w.opened(wait(w.t, w.heard), body)
}

func (w *world) opened(m mqtt.Message, body any) protocol.Envelope {
	w.t.Helper()
	e, err := protocol.Open(m.Topic, m.Payload, func(protocol.SiteID, seal.KeyID) (seal.PublicKey, bool) { return w.key.Public(), true })
	ok(w.t, err)
	if body != nil {
		ok(w.t, e.Into(body))
	}
	return e
}

func TestKeysAndReceiptsAreInPlaceBeforeTheBirthAndGoneIsSaidAtTheEnd(t *testing.T) {
	w := newWorld(t)
	w.watch()
	stop := w.serve()
	if m := wait(t, w.heard); m.Topic != "sidik/v1/_/keys" || string(m.Payload) != string(w.document) {
		t.Errorf("first came %s, want the keys document as the root signed it", m.Topic)
	}
	receipts := map[protocol.SiteID]protocol.Envelope{}
	for range 2 {
		e := w.next(&protocol.Receipt{})
		receipts[e.Site] = e
	}
	if len(receipts) != 2 || receipts[demo].To != w.agent.Key.Public().KeyID() {
		t.Errorf("receipts of %d sites, that of %s for key %s", len(receipts), demo, receipts[demo].To)
	}
	var hub protocol.Hub
	birth := w.next(&hub)
	if hub.Status != protocol.HubBorn {
		t.Errorf("hub says %s, want born", hub.Status)
	}

	segment, message := w.agent.Segment(t, storetest.Punches("DEMO1", 0, 3)...)
	links, err := segment.Links()
	ok(t, err)
	ok(t, w.store.LearnKey(t.Context(), demo, w.agent.Key.Public(), storetest.Morning()))
	_, err = w.store.Accept(t.Context(), []store.Incoming{{Site: demo, From: w.agent.Key.Public().KeyID(), Message: message, Segment: segment, Links: links, Received: storetest.Morning()}})
	ok(t, err)
	w.dispatch.Changed(demo)
	var r protocol.Receipt
	e := w.next(&r)
	if stored, _ := r.Of(segment.Epoch); e.Site != demo || stored.Through != 3 || stored.Hash != segment.Head || !receipts[demo].Seq.Less(e.Seq) {
		t.Errorf("receipt %s of site %s through %d, want a newer one than %s through 3", e.Seq, e.Site, stored.Through, receipts[demo].Seq)
	}

	stop()
	e = w.next(&hub) // and no receipt of the other site before it
	if hub.Status != protocol.HubGone || !birth.Seq.Less(e.Seq) {
		t.Errorf("at the end the hub says %s as %s after %s, want gone", hub.Status, e.Seq, birth.Seq)
	}
	w.heard = make(chan mqtt.Message, 100)
	w.connect(mqtt.Options{ClientID: "later", Subscribe: []string{e.Topic().String()}}, func(ctx context.Context, c *mqtt.Conn) error {
		select {
		case m := <-c.Messages():
			w.heard <- m
		case <-ctx.Done():
		}
		<-ctx.Done()
		return nil
	})
	if w.next(&hub); hub.Status != protocol.HubGone {
		t.Errorf("the broker keeps %s, want gone", hub.Status)
	}
}

// leave publishes a retained message at a topic that our own carrier refuses.
func (w *world) leave(topic string) {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "tcp://"))
	ok(w.t, err)
	defer conn.Close()
	ok(w.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	connect := append([]byte{0x10, 13, 0, 4}, "MQTT\x04\x02\x00\x3c\x00\x01x"...)
	publish := append([]byte{0x33, byte(2 + len(topic) + 3), 0, byte(len(topic))}, topic+"\x00\x01x"...)
	_, err = conn.Write(append(connect, publish...))
	ok(w.t, err)
	_, err = io.ReadFull(conn, make([]byte, 4+4)) // CONNACK, PUBACK
	ok(w.t, err)
}

func TestSweepClearsWhatStrangersLeftWhileOthersSpeak(t *testing.T) {
	w := newWorld(t)
	mine, strange := protocol.Topic{Site: demo, Kind: protocol.KindState}.String(), protocol.Topic{Site: "stranger", Kind: protocol.KindState}.String()
	odd, segment := "sidik/v1/what/is/this", protocol.Topic{Site: demo, Kind: protocol.KindPunches}.String()
	w.leave("sidik/v1/a blank/state") // which no client of ours could clear
	swept := make(chan error, 1)
	left := make(chan struct{}, 1)
	w.connect(mqtt.Options{ClientID: "sites"}, func(ctx context.Context, c *mqtt.Conn) error {
		for _, topic := range []string{mine, strange, odd, segment} {
			if err := c.Publish(ctx, mqtt.Message{Topic: topic, Payload: []byte("left"), Retained: true}); err != nil {
				return err
			}
		}
		left <- struct{}{}
		for tick := time.NewTicker(20 * time.Millisecond); ; { // more often than the sweep's quiet
			select {
			case <-tick.C:
				_ = c.Publish(ctx, mqtt.Message{Topic: mine, Payload: []byte("news")})
			case <-ctx.Done():
				tick.Stop()
				return nil
			}
		}
	})
	wait(t, left)
	w.connect(mqtt.Options{ClientID: "sweep", Subscribe: []string{protocol.TopicAll}}, func(ctx context.Context, c *mqtt.Conn) error {
		swept <- w.dispatch.Sweep(ctx, c)
		<-ctx.Done()
		return nil
	})
	ok(t, wait(t, swept))
	w.watch()
	for { // retained copies come before the news
		m := wait(t, w.heard)
		if !m.Retained {
			break
		}
		switch m.Topic {
		case mine:
			mine = "" // seen
		case "sidik/v1/a blank/state":
		default:
			t.Errorf("%s is still kept", m.Topic)
		}
	}
	if mine != "" {
		t.Error("the known site's state was removed")
	}
}
