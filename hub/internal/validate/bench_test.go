package validate_test

import (
	"fmt"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// BenchmarkProvince validates 350 terminals of 300 users with two fingers and three
// faults each, and reckons what the roster would do there. The goal is 1 s for all.
func BenchmarkProvince(b *testing.B) {
	const terminals, users = 350, 300
	o := newOffice(terminals * users)
	serves, inventories := o.snapshot.Terminals[0].Serves[0], make([]roster.Inventory, terminals)
	o.snapshot.Terminals, o.snapshot.Grants = nil, nil
	for n := range terminals {
		unit, id := placement.UnitID(10+n), placement.TerminalID(1+n)
		serves.Unit = unit
		o.snapshot.Units = append(o.snapshot.Units, placement.Unit{ID: unit, Kind: since(placement.UPTD)})
		o.snapshot.Terminals = append(o.snapshot.Terminals, placement.Terminal{ID: id, Serial: protocol.Serial(fmt.Sprint("T", n)),
			Serves: []placement.Serving{serves}})
		o.snapshot.Grants = append(o.snapshot.Grants, placement.Grant{ID: placement.GrantID(id), Employee: placement.EmployeeID(n*users + 1), Terminal: id,
			Privilege: roster.Administrator, Period: serves.Period})
		for i := range users {
			o.snapshot.Placements[n*users+i].Unit = unit
		}
	}
	byPIN := make(map[string]placement.EmployeeID, terminals*users)
	for _, e := range o.snapshot.Employees {
		byPIN[e.PIN] = e.ID
	}
	k := validate.Know(o.snapshot, day, o.stored, func(_ placement.TerminalID, pin string) placement.EmployeeID { return byPIN[pin] })
	for n := range inventories {
		c, _ := k.Case(placement.TerminalID(1+n), o.inv)
		o.hold(c.Roster)
		first := n*users + 1
		o.drop(pin(first + 99))
		o.user(first + 49).Name = []byte("Lain")
		o.user(first + 149).Fingers = o.user(first + 149).Fingers[:1]
		inventories[n] = o.inv
	}
	b.ReportAllocs()
	for b.Loop() {
		for n, inv := range inventories {
			c, _ := k.Case(placement.TerminalID(1+n), inv)
			c.Roster.Mode = roster.Enforce
			found, plan := validate.Find(c), roster.Diff(c.Roster, c.Inventory)
			if len(found) != 3 || len(plan.Changes) != 5 { // add a user with two fingers, rename one, add a finger
				b.Fatal(short(found), len(plan.Changes))
			}
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N)/terminals, "µs/terminal")
}
