package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/ingest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const demo protocol.SiteID = "demo"

// world is an ingest with a real store; it is the dispatch and the meter itself.
type world struct {
	t     *testing.T
	store *store.Store
	hub   seal.SigningKey
	agent *storetest.Agent

	holding *holding.Holding
	sealing seal.SealingKey // the hub's
	site    seal.SealingKey
	vault   ingest.Vault
	jobs    ingest.Jobs

	mu       sync.Mutex // guards what follows
	changed  int
	rosters  int
	reborn   int
	wanted   map[protocol.Serial][]protocol.Hash
	kept     map[protocol.Serial][]protocol.Hash
	reported [][]protocol.HeldRoster
	has      []string
	outcomes []string
	refused  []protocol.Reason
}

func (w *world) Changed(protocol.SiteID) { w.mu.Lock(); w.changed++; w.mu.Unlock() }
func (w *world) Reported(_ protocol.SiteID, held []protocol.HeldRoster, _ time.Time) {
	w.mu.Lock()
	w.reported = append(w.reported, held)
	w.mu.Unlock()
}
func (w *world) Has(_ protocol.SiteID, kind protocol.Kind, order protocol.Seq, _ time.Time) {
	w.mu.Lock()
	w.has = append(w.has, fmt.Sprint(kind, " ", order))
	w.mu.Unlock()
}
func (w *world) Reborn() { w.mu.Lock(); w.reborn++; w.mu.Unlock() }
func (w *world) RostersChanged(protocol.SiteID) {
	w.mu.Lock()
	w.rosters++
	w.mu.Unlock()
}
func (w *world) Wanted(_ protocol.SiteID, serial protocol.Serial, digests []protocol.Hash) {
	w.mu.Lock()
	w.wanted[serial] = digests
	w.mu.Unlock()
}
func (w *world) Kept(_ protocol.SiteID, serial protocol.Serial, digests []protocol.Hash) {
	w.mu.Lock()
	w.kept[serial] = append(w.kept[serial], digests...)
	w.mu.Unlock()
}
func (w *world) Segment(outcome string, _ int, _ time.Duration) {
	w.mu.Lock()
	w.outcomes = append(w.outcomes, outcome)
	w.mu.Unlock()
}
func (w *world) Refused(_ protocol.Kind, r protocol.Reason) {
	w.mu.Lock()
	w.refused = append(w.refused, r)
	w.mu.Unlock()
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newWorld admits one agent, whose key the hub has not yet seen.
func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"))
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	key, err := seal.GenerateSigningKey()
	ok(t, err)
	w := &world{t: t, store: s, hub: key, agent: storetest.NewAgent(t, demo), holding: holding.New(s), sealing: sealingKey(t), site: sealingKey(t),
		wanted: map[protocol.Serial][]protocol.Hash{}, kept: map[protocol.Serial][]protocol.Hash{}}
	ok(t, s.AddSite(t.Context(), demo, w.agent.Key.Public().Fingerprint(), storetest.Morning()))
	ok(t, s.AddTerminal(t.Context(), demo, "DEMO1", storetest.Morning()))
	return w
}

// take runs an ingest over these messages until all are worked off.
func (w *world) take(s ingest.Store, messages ...mqtt.Message) error {
	w.t.Helper()
	in := make(chan mqtt.Message, len(messages))
	for _, m := range messages {
		in <- m
	}
	close(in)
	return ingest.New(ingest.Options{
		Store: s, Holding: w.holding, Vault: w.vault, Jobs: w.jobs, Dispatch: w, Meter: w, Keys: keys{w.sealing, []seal.SigningKey{w.hub}}, Workers: 2, Logger: slog.New(slog.DiscardHandler),
	}).Run(w.t.Context(), in)
}

func (w *world) seal(key seal.SigningKey, e protocol.Envelope, body any) mqtt.Message {
	w.t.Helper()
	if e.Site == "" {
		e.Site = demo
	}
	payload, err := protocol.Seal(e, body, key)
	ok(w.t, err)
	return mqtt.Message{Topic: e.Topic().String(), Payload: payload}
}

func (w *world) punches(s protocol.Segment) mqtt.Message {
	return w.seal(w.agent.Key, protocol.Envelope{Kind: protocol.KindPunches, To: w.hub.Public().KeyID()}, s)
}

func (w *world) state(life, counter uint64, change func(*protocol.State)) mqtt.Message {
	s := protocol.State{Status: protocol.StatusReady, Boot: "first", Key: w.agent.Key.Public(), Clock: protocol.ClockHeld}
	if change != nil {
		change(&s)
	}
	return w.seal(w.agent.Key, protocol.Envelope{Kind: protocol.KindState, To: w.hub.Public().KeyID(), Seq: protocol.Seq{Life: life, Counter: counter}}, s)
}

func (w *world) segment(serial protocol.Serial, number, n int) protocol.Segment {
	s, _ := w.agent.Segment(w.t, storetest.Punches(serial, number, n)...)
	return s
}

func (w *world) codes(site protocol.SiteID) (codes []string) {
	w.t.Helper()
	all, err := w.store.Conditions(w.t.Context(), site)
	ok(w.t, err)
	for _, c := range all {
		codes = append(codes, c.Code)
	}
	return codes
}

func (w *world) want(outcomes []string, refused ...protocol.Reason) {
	w.t.Helper()
	if !slices.Equal(w.outcomes, outcomes) || !slices.Equal(w.refused, refused) {
		w.t.Errorf("outcomes %v, refused %v; want %v and %v", w.outcomes, w.refused, outcomes, refused)
	}
}

func TestMessageThatIsNotOfAnAdmittedAgentForThisHubStoresNothing(t *testing.T) {
	w := newWorld(t)
	to := w.hub.Public().KeyID()
	stranger := storetest.NewAgent(t, "stranger")
	s := w.segment("DEMO1", 0, 3)
	altered := w.punches(s)
	altered.Payload = slices.Clone(altered.Payload)
	if c := &altered.Payload[len(altered.Payload)-20]; *c == 'A' { // a letter of the signature, another one of base64
		*c = 'B'
	} else {
		*c = 'A'
	}
	ok(t, w.take(w.store, w.state(1, 1, nil)))
	w.changed = 0
	for _, c := range []struct {
		name    string
		message mqtt.Message
		reason  protocol.Reason
	}{
		{"stranger", w.seal(stranger.Key, protocol.Envelope{Kind: protocol.KindPunches, Site: "stranger", To: to}, s), protocol.ReasonKey},
		{"wrong key", w.seal(stranger.Key, protocol.Envelope{Kind: protocol.KindPunches, To: to}, s), protocol.ReasonKey},
		{"wrong receiver", w.seal(w.agent.Key, protocol.Envelope{Kind: protocol.KindPunches, To: stranger.Key.Public().KeyID()}, s), protocol.ReasonReceiver},
		{"altered", altered, protocol.ReasonSignature},
		{"too large", mqtt.Message{Topic: altered.Topic, Payload: make([]byte, protocol.MaxPayload+1)}, protocol.ReasonSize},
		{"unknown topic", mqtt.Message{Topic: "sidik/v1/demo/else", Payload: []byte("x")}, protocol.ReasonForm},
		{"another site's topic", mqtt.Message{Topic: "sidik/v1/other/punches", Payload: w.punches(s).Payload}, protocol.ReasonTopic},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.refused = nil
			ok(t, w.take(w.store, c.message))
			totals, err := w.store.Totals(t.Context())
			ok(t, err)
			if !slices.Equal(w.refused, []protocol.Reason{c.reason}) || len(w.outcomes) > 0 || totals.Sightings > 0 || w.changed > 0 {
				t.Errorf("refused %v, outcomes %v, stored %d", w.refused, w.outcomes, totals.Sightings)
			}
		})
	}
	attempts, err := w.store.Attempts(t.Context())
	ok(t, err)
	if len(attempts) != 2 {
		t.Errorf("%d attempts, want those of the stranger and of the wrong key", len(attempts))
	}
}

func TestSegmentsAreStoredOnceTheKeyIsKnownInAnyOrder(t *testing.T) {
	w := newWorld(t)
	one, two := w.segment("DEMO1", 0, 3), w.segment("DEMO2", 3, 2)
	ok(t, w.take(w.store, w.punches(one)))
	w.want(nil) // neither stored nor refused: its state, which shows the key, may be on its way
	ok(t, w.take(w.store, w.state(1, 1, nil), w.punches(two), w.punches(one), w.punches(two), w.punches(one)))
	w.want([]string{"gap", "stored", "stored", "duplicate"})
	if codes := w.codes(demo); !slices.Equal(codes, []string{ingest.ConditionTerminalUnregistered}) {
		t.Errorf("conditions %v, want the unregistered terminal", codes)
	}
	fork := one
	fork.Records = storetest.Punches("DEMO1", 50, 3)
	fork.Head = fork.Prev
	for _, r := range fork.Records {
		fork.Head = fork.Head.Next(r.AppendCanonical(nil))
	}
	ok(t, w.take(w.store, w.punches(fork)))
	if !slices.Contains(w.codes(demo), ingest.ConditionFork) {
		t.Errorf("conditions %v, want a fork", w.codes(demo))
	}
}

// A broker keeps no order between topics: what overtakes the first state waits for it.
func TestWhatOvertakesTheFirstStateWaitsForIt(t *testing.T) {
	w := newWorld(t)
	one, two := w.segment("DEMO1", 0, 3), w.segment("DEMO1", 3, 2)
	messages := append([]mqtt.Message{w.punches(one), w.punches(two)}, w.inventory(1, held("DEMO1", 3))...)
	ok(t, w.take(w.store, append(messages, w.state(1, 1, nil))...))
	w.want([]string{"stored", "stored"})
	if w.users() != 3 {
		t.Errorf("the inventory before the state has %d users, want 3", w.users())
	}
}

func TestASiteThatShowsNoKeyCannotFillTheMemory(t *testing.T) {
	w := newWorld(t)
	var messages []mqtt.Message
	for n := range ingest.MaxEarly + 2 {
		messages = append(messages, w.punches(w.segment("DEMO1", n, 1)))
	}
	ok(t, w.take(w.store, messages...))
	w.want(nil, protocol.ReasonSignature, protocol.ReasonSignature)
}

func TestKeyInTwoPlaces(t *testing.T) {
	other := func(s *protocol.State) { s.Boot = "second" }
	for _, c := range []struct {
		name   string
		second func(w *world) mqtt.Message
		want   bool
	}{
		{"is seen when an earlier boot goes on speaking", func(w *world) mqtt.Message { return w.state(4, 9, other) }, true},
		{"is seen in another start with the same number", func(w *world) mqtt.Message { return w.state(5, 9, other) }, true},
		{"is not seen in a new start", func(w *world) mqtt.Message { return w.state(6, 1, other) }, false},
		{"is not seen in the repeated word of an earlier boot", func(w *world) mqtt.Message { return w.state(4, 2, other) }, false},
		{"is not seen in the repeated word of a boot long ago", func(w *world) mqtt.Message { return w.state(3, 9, other) }, false},
		{"is not seen in a last will", func(w *world) mqtt.Message {
			return w.state(4, 9, func(s *protocol.State) { s.Status = protocol.StatusLost })
		}, false},
		{"is not seen in the broker's kept copy", func(w *world) mqtt.Message { m := w.state(4, 9, other); m.Retained = true; return m }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			ok(t, w.take(w.store, w.state(4, 2, nil), w.state(5, 1, nil), c.second(w)))
			if got := slices.Contains(w.codes(demo), ingest.ConditionKeyInTwoPlaces); got != c.want {
				t.Errorf("raised %t, want %t", got, c.want)
			}
		})
	}
}

func TestReceiptThatProvesMoreThanIsHeld(t *testing.T) {
	w := newWorld(t)
	before, err := w.store.Generation(t.Context())
	ok(t, err)
	shown := func(key seal.SigningKey) mqtt.Message {
		m := w.seal(key, protocol.Envelope{Kind: protocol.KindReceipt, To: w.agent.Key.Public().KeyID(), Seq: protocol.Seq{Life: before.Number, Counter: 9}},
			protocol.Receipt{Generation: before, Epochs: []protocol.EpochStore{{Epoch: w.agent.Epoch, Through: 7, Hash: protocol.Hash{1}}}})
		return w.state(1, 1, func(s *protocol.State) { s.Receipt = m.Payload })
	}
	ok(t, w.take(w.store, shown(w.agent.Key)))
	w.want(nil, protocol.ReasonSignature)
	if g, _ := w.store.Generation(t.Context()); g != before || w.reborn != 0 {
		t.Fatalf("another key's receipt raised the generation to %d", g.Number)
	}
	ok(t, w.take(w.store, shown(w.hub)))
	if g, _ := w.store.Generation(t.Context()); g.Number != before.Number+1 || w.reborn != 1 || !slices.Contains(w.codes(""), ingest.ConditionHubWentBack) {
		t.Errorf("generation %d after %d, reborn %d times, conditions %v", g.Number, before.Number, w.reborn, w.codes(""))
	}
}

// broken is a store whose disk fails.
type broken struct{ ingest.Store }

var errDisk = errors.New("disk")

func (broken) Accept(context.Context, []store.Incoming) ([]store.Verdict, error) { return nil, errDisk }

func TestStoreErrorEndsRun(t *testing.T) {
	w := newWorld(t)
	ok(t, w.take(w.store, w.state(1, 1, nil)))
	w.changed = 0
	if err := w.take(broken{w.store}, w.punches(w.segment("DEMO1", 0, 1))); !errors.Is(err, errDisk) {
		t.Errorf("Run = %v, want the store's error", err)
	}
	if w.changed > 0 {
		t.Error("a receipt was promised for what is not stored")
	}
}

// Whoever has an admitted key may speak of as many epochs as it likes, and show
// again a receipt that this hub did sign: that proves nothing against the hub.
func TestAnOldReceiptOfThisHubRaisesNothing(t *testing.T) {
	w := newWorld(t)
	to := w.agent.Key.Public().KeyID()
	ok(t, w.take(w.store, w.state(1, 1, nil), w.punches(w.segment("DEMO1", 0, 3))))
	r, revision, err := w.store.Receipt(t.Context(), demo)
	ok(t, err)
	old := w.seal(w.hub, protocol.Envelope{Kind: protocol.KindReceipt, To: to, Seq: protocol.Seq{Life: r.Generation.Number, Counter: revision}}, r)
	var noise []mqtt.Message
	for n := range protocol.MaxReceiptEpochs {
		w.agent.Begin()
		w.segment("DEMO1", 10*n, 1)
		noise = append(noise, w.punches(w.segment("DEMO1", 10*n+1, 1))) // a gap: heard of, not stored
	}
	ok(t, w.take(w.store, noise...))
	if now, _, err := w.store.Receipt(t.Context(), demo); err != nil || now.Epochs[0].Epoch == r.Epochs[0].Epoch || len(now.Epochs) != protocol.MaxReceiptEpochs {
		t.Fatalf("the first epoch is still named (%v): this test tests nothing", err)
	}
	ok(t, w.take(w.store, w.state(1, 2, func(s *protocol.State) { s.Receipt = old.Payload })))
	if g, _ := w.store.Generation(t.Context()); g != r.Generation || w.reborn != 0 || len(w.codes("")) > 0 {
		t.Errorf("generation %d after %d, reborn %d times, conditions %v", g.Number, r.Generation.Number, w.reborn, w.codes(""))
	}
}

func TestReceiptOfAnotherSiteOrKindProvesNothing(t *testing.T) {
	w := newWorld(t)
	before, err := w.store.Generation(t.Context())
	ok(t, err)
	more := protocol.Receipt{Generation: before, Epochs: []protocol.EpochStore{{Epoch: w.agent.Epoch, Through: 7, Hash: protocol.Hash{1}}}}
	seq := protocol.Seq{Life: before.Number, Counter: 9}
	for counter, m := range []mqtt.Message{
		w.seal(w.hub, protocol.Envelope{Kind: protocol.KindReceipt, Site: "other", Seq: seq}, more),
		w.seal(w.hub, protocol.Envelope{Kind: protocol.KindHub, Seq: seq}, more),
		{Payload: []byte(`{"body":"nothing of ours"}`)},
	} {
		ok(t, w.take(w.store, w.state(1, uint64(counter), func(s *protocol.State) { s.Receipt = m.Payload })))
	}
	if g, _ := w.store.Generation(t.Context()); g != before || len(w.refused) != 3 {
		t.Errorf("generation %d, refused %v; want %d and three refusals", g.Number, w.refused, before.Number)
	}
}

// stale is a store whose operator has just replaced the agent.
type stale struct {
	ingest.Store
	agent store.Agent
}

func (s stale) Agent(context.Context, protocol.SiteID) (store.Agent, error) { return s.agent, nil }

func TestAnAgentReplacedAMomentAgoIsRefusedAndNothingEnds(t *testing.T) {
	w := newWorld(t)
	before, err := w.store.Agent(t.Context(), demo)
	ok(t, err)
	ok(t, w.store.ReplaceKey(t.Context(), demo, storetest.NewAgent(t, demo).Key.Public().Fingerprint(), storetest.Morning()))
	ok(t, w.take(stale{w.store, before}, w.state(1, 1, nil), w.punches(w.segment("DEMO1", 0, 1))))
	w.want(nil, protocol.ReasonKey)
}

// shutting is a store whose operator shuts the site out right after a message was checked.
type shutting struct {
	ingest.Store
	once sync.Once
	do   func()
}

func (s *shutting) Agent(ctx context.Context, site protocol.SiteID) (store.Agent, error) {
	a, err := s.Store.Agent(ctx, site)
	s.once.Do(s.do)
	return a, err
}

func TestNothingOfAnAgentIsKeptOnceItIsShutOut(t *testing.T) {
	w := newWorld(t)
	ok(t, w.take(w.store, w.state(1, 1, nil)))
	templates := &vault{}
	w.vault = templates
	for name, messages := range map[string][]mqtt.Message{
		"a state":      {w.state(1, 2, nil)},
		"punches":      {w.punches(w.segment("DEMO1", 0, 1))},
		"an inventory": w.inventory(1, held(serial, 3)),
		"results":      w.results(1, serial),
		"templates":    w.templates(1, "template"),
	} {
		t.Run(name, func(t *testing.T) {
			w.outcomes, w.refused = nil, nil
			agent := w.agent.Key.Public().Fingerprint()
			s := &shutting{Store: w.store, do: func() {
				ok(t, w.store.ReplaceKey(t.Context(), demo, storetest.NewAgent(t, demo).Key.Public().Fingerprint(), storetest.Morning()))
			}}
			ok(t, w.take(s, messages...))
			if name == "punches" {
				w.want([]string{string(store.OutcomeRefused)})
			} else {
				w.want(nil, protocol.ReasonKey)
			}
			ok(t, w.store.ReplaceKey(t.Context(), demo, agent, storetest.Morning().Add(time.Hour)))
		})
	}
	if st, _, err := w.store.State(t.Context(), demo); err != nil || st.Seq.Counter != 1 || w.users() != -1 || len(templates.found) != 0 {
		t.Errorf("state %s, %d users, %d templates are kept, %v", st.Seq, w.users(), len(templates.found), err)
	}
}

func TestTheFirstSightOfAKeyIsAnsweredByAReceipt(t *testing.T) {
	w := newWorld(t)
	ok(t, w.take(w.store, w.state(1, 1, nil), w.state(1, 2, nil)))
	if w.changed != 1 {
		t.Errorf("%d receipts were asked for, want one", w.changed)
	}
}

// Only what a site says now tells which rosters it has.
func TestRostersOfASiteAreReportedByItsNewestStateOnly(t *testing.T) {
	w := newWorld(t)
	of := func(revision uint64, status protocol.Status) func(*protocol.State) {
		return func(s *protocol.State) {
			s.Status, s.Rosters = status, []protocol.HeldRoster{{Serial: "DEMO1", Order: protocol.Seq{Life: 1, Counter: revision}}}
			s.Release = &protocol.ReleaseState{Order: protocol.Seq{Life: 1, Counter: revision}, Stage: protocol.ReleaseRunning}
		}
	}
	kept := w.state(1, 2, of(2, protocol.StatusReady))
	kept.Retained = true
	ok(t, w.take(w.store, kept)) // from before this connection
	ok(t, w.take(w.store, w.state(1, 4, of(4, protocol.StatusReady)), w.state(1, 3, of(3, protocol.StatusReady)), w.state(1, 5, of(5, protocol.StatusLost))))
	if len(w.reported) != 1 || w.reported[0][0].Order.Counter != 4 {
		t.Errorf("reported %v, want revision 4 alone", w.reported)
	}
	if release := "release 1.4"; !slices.Contains(w.has, release) || slices.Contains(w.has, "release 1.5") {
		t.Errorf("has %v, want %s", w.has, release)
	}
}

// Whoever stole an agent may count as high as there are numbers: the one that takes its
// place is heard from its first word on, and is no second place of the same key.
func TestTheAgentThatTakesAnothersPlaceIsHeard(t *testing.T) {
	w := newWorld(t)
	boot := "stolen"
	rosters := func(revision uint64) func(*protocol.State) {
		return func(s *protocol.State) {
			s.Boot, s.Rosters = boot, []protocol.HeldRoster{{Serial: "DEMO1", Order: protocol.Seq{Life: 1, Counter: revision}}}
		}
	}
	ok(t, w.take(w.store, w.state(5, 1, rosters(1)), w.state(1<<63, 1<<63, rosters(2))))
	last := w.state(1<<63, 1<<63+1, rosters(2))
	w.agent, boot = storetest.NewAgent(t, demo), "new"
	ok(t, w.store.ReplaceKey(t.Context(), demo, w.agent.Key.Public().Fingerprint(), storetest.Morning().Add(time.Hour)))
	first := w.state(1<<63, 1, rosters(3)) // two machines without a clock count alike
	ok(t, w.take(w.store, last, first, w.state(1<<63, 2, rosters(4)), w.state(1<<63, 3, rosters(5)), first))
	var heard []uint64
	for _, held := range w.reported {
		heard = append(heard, held[0].Order.Counter)
	}
	if !slices.Equal(heard, []uint64{1, 2, 3, 4, 5}) {
		t.Errorf("heard %v", heard)
	}
	w.want(nil, protocol.ReasonKey, protocol.ReasonReplay)
	if codes := w.codes(demo); slices.Contains(codes, ingest.ConditionKeyInTwoPlaces) {
		t.Errorf("conditions %v", codes)
	}
}

// keys are the hub's, the present one first.
type keys struct {
	seal.SealingKey
	signing []seal.SigningKey
}

func (k keys) Public(id seal.KeyID) (seal.PublicKey, bool) {
	for _, key := range k.signing {
		if key.Public().KeyID() == id {
			return key.Public(), true
		}
	}
	return seal.PublicKey{}, false
}
