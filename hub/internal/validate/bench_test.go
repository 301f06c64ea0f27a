package validate_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// BenchmarkProvince validates terminals of 300 users with two fingers and three faults
// each, all of them different people, and reckons what their rosters would do there. It
// tells how much memory register, digests and rule take together. The goals are 1 s for
// 350 terminals, and for 10 000 of them 30 s within 1 GB.
func BenchmarkProvince(b *testing.B) {
	for _, terminals := range []int{350, 10_000} {
		b.Run(fmt.Sprintf("%d terminals", terminals), func(b *testing.B) { benchmarkProvince(b, terminals) })
	}
}

func benchmarkProvince(b *testing.B, terminals int) {
	const users = 300
	before := heap()
	o := newOffice(terminals * users)
	serves := o.snapshot.Terminals[0].Serves[0]
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
	began := time.Now()
	k := validate.Know(o.snapshot, day, o.stored, func(_ placement.TerminalID, pin string) placement.EmployeeID { return byPIN[pin] })
	knowing, took := time.Since(began), time.Duration(0)
	held := heap() - before
	rounds := 0
	for b.Loop() {
		rounds++
		for n := range terminals {
			c, _ := k.Case(placement.TerminalID(1+n), o.inv)
			o.hold(c.Roster) // what the terminal reports; reading it is not measured
			first := n*users + 1
			o.drop(pin(first + 99))
			o.user(first + 49).Name = []byte("Lain")
			o.user(first + 149).Fingers = o.user(first + 149).Fingers[:1]
			began := time.Now()
			c, _ = k.Case(placement.TerminalID(1+n), o.inv)
			c.Roster.Mode = roster.Enforce
			found, plan := validate.Find(c), roster.Diff(c.Roster, c.Inventory)
			took += time.Since(began)
			if len(found) != 3 || len(plan.Changes) != 5 { // add a user with two fingers, rename one, add a finger
				b.Fatal(short(found), len(plan.Changes))
			}
		}
	}
	runtime.KeepAlive(o)
	b.ReportMetric((knowing + took/time.Duration(rounds)).Seconds(), "s-all")
	b.ReportMetric(float64(held)/(1<<20), "MB")
	b.ReportMetric(0, "ns/op")
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
