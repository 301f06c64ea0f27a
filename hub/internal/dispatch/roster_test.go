package dispatch_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/dispatch"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

const serial protocol.Serial = "DEMO1"

func sealingKey(t testing.TB) seal.SealingKey {
	t.Helper()
	key, err := seal.GenerateSealingKey()
	ok(t, err)
	return key
}

// site registers the terminal DEMO1 of site demo and returns the key that its agent
// has told the hub to seal to.
func (w *world) site() seal.SealingKey {
	w.t.Helper()
	ok(w.t, w.store.AddTerminal(w.t.Context(), demo, serial, storetest.Morning()))
	key := sealingKey(w.t)
	w.tell(key.Public(), 1)
	return key
}

// tell is the inventory by which the agent names its sealing key.
func (w *world) tell(key seal.SealingPublic, counter uint64) {
	w.t.Helper()
	s := holding.Said{Site: demo, Serial: serial, Agent: w.agent.Key.Public().KeyID(), Seq: protocol.Seq{Life: 1, Counter: counter}, At: storetest.Morning()}
	ok(w.t, w.holding.TakeInventory(w.t.Context(), s, key, []byte("{}"), roster.Inventory{}))
}

// template is what the n-th person has on one finger.
func template(n int) []byte { return fmt.Appendf(nil, "template of person %d", n) }

// people is a roster of n persons with one finger each.
func people(n int) roster.Roster {
	r := roster.Roster{Serial: serial, AsOf: "2026-01-05", Mode: roster.Enforce}
	for i := range n {
		r.Entries = append(r.Entries, roster.Entry{PIN: fmt.Sprint(100001 + i), Name: "Demo", Privilege: roster.User,
			Fingers: []roster.Finger{{Number: 6, Algorithm: 10, Digest: sha256.Sum256(template(i))}}})
	}
	return r
}

// set issues a roster and says so.
func (w *world) set(r roster.Roster) protocol.Seq {
	w.t.Helper()
	order, _, err := w.holding.SetRoster(w.t.Context(), demo, serial, r, 1, storetest.Morning())
	ok(w.t, err)
	w.dispatch.RostersChanged(demo)
	return order
}

// begin connects and takes away what every connection begins with, up to the birth;
// it returns the messages of rosters among it.
func (w *world) begin() (stop func(), rosters []mqtt.Message) {
	w.t.Helper()
	w.watch()
	stop = w.serve()
	for {
		m := wait(w.t, w.heard)
		topic, err := protocol.ParseTopic(m.Topic)
		ok(w.t, err)
		switch topic.Kind {
		case protocol.KindRoster:
			rosters = append(rosters, m)
		case protocol.KindHub:
			return stop, rosters
		}
	}
}

// read opens the roster in messages: it must be signed, for the admitted agent, and
// sealed for this terminal and order alone.
func (w *world) read(key seal.SealingKey, messages ...mqtt.Message) (protocol.Envelope, roster.Roster) {
	w.t.Helper()
	var g protocol.Gathering
	var last protocol.Envelope
	for i, m := range messages {
		e, err := protocol.Open(m.Topic, m.Payload, func(protocol.SiteID, seal.KeyID) (seal.PublicKey, bool) { return w.key.Public(), true })
		ok(w.t, err)
		topic, err := protocol.ParseTopic(m.Topic)
		ok(w.t, err)
		if e.To != w.agent.Key.Public().KeyID() || e.Subject != string(serial) || i > 0 && e.Seq != last.Seq {
			w.t.Errorf("%s is for %s, about %q, in order %s", m.Topic, e.To, e.Subject, e.Seq)
		}
		last = e
		if topic.Part > 0 {
			var p protocol.Part
			ok(w.t, e.Into(&p))
			g.Part(p)
			continue
		}
		if i != len(messages)-1 {
			w.t.Errorf("the head came as message %d of %d, before its parts", i+1, len(messages))
		}
		var head protocol.Roster
		ok(w.t, e.Into(&head))
		g.Head(head.Doc)
	}
	for name, purpose := range map[string]seal.Purpose{
		"another site":     protocol.RosterPurpose(other, serial, last.Seq),
		"another terminal": protocol.RosterPurpose(demo, "DEMO2", last.Seq),
		"another order":    protocol.RosterPurpose(demo, serial, protocol.Seq{Life: 1, Counter: last.Seq.Counter + 1}),
	} {
		if _, _, err := g.Open(key, purpose); err == nil {
			w.t.Errorf("the roster opens for %s", name)
		}
	}
	text, missing, err := g.Open(key, protocol.RosterPurpose(demo, serial, last.Seq))
	ok(w.t, err)
	var r roster.Roster
	if missing {
		w.t.Fatal("the roster is not whole")
	}
	ok(w.t, json.Unmarshal(text, &r))
	return last, r
}

// quiet sends rosters of another site and fails when anything else comes. The second
// one comes after all of the look has ended in which the first one came.
func (w *world) quiet() {
	w.t.Helper()
	const mark protocol.Serial = "MARK"
	ok(w.t, w.store.AddTerminal(w.t.Context(), other, mark, storetest.Morning()))
	s := holding.Said{Site: other, Serial: mark, Agent: w.marker.Key.Public().KeyID(), At: storetest.Morning()}
	for range 2 {
		w.marks++
		s.Seq = protocol.Seq{Life: 1, Counter: uint64(w.marks)}
		if w.marks == 1 {
			ok(w.t, w.holding.TakeInventory(w.t.Context(), s, sealingKey(w.t).Public(), []byte("{}"), roster.Inventory{}))
		}
		r := people(w.marks)
		r.Serial = mark
		_, _, err := w.holding.SetRoster(w.t.Context(), other, mark, r, 1, storetest.Morning())
		ok(w.t, err)
		w.dispatch.RostersChanged(other)
		if m := wait(w.t, w.heard); !strings.HasSuffix(m.Topic, "/MARK") {
			w.t.Errorf("%s was published, want nothing", m.Topic)
		}
	}
}

func TestRosterIsInPlaceBeforeTheBirthAndFollowsWhatIsIssued(t *testing.T) {
	w := newWorld(t)
	key := w.site()
	w.set(people(2))
	_, first := w.begin()
	if len(first) != 1 {
		t.Fatalf("%d messages of rosters before the birth, want one", len(first))
	}
	if e, r := w.read(key, first...); e.Seq != (protocol.Seq{Life: 1, Counter: 1}) || len(r.Entries) != 2 {
		t.Errorf("roster %s of %d", e.Seq, len(r.Entries))
	}

	w.dispatch.RostersChanged(demo) // and nothing did
	w.quiet()
	order := w.set(people(3))
	e, r := w.read(key, wait(t, w.heard))
	if e.Seq != order || len(r.Entries) != 3 {
		t.Errorf("roster %s of %d, want %s of 3", e.Seq, len(r.Entries), order)
	}

	renewed := sealingKey(t)
	w.tell(renewed.Public(), 2)
	w.dispatch.RostersChanged(demo)
	if e, _ := w.read(renewed, wait(t, w.heard)); e.Seq != order {
		t.Errorf("for the renewed key came %s, want %s again", e.Seq, order)
	}
}

func TestApprovalComesWithTheSameOrder(t *testing.T) {
	w := newWorld(t)
	key := w.site()
	order := w.set(people(1))
	w.begin()
	ok(t, w.holding.TakeResults(t.Context(), holding.Said{Site: demo, Serial: serial, Agent: w.agent.Key.Public().KeyID(), Seq: protocol.Seq{Life: 1, Counter: 9}},
		protocol.Results{Serial: serial, Roster: order, State: protocol.StandingBraked, Plan: protocol.Hash{7}}))
	ok(t, w.holding.Approve(t.Context(), demo, serial, protocol.Hash{7}, "Ujang Demo", storetest.Morning()))
	w.dispatch.RostersChanged(demo)
	m := wait(t, w.heard)
	var head protocol.Roster
	e, _ := w.read(key, m)
	ok(t, e.Into(&head))
	if e.Seq != order || head.Approved != (protocol.Hash{7}) {
		t.Errorf("in order %s came the approval of %s", e.Seq, head.Approved.Short())
	}
}

func TestSiteWhoseSealingKeyIsUnknownGetsNone(t *testing.T) {
	w := newWorld(t)
	ok(t, w.store.AddTerminal(t.Context(), demo, serial, storetest.Morning()))
	w.set(people(1))
	if _, rosters := w.begin(); len(rosters) > 0 {
		t.Errorf("%s was published", rosters[0].Topic)
	}
}

func TestLargeRosterTravelsInPartsAndLeavesNoneBehind(t *testing.T) {
	w := newWorld(t)
	key := w.site()
	_, _ = w.begin()
	w.set(people(3000))
	var messages []mqtt.Message
	for {
		m := wait(t, w.heard)
		messages = append(messages, m)
		if strings.HasSuffix(m.Topic, "/"+string(serial)) {
			break
		}
	}
	_, r := w.read(key, messages...)
	if parts := len(messages) - 1; len(r.Entries) != 3000 || parts < 3 {
		t.Fatalf("%d entries in %d parts", len(r.Entries), parts)
	}
	w.set(people(1000)) // fewer parts
	gone := 0
	for len(messages) > 0 {
		m := wait(t, w.heard)
		if len(m.Payload) == 0 {
			gone++
		}
		messages = messages[1:]
	}
	if gone == 0 {
		t.Error("the parts that the roster no longer has are still kept")
	}
	w.quiet()
}

func TestRosterIsTakenBackWhereItIsNobodys(t *testing.T) {
	w := newWorld(t)
	w.site()
	w.set(people(1))
	_, first := w.begin()
	_, err := w.store.Raise(t.Context(), store.Condition{Site: demo, Code: "key-in-two-places"}, storetest.Morning())
	ok(t, err)
	w.dispatch.RostersChanged(demo)
	if m := wait(t, w.heard); m.Topic != first[0].Topic || len(m.Payload) > 0 {
		t.Errorf("%s of %d bytes was published, want the roster cleared", m.Topic, len(m.Payload))
	}
	w.dispatch.Wanted(demo, serial, []protocol.Hash{sha256.Sum256(template(0))})
	w.quiet()
	w.eventually("the template is refused", func() bool { return w.refused.Load() == 1 })
	_, err = w.store.Clear(t.Context(), demo, "key-in-two-places", "")
	ok(t, err)
	w.dispatch.RostersChanged(demo)
	if m := wait(t, w.heard); m.Topic != first[0].Topic || len(m.Payload) == 0 {
		t.Errorf("%s of %d bytes was published, want the roster again", m.Topic, len(m.Payload))
	}
}

// eventually polls until something holds.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); !holds(); {
		if <-tick.C; time.Now().After(deadline) {
			w.t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestSweepClearsRostersOfTerminalsThatHaveNone(t *testing.T) {
	w := newWorld(t)
	w.site()
	w.set(people(1))
	topic := func(serial protocol.Serial, part int) string {
		return protocol.Topic{Site: demo, Kind: protocol.KindRoster, Serial: serial, Part: part}.String()
	}
	left := make(chan struct{}, 1)
	w.connect(mqtt.Options{ClientID: "before"}, func(ctx context.Context, c *mqtt.Conn) error {
		for _, topic := range []string{topic(serial, 0), topic(serial, 1), topic("DEMO2", 0), topic("DEMO2", 1)} {
			if err := c.Publish(ctx, mqtt.Message{Topic: topic, Payload: []byte("left"), Retained: true}); err != nil {
				return err
			}
		}
		left <- struct{}{}
		<-ctx.Done()
		return nil
	})
	wait(t, left)
	w.watch()
	for range 4 {
		wait(t, w.heard)
	}
	w.connect(mqtt.Options{ClientID: "sweep", Subscribe: []string{protocol.TopicAll}}, func(ctx context.Context, c *mqtt.Conn) error {
		err := w.dispatch.Sweep(ctx, c)
		<-ctx.Done()
		return err
	})
	cleared := map[string]bool{}
	for range 3 {
		if m := wait(t, w.heard); len(m.Payload) == 0 {
			cleared[m.Topic] = true
		}
	}
	if len(cleared) != 3 || cleared[topic(serial, 0)] {
		t.Errorf("cleared %v, want all but the head of the roster that there is", cleared)
	}
}

// vault holds these templates and notes what it was asked.
type vault struct {
	held map[protocol.Hash][]byte
	asks chan string
}

func (v *vault) Templates(_ context.Context, who, why string, digests ...protocol.Hash) (map[protocol.Hash][]byte, error) {
	given := map[protocol.Hash][]byte{}
	for _, digest := range digests {
		if t := v.held[digest]; t != nil {
			given[digest] = t
		}
	}
	v.asks <- fmt.Sprintf("%s: %s: %d", who, why, len(digests))
	return given, nil
}

func TestTemplatesAreGivenToTheTerminalWhoseRosterNamesThem(t *testing.T) {
	w := newWorld(t)
	w.vault.asks = make(chan string, 10)
	key := w.site()
	ok(t, w.store.AddTerminal(t.Context(), demo, "DEMO2", storetest.Morning()))
	w.set(people(41))
	var all []protocol.Hash
	for n := range 50 { // nine are on no roster
		digest := protocol.Hash(sha256.Sum256(template(n)))
		w.vault.held[digest] = template(n)
		all = append(all, digest)
	}
	delete(w.vault.held, all[0]) // destroyed since
	w.begin()
	w.dispatch.Wanted(demo, serial, append(slices.Concat(all[:40], all[41:]), all[1])) // one twice, one not at all
	got := map[string]string{}
	for range 2 {
		var m protocol.Templates
		e := w.next(&m)
		if e.Kind != protocol.KindTemplatesDown || e.To != w.agent.Key.Public().KeyID() || m.Serial != serial || len(m.Items) > protocol.MaxTemplates {
			t.Fatalf("%s to %s with %d items", e.Kind, e.To, len(m.Items))
		}
		for _, i := range m.Items {
			plain, err := key.Open(protocol.TemplatePurpose(protocol.KindTemplatesDown, demo, serial, i.PIN, i.Finger, i.Algorithm, i.Digest), i.Box)
			ok(t, err)
			got[i.PIN] += string(plain)
			if _, err := key.Open(protocol.TemplatePurpose(protocol.KindTemplatesDown, demo, serial, "100002", i.Finger, i.Algorithm, i.Digest), i.Box); err == nil && i.PIN != "100002" {
				t.Error("a template opens for another person")
			}
		}
	}
	if len(got) != 39 || got["100002"] != string(template(1)) {
		t.Errorf("%d templates came, want the 39 that were asked for, that the roster names and the vault has", len(got))
	}
	if ask := wait(t, w.vault.asks); ask != "site demo: roster 1.1 of terminal DEMO1: 40" {
		t.Errorf("the vault was asked %q", ask)
	}
	if w.refused.Load() != 9 {
		t.Errorf("%d refused, want the nine that no roster names", w.refused.Load())
	}
	w.dispatch.Wanted(demo, "DEMO2", all[:20]) // whose roster is none
	w.dispatch.Wanted(other, serial, all[:5])
	w.eventually("25 more are refused", func() bool { return w.refused.Load() == 34 })
	w.quiet()
}

func TestWhatIsKeptIsConfirmed(t *testing.T) {
	w := newWorld(t)
	w.begin()
	w.dispatch.Kept(demo, serial, []protocol.Hash{{1}, {2}})
	w.dispatch.Kept("nowhere", serial, []protocol.Hash{{3}})
	var m protocol.Templates
	if e := w.next(&m); e.Site != demo || e.To != w.agent.Key.Public().KeyID() || len(m.Kept) != 2 || len(m.Items) > 0 {
		t.Errorf("%s of site %s with %+v", e.Kind, e.Site, m)
	}
	w.quiet()
}

func TestOnlyTheNewestAskIsSent(t *testing.T) {
	w := newWorld(t)
	w.dispatch.Ask(demo, serial, []protocol.Hash{{1}})
	w.dispatch.Ask(demo, serial, []protocol.Hash{{2}, {3}})
	w.dispatch.Ask(other, serial, []protocol.Hash{{4}})
	w.dispatch.Ask(other, serial, nil)
	w.begin()
	var m protocol.Templates
	if e := w.next(&m); e.Site != demo || e.Kind != protocol.KindTemplatesDown || m.Serial != serial || !slices.Equal(m.Wants, []protocol.Hash{{2}, {3}}) {
		t.Errorf("%s of site %s asks for %v", e.Kind, e.Site, m.Wants)
	}
	w.quiet()
}

func TestTokensBoundWhatASiteAsksFor(t *testing.T) {
	at := storetest.Morning()
	b := dispatch.NewBucket(at)
	drawn := 0
	for range 10 * dispatch.Burst {
		drawn += b.Draw(at, 1)
	}
	if drawn != dispatch.Burst {
		t.Errorf("%d were given at once, want %d", drawn, dispatch.Burst)
	}
	at = at.Add(time.Second)
	if n := b.Draw(at, dispatch.Burst); n < protocol.MaxTemplates || n > dispatch.Burst/4 {
		t.Errorf("%d more after a second", n)
	}
	if n := b.Draw(at.Add(24*time.Hour), 10*dispatch.Burst); n != dispatch.Burst {
		t.Errorf("%d after a day, want %d", n, dispatch.Burst)
	}
}

// A broker may acknowledge a roster and drop it, on a line that never breaks: what the
// agent says that it has is the only proof.
func TestRosterThatNeverCameIsSaidAgain(t *testing.T) {
	w := newWorld(t)
	key := w.site()
	w.set(people(1))
	w.begin()
	older := []protocol.HeldRoster{{Serial: serial, Order: protocol.Seq{Life: 1, Counter: 1}}, {Serial: "ELSEWHERE"}}
	order := w.set(people(2))
	wait(t, w.heard) // this one is dropped
	w.quiet()        // and known as sent
	now := time.Now()
	after := func(n int, unit time.Duration) time.Time { return now.Add(time.Duration(n) * unit) }

	w.dispatch.Reported(demo, older, now)
	w.dispatch.Reported(demo, older, after(29, time.Second)) // the agent has its time
	w.dispatch.Reported(demo, nil, after(30, time.Second))   // and one that does not tell asks for nothing
	w.quiet()
	w.dispatch.Reported(demo, older, after(31, time.Second))
	if e, r := w.read(key, wait(t, w.heard)); e.Seq != order || len(r.Entries) != 2 {
		t.Errorf("roster %s of %d, want %s of 2 again", e.Seq, len(r.Entries), order)
	}
	w.quiet()

	w.dispatch.Reported(demo, older, after(2, time.Minute))
	w.dispatch.Reported(demo, older, after(2, time.Minute).Add(59*time.Second)) // twice as long
	w.quiet()
	w.dispatch.Reported(demo, older, after(3, time.Minute))
	if e, _ := w.read(key, wait(t, w.heard)); e.Seq != order {
		t.Errorf("roster %s, want %s once more", e.Seq, order)
	}
	w.quiet()

	for n := range 10 { // it has come, or a newer one than is known here
		w.dispatch.Reported(demo, []protocol.HeldRoster{{Serial: serial, Order: protocol.Seq{Life: 1, Counter: order.Counter + uint64(n%2)}}}, after(4+n, time.Minute))
	}
	w.quiet()
	w.dispatch.Reported(demo, older, after(20, time.Minute))
	w.dispatch.Reported(demo, older, after(21, time.Minute)) // of an agent that has begun anew, say: it has its time as at first
	wait(t, w.heard)
}
