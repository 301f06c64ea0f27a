package account

import (
	"strconv"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Scope is the part of the organisation for which an account counts on a day. A terminal
// is its responsible unit's, whomever else it serves; a site is that of whose terminal
// stands there; an employee is that of every unit where they are or will be placed.
type Scope struct {
	whole     bool
	units     map[placement.UnitID]bool
	terminals map[place]bool
	register  *directory.Register
	day       roster.Date
}

// place names a terminal as addresses do; without a serial number, a site.
type place struct {
	site   protocol.SiteID
	serial protocol.Serial
}

// Everything is the scope of who counts for all units.
func Everything() Scope { return Scope{whole: true} }

// ScopeOf reckons an account's scope.
func ScopeOf(a Account, reg *directory.Register, day roster.Date) Scope {
	if a.Role.Whole() {
		return Everything()
	}
	s := Scope{units: map[placement.UnitID]bool{}, terminals: map[place]bool{}, register: reg, day: day}
	for _, unit := range a.Units {
		s.units[unit] = true
	}
	// Whoever was merged into a unit is still placed where they were: they count with it.
	for before := 0; before != len(s.units); {
		before = len(s.units)
		for id, u := range reg.Units {
			parent, into := unitOf(u.At(directory.UnitParent, day)), unitOf(u.On(directory.UnitMerged, day))
			if a.Role == AdminOffice && s.units[parent] || s.units[into] {
				s.units[id] = true
			}
		}
	}
	for _, serving := range reg.Servings {
		if t := reg.Terminals[serving.Terminal]; t != nil && serving.Responsible && serving.Holds(day) && s.units[serving.Unit] {
			s.terminals[place{t.Site, t.Serial}], s.terminals[place{site: t.Site}] = true, true
		}
	}
	return s
}

// unitOf reads a unit's id from a fact; 0, which is no unit, where there is none.
func unitOf(fact string) placement.UnitID {
	id, _ := strconv.ParseInt(fact, 10, 64) // what is no number is none
	return placement.UnitID(id)
}

// Whole tells that it is everything, also what belongs to no unit.
func (s Scope) Whole() bool { return s.whole }

// Unit tells whether a unit is within.
func (s Scope) Unit(u placement.UnitID) bool { return s.whole || s.units[u] }

// Terminal tells whether a terminal is within.
func (s Scope) Terminal(site protocol.SiteID, serial protocol.Serial) bool {
	return s.whole || s.terminals[place{site, serial}]
}

// Site tells whether a terminal of the site is within.
func (s Scope) Site(site protocol.SiteID) bool { return s.whole || s.terminals[place{site: site}] }

// Employee tells whether somebody is within.
func (s Scope) Employee(e placement.EmployeeID) bool {
	if s.whole || s.register == nil { // of nobody's scope there is no register
		return s.whole
	}
	for _, p := range s.register.PlacementsOf(e) {
		if p.To > s.day && s.units[p.Unit] {
			return true
		}
	}
	return false
}

// Holder is an account with its scope: who asks for something.
type Holder struct {
	Account
	Scope
}

// Can tells whether the holder may do something at a unit.
func (h Holder) Can(d Deed, unit placement.UnitID) bool { return Can(h.Role, d) && h.Unit(unit) }
