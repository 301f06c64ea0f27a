package ingest_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/ingest"
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

// held is what a terminal with n users holds.
func held(serial protocol.Serial, n int) roster.Inventory {
	inv := roster.Inventory{Serial: serial, Users: []roster.Held{}}
	for i := range n {
		inv.Users = append(inv.Users, roster.Held{Slot: uint16(i + 1), PIN: fmt.Sprint(100001 + i), Name: []byte("Demo"), Privilege: roster.User,
			Fingers: []roster.HeldFinger{{Number: 6, Algorithm: 10, Digest: sha256.Sum256([]byte{byte(i), byte(i >> 8)})}}})
	}
	return inv
}

// terminalWord is what an agent says of one terminal, and how it may be wrong.
type terminalWord struct {
	seq     protocol.Seq
	serial  protocol.Serial
	inv     roster.Inventory
	purpose seal.Purpose
	to      seal.SealingPublic
}

// inventory is the messages of an inventory, the parts first, each in an order of its
// own from counter on.
func (w *world) inventory(counter uint64, inv roster.Inventory, change ...func(*terminalWord)) []mqtt.Message {
	w.t.Helper()
	word := terminalWord{protocol.Seq{Life: 1, Counter: counter}, serial, inv, protocol.InventoryPurpose(demo, serial), w.sealing.Public()}
	for _, c := range change {
		c(&word)
	}
	text, err := json.Marshal(word.inv)
	ok(w.t, err)
	doc, parts, err := protocol.SealDocument(word.to, word.purpose, text)
	ok(w.t, err)
	var messages []mqtt.Message
	say := func(part int, body any) {
		e := protocol.Envelope{Kind: protocol.KindInventory, Subject: string(word.serial), To: w.hub.Public().KeyID(), Seq: word.seq}
		m := w.seal(w.agent.Key, e, body)
		m.Topic = protocol.Topic{Site: demo, Kind: protocol.KindInventory, Serial: word.serial, Part: part}.String()
		messages = append(messages, m)
		word.seq.Counter++
	}
	for _, p := range parts {
		say(p.N, p)
	}
	say(0, protocol.Inventory{Sealing: w.site.Public(), Users: len(inv.Users), Doc: doc})
	return messages
}

// ready is a world whose agent's key is known, with nothing counted yet.
func ready(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	ok(t, w.store.LearnKey(t.Context(), demo, w.agent.Key.Public(), storetest.Morning()))
	return w
}

// users is how many users the hub believes the terminal DEMO1 to have; -1: nothing.
func (w *world) users() int {
	w.t.Helper()
	inv, err := w.holding.Inventory(w.t.Context(), demo, serial)
	if errors.Is(err, holding.ErrNone) {
		return -1
	}
	ok(w.t, err)
	return len(inv.Users)
}

func TestInventoryIsOpenedAndKeptWithTheSitesKey(t *testing.T) {
	w := ready(t)
	ok(t, w.take(w.store, w.inventory(1, held(serial, 3))...))
	w.want(nil)
	key, err := w.holding.Sealing(t.Context(), demo, w.agent.Key.Public().KeyID())
	ok(t, err)
	if w.users() != 3 || key != w.site.Public() || w.rosters != 1 {
		t.Errorf("%d users, rosters looked at %d times; want 3 and once", w.users(), w.rosters)
	}
}

func TestInventoryInPartsCountsWhenItIsWhole(t *testing.T) {
	large := held(serial, 3000)
	for _, c := range []struct {
		name  string
		order func(m []mqtt.Message) []mqtt.Message
		want  int
	}{
		{"in order", func(m []mqtt.Message) []mqtt.Message { return m }, 3000},
		{"head first", func(m []mqtt.Message) []mqtt.Message { slices.Reverse(m); return m }, 3000},
		{"one of them twice", func(m []mqtt.Message) []mqtt.Message { return append(m[:1:1], m...) }, 3000},
		{"one missing", func(m []mqtt.Message) []mqtt.Message { return m[1:] }, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ready(t)
			messages := w.inventory(1, large)
			if len(messages) < 3 {
				t.Fatalf("%d messages: this test tests nothing", len(messages))
			}
			ok(t, w.take(w.store, c.order(messages)...))
			w.want(nil)
			if w.users() != c.want {
				t.Errorf("%d users are held, want %d", w.users(), c.want)
			}
		})
	}
}

func TestPartsOfTwoInventoriesAreNeverMixed(t *testing.T) {
	for _, c := range []struct {
		name    string
		order   func(older, newer []mqtt.Message) []mqtt.Message
		want    int
		refused []protocol.Reason
	}{
		{"a part of the older one does not complete the newer", func(older, newer []mqtt.Message) []mqtt.Message {
			return slices.Concat(older[:1], newer[1:])
		}, -1, nil},
		{"the newer one counts where the older was cut off", func(older, newer []mqtt.Message) []mqtt.Message {
			return slices.Concat(older[1:], newer)
		}, 3001, nil},
		{"a part that is replayed over a newer one is refused", func(older, newer []mqtt.Message) []mqtt.Message {
			return slices.Concat(newer[:1], older[:1], newer[1:])
		}, 3001, []protocol.Reason{protocol.ReasonReplay}},
		{"a head that is replayed over a newer one is refused", func(older, newer []mqtt.Message) []mqtt.Message {
			return slices.Concat(newer[len(newer)-1:], older[len(older)-1:], newer[:len(newer)-1])
		}, 3001, []protocol.Reason{protocol.ReasonReplay}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ready(t)
			ok(t, w.take(w.store, c.order(w.inventory(1, held(serial, 3000)), w.inventory(20, held(serial, 3001)))...))
			w.want(nil, c.refused...)
			if w.users() != c.want {
				t.Errorf("%d users are held, want %d", w.users(), c.want)
			}
		})
	}
}

// Of each of six terminals a part is missing: together they are larger than what is
// held of one site.
func TestOneSiteCannotFillTheMemory(t *testing.T) {
	w := ready(t)
	var names []protocol.Serial
	var messages, missing []mqtt.Message
	for n := range 6 {
		name := protocol.Serial(fmt.Sprintf("BIG%d", n))
		ok(t, w.store.AddTerminal(t.Context(), demo, name, storetest.Morning()))
		m := w.inventory(uint64(n*100), held(name, roster.MaxUsers), func(word *terminalWord) {
			word.serial, word.purpose = name, protocol.InventoryPurpose(demo, name)
		})
		names, messages, missing = append(names, name), append(messages, m[1:]...), append(missing, m[0])
	}
	slices.Reverse(missing)
	ok(t, w.take(w.store, append(messages, missing...)...))
	w.want(nil)
	kept := 0
	for _, name := range names {
		if _, err := w.holding.Inventory(t.Context(), demo, name); err == nil {
			kept++
		}
	}
	if _, err := w.holding.Inventory(t.Context(), demo, names[5]); err != nil || kept == len(names) {
		t.Errorf("%d of 6 were held at once; the last one: %v", kept, err)
	}
}

func TestMessageAboutATerminalChangesNothing(t *testing.T) {
	small := held(serial, 1)
	for _, c := range []struct {
		name     string
		messages func(w *world) []mqtt.Message
		reason   protocol.Reason
	}{
		{"the same again", func(w *world) []mqtt.Message { return w.inventory(9, small) }, protocol.ReasonReplay},
		{"an older one", func(w *world) []mqtt.Message { return w.inventory(8, small) }, protocol.ReasonReplay},
		{"of an older life", func(w *world) []mqtt.Message {
			return w.inventory(99, small, func(word *terminalWord) { word.seq.Life = 0 })
		}, protocol.ReasonReplay},
		{"by another terminal's topic", func(w *world) []mqtt.Message {
			m := w.inventory(10, small)
			m[0].Topic = "sidik/v1/demo/inventory/DEMO2"
			return m
		}, protocol.ReasonTopic},
		{"by another site's topic", func(w *world) []mqtt.Message {
			m := w.inventory(10, small)
			m[0].Topic = "sidik/v1/other/inventory/DEMO1"
			return m
		}, protocol.ReasonTopic},
		{"of a terminal that nobody registered", func(w *world) []mqtt.Message {
			return w.inventory(10, held("DEMO9", 1), func(word *terminalWord) {
				word.serial, word.purpose = "DEMO9", protocol.InventoryPurpose(demo, "DEMO9")
			})
		}, protocol.ReasonTopic},
		{"sealed for another site", func(w *world) []mqtt.Message {
			return w.inventory(10, small, func(word *terminalWord) { word.purpose = protocol.InventoryPurpose("other", serial) })
		}, protocol.ReasonBody},
		{"sealed for another terminal", func(w *world) []mqtt.Message {
			return w.inventory(10, small, func(word *terminalWord) { word.purpose = protocol.InventoryPurpose(demo, "DEMO2") })
		}, protocol.ReasonBody},
		{"sealed to another key", func(w *world) []mqtt.Message {
			return w.inventory(10, small, func(word *terminalWord) { word.to = sealingKey(w.t).Public() })
		}, protocol.ReasonBody},
		{"about another terminal inside", func(w *world) []mqtt.Message { return w.inventory(10, held("DEMO2", 1)) }, protocol.ReasonBody},
		{"that contradicts itself", func(w *world) []mqtt.Message {
			inv := held(serial, 2)
			inv.Users[1].Slot = 1
			return w.inventory(10, inv)
		}, protocol.ReasonBody},
		{"whose part came as another", func(w *world) []mqtt.Message {
			m := w.inventory(10, held(serial, 3000))[:1]
			m[0].Topic = "sidik/v1/demo/inventory/DEMO1/2"
			return m
		}, protocol.ReasonTopic},
		{"signed by a stranger", func(w *world) []mqtt.Message {
			w.agent = storetest.NewAgent(w.t, demo)
			return w.inventory(10, small)
		}, protocol.ReasonKey},
		{"altered", func(w *world) []mqtt.Message {
			m := w.inventory(10, small)
			at := slices.Index(m[0].Payload, '7') // of some number or box
			m[0].Payload[at] = '8'
			return m
		}, ""},
		{"results of an older order", func(w *world) []mqtt.Message { return w.results(3, serial) }, protocol.ReasonReplay},
		{"results of a terminal that nobody registered", func(w *world) []mqtt.Message { return w.results(11, "DEMO9") }, protocol.ReasonTopic},
		{"templates without a vault", func(w *world) []mqtt.Message { return w.templates(11, "one") }, protocol.ReasonReceiver},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ready(t)
			ok(t, w.store.AddTerminal(t.Context(), demo, "DEMO2", storetest.Morning()))
			ok(t, w.take(w.store, append(w.inventory(9, held(serial, 3)), w.results(3, serial)...)...))
			w.want(nil)
			w.rosters, w.wanted = 0, map[protocol.Serial][]protocol.Hash{}
			ok(t, w.take(w.store, c.messages(w)...))
			if len(w.refused) != 1 || c.reason != "" && w.refused[0] != c.reason {
				t.Errorf("refused %v, want %s", w.refused, c.reason)
			}
			if w.users() != 3 || w.rosters != 0 || len(w.wanted) != 0 {
				t.Errorf("%d users, rosters looked at %d times, wanted %v", w.users(), w.rosters, w.wanted)
			}
		})
	}
}

// results asks for one template.
func (w *world) results(counter uint64, serial protocol.Serial) []mqtt.Message {
	w.t.Helper()
	return []mqtt.Message{w.seal(w.agent.Key,
		protocol.Envelope{Kind: protocol.KindResults, To: w.hub.Public().KeyID(), Seq: protocol.Seq{Life: 1, Counter: counter}},
		protocol.Results{Serial: serial, Roster: protocol.Seq{Life: 1, Counter: 7}, State: protocol.StandingWaiting, Wants: []protocol.Hash{{byte(counter)}}})}
}

func TestResultsAreKeptAndWantsGoToDispatch(t *testing.T) {
	w := ready(t)
	ok(t, w.take(w.store, append(w.results(3, serial), w.results(4, serial)...)...))
	w.want(nil)
	r, _, err := w.holding.Results(t.Context(), demo, serial)
	ok(t, err)
	if r.Roster.Counter != 7 || r.Wants[0] != (protocol.Hash{4}) || !slices.Equal(w.wanted[serial], r.Wants) {
		t.Errorf("results %+v, wanted %v", r, w.wanted)
	}
}

// templates is a message with these templates of one person.
func (w *world) templates(counter uint64, plain ...string) []mqtt.Message {
	w.t.Helper()
	m := protocol.Templates{Serial: serial}
	for n, p := range plain {
		item := protocol.SealedTemplate{PIN: "100001", Finger: uint8(n), Algorithm: 10, Digest: sha256.Sum256([]byte(p))}
		var err error
		item.Box, err = w.sealing.Public().Seal(templatePurpose(item), []byte(p))
		ok(w.t, err)
		m.Items = append(m.Items, item)
	}
	return w.say(counter, m)
}

func templatePurpose(i protocol.SealedTemplate) seal.Purpose {
	return protocol.TemplatePurpose(protocol.KindTemplatesUp, demo, serial, i.PIN, i.Finger, i.Algorithm, i.Digest)
}

func (w *world) say(counter uint64, m protocol.Templates) []mqtt.Message {
	w.t.Helper()
	return []mqtt.Message{w.seal(w.agent.Key,
		protocol.Envelope{Kind: protocol.KindTemplatesUp, To: w.hub.Public().KeyID(), Seq: protocol.Seq{Life: 1, Counter: counter}}, m)}
}

// vault remembers what was found, or fails.
type vault struct {
	found []ingest.Template
	err   error
}

func (v *vault) Found(_ context.Context, site protocol.SiteID, of protocol.Serial, at time.Time, templates []ingest.Template) error {
	if site != demo || of != serial || at.IsZero() {
		return errors.New("of another terminal")
	}
	if v.err == nil {
		v.found = append(v.found, templates...)
	}
	return v.err
}

func TestTemplatesGoToTheVaultAndAreConfirmed(t *testing.T) {
	w, v := ready(t), &vault{}
	w.vault = v
	ok(t, w.take(w.store, append(w.templates(1, "one", "two"), w.templates(2, "three")...)...))
	w.want(nil)
	if len(v.found) != 3 || string(v.found[1].Data) != "two" || v.found[1].PIN != "100001" || v.found[1].Finger != 1 {
		t.Errorf("found %+v", v.found)
	}
	if len(w.kept[serial]) != 3 || w.kept[serial][2] != sha256.Sum256([]byte("three")) {
		t.Errorf("confirmed %v", w.kept)
	}
	ok(t, w.take(w.store, w.templates(2, "three")...))
	w.want(nil, protocol.ReasonReplay)
	if len(v.found) != 3 {
		t.Error("a replayed message reached the vault")
	}
}

// A template that is not what its message says is refused; its neighbours, which the agent
// would else send together with it for ever, are kept.
func TestTemplateThatIsNotWhatIsSaidIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(w *world, m *protocol.Templates)
		kept   int
	}{
		{"another person", func(_ *world, m *protocol.Templates) { m.Items[1].PIN = "100002" }, 1},
		{"another finger", func(_ *world, m *protocol.Templates) { m.Items[1].Finger = 5 }, 1},
		{"another digest", func(_ *world, m *protocol.Templates) { m.Items[1].Digest[0]++ }, 1},
		{"another terminal", func(_ *world, m *protocol.Templates) { m.Serial = "DEMO2" }, 0},
		{"the boxes swapped", func(_ *world, m *protocol.Templates) { m.Items[0].Box, m.Items[1].Box = m.Items[1].Box, m.Items[0].Box }, 0},
		{"bytes of another digest", func(w *world, m *protocol.Templates) {
			var err error
			m.Items[1].Box, err = w.sealing.Public().Seal(templatePurpose(m.Items[1]), []byte("three"))
			ok(t, err)
		}, 1},
		{"of an algorithm that is none", func(w *world, m *protocol.Templates) {
			item := &m.Items[1]
			item.Algorithm = 12
			var err error
			item.Box, err = w.sealing.Public().Seal(templatePurpose(*item), []byte("two"))
			ok(t, err)
		}, 1},
		{"nothing in it", func(_ *world, m *protocol.Templates) { m.Items, m.Kept = nil, []protocol.Hash{{1}} }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, v := ready(t), &vault{}
			w.vault = v
			ok(t, w.store.AddTerminal(t.Context(), demo, "DEMO2", storetest.Morning()))
			e, err := protocol.Parse("", w.templates(1, "one", "two")[0].Payload)
			ok(t, err)
			var m protocol.Templates
			ok(t, e.Into(&m))
			c.change(w, &m)
			ok(t, w.take(w.store, w.say(1, m)...))
			w.want(nil, protocol.ReasonBody)
			if len(v.found) != c.kept || len(w.kept[serial]) != c.kept || c.kept > 0 && string(v.found[0].Data) != "one" {
				t.Errorf("found %d, confirmed %v, want %d", len(v.found), w.kept, c.kept)
			}
		})
	}
}

func TestVaultInTroubleHoldsNothingUp(t *testing.T) {
	w, v := ready(t), &vault{err: errors.New("the wrong vault key")}
	w.vault = v
	ok(t, w.take(w.store, append(w.templates(1, "one"), w.punches(w.segment(serial, 0, 3)))...))
	w.want([]string{"stored"})
	if len(w.kept) > 0 {
		t.Error("what is not kept was confirmed")
	}
	v.err = nil
	ok(t, w.take(w.store, w.templates(1, "one")...)) // never taken: no replay
	if len(v.found) != 1 || len(w.kept[serial]) != 1 {
		t.Errorf("found %d, confirmed %v", len(v.found), w.kept)
	}
}
