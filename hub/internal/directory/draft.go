package directory

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Draft is the register as a change would leave it.
type Draft struct {
	*Register
	Today  roster.Date
	Made   []any     // rows in order: *Unit, *Employee, Fact, Placement, Serving, Alias, placement.Grant
	Voided []any     // rows that held before
	Doubts []Problem // what is taken but odd

	before map[string]int64 // the last id of each table that is not this draft's
	own    map[subject]bool // whose facts are this draft's own to change
}

// subject is what a fact is about.
type subject struct {
	about About
	id    int64
}

// newDraft copies what a draft may change: the register itself is shared.
func newDraft(reg *Register, today roster.Date) *Draft {
	return &Draft{
		Register: &Register{
			Units: maps.Clone(reg.Units), Employees: maps.Clone(reg.Employees), Terminals: maps.Clone(reg.Terminals),
			Placements: maps.Clone(reg.Placements), Servings: maps.Clone(reg.Servings), Aliases: maps.Clone(reg.Aliases),
			Grants: maps.Clone(reg.Grants), moment: reg.moment, next: maps.Clone(reg.next), placed: maps.Clone(reg.placed),
			orphans: reg.orphans,
		},
		Today: today, before: maps.Clone(reg.next), own: map[subject]bool{},
	}
}

// owned returns the facts of a subject for changing; nil for no such subject.
func (d *Draft) owned(about About, id int64) Facts {
	facts := d.facts(about, id)
	if facts == nil || d.own[subject{about, id}] {
		return facts
	}
	d.own[subject{about, id}] = true
	facts = maps.Clone(facts)
	switch about {
	case AboutUnit:
		u := *d.Units[placement.UnitID(id)]
		u.Facts, d.Units[u.ID] = facts, &u
	case AboutEmployee:
		e := *d.Employees[placement.EmployeeID(id)]
		e.Facts, d.Employees[e.ID] = facts, &e
	case AboutTerminal:
		t := *d.Terminals[placement.TerminalID(id)]
		t.Facts, d.Terminals[t.ID] = facts, &t
	}
	return facts
}

func (d *Draft) empty() bool { return len(d.Made)+len(d.Voided) == 0 }

// id gives out the next number of a table.
func (d *Draft) id(table string) int64 {
	d.next[table]++
	return d.next[table]
}

// AddUnit adds an office with a name; everything else about it is Set.
func (d *Draft) AddUnit(since roster.Date, code, name string, kind placement.UnitKind) (*Unit, error) {
	u := &Unit{ID: placement.UnitID(d.id("unit")), Facts: Facts{}}
	d.Units[u.ID], d.own[subject{AboutUnit, int64(u.ID)}] = u, true
	d.Made = append(d.Made, u)
	for _, f := range []struct {
		a     Attribute
		value string
	}{{UnitCode, code}, {UnitName, name}, {UnitKind, string(kind)}} {
		if err := d.Set(AboutUnit, int64(u.ID), f.a, since, f.value); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// AddEmployee adds a person with the next PIN; everything else about them is Set.
func (d *Draft) AddEmployee() *Employee {
	e := &Employee{ID: placement.EmployeeID(d.id("employee")), Facts: Facts{}}
	for e.PIN = d.next["pin"]; d.isAlias(e.PINText()); e.PIN++ {
	}
	d.next["pin"] = e.PIN + 1
	d.Employees[e.ID], d.own[subject{AboutEmployee, int64(e.ID)}] = e, true
	d.Made = append(d.Made, e)
	return e
}

func (d *Draft) isAlias(pin string) bool {
	for _, a := range d.Aliases {
		if a.PIN == pin {
			return true
		}
	}
	return false
}

// Set makes an attribute have a value from a day on. What it was on that day
// before is voided; a later value stays. The value that it has already changes
// nothing.
func (d *Draft) Set(about About, id int64, a Attribute, since roster.Date, value string) error {
	value = strings.TrimSpace(value)
	if err := since.Check(); err != nil {
		return err
	}
	if err := checkValue(a, value); err != nil {
		return err
	}
	if facts := d.facts(about, id); facts == nil {
		return fmt.Errorf("no %s %d in the register", about, id)
	} else if facts.On(a, since) == value {
		return nil
	}
	facts := d.owned(about, id)
	list := slices.Clone(facts[a])
	if i := slices.IndexFunc(list, func(f Fact) bool { return f.Since == since }); i >= 0 {
		d.void(list[i])
		list = slices.Delete(list, i, i+1)
	}
	f := Fact{ID: d.id("fact"), About: about, Subject: id, Attribute: a, Since: since, Value: value}
	at := slices.IndexFunc(list, func(f Fact) bool { return f.Since > since })
	if at < 0 {
		at = len(list)
	}
	facts[a] = slices.Insert(list, at, f)
	d.Made = append(d.Made, f)
	return nil
}

// Place adds a placement. A definitive one ends the one before it on that day,
// where ends is true: nobody has two homes by mistake.
func (d *Draft) Place(p Placement, ends bool) (placement.PlacementID, error) {
	p.To = day(p.To)
	if ends && p.Kind == placement.Definitive {
		for _, held := range d.PlacementsOf(p.Employee) {
			if held.Kind != placement.Definitive || held.From >= p.From || held.To <= p.From {
				continue
			}
			if err := d.EndPlacement(held.ID, p.From); err != nil {
				return 0, err
			}
		}
	}
	p.ID = placement.PlacementID(d.id("placement"))
	d.put(p)
	d.Made = append(d.Made, p)
	return p.ID, nil
}

// EndPlacement says since when somebody is no longer there; the day on which it
// began takes the placement back.
func (d *Draft) EndPlacement(id placement.PlacementID, to roster.Date) error {
	p, found := d.Placements[id]
	if !found {
		return fmt.Errorf("no placement %d in the register", id)
	}
	if p.To == to {
		return nil
	}
	d.void(p)
	delete(d.Placements, id)
	if to == p.From {
		return nil
	}
	p.ID, p.To = placement.PlacementID(d.id("placement")), to
	d.put(p)
	d.Made = append(d.Made, p)
	return nil
}

// Serve says that a terminal serves a unit from a day on. The unit that was
// responsible for it until then still is served when another becomes so.
func (d *Draft) Serve(s Serving) error {
	s.To = day(s.To)
	for _, held := range Sorted(d.Servings) {
		if held.Terminal != s.Terminal || !held.Meets(s.Period) || held.Unit != s.Unit && !(s.Responsible && held.Responsible) {
			continue
		}
		if held.Unit == s.Unit && held.Responsible == s.Responsible && held.From <= s.From && held.To == s.To {
			return nil
		}
		if err := d.EndServing(held.ID, max(held.From, s.From)); err != nil {
			return err
		}
		if held.Unit != s.Unit {
			held.ID, held.Responsible, held.From = d.id("serving"), false, max(held.From, s.From)
			d.Servings[held.ID] = held
			d.Made = append(d.Made, held)
		}
	}
	s.ID = d.id("serving")
	d.Servings[s.ID] = s
	d.Made = append(d.Made, s)
	return nil
}

// EndServing says since when a terminal no longer serves a unit.
func (d *Draft) EndServing(id int64, to roster.Date) error {
	s, found := d.Servings[id]
	if !found {
		return fmt.Errorf("no serving %d in the register", id)
	}
	d.void(s)
	delete(d.Servings, id)
	if to > s.From {
		s.ID, s.To = d.id("serving"), to
		d.Servings[s.ID] = s
		d.Made = append(d.Made, s)
	}
	return nil
}

// AddAlias says that a number means an employee too.
func (d *Draft) AddAlias(a Alias) error {
	a.PIN, a.To = protocol.NormalPIN(a.PIN), day(a.To)
	for _, held := range d.Aliases {
		if held.PIN == a.PIN && held.Employee == a.Employee && held.Terminal == a.Terminal && held.Period == a.Period {
			return nil
		}
	}
	a.ID = d.id("alias")
	d.Aliases[a.ID] = a
	d.Made = append(d.Made, a)
	return nil
}

// EndAlias says since when a number no longer means an employee.
func (d *Draft) EndAlias(id int64, to roster.Date) error {
	a, found := d.Aliases[id]
	if !found {
		return fmt.Errorf("no alias %d in the register", id)
	}
	d.void(a)
	delete(d.Aliases, id)
	if to > a.From {
		a.ID, a.To = d.id("alias"), to
		d.Aliases[a.ID] = a
		d.Made = append(d.Made, a)
	}
	return nil
}

// Grant lets an employee administer a terminal.
func (d *Draft) Grant(g placement.Grant) placement.GrantID {
	g.To = day(g.To)
	g.ID = placement.GrantID(d.id("administrator"))
	d.Grants[g.ID] = g
	d.Made = append(d.Made, g)
	return g.ID
}

// EndGrant takes a grant back from a day on.
func (d *Draft) EndGrant(id placement.GrantID, to roster.Date) error {
	g, found := d.Grants[id]
	if !found {
		return fmt.Errorf("no grant %d in the register", id)
	}
	d.void(g)
	delete(d.Grants, id)
	if to > g.From {
		g.To = to
		d.Grant(g)
	}
	return nil
}

// void marks a row as no longer holding; one that this draft made is forgotten.
func (d *Draft) void(row any) {
	table, list := values(row)
	if list[0].(int64) <= d.before[table] { // every row begins with its id
		d.Voided = append(d.Voided, row)
		return
	}
	d.Made = slices.DeleteFunc(d.Made, func(made any) bool {
		other, more := values(made)
		return other == table && more[0] == list[0]
	})
}

// write puts the draft into the database as change n.
func (d *Draft) write(ctx context.Context, tx *sql.Tx, n int64) error {
	for _, row := range d.Voided {
		table, list := values(row)
		if _, err := tx.ExecContext(ctx, "UPDATE "+table+" SET voided = $1 WHERE id = $2", n, list[0]); err != nil {
			return err
		}
	}
	inserts := map[string]*sql.Stmt{}
	for _, t := range tables() {
		places := make([]string, strings.Count(t.columns, ",")+3)
		for i := range places {
			places[i] = fmt.Sprintf("$%d", i+1)
		}
		stmt, err := tx.PrepareContext(ctx, "INSERT INTO "+t.name+" ("+t.columns+", made, voided) VALUES ("+strings.Join(places, ", ")+")")
		if err != nil {
			return err
		}
		defer stmt.Close()
		inserts[t.name] = stmt
	}
	for _, row := range d.Made {
		table, list := values(row)
		if _, err := inserts[table].ExecContext(ctx, append(list, n, 0)...); err != nil {
			return err
		}
	}
	return nil
}
