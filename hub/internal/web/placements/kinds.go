package placements

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// placing brings an employee to a unit.
func placing() change {
	return change{name: "place", act: "place", fields: []string{"unit", "kind", "from", "to", "sk", "sk-date", "tmt", "ends"},
		begin: func(v changeView) {
			v.Form.Set("kind", string(placement.Definitive))
			v.Form.Set("ends", "yes")
		},
		read: func(v changeView) wish {
			kind := placement.Kind(v.Form.Text("kind"))
			id, err := strconv.ParseInt(v.Form.Text("unit"), 10, 64)
			unit := v.Register.Units[placement.UnitID(id)]
			if err != nil || unit == nil || !v.Scope.Unit(unit.ID) {
				v.Form.Refuse("unit", v.Text("unit-missing"))
				return wish{}
			}
			from := v.day("from", "")
			during := placement.Period{From: from, To: v.day("to", roster.Forever)}
			if during.To <= during.From {
				v.Form.Refuse("to", v.Text("to-before"))
			}
			made := directory.Placement{SK: v.text("sk", 100), TMT: v.day("tmt", from),
				Placement: placement.Placement{Employee: v.ID, Unit: unit.ID, Kind: kind, Period: during}}
			if made.SK == "" {
				v.Form.Refuse("sk", v.Text("sk-missing"))
			}
			if v.Form.Text("sk-date") != "" {
				made.SKDate = v.day("sk-date", "")
			}
			ends := v.Form.Text("ends") == "yes"
			return wish{subject: unit.At(directory.UnitCode, v.Today), last: last(during), edit: func(d *directory.Draft) error {
				_, err := d.Place(made, ends)
				return err
			}}
		}}
}

// ending says since when somebody is no longer somewhere.
func ending() change {
	return change{name: "end", act: "place end", fields: []string{"to"},
		begin: func(v changeView) {
			if v.Placement.To != roster.Forever {
				v.Form.Set("to", string(v.Placement.To))
			}
		},
		read: func(v changeView) wish {
			to := v.day("to", "")
			if to < v.Placement.From {
				v.Form.Refuse("to", v.Text("to-before"))
			}
			id := v.Placement.ID
			return wish{subject: strconv.FormatInt(int64(id), 10), last: to, edit: func(d *directory.Draft) error {
				if _, found := d.Placements[id]; !found {
					return directory.Problem{Code: "placement-unknown"}
				}
				return d.EndPlacement(id, to)
			}}
		}}
}

// turning says whether somebody works: retires, has died, is on leave, is back.
func turning() change {
	return change{name: "status", act: "employee set", fields: []string{"status", "from"},
		begin: func(v changeView) {
			v.Form.Set("status", string(v.Employee.Status(v.Today)))
		},
		read: func(v changeView) wish {
			status, from, id := v.Form.Text("status"), v.day("from", ""), int64(v.ID)
			return wish{last: from, edit: func(d *directory.Draft) error {
				return d.Set(directory.AboutEmployee, id, directory.EmployeeStatus, from, status)
			}}
		}}
}

// last is the last day of which a period speaks.
func last(p placement.Period) roster.Date {
	if p.To == roster.Forever {
		return p.From
	}
	return p.To
}

// text reads a line of at most some letters.
func (v changeView) text(field string, most int) string {
	text := v.Form.Text(field)
	if utf8.RuneCountInString(text) > most || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		v.Form.Refuse(field, v.Text("text-wrong", "most", most))
	}
	return text
}
