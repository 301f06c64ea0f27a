package validate

import (
	"cmp"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Stored is a template in the vault, by what it is.
type Stored struct {
	Employee placement.EmployeeID
	Best     bool // the copy that rosters name
	roster.Finger
}

// Meaning tells whom a PIN means at a terminal, by an alias or as the hub's own; 0
// for nobody.
type Meaning func(terminal placement.TerminalID, pin string) placement.EmployeeID

// Known is what register and vault say on one day. It serves all terminals; Case may
// be called by several at once where means may.
type Known struct {
	rule   *placement.Day
	day    roster.Date
	means  Meaning
	people map[placement.EmployeeID]*placement.Employee
	placed map[placement.EmployeeID][]placement.Placement
	byPIN  map[string]placement.EmployeeID // the hub's
	owners map[protocol.Hash][]string      // hub PINs of those who have the template in the vault, each once, rising
}

// Know prepares for validating terminals on a day. The fingers of the snapshot's
// employees are replaced by the best copies among what is stored.
func Know(s placement.Snapshot, day roster.Date, stored []Stored, means Meaning) *Known {
	k := &Known{
		day: day, means: means,
		people: make(map[placement.EmployeeID]*placement.Employee, len(s.Employees)),
		placed: make(map[placement.EmployeeID][]placement.Placement, len(s.Employees)),
		byPIN:  make(map[string]placement.EmployeeID, len(s.Employees)),
		owners: make(map[protocol.Hash][]string, len(stored)),
	}
	s.Employees = slices.Clone(s.Employees)
	for i := range s.Employees {
		e := &s.Employees[i]
		e.Fingers = nil
		k.people[e.ID], k.byPIN[e.PIN] = e, e.ID
	}
	for _, t := range stored {
		e := k.people[t.Employee]
		if e == nil {
			continue
		}
		if t.Best {
			e.Fingers = append(e.Fingers, t.Finger)
		}
		if at, found := slices.BinarySearch(k.owners[t.Digest], e.PIN); !found {
			k.owners[t.Digest] = slices.Insert(k.owners[t.Digest], at, e.PIN)
		}
	}
	for _, e := range k.people {
		slices.SortFunc(e.Fingers, func(a, b roster.Finger) int {
			return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Algorithm, b.Algorithm))
		})
	}
	for _, p := range s.Placements {
		k.placed[p.Employee] = append(k.placed[p.Employee], p)
	}
	k.rule = placement.On(s, day)
	return k
}

// Case is one terminal to be validated.
type Case struct {
	Terminal  placement.TerminalID
	Roster    roster.Roster // what it should hold, however far its agent may go
	Inventory roster.Inventory
	Known     *Known
}

// Case is the terminal with the roster that the register makes of it on the day;
// false for one that is not in the register.
func (k *Known) Case(id placement.TerminalID, inv roster.Inventory) (Case, bool) {
	r, found := k.rule.Roster(id)
	return Case{Terminal: id, Roster: r, Inventory: inv, Known: k}, found
}

// person is the hub's PIN of whom a PIN means at the terminal; "" for nobody.
func (c Case) person(pin string) string {
	if e := c.Known.people[c.Known.means(c.Terminal, protocol.NormalPIN(pin))]; e != nil {
		return e.PIN
	}
	return ""
}

// absence says why the register does not have somebody on the terminal.
func (k *Known) absence(pin string) (f Finding) {
	id := k.byPIN[pin]
	if status, known := k.people[id].Status.At(k.day); known && status != placement.Active {
		return Finding{Code: NotActive, Status: status, Acts: []Act{ActDelete, ActAccept}}
	}
	f = Finding{Code: Unplaced, Acts: []Act{ActDelete, ActMove, ActAccept}}
	// Where they are now tells more than where they will be, and that more than where
	// they were, of which the last counts.
	weight, ended := 0, roster.Date("")
	for _, p := range k.placed[id] {
		code, w := Elsewhere, 3
		switch {
		case k.day < p.From:
			code, w = NotYet, 2
		case k.day >= p.To:
			code, w = Over, 1
		}
		if w > weight || w == 1 && weight == 1 && p.To > ended {
			f.Code, f.Unit, weight, ended = code, p.Unit, w, p.To
		}
	}
	return f
}
