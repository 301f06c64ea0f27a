package decision_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// office is a unit below another, with a terminal that holds somebody whom nobody
// knows, and not the one who is placed there.
type office struct {
	t         *testing.T
	store     *store.Store
	directory *directory.Directory
	holding   *holding.Holding
	survey    *survey.Survey
	decisions *decision.Decisions
	agent     *storetest.Agent
	sealing   seal.SealingPublic
	counter   uint64
	now       time.Time
	opd, uptd placement.UnitID
	terminal  placement.TerminalID
	ani       *directory.Employee
	inv       roster.Inventory
}

const serial protocol.Serial = "DEMO1"

func each(t *testing.T, body func(t *testing.T, o *office)) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) { body(t, newOffice(t, dsn)) })
}

func newOffice(t *testing.T, dsn string) *office {
	ctx := t.Context()
	o := &office{t: t, now: time.Date(2026, 1, 30, 3, 0, 0, 0, time.UTC), agent: storetest.NewAgent(t, "samsat-demo")}
	var err error
	o.store, err = store.Open(ctx, dsn)
	ok(t, err)
	t.Cleanup(func() { ok(t, o.store.Close()) })
	ok(t, o.store.AddSite(ctx, o.agent.Site, o.agent.Key.Public().Fingerprint(), o.now))
	ok(t, o.store.AddTerminal(ctx, o.agent.Site, serial, o.now))
	o.directory, o.holding = directory.New(o.store, placement.Usual()), holding.New(o.store)
	v, err := vault.Open(ctx, o.store, t.TempDir(), func() time.Time { return o.now })
	ok(t, err)
	o.survey = survey.New(o.directory, v, o.holding, placement.Usual())
	o.decisions = decision.New(decision.Options{Database: o.store, Directory: o.directory, Survey: o.survey, Holding: o.holding, Every: time.Millisecond,
		Now: func() time.Time { return o.now }, Logger: slog.New(slog.DiscardHandler)})
	key, err := seal.GenerateSealingKey()
	ok(t, err)
	o.sealing = key.Public()
	_, err = o.directory.Edit(ctx, o.by(), func(d *directory.Draft) error {
		opd, err := d.AddUnit("2020-01-01", "1", "Dinas Demo", placement.OPD)
		if err != nil {
			return err
		}
		uptd, err := d.AddUnit("2020-01-01", "1.1", "UPTD Demo", placement.UPTD)
		if err != nil {
			return err
		}
		o.opd, o.uptd = opd.ID, uptd.ID
		for _, terminal := range d.Terminals {
			o.terminal = terminal.ID
		}
		o.ani = d.AddEmployee()
		id := int64(o.ani.ID)
		_, placed := d.Place(directory.Placement{Placement: placement.Placement{Employee: o.ani.ID, Unit: uptd.ID, Kind: placement.Definitive,
			Period: placement.Period{From: "2020-01-01"}}}, true)
		return errors.Join(placed, d.Set(directory.AboutUnit, int64(uptd.ID), directory.UnitParent, "2020-01-01", fmt.Sprint(int64(opd.ID))),
			d.Serve(directory.Serving{Terminal: o.terminal, Serving: placement.Serving{Unit: uptd.ID, Responsible: true, Period: placement.Period{From: "2020-01-01"}}}),
			d.Set(directory.AboutEmployee, id, directory.EmployeeName, "2020-01-01", "Ani Demo"),
			d.Set(directory.AboutEmployee, id, directory.EmployeeKind, "2020-01-01", string(placement.NonASN)))
	})
	ok(t, err)
	o.inv = roster.Inventory{Serial: serial, Capabilities: roster.Capabilities{Algorithm: 10, NameBytes: 24}, Users: []roster.Held{
		{Slot: 1, PIN: "77", Name: []byte("TAMU"), Privilege: roster.Administrator, Fingers: []roster.HeldFinger{{Number: 6, Algorithm: 10, Digest: protocol.Hash{7}}}},
	}}
	return o
}

func (o *office) by() directory.By { return directory.By{Who: "Eka Demo", At: o.now, Act: "test"} }

// read lets an inventory come.
func (o *office) read() {
	o.t.Helper()
	text, err := json.Marshal(o.inv)
	ok(o.t, err)
	o.counter++
	ok(o.t, o.holding.TakeInventory(o.t.Context(), holding.Said{Site: o.agent.Site, Serial: serial, Agent: o.agent.Key.Public().KeyID(),
		Seq: protocol.Seq{Life: 1, Counter: o.counter}, At: o.now.Add(time.Duration(o.counter) * time.Millisecond)}, o.sealing, text, o.inv))
}

// look is the terminal with its findings and their decisions.
func (o *office) look() (survey.Terminal, []decision.Judged) {
	o.t.Helper()
	v, err := o.survey.Look(o.t.Context(), roster.DateOf(o.now), func(*directory.Terminal) bool { return true })
	ok(o.t, err)
	judged, err := o.decisions.Judge(o.t.Context(), v)
	ok(o.t, err)
	return v.Terminals[0], judged[0]
}

// decide decides about the one finding of a class.
func (o *office) decide(class validate.Class, ch decision.Choice) (decision.Effect, error) {
	o.t.Helper()
	t, all := o.look()
	i := slices.IndexFunc(all, func(j decision.Judged) bool { return j.Class == class })
	if i < 0 {
		o.t.Fatalf("there is no finding of class %s among %v", class, short(all))
	}
	return o.decisions.Decide(o.t.Context(), o.by(), t, all[i].Named, ch)
}

// short tells findings with what was decided.
func short(all []decision.Judged) (list []string) {
	for _, j := range all {
		decided := "open"
		if j.Decision != nil {
			decided = string(j.Decision.Act)
		}
		list = append(list, fmt.Sprintf("%s %s %s", j.Class, j.PIN, decided))
	}
	return list
}

func (o *office) expect(want ...string) {
	o.t.Helper()
	if _, all := o.look(); !slices.Equal(short(all), want) {
		o.t.Errorf("there is %q, want %q", short(all), want)
	}
}

func refused(t *testing.T, err error, code string) {
	t.Helper()
	var r decision.Refusal
	if !errors.As(err, &r) || r.Code != code {
		t.Errorf("error %v, want the refusal %s", err, code)
	}
	if catalogue := phrase.New(); !catalogue.Has("campaign.error-" + code) {
		t.Errorf("the catalogue has no sentence for %s", code)
	}
}

func TestDecisionHoldsUntilItsFindingIsGone(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.read()
		o.expect("a 77 open", "b 100001 open")
		effect, err := o.decide(validate.Unknown, decision.Choice{})
		ok(t, err)
		if effect != decision.AfterEnforce {
			t.Errorf("the effect is %s, want %s: the terminal is observed", effect, decision.AfterEnforce)
		}
		effect, err = o.decide(validate.Missing, decision.Choice{Act: validate.ActAdd, Reason: " ba\x00ru\xff "})
		ok(t, err)
		if effect != decision.AfterAdd {
			t.Errorf("the effect is %s, want %s", effect, decision.AfterAdd)
		}
		o.expect("a 77 delete", "b 100001 add")
		ok(t, o.decisions.Settle(ctx))
		o.expect("a 77 delete", "b 100001 add")

		o.inv.Users[0] = roster.Held{Slot: 2, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.User}
		o.now = o.now.Add(time.Hour)
		o.read()
		ok(t, o.decisions.Settle(ctx))
		ok(t, o.decisions.Settle(ctx)) // once is enough
		decisions, err := o.decisions.Of(ctx, o.terminal)
		ok(t, err)
		if len(decisions) != 2 || !decisions[0].Closed.Equal(o.now) || !decisions[1].Closed.Equal(o.now) || decisions[1].Reason != "baru" || decisions[1].By != "Eka Demo" {
			t.Errorf("decisions are %+v, want both closed now", decisions)
		}
		// The same again is a finding that nobody has decided.
		o.inv.Users = append(o.inv.Users, roster.Held{Slot: 5, PIN: "77", Name: []byte("TAMU"), Privilege: roster.Administrator,
			Fingers: []roster.HeldFinger{{Number: 6, Algorithm: 10, Digest: protocol.Hash{7}}}})
		o.read()
		o.expect("a 77 open", "f 100001 open")
	})
}

func TestLaterDecisionReplacesAnEarlierOne(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.read()
		_, err := o.decide(validate.Unknown, decision.Choice{Act: validate.ActAccept, Reason: "tamu tetap"})
		ok(t, err)
		o.expect("a 77 accept", "b 100001 open")
		_, err = o.decide(validate.Unknown, decision.Choice{Act: validate.ActDelete})
		ok(t, err)
		o.expect("a 77 delete", "b 100001 open")
		accepted, err := o.decisions.Accepted(t.Context(), roster.DateOf(o.now))
		ok(t, err)
		if len(accepted) != 0 {
			t.Errorf("still accepted: %v", accepted)
		}
	})
}

func TestAcceptanceHoldsAsLongAsItsEvidence(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		kept := func() (list []string) {
			accepted, err := o.decisions.Accepted(t.Context(), roster.DateOf(o.now))
			ok(t, err)
			for _, f := range accepted[o.terminal] {
				for _, k := range f.Accept(roster.Roster{}).Keep {
					list = append(list, k.PIN)
				}
			}
			return list
		}
		o.read()
		_, err := o.decide(validate.Unknown, decision.Choice{Act: validate.ActAccept, Reason: "tamu tetap"})
		ok(t, err)
		if got := kept(); !slices.Equal(got, []string{"77"}) {
			t.Errorf("rosters keep %q, want the guest", got)
		}
		was := o.inv.Users[0]
		o.inv.Users = nil
		o.read()
		ok(t, o.decisions.Settle(t.Context()))
		o.inv.Users = []roster.Held{was}
		o.inv.Users[0].Slot = 9
		o.read()
		o.expect("a 77 accept", "b 100001 open")

		o.inv.Users[0].Fingers = []roster.HeldFinger{{Number: 6, Algorithm: 10, Digest: protocol.Hash{8}}}
		o.read()
		o.expect("a 77 open", "b 100001 open")
		if got := kept(); len(got) != 0 {
			t.Errorf("rosters keep %q, though the guest has another finger", got)
		}
	})
}

func TestVersionRisesWhenSomethingElseMayBeAccepted(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		version := func() int64 {
			n, err := o.decisions.Version(t.Context())
			ok(t, err)
			return n
		}
		o.read()
		_, err := o.decide(validate.Missing, decision.Choice{})
		ok(t, err)
		first := version()
		o.read()
		if version() != first {
			t.Error("it rises with an inventory though nothing is accepted")
		}
		_, err = o.decide(validate.Unknown, decision.Choice{Act: validate.ActAccept, Reason: "tamu tetap"})
		ok(t, err)
		second := version()
		o.read()
		if third := version(); second <= first || third <= second {
			t.Errorf("it is %d, %d with an acceptance, %d with the next inventory: want that it rises", first, second, third)
		}
	})
}

func TestActsThatChangeTheRegister(t *testing.T) {
	for _, row := range []struct {
		name   string
		before func(o *office)
		class  validate.Class
		choice decision.Choice
		want   []string
	}{
		{"a PIN is mapped to whom somebody names", nil, validate.Unknown, decision.Choice{Act: validate.ActMap, Employee: "100001"},
			[]string{"d 77 open", "i 77 open"}},
		{"who is missing is placed elsewhere", nil, validate.Missing, decision.Choice{Act: validate.ActMove, Unit: "1", SK: "SK-7", From: "2020-06-01"},
			[]string{"a 77 open"}},
		{"who is here is placed here", func(o *office) {
			o.edit(func(d *directory.Draft) error {
				p := d.PlacementsOf(o.ani.ID)[0]
				if err := d.EndPlacement(p.ID, p.From); err != nil {
					return err
				}
				p.Unit = o.opd
				_, err := d.Place(p, true)
				return err
			})
			o.inv.Users[0] = roster.Held{Slot: 1, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.User}
		}, validate.Misplaced, decision.Choice{Act: validate.ActMove, SK: "SK-7"}, []string{"f 100001 open", "i  open"}},
		{"a right is granted as it is", func(o *office) {
			o.inv.Users[0] = roster.Held{Slot: 1, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.Administrator}
		}, validate.Privilege, decision.Choice{Act: validate.ActGrant, Privilege: roster.Administrator}, []string{"f 100001 open"}},
		{"a right that was granted is taken back", func(o *office) {
			o.edit(func(d *directory.Draft) error {
				d.Grant(placement.Grant{Employee: o.ani.ID, Terminal: o.terminal, Privilege: roster.Manager, Period: placement.Period{From: "2020-01-01"}})
				return nil
			})
			o.inv.Users = append(o.inv.Users, roster.Held{Slot: 2, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.User})
		}, validate.Privilege, decision.Choice{Act: validate.ActGrant, Privilege: roster.User}, []string{"a 77 open", "f 100001 open"}},
		{"somebody is to administer a terminal without anybody", func(o *office) {
			o.inv.Users[0] = roster.Held{Slot: 1, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.User}
		}, validate.Privilege, decision.Choice{Act: validate.ActGrant, Employee: "100001"}, []string{"f 100001 open", "i 100001 open"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, o *office) {
				if row.before != nil {
					row.before(o)
				}
				o.read()
				effect, err := o.decide(row.class, row.choice)
				ok(t, err)
				if effect != decision.InRegister {
					t.Errorf("the effect is %s, want %s", effect, decision.InRegister)
				}
				o.expect(row.want...)
				ok(t, o.decisions.Settle(t.Context()))
				decisions, err := o.decisions.Of(t.Context(), o.terminal)
				ok(t, err)
				if len(decisions) != 1 || decisions[0].Closed.IsZero() {
					t.Errorf("decisions are %+v, want one that has ended", decisions)
				}
			})
		})
	}
}

func (o *office) edit(change func(*directory.Draft) error) {
	o.t.Helper()
	_, err := o.directory.Edit(o.t.Context(), o.by(), change)
	ok(o.t, err)
}

func TestDecisionIsRefused(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.read()
		for _, row := range []struct {
			class  validate.Class
			choice decision.Choice
			code   string
		}{
			{validate.Unknown, decision.Choice{Act: validate.ActRename}, "not-proposed"},
			{validate.Unknown, decision.Choice{Act: validate.ActAccept, Reason: "  "}, "no-reason"},
			{validate.Unknown, decision.Choice{Act: validate.ActMap}, "no-employee"},
			{validate.Missing, decision.Choice{Act: validate.ActMove, SK: "SK-7"}, "no-unit"},
			{validate.Missing, decision.Choice{Act: validate.ActMove, Unit: "1"}, "no-sk"},
		} {
			_, err := o.decide(row.class, row.choice)
			refused(t, err, row.code)
		}
		seen, all := o.look()
		_, err := o.decisions.Decide(t.Context(), directory.By{At: o.now}, seen, all[0].Named, decision.Choice{})
		refused(t, err, "nobody")
		if n, err := o.decisions.Last(t.Context()); n != 0 || err != nil {
			t.Errorf("%d decisions were kept (%v)", n, err)
		}
	})
}

// What is gone is seen by itself, once the inventory or the register says so.
func TestRunClosesWhatIsGone(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.read()
		for _, class := range []validate.Class{validate.Unknown, validate.Missing} {
			_, err := o.decide(class, decision.Choice{})
			ok(t, err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { ok(t, o.decisions.Run(ctx)) })
		defer running.Wait()
		defer stop()
		closed := func(want int) {
			t.Helper()
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
				decisions, err := o.decisions.Of(t.Context(), o.terminal)
				ok(t, err)
				n := 0
				for _, d := range decisions {
					if !d.Closed.IsZero() {
						n++
					}
				}
				if n == want {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d decisions are closed, want %d", n, want)
				}
			}
		}
		o.edit(func(d *directory.Draft) error {
			return d.AddAlias(directory.Alias{Employee: o.ani.ID, Terminal: o.terminal, PIN: "77", Period: placement.Period{From: "2020-01-01"}})
		})
		closed(2)
		_, err := o.decide(validate.Name, decision.Choice{})
		ok(t, err)
		o.inv.Users[0].Name = []byte("Ani Demo")
		o.read()
		closed(3)
	})
}
