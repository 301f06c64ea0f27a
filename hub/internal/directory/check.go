package directory

import (
	"regexp"
	"strconv"
	"unicode"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

var (
	nikForm  = regexp.MustCompile(`^[0-9]{16}$`)
	cardForm = regexp.MustCompile(`^[0-9]{1,10}$`)
)

// maxText is how long a name may be, in bytes, as in a roster.
const maxText = 200

// checkValue refuses what an attribute cannot be. The error is a Problem.
func checkValue(a Attribute, value string) error {
	for _, r := range value {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return Problem{Code: "text-control", Args: map[string]any{"attribute": string(a)}}
		}
	}
	if len(value) > maxText {
		return Problem{Code: "text-long", Args: map[string]any{"attribute": string(a), "bytes": len(value), "most": maxText}}
	}
	good := true
	switch a {
	case UnitCode, UnitName, EmployeeName:
		good = value != ""
	case UnitKind:
		good = oneOf(value, placement.OPD, placement.UPTD, placement.Branch, placement.School, placement.Hospital, placement.Section)
	case EmployeeKind:
		good = oneOf(value, placement.PNS, placement.CPNS, placement.PPPK, placement.PPPKPartTime, placement.NonASN)
	case EmployeeStatus:
		good = oneOf(value, placement.Active, placement.Retired, placement.Died, placement.Moved, placement.Leave, placement.Study)
	case EmployeeSex:
		good = oneOf(value, placement.Male, placement.Female, "")
	case TerminalMode:
		good = oneOf(value, roster.Observe, roster.Add, roster.Enforce)
	case TerminalEnrolment:
		good = value == "yes" || value == "no"
	case EmployeeNIP:
		_, err := ParseNIP(value)
		if err != nil {
			return err
		}
	case EmployeeNIK:
		good = value == "" || nikForm.MatchString(value)
	case EmployeeBorn:
		good = value == "" || roster.Date(value).Check() == nil
	case EmployeeCard:
		card, err := strconv.ParseUint(value, 10, 32)
		good = value == "" || err == nil && card > 0 && cardForm.MatchString(value)
	case UnitPrepare, UnitGrace:
		days, err := strconv.Atoi(value)
		good = err == nil && days >= -1 && days <= 366
	case TerminalMaxAdmins:
		n, err := strconv.Atoi(value)
		good = err == nil && n >= 1 && n <= 100
	}
	if !good {
		return Problem{Code: "value", Args: map[string]any{"attribute": string(a), "value": value}}
	}
	return nil
}

// oneOf tells whether a text is one of the values.
func oneOf[T ~string](value string, known ...T) bool {
	for _, k := range known {
		if value == string(k) {
			return true
		}
	}
	return false
}

// Check refuses a register that contradicts itself. The error is a Problem; it
// holds ids and codes of units, never a name or a NIP.
func (d *Draft) Check() error {
	for _, test := range []func() error{d.checkUnits, d.checkEmployees, d.checkPlacements, d.checkServings, d.checkAliases, d.checkGrants} {
		if err := test(); err != nil {
			return err
		}
	}
	if len(d.orphans) > 0 {
		return &LaterError{Changes: sortedUnique(d.orphans)}
	}
	return nil
}

func (d *Draft) checkUnits() error {
	type claim struct {
		a     Attribute
		value string
	}
	claims := map[claim]placement.UnitID{}
	for _, u := range Sorted(d.Units) {
		for _, a := range []Attribute{UnitCode, UnitSIASN} {
			value := u.At(a, d.Today)
			if other, taken := claims[claim{a, value}]; taken && value != "" {
				return Problem{Code: "unit-twice", Args: map[string]any{"code": value, "unit": other}}
			}
			claims[claim{a, value}] = u.ID
		}
		for _, a := range []Attribute{UnitParent, UnitMerged} {
			for _, f := range u.Facts[a] {
				if err := d.checkChain(u, a, f.Since); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// checkChain refuses a unit that is above itself, or merged into itself, on a day.
func (d *Draft) checkChain(u *Unit, a Attribute, day roster.Date) error {
	at := u
	for range len(d.Units) + 1 {
		next, _ := strconv.ParseInt(at.On(a, day), 10, 64) // checked when it was set, "" is 0
		if next == 0 {
			return nil
		}
		if at = d.Units[placement.UnitID(next)]; at == nil {
			return Problem{Code: "unit-missing", Args: map[string]any{"unit": next}}
		}
	}
	return Problem{Code: "unit-circle", Args: map[string]any{"code": u.At(UnitCode, day)}}
}

func (d *Draft) checkEmployees() error {
	owners := map[string]placement.EmployeeID{}
	for _, e := range Sorted(d.Employees) {
		for _, a := range []Attribute{EmployeeNIP, EmployeeNIK} {
			for _, f := range e.Facts[a] {
				if other, taken := owners[f.Value]; taken && other != e.ID && f.Value != "" {
					return Problem{Code: "employee-twice", Args: map[string]any{"pin": d.Employees[other].PIN}}
				}
				owners[f.Value] = e.ID
			}
		}
	}
	return nil
}

func (d *Draft) checkPlacements() error {
	for _, p := range Sorted(d.Placements) {
		if d.Employees[p.Employee] == nil || d.Units[p.Unit] == nil {
			return Problem{Code: "placement-stands", Args: map[string]any{"placement": int64(p.ID)}}
		}
		if err := checkPeriod(p.Period); err != nil {
			return err
		}
		if !oneOf(string(p.Kind), placement.Definitive, placement.Acting, placement.Lent, placement.Additional) {
			return Problem{Code: "placement-kind", Args: map[string]any{"kind": string(p.Kind)}}
		}
		for _, date := range []roster.Date{p.SKDate, p.TMT} {
			if date != "" && date.Check() != nil {
				return Problem{Code: "date", Args: map[string]any{"date": string(date)}}
			}
		}
	}
	return nil
}

func checkPeriod(p placement.Period) error {
	for _, date := range []roster.Date{p.From, p.To} {
		if date.Check() != nil {
			return Problem{Code: "date", Args: map[string]any{"date": string(date)}}
		}
	}
	if p.From >= p.To {
		return Problem{Code: "period", Args: map[string]any{"from": string(p.From), "to": string(p.To)}}
	}
	return nil
}

func (d *Draft) checkServings() error {
	responsible := map[placement.TerminalID][]Serving{}
	for _, s := range Sorted(d.Servings) {
		if d.Terminals[s.Terminal] == nil || d.Units[s.Unit] == nil {
			return Problem{Code: "serving-stands", Args: map[string]any{"serving": s.ID}}
		}
		if err := checkPeriod(s.Period); err != nil {
			return err
		}
		if !s.Responsible {
			continue
		}
		for _, other := range responsible[s.Terminal] {
			if other.Meets(s.Period) {
				return Problem{Code: "serving-twice", Args: map[string]any{"serial": string(d.Terminals[s.Terminal].Serial)}}
			}
		}
		responsible[s.Terminal] = append(responsible[s.Terminal], s)
	}
	return nil
}

func (d *Draft) checkAliases() error {
	issued := map[string]placement.EmployeeID{}
	for _, e := range d.Employees {
		issued[e.PINText()] = e.ID
	}
	byPIN := map[string][]Alias{}
	for _, a := range Sorted(d.Aliases) {
		if d.Employees[a.Employee] == nil || a.Terminal != 0 && d.Terminals[a.Terminal] == nil {
			return Problem{Code: "alias-stands", Args: map[string]any{"alias": a.ID}}
		}
		if err := checkPeriod(a.Period); err != nil {
			return err
		}
		if a.PIN == "" || len(a.PIN) > 24 {
			return Problem{Code: "alias-form"}
		}
		if owner, taken := issued[a.PIN]; taken && owner != a.Employee && a.To == roster.Forever {
			return Problem{Code: "alias-issued", Args: map[string]any{"pin": a.PIN}}
		}
		for _, other := range byPIN[a.PIN] {
			if other.Terminal == a.Terminal && other.Employee != a.Employee && other.Meets(a.Period) {
				return Problem{Code: "alias-twice"}
			}
		}
		byPIN[a.PIN] = append(byPIN[a.PIN], a)
	}
	return nil
}

func (d *Draft) checkGrants() error {
	for _, g := range Sorted(d.Grants) {
		if d.Employees[g.Employee] == nil || g.Terminal != 0 && d.Terminals[g.Terminal] == nil {
			return Problem{Code: "grant-stands", Args: map[string]any{"grant": int64(g.ID)}}
		}
		if err := checkPeriod(g.Period); err != nil {
			return err
		}
		if !oneOf(string(g.Privilege), roster.Enroller, roster.Manager, roster.Administrator) {
			return Problem{Code: "grant-privilege", Args: map[string]any{"privilege": string(g.Privilege)}}
		}
	}
	return nil
}
