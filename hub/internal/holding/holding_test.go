package holding_test

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

const (
	demo   protocol.SiteID = "demo"
	serial protocol.Serial = "DEMO1"
)

// world is a holding whose site demo has the terminals DEMO1 and DEMO2.
type world struct {
	*holding.Holding
	t     *testing.T
	store *store.Store
	agent *storetest.Agent
	key   seal.SealingPublic
}

func each(t *testing.T, body func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		s, err := store.Open(t.Context(), dsn)
		ok(t, err)
		t.Cleanup(func() { ok(t, s.Close()) })
		w := &world{Holding: holding.New(s), t: t, store: s, agent: storetest.NewAgent(t, demo), key: sealingKey(t)}
		ok(t, s.AddSite(t.Context(), demo, w.agent.Key.Public().Fingerprint(), storetest.Morning()))
		for _, terminal := range []protocol.Serial{serial, "DEMO2"} {
			ok(t, s.AddTerminal(t.Context(), demo, terminal, storetest.Morning()))
		}
		body(t, w)
	})
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is checks which of the sentinels an error is.
func is(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func sealingKey(t testing.TB) seal.SealingPublic {
	t.Helper()
	key, err := seal.GenerateSealingKey()
	ok(t, err)
	return key.Public()
}

// people is a roster of these PINs, each with one finger.
func people(pins ...string) roster.Roster {
	r := roster.Roster{Serial: serial, AsOf: "2026-01-05", Mode: roster.Add}
	for _, pin := range pins {
		r.Entries = append(r.Entries, roster.Entry{PIN: pin, Name: "Demo " + pin, Privilege: roster.User,
			Fingers: []roster.Finger{{Number: 1, Algorithm: 10, Digest: sha256.Sum256([]byte(pin))}}})
	}
	return r
}

// set issues a roster.
func (w *world) set(r roster.Roster, generation uint64) (protocol.Seq, bool) {
	w.t.Helper()
	order, fresh, err := w.SetRoster(w.t.Context(), demo, serial, r, generation, storetest.Morning())
	ok(w.t, err)
	return order, fresh
}

// said is a message of the admitted agent in an order.
func (w *world) said(life, counter uint64) holding.Said {
	return holding.Said{Site: demo, Serial: serial, Agent: w.agent.Key.Public().KeyID(),
		Seq: protocol.Seq{Life: life, Counter: counter}, At: storetest.Morning()}
}

// inventory is one user under a PIN, with its text.
func inventory(t testing.TB, pin string) (roster.Inventory, []byte) {
	t.Helper()
	inv := roster.Inventory{Serial: serial, Users: []roster.Held{{Slot: 1, PIN: pin, Name: []byte("Demo"), Privilege: roster.User,
		Fingers: []roster.HeldFinger{{Number: 1, Algorithm: 10, Digest: protocol.Hash{1}}}}}}
	text, err := json.Marshal(inv)
	ok(t, err)
	return inv, text
}

func (w *world) take(s holding.Said, pin string) error {
	w.t.Helper()
	inv, text := inventory(w.t, pin)
	return w.TakeInventory(w.t.Context(), s, w.key, text, inv)
}

func results(order protocol.Seq, state protocol.Standing) protocol.Results {
	return protocol.Results{Serial: serial, Roster: order, State: state, Wants: []protocol.Hash{{7}},
		Blocked: []protocol.Outcome{{Act: "add-user", PIN: "100001", Reason: "users-full"}}}
}

func TestRosterIsIssuedOnlyWhenItSaysSomethingNew(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, _, err := w.Roster(t.Context(), demo, serial)
		is(t, err, holding.ErrNone)
		first := people("100001", "100002")
		if order, fresh := w.set(first, 1); !fresh || order != (protocol.Seq{Life: 1, Counter: 1}) {
			t.Fatalf("the first is %s, fresh %t", order, fresh)
		}
		later := first
		later.AsOf = "2026-01-06"
		if order, fresh := w.set(later, 1); fresh || order.Counter != 1 {
			t.Errorf("another day alone made %s, fresh %t", order, fresh)
		}
		second := people("100002", "100003", "100004")
		second.Entries[0].Name = "Demo baru"
		if order, fresh := w.set(second, 1); !fresh || order.Counter != 2 {
			t.Errorf("the second is %s, fresh %t", order, fresh)
		}
		now, held, err := w.Roster(t.Context(), demo, serial)
		ok(t, err)
		if !reflect.DeepEqual(held, second) {
			t.Errorf("held %+v, want %+v", held, second)
		}
		if now.Added != 2 || now.Removed != 1 || now.Changed != 1 || now.Users != 3 || now.Fingers != 3 {
			t.Errorf("counted %+v", now)
		}
		_, text, err := w.Text(t.Context(), demo, serial)
		ok(t, err)
		if now.Size != len(text) {
			t.Errorf("size %d of %d bytes", now.Size, len(text))
		}
		history, err := w.History(t.Context(), demo, serial)
		ok(t, err)
		if len(history) != 2 || history[0] != now || history[1].Users != 2 || !history[1].At.Equal(storetest.Morning()) {
			t.Errorf("history %+v", history)
		}
	})
}

func TestRosterIsRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			site   protocol.SiteID
			serial protocol.Serial
			roster roster.Roster
			want   error
		}{
			"of a terminal that is not registered": {demo, "DEMO9", func() roster.Roster { r := people(); r.Serial = "DEMO9"; return r }(), holding.ErrNoTerminal},
			"at another site":                      {"other", serial, people(), holding.ErrNoTerminal},
			"that contradicts itself":              {demo, serial, people("2", "1"), roster.ErrRoster},
			"of another terminal":                  {demo, "DEMO2", people(), nil},
		} {
			t.Run(name, func(t *testing.T) {
				_, _, err := w.SetRoster(t.Context(), c.site, c.serial, c.roster, 1, storetest.Morning())
				if err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("SetRoster = %v, want %v", err, c.want)
				}
				if strings.Contains(fmt.Sprint(err), "Demo 2") {
					t.Errorf("the error names a person: %v", err)
				}
			})
		}
	})
}

func TestOrderRisesAboveWhatTheSiteReports(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.set(people("100001"), 3)
		ok(t, w.TakeResults(t.Context(), w.said(1, 1), results(protocol.Seq{Life: 3, Counter: 8}, protocol.StandingEqual)))
		all, err := w.Terminals(t.Context())
		ok(t, err)
		if !all[0].Ahead() || all[0].Standing() != "" || all[1].Ahead() {
			t.Errorf("%+v does not tell that the site is ahead", all)
		}
		order, fresh := w.set(people("100001"), 3)
		if !fresh || order != (protocol.Seq{Life: 3, Counter: 9}) {
			t.Errorf("the same roster is %s, fresh %t; the site follows a later one", order, fresh)
		}
		if order, fresh = w.set(people("100001"), 4); fresh || order.Counter != 9 {
			t.Errorf("a new generation alone made %s, fresh %t", order, fresh)
		}
		if order, _ = w.set(people(), 4); order != (protocol.Seq{Life: 4, Counter: 1}) {
			t.Errorf("the first of generation 4 is %s", order)
		}
		ok(t, w.TakeResults(t.Context(), w.said(1, 2), results(protocol.Seq{Life: 4, Counter: 1<<64 - 1}, protocol.StandingEqual)))
		if order, _ = w.set(people("100009"), 4); order != (protocol.Seq{Life: 4, Counter: 2}) {
			t.Errorf("an order that nobody can have issued made %s", order)
		}
		ok(t, w.TakeResults(t.Context(), w.said(1, 3), results(protocol.Seq{Life: 9, Counter: 1}, protocol.StandingEqual)))
		if order, fresh = w.set(people("100009"), 4); fresh {
			t.Errorf("a later life of the hub made %s in this one", order)
		}
	})
}

func TestOnlyTheNewestWordOfTheAdmittedAgentCounts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, err := w.Inventory(t.Context(), demo, serial)
		is(t, err, holding.ErrNone)
		ok(t, w.take(w.said(5, 10), "1"))
		first := w.key
		w.key = sealingKey(t)
		for name, s := range map[string]holding.Said{"the same": w.said(5, 10), "an older one": w.said(5, 9), "an older life": w.said(4, 99)} {
			if err := w.take(s, "2"); !errors.Is(err, holding.ErrReplay) {
				t.Errorf("%s: %v", name, err)
			}
		}
		stranger := w.said(9, 9)
		stranger.Agent = "0123456789abcdef"
		is(t, w.take(stranger, "2"), holding.ErrNotAdmitted)
		unknown := w.said(9, 9)
		unknown.Serial = "DEMO9"
		is(t, w.take(unknown, "2"), holding.ErrNoTerminal)
		inv, err := w.Inventory(t.Context(), demo, serial)
		ok(t, err)
		want, text := inventory(t, "1")
		if !reflect.DeepEqual(inv.Inventory, want) || inv.Digest != sha256.Sum256(text) || !inv.At.Equal(storetest.Morning()) {
			t.Errorf("held %+v", inv)
		}
		key, err := w.Sealing(t.Context(), demo, w.agent.Key.Public().KeyID())
		ok(t, err)
		if key != first {
			t.Error("a refused message changed the sealing key")
		}
		ok(t, w.take(w.said(6, 1), "2"))
		if inv, err = w.Inventory(t.Context(), demo, serial); err != nil || inv.Users[0].PIN != "2" {
			t.Errorf("a new life did not count: %v", err)
		}

		// Of results, too; and one kind does not hold up the other.
		ok(t, w.TakeResults(t.Context(), w.said(5, 1), results(protocol.Seq{}, protocol.StandingWaiting)))
		is(t, w.TakeResults(t.Context(), w.said(5, 1), results(protocol.Seq{}, protocol.StandingEqual)), holding.ErrReplay)
		r, at, err := w.Results(t.Context(), demo, serial)
		ok(t, err)
		if r.State != protocol.StandingWaiting || len(r.Wants) != 1 || !at.Equal(storetest.Morning()) {
			t.Errorf("results %+v", r)
		}
	})
}

func TestKeptBackMessageBringsNoOlderSealingKeyBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		old := w.key
		ok(t, w.take(w.said(1, 1), "1"))
		w.key = sealingKey(t)
		ok(t, w.take(w.said(1, 7), "1"))
		renewed := w.key
		w.key = old
		late := w.said(1, 6)
		late.Serial = "DEMO2" // of which nothing was heard before
		ok(t, w.take(late, "1"))
		key, err := w.Sealing(t.Context(), demo, w.agent.Key.Public().KeyID())
		ok(t, err)
		if key != renewed {
			t.Error("the renewed key was replaced by the one before")
		}
	})
}

func TestRosterGoesOutToTheAdmittedAgentsSealingKeyOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		outgoing := func() []holding.Outgoing {
			t.Helper()
			all, err := w.Outgoing(t.Context(), "")
			ok(t, err)
			return all
		}
		w.set(people("100001"), 1)
		if all := outgoing(); len(all) != 0 {
			t.Errorf("without a sealing key %+v goes out", all)
		}
		ok(t, w.take(w.said(1, 1), "1"))
		all := outgoing()
		if len(all) != 1 || all[0].To != w.agent.Key.Public().KeyID() || all[0].Seal != w.key.KeyID() || all[0].Users != 1 {
			t.Errorf("what goes out is %+v", all)
		}
		if elsewhere, err := w.Outgoing(t.Context(), "other"); err != nil || len(elsewhere) > 0 {
			t.Errorf("of another site %+v, %v", elsewhere, err)
		}
		before := w.agent
		w.agent = storetest.NewAgent(t, demo)
		ok(t, w.store.ReplaceKey(t.Context(), demo, w.agent.Key.Public().Fingerprint(), storetest.Morning()))
		if all := outgoing(); len(all) != 0 {
			t.Errorf("a replaced agent's key is still sealed to: %+v", all)
		}
		w.key = sealingKey(t)
		ok(t, w.take(w.said(1, 1), "1")) // its boots are counted from 1
		if all := outgoing(); len(all) != 1 || all[0].Seal != w.key.KeyID() {
			t.Errorf("to the new agent %+v goes out", all)
		}
		// The old key comes back: what it said before is a replay all the same.
		w.agent = before
		ok(t, w.store.ReplaceKey(t.Context(), demo, before.Key.Public().Fingerprint(), storetest.Morning()))
		is(t, w.take(w.said(1, 1), "1"), holding.ErrReplay)
	})
}

func TestTakeRemembersTheOrderOfWhatWasKeptOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		kept := 0
		keep := func(err error) func() error {
			return func() error { kept++; return err }
		}
		disk := errors.New("disk")
		s := w.said(1, 5)
		is(t, w.Take(t.Context(), s, protocol.KindTemplatesUp, keep(disk)), disk)
		ok(t, w.Take(t.Context(), s, protocol.KindTemplatesUp, keep(nil)))
		is(t, w.Take(t.Context(), s, protocol.KindTemplatesUp, keep(nil)), holding.ErrReplay)
		s.Seq.Counter, s.Serial = 6, "DEMO9"
		is(t, w.Take(t.Context(), s, protocol.KindTemplatesUp, keep(nil)), holding.ErrNoTerminal)
		if kept != 2 {
			t.Errorf("kept %d times, want once in vain and once", kept)
		}
	})
}

func TestTerminalsTellHowTheyStand(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		order, _ := w.set(people("100001", "100002"), 1)
		ok(t, w.take(w.said(1, 1), "1"))
		ok(t, w.TakeResults(t.Context(), w.said(1, 2), results(order, protocol.StandingBlocked)))
		all, err := w.Terminals(t.Context())
		ok(t, err)
		morning := storetest.Morning()
		want := []holding.Terminal{
			{Site: demo, Serial: serial, Sealed: true, Order: order, Mode: roster.Add, ShouldUsers: 2, ShouldFingers: 2,
				Read: morning, HeldUsers: 1, HeldFingers: 1, Reported: morning, Results: results(order, protocol.StandingBlocked)},
			{Site: demo, Serial: "DEMO2", Sealed: true},
		}
		if !reflect.DeepEqual(all, want) || all[0].Standing() != protocol.StandingBlocked {
			t.Errorf("terminals\n%+v, want\n%+v", all, want)
		}
		w.set(people("100001"), 1)
		if all, err = w.Terminals(t.Context()); err != nil || all[0].Standing() != "" {
			t.Errorf("an answer to the roster before counts for the new one: %q, %v", all[0].Standing(), err)
		}
	})
}

func TestOutcomesAreKeptWhenLaterResultsTellOfOthers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		tell := func(counter uint64, outcomes ...protocol.Outcome) {
			t.Helper()
			r := results(protocol.Seq{Life: 1, Counter: counter}, protocol.StandingFailed)
			r.Outcomes = outcomes
			s := w.said(1, counter)
			s.At = s.At.Add(time.Duration(counter) * time.Minute)
			ok(t, w.TakeResults(t.Context(), s, r))
		}
		tell(1, protocol.Outcome{Act: "drop-user", PIN: "0100001", Reason: "terminal"}, protocol.Outcome{Act: "add-finger", PIN: "100002", Finger: 6})
		tell(2)
		tell(3, protocol.Outcome{Act: "drop-user", PIN: "10\x000001"})
		all, err := w.Outcomes(t.Context(), demo, serial, "")
		ok(t, err)
		if len(all) != 2 || all[0].PIN != "100001" || all[0].Reason != "" || all[0].Order.Counter != 3 || !all[0].At.Equal(storetest.Morning().Add(3*time.Minute)) ||
			all[1].PIN != "100002" || all[1].Finger != 6 || all[1].Order.Counter != 1 {
			t.Errorf("outcomes %+v", all)
		}
		if all, err = w.Outcomes(t.Context(), "", "", "100002"); err != nil || len(all) != 1 || all[0].Serial != serial {
			t.Errorf("of one person %+v, %v", all, err)
		}
		s := w.said(9, 9)
		beyond := results(protocol.Seq{Life: 1<<64 - 1, Counter: 1<<64 - 1}, protocol.StandingEqual)
		beyond.Outcomes = []protocol.Outcome{{Act: "add-user", PIN: "100009"}}
		ok(t, w.TakeResults(t.Context(), s, beyond))
		if all, err = w.Outcomes(t.Context(), "", "", "100009"); err != nil || len(all) != 1 || all[0].Order != (protocol.Seq{}) {
			t.Errorf("under an order that nobody can have issued %+v, %v", all, err)
		}
		if all, err = w.Outcomes(t.Context(), "other", "", ""); err != nil || len(all) != 0 {
			t.Errorf("at another site %+v, %v", all, err)
		}
	})
}

func TestOnlyThePlanThatWaitsCanBeApproved(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		approve := func(plan protocol.Hash) error {
			return w.Approve(t.Context(), demo, serial, plan, "Ujang Demo", storetest.Morning())
		}
		is(t, approve(protocol.Hash{7}), holding.ErrNone)
		order, _ := w.set(people("100001"), 1)
		is(t, approve(protocol.Hash{7}), holding.ErrNone)
		braked := results(order, protocol.StandingBraked)
		braked.Plan = protocol.Hash{7}
		ok(t, w.TakeResults(t.Context(), w.said(1, 1), braked))
		is(t, approve(protocol.Hash{8}), holding.ErrNoPlan)
		is(t, approve(protocol.Hash{}), holding.ErrNoPlan)
		ok(t, approve(protocol.Hash{7}))
		now, _, err := w.Roster(t.Context(), demo, serial)
		ok(t, err)
		if now.Approved != (protocol.Hash{7}) || now.ApprovedBy != "Ujang Demo" || now.Order != order {
			t.Errorf("approved %+v", now)
		}
		w.set(people("100002"), 1)
		is(t, approve(protocol.Hash{7}), holding.ErrNoPlan) // it was for the roster before
		if now, _, err = w.Roster(t.Context(), demo, serial); err != nil || !now.Approved.IsZero() {
			t.Errorf("another roster inherits the approval %s, %v", now.Approved.Short(), err)
		}
	})
}

func TestTextsOfReplacedRostersAreGone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.set(people("100001"), 1)
		w.set(people("100002"), 1)
		left := 0
		ok(t, w.store.Query(t.Context(), func(rows *sql.Rows) error {
			var content []byte
			err := rows.Scan(&content)
			if strings.Contains(string(content), "100001") {
				left++
			}
			return err
		}, "SELECT content FROM roster_revision"))
		if left > 0 {
			t.Error("who was on the roster before is still kept")
		}
	})
}
