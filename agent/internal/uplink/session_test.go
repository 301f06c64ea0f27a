package uplink_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/uplink"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

const backlog = protocol.SegmentWindow*protocol.MaxSegmentPunches + 300

// window is the full window of a backlog.
func (w *world) window() []protocol.Segment {
	w.t.Helper()
	var all []protocol.Segment
	for n := range protocol.SegmentWindow {
		s := w.next()
		if n == 0 && s.First != 1 || n > 0 && s.First != all[n-1].Last+1 {
			w.t.Fatalf("segment %d begins at %d, not after the one before it", n, s.First)
		}
		all = append(all, s)
	}
	return all
}

func TestBacklogGoesOldestFirstAndAtMostFourSegmentsAreUnderWay(t *testing.T) {
	w := newWorld(t)
	w.keep(2 * backlog)
	w.sayKeys(w.hub)
	w.sayReceipt(1, 0)
	w.start(w.options())
	sent := w.window()
	w.silent() // the fifth waits
	for counter, last := uint64(2), sent[len(sent)-1].Last; last < 2*backlog; counter++ {
		through := sent[0].Last
		sent = sent[1:]
		w.sayReceipt(counter, through)
		s := w.next()
		if s.First != last+1 {
			t.Fatalf("after a receipt through %d the segment from %d on was sent, want from %d on", through, s.First, last+1)
		}
		last = s.Last
		sent = append(sent, s)
		w.silent() // one receipt lets one segment go
	}
}

func TestWithoutAReceiptTheWindowIsSentAgain(t *testing.T) {
	w := newWorld(t)
	w.keep(backlog)
	w.sayKeys(w.hub)
	w.sayReceipt(1, 0)
	o := w.options()
	o.ResendAfter = 50 * time.Millisecond
	w.start(o)
	first := w.window()
	for range 2 {
		for n, s := range w.window() {
			if s.Head != first[n].Head {
				t.Fatalf("segment %d–%d came again as another", s.First, s.Last)
			}
		}
	}
}

func TestHubThatIsGoneIsSentNothingUntilItIsBorn(t *testing.T) {
	w := newWorld(t)
	w.sayKeys(w.hub)
	w.sayReceipt(1, 0)
	w.sayHub(1, protocol.HubBorn)
	w.start(w.options())
	until(t, "the hub is there", func() bool { return w.uplink.Status().HubPresent })
	w.sayHub(2, protocol.HubGone)
	until(t, "the hub is gone", func() bool { return !w.uplink.Status().HubPresent })
	w.keep(10)
	w.silent()
	w.sayHub(1, protocol.HubBorn) // an older word
	until(t, "the older birth refused", func() bool { return w.uplink.Status().Refused[protocol.ReasonReplay] == 1 })
	w.silent()
	for len(w.states) > 0 {
		<-w.states
	}
	w.sayHub(3, protocol.HubBorn)
	if s := w.next(); s.First != 1 || s.Last != 10 {
		t.Errorf("segment %d–%d, want 1–10", s.First, s.Last)
	}
	if s := wait(t, "the state that a birth asks for", w.states); s.Status != protocol.StatusReady {
		t.Errorf("status %s, want ready", s.Status)
	}
}

// interrupted is a buffer in which the agent is told to stop while it sends.
type interrupted struct {
	uplink.Buffer
	stop context.CancelFunc
}

func (i interrupted) Segment(after uint64) (protocol.Segment, bool, error) {
	i.stop()
	return i.Buffer.Segment(after)
}

func TestStoppingLeavesDisconnectedAtTheBroker(t *testing.T) {
	t.Run("when nothing is under way", func(t *testing.T) {
		w := newWorld(t)
		w.sayKeys(w.hub)
		stop := w.start(w.options())
		if s := wait(t, "the first state", w.states); s.Status != protocol.StatusReady {
			t.Fatalf("status %s, want ready", s.Status)
		}
		stop()
		w.leftDisconnected()
	})
	t.Run("in the middle of sending", func(t *testing.T) {
		w := newWorld(t)
		w.sayKeys(w.hub)
		w.sayReceipt(1, 0)
		w.keep(10)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := w.options()
		o.Buffer = interrupted{w.buffer, cancel}
		w.uplink = uplink.New(o)
		if err := w.uplink.Run(ctx); err != nil {
			t.Fatal(err)
		}
		w.leftDisconnected()
	})
}

// leftDisconnected asks the broker what it keeps of the site.
func (w *world) leftDisconnected() {
	w.t.Helper()
	kept := make(chan mqtt.Message, 1)
	topic := protocol.Topic{Site: site, Kind: protocol.KindState}.String()
	run(w.t, func(ctx context.Context) error {
		return mqtt.Run(ctx, mqtt.Options{Brokers: []string{w.url}, ClientID: "witness", Subscribe: []string{topic}},
			func(ctx context.Context, c *mqtt.Conn) error {
				select {
				case m := <-c.Messages():
					kept <- m
				case <-ctx.Done():
				}
				<-ctx.Done()
				return nil
			})
	})
	m := wait(w.t, "the retained state", kept)
	e, err := protocol.Open(topic, m.Payload, func(protocol.SiteID, seal.KeyID) (seal.PublicKey, bool) { return w.agent.Public(), true })
	var s protocol.State
	if err == nil {
		err = e.Into(&s)
	}
	if err != nil || s.Status != protocol.StatusDisconnected || !m.Retained {
		w.t.Errorf("the broker keeps status %q (retained %t): %v; want disconnected", s.Status, m.Retained, err)
	}
}

// counted is a buffer that counts how often it was asked where it is.
type counted struct {
	uplink.Buffer
	asked *atomic.Int64
}

func (c counted) Place() buffer.Place {
	c.asked.Add(1)
	return c.Buffer.Place()
}

func TestHavingNothingToSendIsNoReasonToAskLater(t *testing.T) {
	w := newWorld(t)
	w.sayKeys(w.hub)
	w.sayReceipt(1, 0)
	o := w.options()
	o.ResendAfter = 5 * time.Millisecond // doubled 40 times that would be 174 years
	var asked atomic.Int64
	o.Buffer = counted{w.buffer, &asked}
	w.start(o)
	until(t, "many looks at an empty buffer", func() bool { return asked.Load() > 2*40 })
}

func TestNothingIsSentBeforeTheKeysDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sayReceipt(1, 0)
	w.keep(10)
	o := w.options()
	o.ResendAfter = 10 * time.Millisecond
	var asked atomic.Int64
	o.Buffer = counted{w.buffer, &asked}
	w.start(o)
	until(t, "more looks than fit into the time of waiting for a receipt", func() bool { return asked.Load() > 400 })
	w.publish(echo, nil)
	wait(t, "the hub's echo", w.echoes)
	if len(w.segments) > 0 {
		t.Fatal("a segment was sent whose receipt could not be read")
	}
	w.sayKeys(w.hub)
	w.next()
}

func TestTheFirstReceiptEndsASilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t) // a hub that has not admitted the site says nothing to it
	w.sayKeys(w.hub)
	w.keep(backlog)
	w.start(w.options())
	if s := wait(t, "the state that shows the key", w.states); s.Key != w.agent.Public() {
		t.Fatal("the first state does not show the key")
	}
	w.window()
	w.silent()
	w.sayReceipt(1, 0) // admitted
	w.window()
	w.sayReceipt(2, 0)
	w.silent()
}

func TestARepeatedBirthAsksForNothing(t *testing.T) {
	w := newWorld(t)
	w.sayKeys(w.hub)
	w.sayReceipt(1, 0)
	w.sayHub(1, protocol.HubBorn)
	w.start(w.options())
	until(t, "the hub is there", func() bool { return w.uplink.Status().HubPresent })
	w.keep(10)
	w.next()
	w.sayHub(1, protocol.HubBorn)
	w.silent()
}
