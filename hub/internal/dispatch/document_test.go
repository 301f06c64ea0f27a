package dispatch_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/dispatch"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// shelf is what sites are to have.
type shelf struct {
	mu   sync.Mutex
	list []dispatch.Document
	err  error
}

func (s *shelf) read(context.Context) ([]dispatch.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list, s.err
}

func (s *shelf) put(list ...dispatch.Document) {
	s.mu.Lock()
	s.list = list
	s.mu.Unlock()
}

// shelved is a world whose sites have documents.
func shelved(t *testing.T) (*world, *shelf) {
	t.Helper()
	w, s := newWorld(t), &shelf{}
	w.dispatch = dispatch.New(dispatch.Options{Store: w.store, Holding: w.holding, Documents: s.read, Key: w.key, Version: "1",
		Sent: func(int) {}, Refused: func(int) {}, Logger: slog.New(slog.DiscardHandler)})
	return w, s
}

func (w *world) config(revision uint64, text string) dispatch.Document {
	return dispatch.Document{Site: demo, Kind: protocol.KindConfig, To: w.agent.Key.Public().KeyID(), Order: protocol.Seq{Life: 1, Counter: revision}, Body: protocol.Config{Settings: text}}
}

// heardConfig is the next config, after receipts and words of the hub.
func (w *world) heardConfig() (protocol.Envelope, protocol.Config) {
	w.t.Helper()
	for {
		m := wait(w.t, w.heard)
		if topic, _ := protocol.ParseTopic(m.Topic); topic.Kind != protocol.KindConfig {
			continue
		}
		if len(m.Payload) == 0 {
			return protocol.Envelope{}, protocol.Config{}
		}
		var c protocol.Config
		e := w.opened(m, &c)
		return e, c
	}
}

func TestDocumentsFollowWhatIsKept(t *testing.T) {
	w, s := shelved(t)
	s.put(w.config(1, "language = \"en\""))
	w.watch()
	w.serve()
	if e, c := w.heardConfig(); e.Seq != (protocol.Seq{Life: 1, Counter: 1}) || e.To != w.agent.Key.Public().KeyID() || c.Settings != "language = \"en\"" {
		t.Errorf("config %s for %s: %q", e.Seq, e.To, c.Settings)
	}
	s.put(w.config(2, ""))
	if e, _ := w.heardConfig(); e.Seq.Counter != 2 {
		t.Errorf("config %s, want the second", e.Seq)
	}
	now := time.Now()
	w.dispatch.Has(demo, protocol.KindConfig, protocol.Seq{Life: 1, Counter: 1}, now)
	w.dispatch.Has(demo, protocol.KindConfig, protocol.Seq{Life: 1, Counter: 1}, now.Add(time.Minute))
	if e, _ := w.heardConfig(); e.Seq.Counter != 2 {
		t.Errorf("to an agent that never heard of the second, %s is said again", e.Seq)
	}
	s.put()
	if e, _ := w.heardConfig(); !e.Seq.Less(protocol.Seq{Life: 1}) {
		t.Errorf("what nobody is to have any more came as %s", e.Seq)
	}
}

func TestADoubtfulSiteGetsNoDocument(t *testing.T) {
	w, s := shelved(t)
	_, err := w.store.Raise(t.Context(), store.Condition{Site: demo, Code: "key-in-two-places"}, storetest.Morning())
	ok(t, err)
	mark := w.config(1, "")
	mark.Site, mark.To = other, w.marker.Key.Public().KeyID()
	s.put(w.config(1, ""), mark)
	w.watch()
	w.serve()
	if e, _ := w.heardConfig(); e.Site != other {
		t.Errorf("a site with two agents was given a config")
	}
}

func TestSweepClearsDocumentsThatNobodyIsToHave(t *testing.T) {
	w, s := shelved(t)
	s.put(w.config(1, ""))
	mine, others := protocol.Topic{Site: demo, Kind: protocol.KindConfig}.String(), protocol.Topic{Site: other, Kind: protocol.KindConfig}.String()
	left := make(chan struct{}, 1)
	w.connect(mqtt.Options{ClientID: "before"}, func(ctx context.Context, c *mqtt.Conn) error {
		for _, topic := range []string{mine, others} {
			if err := c.Publish(ctx, mqtt.Message{Topic: topic, Payload: []byte("left"), Retained: true}); err != nil {
				return err
			}
		}
		left <- struct{}{}
		<-ctx.Done()
		return nil
	})
	wait(t, left)
	swept := make(chan error, 1)
	w.connect(mqtt.Options{ClientID: "sweep", Subscribe: []string{protocol.TopicAll}}, func(ctx context.Context, c *mqtt.Conn) error {
		swept <- w.dispatch.Sweep(ctx, c)
		<-ctx.Done()
		return nil
	})
	ok(t, wait(t, swept))
	w.watch()
	if m := wait(t, w.heard); m.Topic != mine {
		t.Errorf("%s stayed, want that of %s alone", m.Topic, demo)
	}
	s.mu.Lock()
	s.err = errors.New("database is gone")
	s.mu.Unlock()
	w.connect(mqtt.Options{ClientID: "sweep-again", Subscribe: []string{protocol.TopicAll}}, func(ctx context.Context, c *mqtt.Conn) error {
		swept <- w.dispatch.Sweep(ctx, c)
		<-ctx.Done()
		return nil
	})
	if err := wait(t, swept); err == nil {
		t.Error("swept without knowing what sites are to have")
	}
}
