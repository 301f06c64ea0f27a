package directory

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// firstPIN is the first one that the hub issues. Smaller ones are left to
// machines' own administrators and to numbers from before the hub.
const firstPIN = 100001

// table is one of the register's, with its columns before made and voided.
type table struct{ name, columns string }

func tables() []table {
	return []table{
		{"unit", "id"},
		{"employee", "id, pin"},
		{"fact", "id, about, subject, attribute, since, value"},
		{"placement", "id, employee, unit, kind, since, until, sk, sk_date, tmt"},
		{"serving", "id, terminal, unit, responsible, since, until"},
		{"alias", "id, employee, terminal, pin, since, until"},
		{"administrator", "id, employee, terminal, privilege, since, until"},
	}
}

// load reads all rows that hold: made by a change that was not undone, and voided
// by none or by one that was undone.
func load(ctx context.Context, read reader) (*Register, error) {
	reg := &Register{
		Units: map[placement.UnitID]*Unit{}, Employees: map[placement.EmployeeID]*Employee{},
		Terminals: map[placement.TerminalID]*Terminal{}, Placements: map[placement.PlacementID]Placement{},
		Servings: map[int64]Serving{}, Aliases: map[int64]Alias{}, Grants: map[placement.GrantID]placement.Grant{},
		next: map[string]int64{"pin": firstPIN}, placed: map[placement.EmployeeID][]placement.PlacementID{},
	}
	undone := map[int64]bool{0: true} // voided by change 0 is voided by none
	err := read(ctx, func(rows *sql.Rows) error {
		var n int64
		err := rows.Scan(&n)
		undone[n] = true
		return err
	}, "SELECT undoes FROM register_change WHERE undoes > 0")
	if err != nil {
		return nil, err
	}
	err = read(ctx, func(rows *sql.Rows) error {
		t := &Terminal{Facts: Facts{}}
		err := rows.Scan(&t.ID, &t.Site, &t.Serial)
		reg.Terminals[t.ID] = t
		return err
	}, "SELECT id, site, serial FROM terminal WHERE registered > 0")
	if err != nil {
		return nil, err
	}
	for _, table := range tables() {
		err := read(ctx, func(rows *sql.Rows) error {
			var made, voided int64
			id, take, err := reg.scan(table.name, func(to ...any) error { return rows.Scan(append(to, &made, &voided)...) })
			if err != nil {
				return err
			}
			reg.next[table.name] = max(reg.next[table.name], id)
			if !undone[made] && undone[voided] {
				take(made)
			}
			return nil
		}, "SELECT "+table.columns+", made, voided FROM "+table.name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table.name, err)
		}
	}
	reg.sort()
	return reg, nil
}

// scan reads one row of a table; take puts it into the register.
func (r *Register) scan(table string, scan func(...any) error) (id int64, take func(made int64), err error) {
	switch table {
	case "unit":
		u := &Unit{Facts: Facts{}}
		err = scan(&u.ID)
		return int64(u.ID), func(int64) { r.Units[u.ID] = u }, err
	case "employee":
		e := &Employee{Facts: Facts{}}
		err = scan(&e.ID, &e.PIN)
		r.next["pin"] = max(r.next["pin"], e.PIN+1)
		return int64(e.ID), func(int64) { r.Employees[e.ID] = e }, err
	case "fact":
		var f Fact
		err = scan(&f.ID, &f.About, &f.Subject, &f.Attribute, &f.Since, &f.Value)
		return f.ID, func(made int64) {
			all := r.facts(f.About, f.Subject)
			if all == nil {
				r.orphans = append(r.orphans, made)
				return
			}
			all[f.Attribute] = append(all[f.Attribute], f)
		}, err
	case "placement":
		var p Placement
		err = scan(&p.ID, &p.Employee, &p.Unit, &p.Kind, &p.From, &p.To, &p.SK, &p.SKDate, &p.TMT)
		return int64(p.ID), func(int64) { r.put(p) }, err
	case "serving":
		var s Serving
		var responsible int64
		err = scan(&s.ID, &s.Terminal, &s.Unit, &responsible, &s.From, &s.To)
		s.Responsible = responsible == 1
		return s.ID, func(int64) { r.Servings[s.ID] = s }, err
	case "alias":
		var a Alias
		err = scan(&a.ID, &a.Employee, &a.Terminal, &a.PIN, &a.From, &a.To)
		return a.ID, func(int64) { r.Aliases[a.ID] = a }, err
	case "administrator":
		var g placement.Grant
		err = scan(&g.ID, &g.Employee, &g.Terminal, &g.Privilege, &g.From, &g.To)
		return int64(g.ID), func(int64) { r.Grants[g.ID] = g }, err
	}
	return 0, nil, fmt.Errorf("no table %q in the register", table)
}

// sort puts all facts in order of days.
func (r *Register) sort() {
	sorted := func(facts Facts) {
		for _, list := range facts {
			slices.SortFunc(list, func(a, b Fact) int { return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.ID, b.ID)) })
		}
	}
	for _, u := range r.Units {
		sorted(u.Facts)
	}
	for _, e := range r.Employees {
		sorted(e.Facts)
	}
	for _, t := range r.Terminals {
		sorted(t.Facts)
	}
}

// values are what scan reads.
func values(row any) (table string, list []any) {
	switch v := row.(type) {
	case *Unit:
		return "unit", []any{int64(v.ID)}
	case *Employee:
		return "employee", []any{int64(v.ID), v.PIN}
	case Fact:
		return "fact", []any{v.ID, string(v.About), v.Subject, string(v.Attribute), string(v.Since), v.Value}
	case Placement:
		return "placement", []any{int64(v.ID), int64(v.Employee), int64(v.Unit), string(v.Kind), string(v.From), string(v.To),
			v.SK, string(v.SKDate), string(v.TMT)}
	case Serving:
		responsible := int64(0)
		if v.Responsible {
			responsible = 1
		}
		return "serving", []any{v.ID, int64(v.Terminal), int64(v.Unit), responsible, string(v.From), string(v.To)}
	case Alias:
		return "alias", []any{v.ID, int64(v.Employee), int64(v.Terminal), v.PIN, string(v.From), string(v.To)}
	case placement.Grant:
		return "administrator", []any{int64(v.ID), int64(v.Employee), int64(v.Terminal), string(v.Privilege), string(v.From), string(v.To)}
	}
	return "", nil
}

// day is how an end of "" is meant: never.
func day(until roster.Date) roster.Date {
	if until == "" {
		return roster.Forever
	}
	return until
}
