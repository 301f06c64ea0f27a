package directory

import (
	"cmp"
	"errors"
	"strconv"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// RowError is what is wrong, or odd, with one line of an import.
type RowError struct {
	Row     int // as a spreadsheet counts, the head is 1
	Column  string
	Problem Problem
}

// Outcome is what an import did to a draft.
type Outcome struct {
	Rows    int // with something in them
	New     int // people or units
	Changed int
	Same    int
	Errors  []RowError // of rows that were left out
	Doubts  []RowError // of rows that were taken
	Ignored []string   // heads of columns that mean nothing here
}

// ErrNoColumns says that a table is neither of employees nor of units.
var ErrNoColumns = errors.New("the table has no column for NIP and name, nor for code and kind of units")

// Import takes a table's rows into the draft, the head first. A row that is wrong
// is left out whole and named in the outcome. What a row does not say stays as it
// is; what it says otherwise holds from the day of the draft on. mapping gives heads
// that are not understood by themselves one that is: "Nama PNS" → "nama"; nil for
// none.
func (d *Draft) Import(table [][]Cell, mapping map[string]string) (out Outcome, err error) {
	if len(table) == 0 {
		return out, ErrNoColumns
	}
	columns := make([]field, len(table[0]))
	has := map[field]bool{}
	for i, head := range table[0] {
		name := strings.TrimSpace(head.Text)
		f := fieldOf(cmp.Or(mapping[name], name))
		if f == "" || has[f] {
			out.Ignored = append(out.Ignored, head.Text)
			continue
		}
		columns[i], has[f] = f, true
	}
	var take func(line) (fate, error)
	switch {
	case has[field(EmployeeName)] && (has[field(EmployeeNIP)] || has[field(EmployeeNIK)]):
		people := d.people()
		take = func(l line) (fate, error) { return d.importEmployee(people, l) }
	case has[fieldUnit] && has[fieldUnitName] && has[fieldUnitKind]:
		take = d.importUnit
	default:
		return out, ErrNoColumns
	}
	for i, row := range table[1:] {
		l, problems := readLine(columns, row)
		if len(l) == 0 && len(problems) == 0 {
			continue
		}
		out.Rows++
		n := i + 2
		doubts := len(d.Doubts)
		if len(problems) == 0 {
			fate, err := take(l)
			var problem Problem
			switch {
			case errors.As(err, &problem):
				problems = append(problems, RowError{Problem: problem})
			case err != nil:
				return out, err
			default:
				out.count(fate)
			}
		}
		for _, p := range problems {
			p.Row = n
			out.Errors = append(out.Errors, p)
		}
		for _, p := range d.Doubts[doubts:] {
			out.Doubts = append(out.Doubts, RowError{Row: n, Problem: p})
		}
	}
	return out, nil
}

// anyPunch is a day before any terminal's oldest punch: an old PIN in a file meant
// its owner as long as there were terminals.
const anyPunch roster.Date = "2000-01-01"

// fate is what became of a row.
type fate int

const (
	unchanged fate = iota
	changed
	added
)

func (out *Outcome) count(f fate) {
	switch f {
	case added:
		out.New++
	case changed:
		out.Changed++
	default:
		out.Same++
	}
}

// line is one row in the register's words, without empty fields.
type line map[field]string

func readLine(columns []field, row []Cell) (l line, problems []RowError) {
	l = line{}
	for i, c := range row {
		if i >= len(columns) || columns[i] == "" {
			continue
		}
		value, err := word(columns[i], c)
		if err == nil && value != "" {
			if a := Attribute(columns[i]); isEmployee(a) {
				err = checkValue(a, value)
			}
		}
		var problem Problem
		if errors.As(err, &problem) {
			problems = append(problems, RowError{Column: string(columns[i]), Problem: problem})
		} else if value != "" {
			l[columns[i]] = value
		}
	}
	return l, problems
}

// employeeAttributes are those that a file can set.
func employeeAttributes() []Attribute {
	return []Attribute{EmployeeNIP, EmployeeNIK, EmployeeName, EmployeeBefore, EmployeeAfter, EmployeeKind, EmployeeSex, EmployeeBorn,
		EmployeeStatus, EmployeePosition, EmployeeGrade, EmployeeCard}
}

func isEmployee(a Attribute) bool {
	for _, known := range employeeAttributes() {
		if a == known {
			return true
		}
	}
	return false
}

// people finds employees by NIP, of old too, by NIK, and by aliasKey.
func (d *Draft) people() map[string]*Employee {
	people := map[string]*Employee{}
	for _, e := range d.Employees {
		for _, a := range []Attribute{EmployeeNIP, EmployeeNIK} {
			for _, f := range e.Facts[a] {
				people[f.Value] = e
			}
		}
	}
	delete(people, "")
	for _, e := range d.Employees {
		people[aliasKey(e.PINText())] = e
	}
	for _, a := range d.Aliases {
		people[aliasKey(a.PIN)] = d.Employees[a.Employee]
	}
	return people
}

// aliasKey keeps PINs apart from NIPs: an old PIN is often somebody's NIP.
func aliasKey(pin string) string { return "pin " + protocol.NormalPIN(pin) }

func (d *Draft) importEmployee(people map[string]*Employee, l line) (fate, error) {
	number := cmp.Or(l[field(EmployeeNIP)], l[field(EmployeeNIK)])
	if number == "" {
		return 0, Problem{Code: "nip-empty"}
	}
	e := people[number]
	if e != nil {
		e = d.Employees[e.ID] // as an earlier row left them
	}
	place, err := d.wanted(e, l)
	if err != nil {
		return 0, err
	}
	if err := d.doubt(e, l); err != nil {
		return 0, err
	}
	pin := l[fieldAlias]
	if owner := people[aliasKey(pin)]; pin != "" && owner != nil && (e == nil || owner.ID != e.ID) {
		return 0, Problem{Code: "alias-twice"}
	}
	result, before := unchanged, len(d.Made)+len(d.Voided)
	since := d.Today
	if e == nil {
		if l[field(EmployeeName)] == "" {
			return 0, Problem{Code: "name-empty"}
		}
		e, result = d.AddEmployee(), added
		people[number] = e
		since = roster.Date(cmp.Or(l[fieldFrom], string(d.Today)))
		if l[field(EmployeeStatus)] == "" {
			l[field(EmployeeStatus)] = string(placement.Active)
		}
	}
	for _, a := range employeeAttributes() {
		value := l[field(a)]
		day := since
		if a == EmployeeStatus && l[fieldStatusDay] != "" {
			day = roster.Date(l[fieldStatusDay])
		}
		// An old NIP in a file brings nobody's old number back.
		if value == "" || a == EmployeeNIP && e.At(a, day) != "" && e.At(a, day) != value {
			continue
		}
		if err := d.Set(AboutEmployee, int64(e.ID), a, day, value); err != nil {
			return 0, err
		}
	}
	if place != nil {
		place.Employee = e.ID
		if _, err := d.Place(*place, true); err != nil {
			return 0, err
		}
	}
	if pin != "" && people[aliasKey(pin)] == nil {
		people[aliasKey(pin)] = e
		if err := d.AddAlias(Alias{Employee: e.ID, PIN: pin, Period: placement.Period{From: anyPunch}}); err != nil {
			return 0, err
		}
	}
	if result == unchanged && len(d.Made)+len(d.Voided) != before {
		result = changed
	}
	return result, nil
}

// doubt compares what a row says with its NIP, before anything is taken.
func (d *Draft) doubt(e *Employee, l line) error {
	return d.compare(l[field(EmployeeNIP)], func(a Attribute) string {
		if value := l[field(a)]; value != "" || e == nil {
			return value
		}
		return e.At(a, d.Today)
	})
}

// Doubt compares an employee's NIP with what else the register says of them, and
// notes what is odd in Doubts. What cannot be is a Problem.
func (d *Draft) Doubt(e *Employee) error {
	e = d.Employees[e.ID] // as the draft leaves them
	return d.compare(e.At(EmployeeNIP, d.Today), func(a Attribute) string { return e.At(a, d.Today) })
}

func (d *Draft) compare(nip string, said func(Attribute) string) error {
	if nip == "" {
		return nil
	}
	n, err := ParseNIP(nip)
	if err != nil {
		return err
	}
	for _, p := range n.Doubts(placement.EmployeeKind(said(EmployeeKind)), placement.Sex(said(EmployeeSex)), roster.Date(said(EmployeeBorn)), d.Today) {
		if !p.Warning {
			return p
		}
		d.Doubts = append(d.Doubts, p)
	}
	return nil
}

// wanted is the placement that a row asks for; nil when it asks for none, or for
// one that is there.
func (d *Draft) wanted(e *Employee, l line) (*Placement, error) {
	code := l[fieldUnit]
	if code == "" {
		return nil, nil
	}
	from := roster.Date(l[fieldFrom])
	u, found := d.UnitByCode(code, cmp.Or(from, d.Today))
	if !found {
		return nil, Problem{Code: "unit-unknown", Args: map[string]any{"code": code}}
	}
	p := &Placement{
		Placement: placement.Placement{
			Unit: u.ID, Kind: placement.Kind(cmp.Or(l[fieldPlacement], string(placement.Definitive))),
			Period: placement.Period{From: from, To: day(roster.Date(l[fieldTo]))},
		},
		SK: l[fieldSK], SKDate: roster.Date(l[fieldSKDate]), TMT: roster.Date(cmp.Or(l[fieldTMT], l[fieldFrom])),
	}
	if e != nil {
		for _, held := range d.PlacementsOf(e.ID) {
			if held.Unit != p.Unit || held.Kind != p.Kind {
				continue
			}
			// The same row again, or a newer decree that leaves them where they are.
			same := held.From == from && held.To == p.To || l[fieldTo] == "" && held.Holds(cmp.Or(from, d.Today))
			if same {
				return nil, nil
			}
		}
	}
	if from == "" {
		return nil, Problem{Code: "from-empty"}
	}
	if err := checkPeriod(p.Period); err != nil {
		return nil, err
	}
	return p, nil
}

func (d *Draft) importUnit(l line) (fate, error) {
	code, name, kind := l[fieldUnit], l[fieldUnitName], l[fieldUnitKind]
	if code == "" || name == "" || kind == "" {
		return 0, Problem{Code: "unit-incomplete"}
	}
	since := roster.Date(cmp.Or(l[fieldFrom], string(d.Today)))
	parent := ""
	if above := l[fieldParent]; above != "" {
		u, found := d.UnitByCode(above, since)
		if !found {
			return 0, Problem{Code: "unit-unknown", Args: map[string]any{"code": above}}
		}
		parent = strconv.FormatInt(int64(u.ID), 10)
	}
	facts := []Fact{{Attribute: UnitName, Value: name}, {Attribute: UnitKind, Value: kind}, {Attribute: UnitParent, Value: parent}, {Attribute: UnitSIASN, Value: l[fieldSIASN]}}
	for _, f := range facts {
		if err := checkValue(f.Attribute, f.Value); err != nil {
			return 0, err
		}
	}
	result, before := unchanged, len(d.Made)+len(d.Voided)
	u, found := d.UnitByCode(code, since)
	if !found {
		result = added
		var err error
		if u, err = d.AddUnit(since, code, name, placement.UnitKind(kind)); err != nil {
			return 0, err
		}
	}
	for _, f := range facts {
		if f.Value == "" || found && u.At(f.Attribute, since) == f.Value {
			continue
		}
		if err := d.Set(AboutUnit, int64(u.ID), f.Attribute, since, f.Value); err != nil {
			return 0, err
		}
	}
	if result == unchanged && len(d.Made)+len(d.Voided) != before {
		result = changed
	}
	return result, nil
}
