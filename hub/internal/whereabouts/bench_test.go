package whereabouts_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// full fills terminals with people, one in a hundred of whom left yesterday.
func full(b *testing.B, terminals, people int) *province {
	s, err := store.Open(b.Context(), b.TempDir()+"/hub.db")
	ok(b, err)
	b.Cleanup(func() { ok(b, s.Close()) })
	p := &province{t: b, directory: directory.New(s, placement.Settings{PrepareDays: 3, GraceDays: 2}), store: s,
		held: map[protocol.Serial][]roster.Held{}, rosters: map[protocol.Serial]roster.Roster{}}
	ok(b, s.AddSite(b.Context(), "demo", storetest.NewAgent(b, "demo").Key.Public().Fingerprint(), now))
	for n := range terminals {
		serial := protocol.Serial(fmt.Sprint("T", n))
		ok(b, s.AddTerminal(b.Context(), "demo", serial, now))
		p.terminals = append(p.terminals, holding.Terminal{Site: "demo", Serial: serial, Sealed: true, Mode: roster.Enforce, Read: now,
			Results: protocol.Results{Roster: protocol.Seq{Life: 1, Counter: 7}, State: protocol.StandingEqual}})
	}
	p.edit(func(d *directory.Draft) (failed error) {
		for n, at := range p.terminals {
			u, err := d.AddUnit("2020-01-01", fmt.Sprint("U", n), fmt.Sprint("Unit ", n), placement.UPTD)
			registered, _ := d.TerminalBy(at.Site, at.Serial)
			failed = errors.Join(failed, err, d.Serve(directory.Serving{Terminal: registered.ID, Serving: placement.Serving{Unit: u.ID,
				Period: placement.Period{From: "2020-01-01", To: roster.Forever}}}))
			r := roster.Roster{Serial: at.Serial, Mode: roster.Enforce}
			for k := range people {
				e, to := d.AddEmployee(), roster.Forever
				person := fmt.Sprintf("%s, 0:%d left, 6:%d right", e.PINText(), e.ID, e.ID)
				if p.held[at.Serial] = append(p.held[at.Serial], user(uint16(k+1), person)); k%100 == 0 {
					to = "2026-02-17"
				} else {
					r.Entries = append(r.Entries, wanting(person))
				}
				_, err := d.Place(directory.Placement{Placement: placement.Placement{Employee: e.ID, Unit: u.ID, Kind: placement.Definitive,
					Period: placement.Period{From: "2020-01-01", To: to}}}, true)
				failed = errors.Join(failed, err,
					d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, "2020-01-01", "Demo"),
					d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeKind, "2020-01-01", string(placement.NonASN)))
			}
			p.rosters[at.Serial] = r
		}
		return failed
	})
	return p
}

// BenchmarkProvince finds what is open on 350 terminals of 300 people each, and where one
// of them is. Reading rosters and inventories from the database is not counted.
func BenchmarkProvince(b *testing.B) {
	const terminals, people = 350, 300
	p := full(b, terminals, people)
	b.Run("tasks", func(b *testing.B) {
		for b.Loop() {
			tasks, err := p.where().Tasks(b.Context(), "", now)
			if err != nil || len(tasks) != terminals || len(tasks[0].Employees) != people/100 || tasks[0].Since != "2026-02-19" {
				b.Fatalf("%d tasks (%v), want one for each terminal", len(tasks), err)
			}
		}
	})
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			places, err := p.where().Of(b.Context(), 1, now)
			if err != nil || len(places) != 1 || places[0].Open == nil {
				b.Fatalf("%+v (%v), want one place", places, err)
			}
		}
	})
}

// BenchmarkBegin finds what is open on the first day of a province: 12 000 people belong
// on 300 terminals that are observed, and none is there.
func BenchmarkBegin(b *testing.B) {
	const terminals, people = 300, 40
	p := full(b, terminals, people)
	for i, at := range p.terminals {
		r := p.rosters[at.Serial]
		r.Mode, p.terminals[i].Mode = roster.Observe, roster.Observe
		p.rosters[at.Serial], p.held[at.Serial] = r, []roster.Held{}
	}
	for b.Loop() {
		tasks, err := p.where().Tasks(b.Context(), "", now)
		if err != nil || len(tasks) != terminals || len(tasks[0].Employees) != people-1 || tasks[0].Why != "mode" || tasks[0].Since == "" {
			b.Fatalf("%d tasks (%v), want one for each terminal", len(tasks), err)
		}
	}
}
