package directory

import (
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Meeting is what the register says of one punch.
type Meeting struct {
	Employee placement.EmployeeID // 0: the PIN meant nobody on that day
	Placed   bool                 // at a unit that the terminal served on that day
}

// Matcher meets many punches with one reading of the register: their PINs through
// aliases at the punch's own date. It is not safe for concurrent use.
type Matcher struct {
	reg      *Register
	settings placement.Settings
	issued   map[string]placement.EmployeeID
	aliases  map[string][]Alias
	days     map[roster.Date]*placement.Day
}

// Matcher prepares for meeting punches. What it says is what the register held when
// it was read: an alias that is added later gives old punches their owner.
func (r *Register) Matcher(settings placement.Settings) *Matcher {
	m := &Matcher{reg: r, settings: settings, issued: map[string]placement.EmployeeID{}, aliases: map[string][]Alias{},
		days: map[roster.Date]*placement.Day{}}
	for _, e := range r.Employees {
		m.issued[e.PINText()] = e.ID
	}
	for _, a := range Sorted(r.Aliases) {
		m.aliases[a.PIN] = append(m.aliases[a.PIN], a)
	}
	return m
}

// Meet says whose punch it was, and whether they were placed there on that very
// day: days of preparing and grace keep somebody on a terminal, but do not place.
func (m *Matcher) Meet(terminal placement.TerminalID, pin string, day roster.Date) (meeting Meeting) {
	meeting.Employee = m.resolve(terminal, protocol.NormalPIN(pin), day)
	if meeting.Employee == 0 {
		return meeting
	}
	for _, p := range m.reg.PlacementsOf(meeting.Employee) {
		if p.Holds(day) && m.day(day).Serves(terminal, p.Unit) {
			meeting.Placed = true
		}
	}
	return meeting
}

// resolve is Directory.Resolve on what was read.
func (m *Matcher) resolve(terminal placement.TerminalID, pin string, day roster.Date) (everywhere placement.EmployeeID) {
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

// day keeps what was reckoned for a day; nobody but Serves asks it.
func (m *Matcher) day(day roster.Date) *placement.Day {
	if m.days[day] == nil {
		s := m.reg.Snapshot(m.settings)
		s.Employees, s.Placements, s.Grants = nil, nil, nil
		m.days[day] = placement.On(s, day)
	}
	return m.days[day]
}
