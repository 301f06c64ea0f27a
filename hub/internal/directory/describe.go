package directory

import (
	"fmt"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Describe writes one row of a draft as a line for people, language-free: whose it
// is by code or PIN, and what it says.
func (d *Draft) Describe(row any) string {
	switch v := row.(type) {
	case *Unit:
		return "unit " + d.unit(v.ID)
	case *Employee:
		return fmt.Sprintf("employee %s", d.employee(v.ID))
	case Fact:
		return fmt.Sprintf("%s: %s = %q (%s)", d.subject(v), v.Attribute, v.Value, v.Since)
	case Placement:
		return fmt.Sprintf("%s @ %s: %s%s, SK %q", d.employee(v.Employee), d.unit(v.Unit), v.Kind, span(v.Period), v.SK)
	case Serving:
		role := "served"
		if v.Responsible {
			role = "responsible"
		}
		return fmt.Sprintf("terminal %s @ %s: %s%s", d.terminal(v.Terminal), d.unit(v.Unit), role, span(v.Period))
	case Alias:
		return fmt.Sprintf("%s: alias @ %s%s", d.employee(v.Employee), d.terminal(v.Terminal), span(v.Period))
	case placement.Grant:
		return fmt.Sprintf("%s: %s @ %s%s", d.employee(v.Employee), v.Privilege, d.terminal(v.Terminal), span(v.Period))
	}
	return ""
}

func span(p placement.Period) string {
	if p.To == roster.Forever {
		return fmt.Sprintf(" (%s …)", p.From)
	}
	return fmt.Sprintf(" (%s … %s)", p.From, p.To)
}

func (d *Draft) subject(f Fact) string {
	switch f.About {
	case AboutUnit:
		return "unit " + d.unit(placement.UnitID(f.Subject))
	case AboutEmployee:
		return d.employee(placement.EmployeeID(f.Subject))
	}
	return "terminal " + d.terminal(placement.TerminalID(f.Subject))
}

func (d *Draft) unit(id placement.UnitID) string {
	if u := d.Units[id]; u != nil {
		return u.At(UnitCode, d.Today)
	}
	return fmt.Sprint("#", id)
}

func (d *Draft) employee(id placement.EmployeeID) string {
	if e := d.Employees[id]; e != nil {
		return fmt.Sprintf("%s %s", e.PINText(), e.At(EmployeeName, d.Today))
	}
	return fmt.Sprint("#", id)
}

func (d *Draft) terminal(id placement.TerminalID) string {
	if t := d.Terminals[id]; t != nil {
		return string(t.Site) + "/" + string(t.Serial)
	}
	return "*"
}
