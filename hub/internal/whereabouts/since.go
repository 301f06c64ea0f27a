package whereabouts

import (
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// memory is how many days back it is looked for the one on which something became due.
const memory = 400

// date fills in since when the open ones are due: since the day on which the register
// brought the employee onto the terminal, or took them away.
func (g *gathered) date(places []Place) {
	concerned := map[placement.EmployeeID]bool{}
	var open []*Open
	var of []Place
	for _, p := range places {
		if p.Open != nil {
			concerned[p.Employee] = true
			open, of = append(open, p.Open), append(of, p)
		}
	}
	if len(open) == 0 {
		return
	}
	s := g.reg.Snapshot(g.o.Settings)
	s.Employees = slices.DeleteFunc(s.Employees, func(e placement.Employee) bool { return !concerned[e.ID] })
	s.Placements = slices.DeleteFunc(s.Placements, func(p placement.Placement) bool { return !concerned[p.Employee] })
	s.Grants = slices.DeleteFunc(s.Grants, func(t placement.Grant) bool { return !concerned[t.Employee] })
	today := roster.DateOf(g.now)
	left := len(open)
	decided := make([]bool, len(open))
	for back := 0; back < memory && left > 0; back++ {
		day := today.Add(-back)
		on := placement.On(s, day)
		for i, o := range open {
			if decided[i] {
				continue
			}
			belongs, _ := on.Why(of[i].Employee, of[i].Terminal)
			if belongs == (o.Act == MustCome) {
				o.Since = day // so far: it was due on this day already
				continue
			}
			decided[i] = true
			left--
		}
	}
	for i, o := range open {
		if !decided[i] && o.Act == MustGo {
			o.Since = "" // as far back as one looks they never belonged there
		}
	}
}
