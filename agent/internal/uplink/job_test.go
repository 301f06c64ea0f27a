package uplink_test

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// holdings is the part of an agent that keeps terminals and does jobs, as the line sees it.
type holdings struct {
	jobs chan protocol.Envelope
	wake chan struct{}
	out  chan protocol.Progress

	resent atomic.Int32 // how often all of the terminals was to be told
	again  atomic.Int32 // how often all that is not confirmed was to be told again
}

func (h *holdings) Again() bool { h.again.Add(1); return true }

func (h *holdings) HubKey(seal.SealingPublic) {}
func (h *holdings) Resend()                   { h.resent.Add(1) }
func (h *holdings) TakeRoster(protocol.Topic, protocol.Envelope) error {
	return errors.New("no roster")
}
func (h *holdings) TakeTemplates(protocol.Envelope) error { return errors.New("no templates") }
func (h *holdings) TakeJob(e protocol.Envelope) error     { h.jobs <- e; return nil }
func (h *holdings) Outgoing() <-chan struct{}             { return h.wake }
func (h *holdings) Next() (t protocol.Topic, body any, found bool) {
	select {
	case p := <-h.out:
		return protocol.Topic{Site: site, Kind: protocol.KindProgress}, p, true
	default:
		return t, nil, false
	}
}

// Whatever a broker does with jobs, those of the hub for this very agent arrive, and no
// others; and what is said of them goes up.
func TestOnlyTheHubsJobsForThisAgentAreTaken(t *testing.T) {
	w, h := newWorld(t), &holdings{jobs: make(chan protocol.Envelope, 10), wake: make(chan struct{}, 1), out: make(chan protocol.Progress, 1)}
	o := w.options()
	o.Holdings, o.Jobs, o.Outbox = h, h, h
	body := protocol.Job{Kind: protocol.JobCapture, Serial: "ENROL1", PIN: "100001", Finger: 1, Expires: time.Date(2026, 1, 20, 5, 30, 0, 0, time.UTC)}
	e := w.envelope(5, 12)
	e.Kind = protocol.KindJobs
	topic := protocol.Topic{Site: site, Kind: protocol.KindJobs}.String()
	say := func(topic string, payload []byte) {
		t.Helper()
		if err := w.conn.Publish(t.Context(), mqtt.Message{Topic: topic, Payload: payload}); err != nil {
			t.Fatal(err)
		}
	}
	good := sealed(t, e, body, w.hub)
	w.sayKeys(w.hub)
	w.start(o)
	until(t, "the line is up", func() bool { return w.uplink.Status().Connected })
	w.settle()

	foreign := e
	foreign.To = newKey(t).Public().KeyID()
	for _, c := range []struct {
		name    string
		payload []byte
		want    protocol.Reason
	}{
		{"signed by somebody else", sealed(t, e, body, newKey(t)), protocol.ReasonKey},
		{"for another agent", sealed(t, foreign, body, w.hub), protocol.ReasonReceiver},
		{"with another finger", bytes.Replace(good, []byte(`"finger":1`), []byte(`"finger":2`), 1), protocol.ReasonSignature},
		{"with another number", bytes.Replace(good, []byte(`[5,12]`), []byte(`[5,13]`), 1), protocol.ReasonSignature},
		{"of another site, on this one's topic", sealed(t, protocol.Envelope{Kind: protocol.KindJobs, Site: "samsat-other", To: e.To, Seq: e.Seq}, body, w.hub), protocol.ReasonTopic},
	} {
		before := w.uplink.Status().Refused[c.want]
		say(topic, c.payload)
		until(t, "a job "+c.name+" refused", func() bool { return w.uplink.Status().Refused[c.want] == before+1 })
	}
	say(topic, good)
	if got := wait(t, "the job", h.jobs); got.Seq != e.Seq || len(h.jobs) > 0 {
		t.Errorf("job %s was taken, and %d more", got.Seq, len(h.jobs))
	}

	h.out <- protocol.Progress{Job: e.Seq, Serial: "ENROL1", Step: protocol.StepAsked}
	h.wake <- struct{}{}
	if p := wait(t, "the progress", w.progress); p.Step != protocol.StepAsked || p.Job != e.Seq {
		t.Errorf("the hub hears %+v", p)
	}
}

// On a line that never breaks, what the hub does not confirm is told again and again.
func TestWhatTheHubDoesNotConfirmIsToldAgain(t *testing.T) {
	w, h := newWorld(t), &holdings{}
	o := w.options()
	o.ResendAfter = 10 * time.Millisecond
	o.Holdings, o.Jobs, o.Outbox = h, h, h
	w.sayKeys(w.hub)
	w.start(o)
	until(t, "it is told three times", func() bool { return h.again.Load() >= 3 })
}

// full has always one thing more to say, until a job comes.
type full struct {
	holdings
	said atomic.Int32
	came atomic.Bool
}

func (f *full) TakeJob(protocol.Envelope) error { f.came.Store(true); return nil }
func (f *full) Next() (t protocol.Topic, body any, found bool) {
	select {
	case f.wake <- struct{}{}:
	default:
	}
	f.said.Add(1)
	return protocol.Topic{Site: site, Kind: protocol.KindResults}, protocol.Results{Serial: "ENROL1"}, !f.came.Load()
}

// Whatever there is to say about terminals, the hub is heard meanwhile.
func TestHoldingsHoldNothingUp(t *testing.T) {
	w := newWorld(t)
	f := &full{holdings: holdings{wake: make(chan struct{}, 1)}}
	o := w.options()
	o.Holdings, o.Jobs, o.Outbox = f, f, f
	w.sayKeys(w.hub)
	w.start(o)
	f.wake <- struct{}{}
	until(t, "much is said", func() bool { return f.said.Load() > 10 })
	e := w.envelope(5, 12)
	e.Kind = protocol.KindJobs
	body := protocol.Job{Kind: protocol.JobCapture, Serial: "ENROL1", PIN: "100001", Finger: 1, Expires: time.Date(2026, 1, 20, 5, 30, 0, 0, time.UTC)}
	if err := w.conn.Publish(t.Context(), mqtt.Message{Topic: protocol.Topic{Site: site, Kind: protocol.KindJobs}.String(), Payload: sealed(t, e, body, w.hub)}); err != nil {
		t.Fatal(err)
	}
	until(t, "the hub is heard", f.came.Load)
}

// Until the hub has heard a state it does not know by which key a site speaks, so nothing
// goes before it, also where the keys document comes late.
func TestTheStateIsSaidBeforeEverythingElse(t *testing.T) {
	for range 5 { // what is ready at once is taken in any order
		w := newWorld(t)
		f := &full{holdings: holdings{wake: make(chan struct{}, 1)}}
		o := w.options()
		o.Holdings, o.Jobs, o.Outbox = f, f, f
		stop := w.start(o)
		until(t, "the line is up", func() bool { return w.uplink.Status().Connected })
		f.wake <- struct{}{}
		w.sayKeys(w.hub)
		if kind := wait(t, "a message", w.first); kind != protocol.KindState {
			t.Errorf("the first message is %s", kind)
		}
		stop()
	}
}

// A connection tells everything once; a hub that comes back is told once more, and not by
// all sites in the same moment.
func TestEverythingIsToldOnceToEachHub(t *testing.T) {
	w, h := newWorld(t), &holdings{}
	o := w.options()
	o.Holdings, o.Jobs, o.Outbox = h, h, h
	o.ResendAfter = 200 * time.Millisecond
	w.sayKeys(w.hub)
	w.sayHub(1, protocol.HubBorn)
	w.start(o)
	until(t, "the hub is there", func() bool { return w.uplink.Status().HubPresent })
	w.settle()
	w.sayHub(2, protocol.HubGone)
	until(t, "the hub is gone", func() bool { return !w.uplink.Status().HubPresent })
	if n := h.resent.Load(); n != 1 {
		t.Errorf("one connection told everything %d times", n)
	}
	w.sayHub(3, protocol.HubBorn)
	until(t, "the hub that came back is told", func() bool { return h.resent.Load() == 2 })
}

// A site that is admitted while it is connected tells again what nobody kept.
func TestTheFirstReceiptAfterASilenceHasTerminalsToldAgain(t *testing.T) {
	w, h := newWorld(t), &holdings{}
	w.sayKeys(w.hub)
	o := w.options()
	o.Holdings, o.ResendAfter = h, 10*time.Millisecond
	w.start(o)
	until(t, "the terminals are told", func() bool { return h.resent.Load() == 1 })
	w.keep(1)
	w.next() // sending does not wait for a retained receipt any more
	w.sayReceipt(1, 0)
	until(t, "the terminals are told again", func() bool { return h.resent.Load() == 2 })
}

// taken are orders of releases that were handed on.
type taken chan protocol.Envelope

func (t taken) TakeRelease(e protocol.Envelope) error { t <- e; return nil }

// An order of a release is handed on when it is the hub's and for this very agent.
func TestOnlyTheHubsReleasesForThisAgentAreTaken(t *testing.T) {
	w, orders := newWorld(t), make(taken, 10)
	o := w.options()
	o.Releases = orders
	body := protocol.Release{SignedManifest: protocol.SignedManifest{Manifest: []byte(`{"version":"v1.2.0"}`), Sig: []byte("any")}}
	e := w.envelope(5, 12)
	e.Kind = protocol.KindRelease
	foreign := e
	foreign.To = newKey(t).Public().KeyID()
	topic := protocol.Topic{Site: site, Kind: protocol.KindRelease}.String()
	w.sayKeys(w.hub)
	w.start(o)
	until(t, "the line is up", func() bool { return w.uplink.Status().Connected })
	w.settle()
	for _, c := range []struct {
		name    string
		payload []byte
		want    protocol.Reason
	}{
		{"signed by somebody else", sealed(t, e, body, newKey(t)), protocol.ReasonKey},
		{"for another agent", sealed(t, foreign, body, w.hub), protocol.ReasonReceiver},
	} {
		if err := w.conn.Publish(t.Context(), mqtt.Message{Topic: topic, Payload: c.payload}); err != nil {
			t.Fatal(err)
		}
		until(t, "a release "+c.name+" refused", func() bool { return w.uplink.Status().Refused[c.want] == 1 })
	}
	if err := w.conn.Publish(t.Context(), mqtt.Message{Topic: topic, Payload: sealed(t, e, body, w.hub), Retained: true}); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, "the order", orders); got.Seq != e.Seq || len(orders) > 0 {
		t.Errorf("order %s was taken, and %d more", got.Seq, len(orders))
	}
}
