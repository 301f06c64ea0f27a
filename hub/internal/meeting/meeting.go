// Package meeting meets stored punches with the register: whose each of them is, by
// the PINs that held on its own day, and whether that person was at work at a unit
// that the terminal served.
//
// It knows punches and the register as values that others read. It must not know SQL,
// pages or rosters, and it judges no presence. Nothing that it says is kept: an alias
// or a placement that is added later speaks of old punches too.
//
// Beware: it gives names. They belong on pages and into files that somebody asked for,
// never into a log or an error. A time that names no date lies on no day: whose such a
// punch is, nobody says.
package meeting

import (
	"context"
	"iter"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Punch is a stored punch, with the flags that the register raises, and its owner.
type Punch struct {
	store.Punch
	Employee *directory.Employee // nil: nobody's on that day; part of the register, not to be changed
}

// Name is what the owner was called on the day of the punch; "" for nobody.
func (p Punch) Name() string {
	if p.Employee == nil {
		return ""
	}
	day, _ := dayOf(p.Time)
	return p.Employee.At(directory.EmployeeName, day)
}

// Owner is the PIN that the hub issued to the owner; "" for nobody.
func (p Punch) Owner() string {
	if p.Employee == nil {
		return ""
	}
	return p.Employee.PINText()
}

// Meeting is one reading of the register, for many punches. It is not safe for
// concurrent use.
type Meeting struct {
	reg     *directory.Register
	matcher *directory.Matcher
}

// New prepares for punches. A register without employees raises no flags: it is not
// filled yet, and says nothing.
func New(reg *directory.Register, settings placement.Settings) *Meeting {
	return &Meeting{reg: reg, matcher: reg.Matcher(settings)}
}

// Meet says whose a punch is and what to doubt about it.
func (m *Meeting) Meet(p store.Punch) Punch {
	met := Punch{Punch: p}
	day, dated := dayOf(p.Time)
	terminal := placement.TerminalID(p.Terminal)
	switch {
	case protocol.IsSlotPIN(p.PIN):
		met.Flags |= store.FlagUnknownPIN // the terminal itself has nobody in this slot
	case len(m.reg.Employees) == 0 || !dated:
	default:
		said := m.matcher.Meet(terminal, p.Normal, day)
		met.Employee = m.reg.Employees[said.Employee]
		met.Flags |= m.flags(terminal, day, said)
	}
	return met
}

// flags are what the register makes doubtful about a punch of a day.
func (m *Meeting) flags(terminal placement.TerminalID, day roster.Date, said directory.Meeting) (f store.Flags) {
	if said.Employee == 0 {
		f |= store.FlagUnknownPIN
	}
	t := m.reg.Terminals[terminal]
	switch {
	case t != nil && t.On(directory.TerminalEnrolment, day) == "yes":
		f |= store.FlagEnrolment // whoever is recorded there is placed elsewhere
	case !said.Served:
		f |= store.FlagNoUnit
	case said.Employee != 0 && !said.Placed:
		f |= store.FlagNotPlaced
	}
	return f
}

// dayOf is the day of a time on a terminal's wall; false for one that names no date.
func dayOf(t protocol.LocalTime) (day roster.Date, dated bool) {
	if _, dated := t.Wall(); !dated {
		return "", false
	}
	return roster.Date(t[:len("2006-01-02")]), true
}

// Filter says which punches are wanted: those of which the store's filter holds, and
// the rest of it too; what is zero does not matter.
type Filter struct {
	store.Filter
	Employee placement.EmployeeID
	Flags    store.Flags // with one of these at least
}

// Fits tells whether a punch that the store's filter has selected is wanted.
func (f Filter) Fits(p Punch) bool {
	return (f.Employee == 0 || p.Employee != nil && p.Employee.ID == f.Employee) && (f.Flags == 0 || p.Flags&f.Flags != 0)
}

// Narrow is the store's part of the filter, with every PIN that ever was the
// employee's. Its limit counts punches before Fits.
func (m *Meeting) Narrow(f Filter) store.Filter {
	if f.Employee == 0 {
		return f.Filter
	}
	f.PINs = []string{"-"} // of somebody who is not in the register: no terminal's
	if e := m.reg.Employees[f.Employee]; e != nil {
		f.PINs = []string{e.PINText()}
	}
	for _, a := range directory.Sorted(m.reg.Aliases) {
		if a.Employee == f.Employee {
			f.PINs = append(f.PINs, a.PIN)
		}
	}
	return f.Filter
}

// Source is where punches are read.
type Source interface {
	Punches(ctx context.Context, f store.Filter) iter.Seq2[store.Punch, error]
}

// Punches yields the wanted punches in the order of time, at most as many as the
// filter's limit.
func (m *Meeting) Punches(ctx context.Context, from Source, f Filter) iter.Seq2[Punch, error] {
	return func(yield func(Punch, error) bool) {
		narrow, left := m.Narrow(f), f.Limit
		if f.Employee != 0 || f.Flags != 0 {
			narrow.Limit = 0
		}
		for stored, err := range from.Punches(ctx, narrow) {
			if err != nil {
				yield(Punch{}, err)
				return
			}
			p := m.Meet(stored)
			if !f.Fits(p) {
				continue
			}
			if left--; !yield(p, nil) || left == 0 {
				return
			}
		}
	}
}
