package placement

import (
	"cmp"
	"slices"
)

// Code says in which way a placement or a grant bears on a terminal.
type Code string

// The codes. The first four bring somebody onto a terminal, the others say why
// something does not.
const (
	Placed    Code = "placed"    // is placed there on the day
	Preparing Code = "preparing" // will be within the days of preparing
	Lingering Code = "lingering" // was until within the days of grace
	Granted   Code = "granted"   // may administer it

	NotYet    Code = "not-yet"    // begins later
	Over      Code = "over"       // ended before
	Elsewhere Code = "elsewhere"  // is placed at a unit that the terminal does not serve
	NotActive Code = "not-active" // is retired, has died, is on leave …
)

// Puts tells whether the reason brings somebody onto the terminal.
func (c Code) Puts() bool { return c == Placed || c == Preparing || c == Lingering || c == Granted }

// Reason is what one placement or grant says about an employee at a terminal.
type Reason struct {
	Code      Code
	Placement PlacementID // 0 for a grant
	Grant     GrantID     // 0 for a placement
	Unit      UnitID
	Period
}

// Why explains whether an employee is on a terminal's roster: with every placement
// and grant that they have, those that put them there first. No reasons: nothing in
// the register speaks of the employee there.
func (d *Day) Why(e EmployeeID, t TerminalID) (on bool, reasons []Reason) {
	i, known := d.places[e]
	terminal := d.terminal(t)
	if !known || terminal == nil {
		return false, nil
	}
	who, homes := d.people[i], d.served(terminal)
	for _, p := range d.placements {
		if p.Employee != e {
			continue
		}
		r := Reason{Code: d.bearing(p, homes), Placement: p.ID, Unit: p.Unit, Period: p.Period}
		if r.Code.Puts() && !who.works {
			r.Code = NotActive
		}
		reasons = append(reasons, r)
	}
	for _, g := range d.grants {
		if g.Employee != e || g.Terminal != 0 && g.Terminal != t {
			continue
		}
		r := Reason{Code: Granted, Grant: g.ID, Period: g.Period}
		switch {
		case d.day < g.From:
			r.Code = NotYet
		case d.day >= g.To:
			r.Code = Over
		case !who.works:
			r.Code = NotActive
		}
		reasons = append(reasons, r)
	}
	puts := func(r Reason) int {
		if r.Code.Puts() {
			return 0
		}
		return 1
	}
	slices.SortFunc(reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(puts(a), puts(b)), cmp.Compare(a.From, b.From),
			cmp.Compare(a.Placement, b.Placement), cmp.Compare(a.Grant, b.Grant))
	})
	return len(reasons) > 0 && reasons[0].Code.Puts(), reasons
}

// bearing is what a placement alone says about a terminal of these homes.
func (d *Day) bearing(p Placement, homes []UnitID) Code {
	window := d.window(p.Unit, p.Period)
	switch {
	case d.day < window.From:
		return NotYet
	case d.day >= window.To:
		return Over
	case !slices.ContainsFunc(d.homes(p.Unit), func(home UnitID) bool { return slices.Contains(homes, home) }):
		return Elsewhere
	case d.day < p.From:
		return Preparing
	case d.day >= p.To:
		return Lingering
	}
	return Placed
}
