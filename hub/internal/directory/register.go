package directory

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Attribute names something that holds of a unit, an employee or a terminal from a
// day on.
type Attribute string

// The attributes. Those of one kind of subject have different names.
const (
	UnitCode    Attribute = "code"
	UnitName    Attribute = "unit-name"
	UnitKind    Attribute = "unit-kind"
	UnitSIASN   Attribute = "siasn"   // the id of its unor
	UnitParent  Attribute = "parent"  // a unit's id
	UnitMerged  Attribute = "merged"  // into which unit, its id
	UnitPrepare Attribute = "prepare" // days
	UnitGrace   Attribute = "grace"   // days

	EmployeeNIP      Attribute = "nip"
	EmployeeNIK      Attribute = "nik"          // of those without a NIP
	EmployeeName     Attribute = "name"         // without titles: a terminal shows few letters
	EmployeeBefore   Attribute = "title-before" // gelar depan
	EmployeeAfter    Attribute = "title-after"  // gelar belakang
	EmployeeKind     Attribute = "kind"
	EmployeeSex      Attribute = "sex"
	EmployeeBorn     Attribute = "born"
	EmployeeStatus   Attribute = "status"
	EmployeePosition Attribute = "position"
	EmployeeGrade    Attribute = "grade"
	EmployeeCard     Attribute = "card"

	TerminalMode      Attribute = "mode"
	TerminalEnrolment Attribute = "enrolment"  // "yes": fingers are captured here
	TerminalMaxAdmins Attribute = "max-admins" // more than these are a finding
)

// About is the kind of subject of a fact.
type About string

// The kinds of subjects.
const (
	AboutUnit     About = "unit"
	AboutEmployee About = "employee"
	AboutTerminal About = "terminal"
)

// Fact is that an attribute has a value from a day on, until the next fact about it.
type Fact struct {
	ID        int64
	About     About
	Subject   int64
	Attribute Attribute
	Since     roster.Date
	Value     string
}

// Facts are what holds of one subject, by attribute, each by day.
type Facts map[Attribute][]Fact

// At is the value on a day, or before the first fact that one; "" for none.
func (f Facts) At(a Attribute, day roster.Date) string {
	if len(f[a]) > 0 && f[a][0].Since > day {
		return f[a][0].Value
	}
	return f.On(a, day)
}

// On is the value on a day; "" before the first fact.
func (f Facts) On(a Attribute, day roster.Date) (value string) {
	for _, fact := range f[a] {
		if fact.Since <= day {
			value = fact.Value
		}
	}
	return value
}

func history[T any](facts []Fact, read func(string) T) placement.History[T] {
	h := make(placement.History[T], len(facts))
	for i, f := range facts {
		h[i] = placement.Dated[T]{From: f.Since, Value: read(f.Value)}
	}
	return h
}

// Unit is an office with its history.
type Unit struct {
	ID placement.UnitID
	Facts
}

// Employee is a person with their history.
type Employee struct {
	ID  placement.EmployeeID
	PIN int64 // the hub's
	Facts
}

// PINText is the hub's PIN as terminals have it.
func (e *Employee) PINText() string { return strconv.FormatInt(e.PIN, 10) }

// Status is whether the employee works on a day; Active where the register does not say.
func (e *Employee) Status(day roster.Date) placement.Status {
	return placement.Status(cmp.Or(e.On(EmployeeStatus, day), string(placement.Active)))
}

// Active tells whether the employee is at work on a day, and so belongs on terminals.
func (e *Employee) Active(day roster.Date) bool { return e.Status(day) == placement.Active }

// Terminal is a registered terminal with its history.
type Terminal struct {
	ID     placement.TerminalID
	Site   protocol.SiteID
	Serial protocol.Serial
	Facts
}

// Placement is one with its papers.
type Placement struct {
	placement.Placement
	SK     string // number of the decree
	SKDate roster.Date
	TMT    roster.Date // from when the decree counts
}

// Serving is that a terminal serves a unit.
type Serving struct {
	ID       int64
	Terminal placement.TerminalID
	placement.Serving
}

// Alias is a number by which terminals know an employee beside the hub's PIN.
type Alias struct {
	ID       int64
	Employee placement.EmployeeID
	Terminal placement.TerminalID // 0: all
	PIN      string               // in normal form
	placement.Period
}

// Register is what holds at one moment. Whoever reads it does not change it.
type Register struct {
	Units      map[placement.UnitID]*Unit
	Employees  map[placement.EmployeeID]*Employee
	Terminals  map[placement.TerminalID]*Terminal
	Placements map[placement.PlacementID]Placement
	Servings   map[int64]Serving
	Aliases    map[int64]Alias
	Grants     map[placement.GrantID]placement.Grant

	moment  moment
	next    map[string]int64                                 // the last id given out in each table, and the next PIN
	placed  map[placement.EmployeeID][]placement.PlacementID // also such as were ended
	orphans []int64                                          // changes that made facts about what is no longer there
}

// UnitByCode finds the unit that has a code or a SIASN id on a day, or had it.
func (r *Register) UnitByCode(code string, day roster.Date) (*Unit, bool) {
	var former *Unit
	for _, u := range r.Units {
		if code != "" && (u.At(UnitCode, day) == code || u.At(UnitSIASN, day) == code) {
			return u, true
		}
		for _, f := range u.Facts[UnitCode] {
			if f.Value == code && (former == nil || former.ID < u.ID) {
				former = u
			}
		}
	}
	return former, former != nil
}

// EmployeeBy finds an employee by NIP, one of old too, by NIK or by the hub's PIN.
func (r *Register) EmployeeBy(number string) (*Employee, bool) {
	if n, err := ParseNIP(number); err == nil {
		number = string(n.NIP)
	}
	for _, e := range r.Employees {
		if e.PINText() == protocol.NormalPIN(number) {
			return e, true
		}
		for _, a := range []Attribute{EmployeeNIP, EmployeeNIK} {
			if slices.ContainsFunc(e.Facts[a], func(f Fact) bool { return f.Value == number }) {
				return e, true
			}
		}
	}
	return nil, false
}

// TerminalBy finds a terminal; site may be "" where the serial is at one site only.
func (r *Register) TerminalBy(site protocol.SiteID, serial protocol.Serial) (found *Terminal, only bool) {
	for _, t := range r.Terminals {
		if t.Serial == serial && (site == "" || t.Site == site) {
			if found != nil {
				return nil, false
			}
			found = t
		}
	}
	return found, found != nil
}

// PlacementsOf are an employee's, by day.
func (r *Register) PlacementsOf(e placement.EmployeeID) (list []Placement) {
	for _, id := range r.placed[e] {
		if p, found := r.Placements[id]; found {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Placement) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.ID, b.ID)) })
	return list
}

// Sorted returns a map's values in order of their keys.
func Sorted[K cmp.Ordered, V any](m map[K]V) []V {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	list := make([]V, len(keys))
	for i, k := range keys {
		list[i] = m[k]
	}
	return list
}

// put takes a placement in.
func (r *Register) put(p Placement) {
	r.Placements[p.ID] = p
	r.placed[p.Employee] = append(slices.Clip(r.placed[p.Employee]), p.ID) // another register may share the list
}

// facts is where the facts of a subject are, nil for none such.
func (r *Register) facts(about About, subject int64) Facts {
	switch about {
	case AboutUnit:
		if u := r.Units[placement.UnitID(subject)]; u != nil {
			return u.Facts
		}
	case AboutEmployee:
		if e := r.Employees[placement.EmployeeID(subject)]; e != nil {
			return e.Facts
		}
	case AboutTerminal:
		if t := r.Terminals[placement.TerminalID(subject)]; t != nil {
			return t.Facts
		}
	}
	return nil
}
