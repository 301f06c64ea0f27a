package validate_test

import (
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// BenchmarkProvince validates 350 terminals of 300 users with three faults each, and
// reckons what the roster would do there: the goal is 1 s for all.
func BenchmarkProvince(b *testing.B) {
	o := newOffice(300)
	o.fill()
	o.drop(pin(100))
	o.user(50).Name = []byte("Lain")
	o.user(150).Fingers = o.user(150).Fingers[:1]
	c := o.validation()
	c.Roster.Mode = roster.Enforce
	b.ReportAllocs()
	for b.Loop() {
		for range 350 {
			found, plan := validate.Find(c), roster.Diff(c.Roster, c.Inventory)
			if len(found) != 3 || len(plan.Changes) < 3 {
				b.Fatal(short(found), len(plan.Changes))
			}
		}
	}
}
