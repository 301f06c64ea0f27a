package directory

import (
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Meeting is what the register says of one punch.
type Meeting struct {
	Employee placement.EmployeeID // 0: the PIN meant nobody on that day
	Served   bool                 // the terminal was some unit's on that day
	Placed   bool                 // at work, at a unit that the terminal served on that day
}

// Matcher meets many punches with one reading of the register: their PINs through
// aliases at the punch's own date. It is fastest when days come in order, and not
// safe for concurrent use.
type Matcher struct {
	reg      *Register
	offices  placement.Snapshot // without people
	issued   map[string]placement.EmployeeID
	aliases  map[string][]Alias
	servings map[placement.TerminalID][]Serving
	placed   map[placement.EmployeeID][]Placement
	day      roster.Date
	on       *placement.Day // of day
	serves   map[serving]bool
}

// serving is whether a terminal is for the people of a unit, on the matcher's day.
type serving struct {
	terminal placement.TerminalID
	unit     placement.UnitID
}

// Matcher prepares for meeting punches. What it says is what the register held when
// it was read: an alias that is added later gives old punches their owner.
func (r *Register) Matcher(settings placement.Settings) *Matcher {
	m := &Matcher{reg: r, offices: r.offices(settings), issued: map[string]placement.EmployeeID{}, aliases: map[string][]Alias{},
		servings: map[placement.TerminalID][]Serving{}, placed: map[placement.EmployeeID][]Placement{}}
	for _, e := range r.Employees {
		m.issued[e.PINText()] = e.ID
	}
	for _, a := range Sorted(r.Aliases) {
		m.aliases[a.PIN] = append(m.aliases[a.PIN], a)
	}
	for _, s := range r.Servings {
		m.servings[s.Terminal] = append(m.servings[s.Terminal], s)
	}
	return m
}

// Meet says whose punch it was, and whether they were placed there on that very
// day: days of preparing and grace keep somebody on a terminal, but do not place.
func (m *Matcher) Meet(terminal placement.TerminalID, pin string, day roster.Date) (meeting Meeting) {
	for _, s := range m.servings[terminal] {
		meeting.Served = meeting.Served || s.Holds(day)
	}
	meeting.Employee = m.Whose(terminal, pin, day)
	if meeting.Employee == 0 || !m.reg.Employees[meeting.Employee].Active(day) {
		return meeting
	}
	placed, known := m.placed[meeting.Employee]
	if !known {
		placed = m.reg.PlacementsOf(meeting.Employee)
		m.placed[meeting.Employee] = placed
	}
	for _, p := range placed {
		if p.Holds(day) && m.servesOn(day, serving{terminal, p.Unit}) {
			meeting.Placed = true
		}
	}
	return meeting
}

// Whose is Directory.Resolve on what was read; 0 for nobody.
func (m *Matcher) Whose(terminal placement.TerminalID, pin string, day roster.Date) (everywhere placement.EmployeeID) {
	pin = protocol.NormalPIN(pin)
	for _, a := range m.aliases[pin] {
		switch {
		case !a.Holds(day):
		case a.Terminal == terminal && terminal != 0:
			return a.Employee
		case a.Terminal == 0:
			everywhere = a.Employee
		}
	}
	if everywhere != 0 {
		return everywhere
	}
	return m.issued[pin]
}

// servesOn keeps what was reckoned for one day: the next punch is mostly of the same.
func (m *Matcher) servesOn(day roster.Date, s serving) bool {
	if m.day != day || m.on == nil {
		m.day, m.on, m.serves = day, placement.On(m.offices, day), map[serving]bool{}
	}
	serves, known := m.serves[s]
	if !known {
		serves = m.on.Serves(s.terminal, s.unit)
		m.serves[s] = serves
	}
	return serves
}
