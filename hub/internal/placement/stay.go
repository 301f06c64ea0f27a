package placement

import (
	"cmp"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Stay is that an employee is on a terminal's roster on the days of a period.
type Stay struct {
	Terminal TerminalID
	Period
}

// Stays are an employee's on the days first <= day < last, by terminal, then by
// day. Asked before and after a change that nobody has saved yet, they tell what it
// will do. The days should be a year or two: each is reckoned.
func Stays(s Snapshot, e EmployeeID, first, last roster.Date) (stays []Stay) {
	alone := s
	alone.Employees = slices.DeleteFunc(slices.Clone(s.Employees), func(o Employee) bool { return o.ID != e })
	alone.Placements = slices.DeleteFunc(slices.Clone(s.Placements), func(p Placement) bool { return p.Employee != e })
	alone.Grants = slices.DeleteFunc(slices.Clone(s.Grants), func(g Grant) bool { return g.Employee != e })
	running := map[TerminalID]roster.Date{} // since when
	for day := first; day < last; day = day.Add(1) {
		for id, r := range On(alone, day).Rosters() {
			from, on := running[id]
			switch {
			case len(r.Entries) > 0 && !on:
				running[id] = day
			case len(r.Entries) == 0 && on:
				stays = append(stays, Stay{id, Period{from, day}})
				delete(running, id)
			}
		}
	}
	for id, from := range running {
		stays = append(stays, Stay{id, Period{from, last}})
	}
	slices.SortFunc(stays, func(a, b Stay) int { return cmp.Or(cmp.Compare(a.Terminal, b.Terminal), cmp.Compare(a.From, b.From)) })
	return stays
}

// Serves tells whether a terminal is for the people of a unit on the day.
func (d *Day) Serves(t TerminalID, unit UnitID) bool {
	terminal := d.terminal(t)
	if terminal == nil {
		return false
	}
	served := d.served(terminal)
	return slices.ContainsFunc(d.homes(unit), func(home UnitID) bool { return slices.Contains(served, home) })
}
