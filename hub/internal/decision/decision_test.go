package decision_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision/decisiontest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// office is one to decide about.
type office struct{ *decisiontest.Office }

func each(t *testing.T, body func(t *testing.T, o *office)) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) { body(t, &office{decisiontest.New(t, dsn)}) })
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
	o.T.Helper()
	if _, all := o.Look(); !slices.Equal(short(all), want) {
		o.T.Errorf("there is %q, want %q", short(all), want)
	}
}

func TestDecisionHoldsUntilItsFindingIsGone(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.Read()
		o.expect("a 77 open", "b 100001 open")
		effect, err := o.Decide(validate.Unknown, decision.Choice{})
		ok(t, err)
		if effect != decision.AfterEnforce {
			t.Errorf("the effect is %s, want %s: the terminal is observed", effect, decision.AfterEnforce)
		}
		effect, err = o.Decide(validate.Missing, decision.Choice{Act: validate.ActAdd, Reason: " ba\x00ru\xff "})
		ok(t, err)
		if effect != decision.AfterAdd {
			t.Errorf("the effect is %s, want %s", effect, decision.AfterAdd)
		}
		o.expect("a 77 delete", "b 100001 add")
		ok(t, o.Decisions.Settle(ctx))
		o.expect("a 77 delete", "b 100001 add")

		o.Inventory.Users[0] = roster.Held{Slot: 2, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.User}
		o.Now = o.Now.Add(time.Hour)
		o.Read()
		ok(t, o.Decisions.Settle(ctx))
		ok(t, o.Decisions.Settle(ctx)) // once is enough
		decisions, err := o.Decisions.Of(ctx, o.Terminal)
		ok(t, err)
		if len(decisions) != 2 || !decisions[0].Closed.Equal(o.Now) || !decisions[1].Closed.Equal(o.Now) || decisions[1].Reason != "baru" || decisions[1].By != "Eka Demo" {
			t.Errorf("decisions are %+v, want both closed now", decisions)
		}
		// The same again is a finding that nobody has decided.
		o.Inventory.Users = append(o.Inventory.Users, roster.Held{Slot: 5, PIN: "77", Name: []byte("TAMU"), Privilege: roster.Administrator,
			Fingers: []roster.HeldFinger{{Number: 6, Algorithm: 10, Digest: protocol.Hash{7}}}})
		o.Read()
		o.expect("a 77 open", "f 100001 open")
	})
}

func TestLaterDecisionReplacesAnEarlierOne(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.Read()
		_, err := o.Decide(validate.Unknown, decision.Choice{Act: validate.ActAccept, Reason: "tamu tetap"})
		ok(t, err)
		o.expect("a 77 accept", "b 100001 open")
		_, err = o.Decide(validate.Unknown, decision.Choice{Act: validate.ActDelete})
		ok(t, err)
		o.expect("a 77 delete", "b 100001 open")
		accepted, err := o.Decisions.Accepted(t.Context(), roster.DateOf(o.Now))
		ok(t, err)
		if len(accepted) != 0 {
			t.Errorf("still accepted: %v", accepted)
		}
	})
}

func TestAcceptanceHoldsAsLongAsItsEvidence(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		kept := func() (list []string) {
			accepted, err := o.Decisions.Accepted(t.Context(), roster.DateOf(o.Now))
			ok(t, err)
			for _, f := range accepted[o.Terminal] {
				for _, k := range f.Accept(roster.Roster{}).Keep {
					list = append(list, k.PIN)
				}
			}
			return list
		}
		o.Read()
		_, err := o.Decide(validate.Unknown, decision.Choice{Act: validate.ActAccept, Reason: "tamu tetap"})
		ok(t, err)
		if got := kept(); !slices.Equal(got, []string{"77"}) {
			t.Errorf("rosters keep %q, want the guest", got)
		}
		was := o.Inventory.Users[0]
		o.Inventory.Users = nil
		o.Read()
		ok(t, o.Decisions.Settle(t.Context()))
		o.Inventory.Users = []roster.Held{was}
		o.Inventory.Users[0].Slot = 9
		o.Read()
		o.expect("a 77 accept", "b 100001 open")

		o.Inventory.Users[0].Fingers = []roster.HeldFinger{{Number: 6, Algorithm: 10, Digest: protocol.Hash{8}}}
		o.Read()
		o.expect("a 77 open", "b 100001 open")
		if got := kept(); len(got) != 0 {
			t.Errorf("rosters keep %q, though the guest has another finger", got)
		}
	})
}

func TestVersionRisesWhenSomethingElseMayBeAccepted(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		version := func() int64 {
			n, err := o.Decisions.Version(t.Context())
			ok(t, err)
			return n
		}
		o.Read()
		_, err := o.Decide(validate.Missing, decision.Choice{})
		ok(t, err)
		first := version()
		o.Read()
		if version() != first {
			t.Error("it rises with an inventory though nothing is accepted")
		}
		_, err = o.Decide(validate.Unknown, decision.Choice{Act: validate.ActAccept, Reason: "tamu tetap"})
		ok(t, err)
		second := version()
		o.Read()
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
			o.Edit(func(d *directory.Draft) error {
				p := d.PlacementsOf(o.Ani.ID)[0]
				if err := d.EndPlacement(p.ID, p.From); err != nil {
					return err
				}
				p.Unit = o.OPD
				_, err := d.Place(p, true)
				return err
			})
			o.Inventory.Users[0] = roster.Held{Slot: 1, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.User}
		}, validate.Misplaced, decision.Choice{Act: validate.ActMove, SK: "SK-7"}, []string{"f 100001 open", "i  open"}},
		{"a right is granted as it is", func(o *office) {
			o.Inventory.Users[0] = roster.Held{Slot: 1, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.Administrator}
		}, validate.Privilege, decision.Choice{Act: validate.ActGrant, Privilege: roster.Administrator}, []string{"f 100001 open"}},
		{"a right that was granted is taken back", func(o *office) {
			o.Edit(func(d *directory.Draft) error {
				d.Grant(placement.Grant{Employee: o.Ani.ID, Terminal: o.Terminal, Privilege: roster.Manager, Period: placement.Period{From: "2020-01-01"}})
				return nil
			})
			o.Inventory.Users = append(o.Inventory.Users, roster.Held{Slot: 2, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.User})
		}, validate.Privilege, decision.Choice{Act: validate.ActGrant, Privilege: roster.User}, []string{"a 77 open", "f 100001 open"}},
		{"somebody is to administer a terminal without anybody", func(o *office) {
			o.Inventory.Users[0] = roster.Held{Slot: 1, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.User}
		}, validate.Privilege, decision.Choice{Act: validate.ActGrant, Employee: "100001"}, []string{"f 100001 open", "i 100001 open"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, o *office) {
				if row.before != nil {
					row.before(o)
				}
				o.Read()
				effect, err := o.Decide(row.class, row.choice)
				ok(t, err)
				if effect != decision.InRegister {
					t.Errorf("the effect is %s, want %s", effect, decision.InRegister)
				}
				o.expect(row.want...)
				ok(t, o.Decisions.Settle(t.Context()))
				decisions, err := o.Decisions.Of(t.Context(), o.Terminal)
				ok(t, err)
				if len(decisions) != 1 || decisions[0].Closed.IsZero() {
					t.Errorf("decisions are %+v, want one that has ended", decisions)
				}
			})
		})
	}
}

func TestDecisionIsRefused(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.Read()
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
			_, err := o.Decide(row.class, row.choice)
			decisiontest.Refused(t, err, row.code)
		}
		seen, all := o.Look()
		_, err := o.Decisions.Decide(t.Context(), directory.By{At: o.Now}, seen, all[0].Named, decision.Choice{})
		decisiontest.Refused(t, err, "nobody")
		if n, err := o.Decisions.Last(t.Context()); n != 0 || err != nil {
			t.Errorf("%d decisions were kept (%v)", n, err)
		}
	})
}

// What is gone is seen by itself, once the inventory or the register says so.
func TestRunClosesWhatIsGone(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.Read()
		for _, class := range []validate.Class{validate.Unknown, validate.Missing} {
			_, err := o.Decide(class, decision.Choice{})
			ok(t, err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { ok(t, o.Decisions.Run(ctx)) })
		defer running.Wait()
		defer stop()
		closed := func(want int) {
			t.Helper()
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
				decisions, err := o.Decisions.Of(t.Context(), o.Terminal)
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
		o.Edit(func(d *directory.Draft) error {
			return d.AddAlias(directory.Alias{Employee: o.Ani.ID, Terminal: o.Terminal, PIN: "77", Period: placement.Period{From: "2020-01-01"}})
		})
		closed(2)
		_, err := o.Decide(validate.Name, decision.Choice{})
		ok(t, err)
		o.Inventory.Users[0].Name = []byte("Ani Demo")
		o.Read()
		closed(3)
	})
}
