package directory_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// said is what a register says, without the numbers of rows.
func said(reg *directory.Register) (lines []string) {
	fact := func(whose string, facts directory.Facts) {
		for a, list := range facts {
			for _, f := range list {
				lines = append(lines, fmt.Sprint(whose, " ", a, " ", f.Since, " ", f.Value))
			}
		}
	}
	for id, u := range reg.Units {
		fact(fmt.Sprint("unit ", id), u.Facts)
	}
	for id, e := range reg.Employees {
		fact(fmt.Sprint("employee ", id, " ", e.PIN), e.Facts)
	}
	for id, m := range reg.Terminals {
		fact(fmt.Sprint("terminal ", id), m.Facts)
	}
	for _, p := range reg.Placements {
		lines = append(lines, fmt.Sprint(p.Employee, "@", p.Unit, " ", p.Kind, " ", p.Period, " ", p.SK))
	}
	for _, s := range reg.Servings {
		lines = append(lines, fmt.Sprint(s.Terminal, " serves ", s.Unit, " ", s.Responsible, " ", s.Period))
	}
	for _, a := range reg.Aliases {
		lines = append(lines, fmt.Sprint(a.Employee, "=", a.PIN, " ", a.Terminal, " ", a.Period))
	}
	for _, g := range reg.Grants {
		lines = append(lines, fmt.Sprint(g.Employee, " ", g.Privilege, " ", g.Period))
	}
	slices.Sort(lines)
	return lines
}

// Whatever changes were made: undoing them from the newest back shows the register
// as it was before each, and what was refused changed nothing.
func TestUndoingBringsBackEveryRegister(test *testing.T) {
	rapid.Check(test, func(t *rapid.T) {
		s, err := store.Open(t.Context(), filepath.Join(test.TempDir(), "hub.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		d := directory.New(s, placement.Usual())
		type moment struct {
			change int64
			before []string
		}
		var past []moment
		by := directory.By{Who: "Ujang Demo", At: noon, Act: "test"}
		day := rapid.Custom(func(t *rapid.T) roster.Date {
			return roster.Date("2026-01-01").Add(rapid.IntRange(0, 30).Draw(t, "day"))
		})
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			before := said(read(test, d))
			n, err := d.Edit(t.Context(), by, func(draft *directory.Draft) error {
				for range rapid.IntRange(1, 3).Draw(t, "edits") {
					if err := randomEdit(t, draft, day); err != nil {
						return err
					}
				}
				return nil
			})
			after := said(read(test, d))
			switch {
			case n == 0 && !reflect.DeepEqual(after, before):
				t.Fatalf("no change (%v), but the register is\n%s\nand was\n%s", err, strings.Join(after, "\n"), strings.Join(before, "\n"))
			case n != 0:
				past = append(past, moment{n, before})
			}
		}
		for _, m := range slices.Backward(past) {
			if err := d.Undo(t.Context(), by, m.change); err != nil {
				t.Fatalf("Undo %d: %v", m.change, err)
			}
			if got := said(read(test, d)); !reflect.DeepEqual(got, m.before) {
				t.Fatalf("after undoing %d the register is\n%s\nwant\n%s", m.change, strings.Join(got, "\n"), strings.Join(m.before, "\n"))
			}
		}
	})
}

// randomEdit does one thing that an operator may do.
func randomEdit(t *rapid.T, draft *directory.Draft, day *rapid.Generator[roster.Date]) error {
	units, people := directory.Sorted(draft.Units), directory.Sorted(draft.Employees)
	kind := rapid.IntRange(0, 7).Draw(t, "kind")
	switch {
	case kind == 0 || len(units) == 0:
		_, err := draft.AddUnit(day.Draw(t, "since"), fmt.Sprint("U", rapid.IntRange(0, 9).Draw(t, "code")), "Kantor", placement.UPTD)
		return err
	case kind == 1 || len(people) == 0:
		e := draft.AddEmployee()
		return draft.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, day.Draw(t, "since"), "Pegawai Demo")
	}
	u, e := rapid.SampledFrom(units).Draw(t, "unit"), rapid.SampledFrom(people).Draw(t, "employee")
	during := placement.Period{From: day.Draw(t, "from")}
	switch kind {
	case 2:
		return draft.Set(directory.AboutUnit, int64(u.ID), directory.UnitName, during.From, rapid.SampledFrom([]string{"A", "B"}).Draw(t, "name"))
	case 3:
		return draft.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeStatus, during.From, rapid.SampledFrom([]string{"aktif", "pensiun"}).Draw(t, "status"))
	case 4:
		return draft.AddAlias(directory.Alias{Employee: e.ID, PIN: fmt.Sprint(rapid.IntRange(1, 4).Draw(t, "pin")), Period: during})
	case 5:
		draft.Grant(placement.Grant{Employee: e.ID, Privilege: roster.Administrator, Period: during})
		return nil
	case 6:
		for _, p := range draft.PlacementsOf(e.ID) {
			return draft.EndPlacement(p.ID, day.Draw(t, "end"))
		}
		return nil
	}
	_, err := draft.Place(place(e.ID, u.ID, during.From), rapid.Bool().Draw(t, "ends"))
	return err
}
