package placement

import (
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// home is the unit whose terminals a unit's people use on a day: the one that it
// was merged into, and for a section the nearest office above it.
func (d *Day) home(id UnitID, day roster.Date) UnitID {
	for range len(d.units) + 1 { // a circle, which the register refuses, ends too
		u := d.units[id]
		if u == nil {
			return id
		}
		if into, _ := u.Merged.At(day); into != 0 {
			id = into
			continue
		}
		parent := u.Parent.Near(day)
		if u.Kind.Near(day) != Section || parent == 0 {
			return id
		}
		id = parent
	}
	return id
}

// homes are the homes of a unit on the day and on the day for which it is being
// prepared: in front of a merger two.
func (d *Day) homes(id UnitID) []UnitID {
	now, soon := d.home(id, d.day), d.home(id, d.day.Add(d.prepare(id)))
	if now == soon {
		return []UnitID{now}
	}
	return []UnitID{now, soon}
}

// served are the homes whose people a terminal carries, each once.
func (d *Day) served(t *Terminal) (homes []UnitID) {
	for _, s := range t.Serves {
		if d.window(s.Unit, s.Period).Holds(d.day) {
			homes = append(homes, d.homes(s.Unit)...)
		}
	}
	slices.Sort(homes)
	return slices.Compact(homes)
}

// window is a period with the days before and after it on which terminals carry
// somebody already, and still.
func (d *Day) window(unit UnitID, p Period) Period {
	return Period{From: p.From.Add(-d.prepare(unit)), To: p.To.Add(d.grace(unit))}
}

func (d *Day) prepare(unit UnitID) int {
	return d.setting(unit, d.settings.PrepareDays, func(u *Unit) History[int] { return u.Prepare })
}

func (d *Day) grace(unit UnitID) int {
	return d.setting(unit, d.settings.GraceDays, func(u *Unit) History[int] { return u.Grace })
}

// setting is a number of days that a unit has, or one above it, or all have.
func (d *Day) setting(id UnitID, otherwise int, of func(*Unit) History[int]) int {
	for range len(d.units) + 1 {
		u := d.units[id]
		if u == nil {
			break
		}
		if days, found := of(u).At(d.day); found && days >= 0 {
			return days
		}
		id = u.Parent.Near(d.day)
	}
	return otherwise
}
