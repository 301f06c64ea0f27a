package whereabouts

import (
	"maps"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// memory is how many days back it is looked for the one on which something became due.
const memory = 400

// date fills in since when the open ones are due: since the day on which the register
// brought the employee onto the terminal, or took them away.
func (g *gathered) date(places []Place) {
	open := map[placement.TerminalID][]Place{}
	for _, p := range places {
		if p.Open != nil {
			open[p.Terminal] = append(open[p.Terminal], p)
		}
	}
	if len(open) == 0 {
		return
	}
	c := newCalendar(g.reg.Snapshot(g.o.Settings), roster.DateOf(g.now))
	for _, t := range c.Terminals {
		if len(open[t.ID]) > 0 {
			c.date(t, open[t.ID])
		}
	}
}

// calendar knows the days on which it may change who belongs on a terminal. All others
// are as the day before, and most are: on a hub that has just been filled every employee
// is open, and asking for each on each day would take minutes.
type calendar struct {
	placement.Snapshot
	employees map[placement.EmployeeID]placement.Employee
	placed    map[placement.EmployeeID][]placement.Placement
	granted   map[placement.EmployeeID][]placement.Grant
	first     roster.Date // that is looked at
	today     roster.Date
	shifts    map[int]bool // from a date of the register to the days on which it matters
	units     days         // on which something changes in the tree of units
}

type days map[roster.Date]bool

func newCalendar(s placement.Snapshot, today roster.Date) *calendar {
	c := &calendar{Snapshot: s, first: today.Add(1 - memory), today: today, units: days{},
		employees: map[placement.EmployeeID]placement.Employee{}, placed: map[placement.EmployeeID][]placement.Placement{},
		granted: map[placement.EmployeeID][]placement.Grant{},
		shifts:  map[int]bool{0: true, -s.Settings.PrepareDays: true, s.Settings.GraceDays: true}}
	for _, e := range s.Employees {
		c.employees[e.ID] = e
	}
	for _, p := range s.Placements {
		c.placed[p.Employee] = append(c.placed[p.Employee], p)
	}
	for _, g := range s.Grants {
		c.granted[g.Employee] = append(c.granted[g.Employee], g)
	}
	for _, u := range s.Units {
		for _, prepare := range u.Prepare {
			c.shifts[-prepare.Value] = true
		}
		for _, grace := range u.Grace {
			c.shifts[grace.Value] = true
		}
	}
	for _, u := range s.Units {
		turn(c, c.units, u.Kind)
		turn(c, c.units, u.Parent)
		turn(c, c.units, u.Merged)
		turn(c, c.units, u.Prepare)
		turn(c, c.units, u.Grace)
	}
	return c
}

// add notes the days on which a date may matter: itself, and where people are prepared
// for it before, or have their grace after it.
func (c *calendar) add(to days, dates ...roster.Date) {
	for _, date := range dates {
		for shift := range c.shifts {
			if day := date.Add(shift); c.first <= day && day <= c.today {
				to[day] = true
			}
		}
	}
}

// turn adds the days on which a value changes.
func turn[T any](c *calendar, to days, h placement.History[T]) {
	for _, v := range h {
		c.add(to, v.From)
	}
}

// date fills in since when what is open at one terminal is due.
func (c *calendar) date(t placement.Terminal, open []Place) {
	office := placement.Snapshot{Settings: c.Settings, Units: c.Units, Terminals: []placement.Terminal{t}}
	common := maps.Clone(c.units)
	common[c.first], common[c.today] = true, true
	for _, s := range t.Serves {
		c.add(common, s.From, s.To)
	}
	own, all, left := make([]days, len(open)), maps.Clone(common), make([]int, len(open))
	for i, p := range open {
		own[i], left[i] = days{}, i
		e := c.employees[p.Employee]
		turn(c, own[i], e.Status)
		for _, p := range c.placed[e.ID] {
			c.add(own[i], p.From, p.To)
		}
		for _, g := range c.granted[e.ID] {
			c.add(own[i], g.From, g.To)
		}
		maps.Copy(all, own[i])
		office.Employees = append(office.Employees, e)
		office.Placements = append(office.Placements, c.placed[e.ID]...)
		office.Grants = append(office.Grants, c.granted[e.ID]...)
	}
	for _, day := range slices.Backward(slices.Sorted(maps.Keys(all))) {
		on := placement.On(office, day)
		left = slices.DeleteFunc(left, func(i int) bool {
			p := open[i]
			if !common[day] && !own[i][day] {
				return false
			}
			if belongs, _ := on.Why(p.Employee, p.Terminal); belongs != (p.Open.Act == MustCome) {
				return true
			}
			p.Open.Since = day // so far: it was due on this day already
			return false
		})
		if len(left) == 0 {
			return
		}
	}
	for _, i := range left {
		if p := open[i]; p.Open.Act == MustGo {
			p.Open.Since = "" // as far back as one looks they never belonged there
		}
	}
}
