// Package effect says what a change of the register will do on terminals, before
// anybody saves it: which ones get or lose an employee, on which day, and what stands
// in the way there.
//
// It is a rule over values: the register before and after, and what terminals hold. It
// must not know SQL, pages or a clock. What it says is what the roster then does,
// because it asks the same rules: placement for the days, roster.Diff for the terminal.
//
// Beware: it looks at one employee, and as far ahead as it is asked. Another change of
// the register, or of the terminal, that comes in between has its own effect.
package effect

import (
	"cmp"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Question is whom a change is about and between which days. The snapshots have the
// fingers of the employee and of those whose rosters are looked at.
type Question struct {
	Before, After placement.Snapshot
	Employee      placement.EmployeeID
	PIN           string // the hub's
	First, Last   roster.Date
	// Held is what a terminal holds, and what a person accepted there; false where
	// nobody knows. It is asked only about terminals that get or lose the employee.
	Held func(placement.TerminalID) (roster.Inventory, []roster.Keep, bool)
}

// Effect is what happens to the employee at one terminal.
type Effect struct {
	Terminal placement.TerminalID
	Stays    []placement.Period // on its roster, as the change would have it; Last ends what goes on
	On       bool               // is on its roster on the first day without the change
	Comes    Step               // the first day that only the change brings
	Goes     Step               // the first day that only the change takes away
}

// Step is a day on which the change makes a difference to a terminal's roster.
type Step struct {
	Day     roster.Date        // "": there is none
	Reasons []placement.Reason // why the employee is there then, or is not
	Blocked []Block            // what the terminal, as it is now, would not let through
	Unknown bool               // what the terminal holds nobody knows
}

// Block is one thing that would stay undone at a terminal, and why.
type Block struct {
	Act    roster.Act
	Finger uint8
	Reason roster.Reason
}

// Same tells that the change makes no difference at the terminal.
func (e Effect) Same() bool { return e.Comes.Day == "" && e.Goes.Day == "" }

// Of answers a question, by terminal; those first at which something happens.
func Of(q Question) (effects []Effect) {
	before := byTerminal(placement.Stays(q.Before, q.Employee, q.First, q.Last))
	after := byTerminal(placement.Stays(q.After, q.Employee, q.First, q.Last))
	days := dayBook{q: q, known: map[roster.Date]*placement.Day{}}
	for _, t := range q.After.Terminals {
		if len(before[t.ID])+len(after[t.ID]) == 0 {
			continue
		}
		e := Effect{Terminal: t.ID, Stays: after[t.ID], On: covers(before[t.ID], q.First)}
		e.Comes = days.step(t.ID, firstOnly(after[t.ID], before[t.ID], q))
		e.Goes = days.step(t.ID, firstOnly(before[t.ID], after[t.ID], q))
		effects = append(effects, e)
	}
	rank := func(e Effect) int {
		if e.Same() {
			return 1
		}
		return 0
	}
	slices.SortFunc(effects, func(a, b Effect) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Terminal, b.Terminal))
	})
	return effects
}

func byTerminal(stays []placement.Stay) map[placement.TerminalID][]placement.Period {
	m := map[placement.TerminalID][]placement.Period{}
	for _, s := range stays {
		m[s.Terminal] = append(m[s.Terminal], s.Period)
	}
	return m
}

func covers(periods []placement.Period, day roster.Date) bool {
	return slices.ContainsFunc(periods, func(p placement.Period) bool { return p.Holds(day) })
}

// firstOnly is the first day that is in some periods and not in others; "" for none. It
// is one on which some period begins or another ends.
func firstOnly(in, out []placement.Period, q Question) (first roster.Date) {
	consider := func(day roster.Date) {
		if day < q.Last && covers(in, day) && !covers(out, day) && (first == "" || day < first) {
			first = day
		}
	}
	for _, p := range in {
		consider(p.From)
	}
	for _, p := range out {
		consider(p.To)
	}
	return first
}

// dayBook keeps the days that were reckoned: several terminals change on one.
type dayBook struct {
	q     Question
	known map[roster.Date]*placement.Day
}

// step looks at a terminal on a day as the change would have it.
func (b *dayBook) step(t placement.TerminalID, day roster.Date) Step {
	if day == "" {
		return Step{}
	}
	if b.known[day] == nil {
		b.known[day] = placement.On(b.q.After, day)
	}
	s := Step{Day: day}
	_, s.Reasons = b.known[day].Why(b.q.Employee, t)
	inventory, kept, known := b.q.Held(t)
	want, found := b.known[day].Roster(t)
	if !known || !found {
		s.Unknown = true
		return s
	}
	for _, blocked := range roster.Diff(want.Keeping(kept...), inventory).Blocked {
		if protocol.NormalPIN(blocked.Change.PIN) == b.q.PIN {
			s.Blocked = append(s.Blocked, Block{blocked.Change.Act, blocked.Change.Finger.Number, blocked.Reason})
		}
	}
	return s
}
