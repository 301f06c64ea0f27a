package directory_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

// noon is when changes are made.
var noon = time.Date(2026, 1, 31, 5, 0, 0, 0, time.UTC)

const today roster.Date = "2026-01-31"

// each runs a test body on a register in both databases, with two terminals.
func each(t *testing.T, body func(t *testing.T, d *directory.Directory)) {
	t.Helper()
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		s, err := store.Open(t.Context(), dsn)
		ok(t, err)
		t.Cleanup(func() { ok(t, s.Close()) })
		for _, site := range []protocol.SiteID{"samsat-belitung", "bkpsdmd"} {
			ok(t, s.AddSite(t.Context(), site, storetest.NewAgent(t, site).Key.Public().Fingerprint(), noon))
			ok(t, s.AddTerminal(t.Context(), site, protocol.Serial("DEMO-"+site), noon))
		}
		body(t, directory.New(s, placement.Settings{PrepareDays: 3, GraceDays: 2}))
	})
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// edit makes a change that must succeed.
func edit(t testing.TB, d *directory.Directory, change func(*directory.Draft) error) int64 {
	t.Helper()
	n, err := d.Edit(t.Context(), directory.By{Who: "Ujang Demo", At: noon, Act: "test"}, change)
	ok(t, err)
	return n
}

// refused makes a change that must be refused with a code.
func refused(t testing.TB, d *directory.Directory, code string, change func(*directory.Draft) error) {
	t.Helper()
	before := said(read(t, d))
	_, err := d.Edit(t.Context(), directory.By{Who: "Ujang Demo", At: noon, Act: "test"}, change)
	var problem directory.Problem
	if !errors.As(err, &problem) || problem.Code != code {
		t.Errorf("Edit = %v, want a refusal with code %s", err, code)
	}
	if after := said(read(t, d)); !slices.Equal(after, before) {
		t.Errorf("what was refused changed the register to %q", after)
	}
}

// read returns the register as d holds it, once it is what the database says.
func read(t testing.TB, d *directory.Directory) *directory.Register {
	t.Helper()
	reg, err := d.Register(t.Context())
	ok(t, err)
	kept, err := d.Afresh().Register(t.Context())
	ok(t, err)
	if held, want := said(reg), said(kept); !slices.Equal(held, want) {
		t.Fatalf("the register that is held is %q, the database has %q", held, want)
	}
	return reg
}

// unit adds an office; code and name are one.
func unit(t testing.TB, d *directory.Directory, code string) (id placement.UnitID) {
	t.Helper()
	edit(t, d, func(draft *directory.Draft) error {
		u, err := draft.AddUnit("2020-01-01", code, "Kantor "+code, placement.UPTD)
		ok(t, err)
		id = u.ID
		return nil
	})
	return id
}

// person adds somebody with a NIP of serial 900 and more.
func person(t testing.TB, d *directory.Directory, serial int) (id placement.EmployeeID) {
	t.Helper()
	edit(t, d, func(draft *directory.Draft) error {
		e := draft.AddEmployee()
		id = e.ID
		return errors.Join(
			draft.Set(directory.AboutEmployee, int64(id), directory.EmployeeName, "2015-05-01", fmt.Sprint("Pegawai Demo ", serial)),
			draft.Set(directory.AboutEmployee, int64(id), directory.EmployeeNIP, "2015-05-01", fmt.Sprint("198609262015051", serial)),
			draft.Set(directory.AboutEmployee, int64(id), directory.EmployeeKind, "2015-05-01", "pns"),
			draft.Set(directory.AboutEmployee, int64(id), directory.EmployeeStatus, "2015-05-01", "aktif"),
		)
	})
	return id
}

func place(e placement.EmployeeID, u placement.UnitID, from roster.Date) directory.Placement {
	return directory.Placement{Placement: placement.Placement{Employee: e, Unit: u, Kind: placement.Definitive, Period: placement.Period{From: from}}, SK: "821/1/2026"}
}

func TestPINsAreIssuedOnce(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		first := person(t, d, 901)
		edit(t, d, func(draft *directory.Draft) error {
			return draft.AddAlias(directory.Alias{Employee: first, PIN: "000100002", Period: placement.Period{From: "2020-01-01", To: "2026-01-01"}})
		})
		n := edit(t, d, func(draft *directory.Draft) error { draft.AddEmployee(); return nil })
		ok(t, d.Undo(t.Context(), directory.By{Who: "Ujang Demo", At: noon}, n))
		person(t, d, 902)
		var pins []int64
		for _, e := range directory.Sorted(read(t, d).Employees) {
			pins = append(pins, e.PIN)
		}
		if want := []int64{100001, 100004}; !slices.Equal(pins, want) {
			t.Errorf("PINs = %v, want %v: neither one that meant somebody before nor one of an employee that was undone", pins, want)
		}
	})
}

func TestFactsKeepTheirDays(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		u := unit(t, d, "5.09")
		set := func(since roster.Date, name string) int64 {
			return edit(t, d, func(draft *directory.Draft) error {
				return draft.Set(directory.AboutUnit, int64(u), directory.UnitName, since, name)
			})
		}
		set("2024-01-01", "Samsat Dua")
		wrong := set("2026-01-01", "Samsat Tigga")
		set("2022-01-01", "Samsat Satu") // heard of later
		if n := set("2022-06-01", "Samsat Satu"); n != 0 {
			t.Errorf("the name that it has already made change %d", n)
		}
		names := func() (list []string) {
			for _, day := range []roster.Date{"2019-01-01", "2021-12-31", "2022-01-01", "2023-12-31", "2024-01-01", "2026-01-31"} {
				list = append(list, read(t, d).Units[u].At(directory.UnitName, day))
			}
			return list
		}
		want := []string{"Kantor 5.09", "Kantor 5.09", "Samsat Satu", "Samsat Satu", "Samsat Dua", "Samsat Tigga"}
		if got := names(); !slices.Equal(got, want) {
			t.Errorf("names = %q, want %q", got, want)
		}
		right := set("2026-01-01", "Samsat Tiga")
		want[5] = "Samsat Tiga"
		if got := names(); !slices.Equal(got, want) {
			t.Errorf("names after the correction = %q, want %q", got, want)
		}
		var later *directory.LaterError
		if err := d.Undo(t.Context(), directory.By{Who: "Ujang Demo", At: noon}, wrong); !errors.As(err, &later) || !slices.Equal(later.Changes, []int64{right}) {
			t.Errorf("Undo of what was corrected = %v, want LaterError of %d", err, right)
		}
		by := directory.By{Who: "Ujang Demo", At: noon}
		ok(t, d.Undo(t.Context(), by, right))
		want[5] = "Samsat Tigga"
		if got := names(); !slices.Equal(got, want) {
			t.Errorf("names after undoing the correction = %q, want %q", got, want)
		}
		ok(t, d.Undo(t.Context(), by, wrong))
		want[5] = "Samsat Dua"
		if got := names(); !slices.Equal(got, want) {
			t.Errorf("names after undoing both = %q, want %q", got, want)
		}
		if err := d.Undo(t.Context(), by, wrong); !errors.Is(err, directory.ErrUndone) {
			t.Errorf("Undo twice = %v, want ErrUndone", err)
		}
		if err := d.Undo(t.Context(), by, 1000); !errors.Is(err, directory.ErrNoChange) {
			t.Errorf("Undo of nothing = %v, want ErrNoChange", err)
		}
		changes, err := d.Changes(t.Context(), 1)
		if err != nil || len(changes) != 1 || changes[0].Undoes != wrong || changes[0].Who != "Ujang Demo" || !changes[0].At.Equal(noon) {
			t.Errorf("Changes = %+v, %v; want the undo of %d on top", changes, err, wrong)
		}
	})
}

func TestUndoRefusesToTakeTheGroundAway(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		var u placement.UnitID
		n := edit(t, d, func(draft *directory.Draft) error {
			added, err := draft.AddUnit("2020-01-01", "A", "A", placement.OPD)
			u = added.ID
			return err
		})
		e := person(t, d, 901)
		placed := edit(t, d, func(draft *directory.Draft) error { _, err := draft.Place(place(e, u, "2026-01-01"), true); return err })
		by := directory.By{Who: "Ujang Demo", At: noon}
		var problem directory.Problem
		if err := d.Undo(t.Context(), by, n); !errors.As(err, &problem) || problem.Code != "placement-stands" {
			t.Errorf("Undo of a unit with people = %v, want placement-stands", err)
		}
		ok(t, d.Undo(t.Context(), by, placed))
		named := edit(t, d, func(draft *directory.Draft) error {
			return draft.Set(directory.AboutUnit, int64(u), directory.UnitName, "2026-01-01", "B")
		})
		var later *directory.LaterError
		if err := d.Undo(t.Context(), by, n); !errors.As(err, &later) || !slices.Equal(later.Changes, []int64{named}) {
			t.Errorf("Undo of a unit that was named since = %v, want LaterError of %d", err, named)
		}
		ok(t, d.Undo(t.Context(), by, named))
		ok(t, d.Undo(t.Context(), by, n))
		if units := read(t, d).Units; len(units) != 0 {
			t.Errorf("%d units are left", len(units))
		}
	})
}

func TestAMoveEndsTheHomeBefore(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		from, to, e := unit(t, d, "A"), unit(t, d, "B"), person(t, d, 901)
		move := func(p directory.Placement) int64 {
			return edit(t, d, func(draft *directory.Draft) error { _, err := draft.Place(p, true); return err })
		}
		lent := place(e, to, "2025-06-01")
		lent.Kind, lent.To = placement.Lent, "2025-07-01"
		move(place(e, from, "2020-01-01"))
		move(lent)
		n := move(place(e, to, "2026-02-01"))
		periods := func() (list []string) {
			reg := read(t, d)
			for _, p := range reg.PlacementsOf(e) {
				list = append(list, fmt.Sprint(reg.Units[p.Unit].At(directory.UnitCode, today), " ", p.Kind, " ", p.From, " ", p.To))
			}
			return list
		}
		want := []string{"A definitif 2020-01-01 2026-02-01", "B titipan 2025-06-01 2025-07-01", "B definitif 2026-02-01 9999-12-31"}
		if got := periods(); !slices.Equal(got, want) {
			t.Errorf("placements = %q, want %q", got, want)
		}
		ok(t, d.Undo(t.Context(), directory.By{Who: "Ujang Demo", At: noon}, n))
		want = []string{"A definitif 2020-01-01 9999-12-31", "B titipan 2025-06-01 2025-07-01"}
		if got := periods(); !slices.Equal(got, want) {
			t.Errorf("placements after undo = %q, want %q", got, want)
		}
	})
}

func TestATerminalHasOneResponsibleUnit(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		a, b := unit(t, d, "A"), unit(t, d, "B")
		m, found := read(t, d).TerminalBy("", "DEMO-bkpsdmd")
		if !found {
			t.Fatal("the terminal is not in the register")
		}
		serve := func(u placement.UnitID, responsible bool, from roster.Date) {
			edit(t, d, func(draft *directory.Draft) error {
				return draft.Serve(directory.Serving{Terminal: m.ID, Serving: placement.Serving{Unit: u, Responsible: responsible, Period: placement.Period{From: from}}})
			})
		}
		serve(a, true, "2020-01-01")
		serve(a, true, "2021-01-01") // known already
		serve(b, true, "2026-02-01")
		var got []string
		for _, s := range read(t, d).Servings {
			got = append(got, fmt.Sprint(s.Unit, " ", s.Responsible, " ", s.From, " ", s.To))
		}
		slices.Sort(got)
		want := []string{"1 false 2026-02-01 9999-12-31", "1 true 2020-01-01 2026-02-01", "2 true 2026-02-01 9999-12-31"}
		if !slices.Equal(got, want) {
			t.Errorf("servings = %q, want %q", got, want)
		}
	})
}

func TestWhatContradictsItselfIsRefused(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		a, b := unit(t, d, "A"), unit(t, d, "B")
		e, other := person(t, d, 901), person(t, d, 902)
		m, _ := read(t, d).TerminalBy("", "DEMO-bkpsdmd")
		set := func(about directory.About, subject int64, at directory.Attribute, value string) func(*directory.Draft) error {
			return func(draft *directory.Draft) error { return draft.Set(about, subject, at, "2026-01-01", value) }
		}
		alias := func(who placement.EmployeeID, pin string, terminal placement.TerminalID) func(*directory.Draft) error {
			return func(draft *directory.Draft) error {
				return draft.AddAlias(directory.Alias{Employee: who, PIN: pin, Terminal: terminal, Period: placement.Period{From: "2020-01-01"}})
			}
		}
		edit(t, d, alias(e, "77", m.ID))
		edit(t, d, set(directory.AboutUnit, int64(a), directory.UnitParent, fmt.Sprint(b)))
		for name, c := range map[string]struct {
			code   string
			change func(*directory.Draft) error
		}{
			"a unit above itself":        {"unit-circle", set(directory.AboutUnit, int64(b), directory.UnitParent, fmt.Sprint(a))},
			"a unit under none":          {"unit-missing", set(directory.AboutUnit, int64(b), directory.UnitParent, "99")},
			"one code of two units":      {"unit-twice", set(directory.AboutUnit, int64(b), directory.UnitCode, "A")},
			"one NIP of two employees":   {"employee-twice", set(directory.AboutEmployee, int64(other), directory.EmployeeNIP, "198609262015051901")},
			"a damaged NIP":              {"nip-zeros", set(directory.AboutEmployee, int64(other), directory.EmployeeNIP, "198609262015051000")},
			"a kind nobody knows":        {"value", set(directory.AboutEmployee, int64(other), directory.EmployeeKind, "honorer")},
			"a name without an end":      {"text-long", set(directory.AboutEmployee, int64(other), directory.EmployeeName, strings.Repeat("Ж", 101))},
			"a name with a control":      {"text-control", set(directory.AboutEmployee, int64(other), directory.EmployeeName, "A\x00B")},
			"one alias of two employees": {"alias-twice", alias(other, "077", m.ID)},
			"another's PIN for ever":     {"alias-issued", alias(other, "100001", 0)},
			"a placement that ends before it begins": {"period", func(draft *directory.Draft) error {
				p := place(e, a, "2026-02-01")
				p.To = "2026-01-01"
				_, err := draft.Place(p, false)
				return err
			}},
			"a placement at no unit": {"placement-stands", func(draft *directory.Draft) error {
				_, err := draft.Place(place(e, 99, "2026-02-01"), false)
				return err
			}},
			"a day that does not exist": {"date", func(draft *directory.Draft) error {
				_, err := draft.Place(place(e, a, "2026-02-30"), false)
				return err
			}},
			"the right of a plain user": {"grant-privilege", func(draft *directory.Draft) error {
				draft.Grant(placement.Grant{Employee: e, Privilege: roster.User, Period: placement.Period{From: "2026-01-01"}})
				return nil
			}},
		} {
			t.Run(name, func(t *testing.T) { refused(t, d, c.code, c.change) })
		}
		t.Run("nobody's change", func(t *testing.T) {
			if _, err := d.Edit(t.Context(), directory.By{At: noon}, alias(e, "5", 0)); !errors.Is(err, directory.ErrWho) {
				t.Errorf("Edit = %v, want ErrWho", err)
			}
		})
	})
}

func TestResolveFollowsTheDay(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		e, other := person(t, d, 901), person(t, d, 902)
		here, _ := read(t, d).TerminalBy("", "DEMO-bkpsdmd")
		there, _ := read(t, d).TerminalBy("", "DEMO-samsat-belitung")
		alias := func(who placement.EmployeeID, pin string, terminal placement.TerminalID, from, to roster.Date) int64 {
			return edit(t, d, func(draft *directory.Draft) error {
				return draft.AddAlias(directory.Alias{Employee: who, PIN: pin, Terminal: terminal, Period: placement.Period{From: from, To: to}})
			})
		}
		alias(e, "198609262015051901", 0, "2020-01-01", "")
		alias(e, "7", 0, "2020-01-01", "2026-01-01")
		alias(other, "7", here.ID, "2020-01-01", "2025-01-01")
		alias(other, "7", 0, "2026-01-01", "")
		undone := alias(other, "8", 0, "2020-01-01", "")
		ok(t, d.Undo(t.Context(), directory.By{Who: "Ujang Demo", At: noon}, undone))
		matcher := read(t, d).Matcher(placement.Usual())
		for _, c := range []struct {
			terminal placement.TerminalID
			pin      string
			day      roster.Date
			want     placement.EmployeeID
		}{
			{here.ID, "100001", today, e},
			{here.ID, "   0100002", today, other},
			{here.ID, "198609262015051901", today, e},
			{here.ID, "198609262015051901", "2019-12-31", 0},
			{here.ID, "0007", "2024-12-31", other}, // the nearer one wins
			{here.ID, "7", "2025-01-01", e},
			{there.ID, "7", "2024-12-31", e},
			{there.ID, "7", "2025-12-31", e},
			{there.ID, "7", "2026-01-01", other},
			{there.ID, "8", today, 0},
			{there.ID, "100003", today, 0},
			{there.ID, "1", today, 0},
		} {
			got, found, err := d.Resolve(t.Context(), c.terminal, c.pin, c.day)
			if err != nil || got != c.want || found != (c.want != 0) {
				t.Errorf("Resolve(%d, %q, %s) = %d, %v, %v; want %d", c.terminal, c.pin, c.day, got, found, err, c.want)
			}
			if met := matcher.Meet(c.terminal, c.pin, c.day); met.Employee != c.want {
				t.Errorf("Meet(%d, %q, %s) = %+v; want %d", c.terminal, c.pin, c.day, met, c.want)
			}
		}
	})
}

func TestAPunchWhereNobodyIsPlacedIsTold(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		a, b, e := unit(t, d, "A"), unit(t, d, "B"), person(t, d, 901)
		here, _ := read(t, d).TerminalBy("", "DEMO-bkpsdmd")
		there, _ := read(t, d).TerminalBy("", "DEMO-samsat-belitung")
		edit(t, d, func(draft *directory.Draft) error {
			for terminal, u := range map[placement.TerminalID]placement.UnitID{here.ID: a, there.ID: b} {
				ok(t, draft.Serve(directory.Serving{Terminal: terminal, Serving: placement.Serving{Unit: u, Period: placement.Period{From: "2020-01-01"}}}))
			}
			_, err := draft.Place(place(e, a, "2026-01-10"), true)
			return err
		})
		for _, c := range []struct {
			terminal placement.TerminalID
			pin      string
			day      roster.Date
			want     directory.Meeting
		}{
			{here.ID, "100001", "2026-01-10", directory.Meeting{Employee: e, Served: true, Placed: true}},
			{here.ID, "100001", "2026-01-09", directory.Meeting{Employee: e, Served: true}}, // prepared, not placed
			{there.ID, "100001", "2026-01-10", directory.Meeting{Employee: e, Served: true}},
			{there.ID, "100001", "2019-12-31", directory.Meeting{Employee: e}},
			{here.ID, "5", "2026-01-10", directory.Meeting{Served: true}},
		} {
			if got := read(t, d).Matcher(placement.Usual()).Meet(c.terminal, c.pin, c.day); got != c.want {
				t.Errorf("Meet(%d, %s, %s) = %+v, want %+v", c.terminal, c.pin, c.day, got, c.want)
			}
		}
		edit(t, d, func(draft *directory.Draft) error {
			return draft.AddAlias(directory.Alias{Employee: e, PIN: "5", Period: placement.Period{From: "2026-01-01"}})
		})
		if got := read(t, d).Matcher(placement.Usual()).Meet(here.ID, "0005", "2026-01-10"); got.Employee != e || !got.Placed {
			t.Errorf("Meet after an alias was added = %+v, want the employee", got)
		}
	})
}

func TestTwoProcessesSeeEachOthersChanges(t *testing.T) {
	each(t, func(t *testing.T, d *directory.Directory) {
		other := d.Afresh()
		e := person(t, d, 901)
		a, b := unit(t, d, "A"), unit(t, other, "B")
		edit(t, d, func(draft *directory.Draft) error { _, err := draft.Place(place(e, b, "2026-01-01"), true); return err })
		shared := read(t, other)
		before := said(shared)
		edit(t, other, func(draft *directory.Draft) error {
			_, err := draft.Place(place(e, a, "2026-02-01"), true)
			return errors.Join(err,
				draft.Set(directory.AboutEmployee, int64(e), directory.EmployeeName, "2026-01-01", "Pegawai Lain"),
				draft.Set(directory.AboutUnit, int64(a), directory.UnitName, "2026-01-01", "Kantor Lain"))
		})
		if got := said(shared); !slices.Equal(got, before) {
			t.Errorf("a change reached a register that was read before it: %q, was %q", got, before)
		}
		if got := read(t, d).Employees[e].At(directory.EmployeeName, today); got != "Pegawai Lain" {
			t.Errorf("the first process sees the name %q", got)
		}
		failed := errors.New("changed my mind")
		_, err := d.Edit(t.Context(), directory.By{Who: "Ujang Demo", At: noon, Act: "test"}, func(draft *directory.Draft) error {
			draft.AddEmployee()
			_ = draft.Set(directory.AboutEmployee, int64(e), directory.EmployeeName, "2026-01-01", "Salah") // is refused below
			return failed
		})
		if !errors.Is(err, failed) {
			t.Errorf("Edit = %v, want what the edit returned", err)
		}
		if got := read(t, d).Employees; len(got) != 1 || got[e].At(directory.EmployeeName, today) != "Pegawai Lain" {
			t.Errorf("an edit that failed left %d employees", len(got))
		}
	})
}

// BenchmarkPlace saves placements one by one in a register of 12 000 employees and
// 300 units.
func BenchmarkPlace(b *testing.B) {
	s, err := store.Open(b.Context(), b.TempDir()+"/hub.db")
	ok(b, err)
	defer s.Close()
	d := directory.New(s, placement.Usual())
	edit(b, d, func(draft *directory.Draft) error {
		for i := range 300 {
			_, err := draft.AddUnit("2020-01-01", fmt.Sprint("U", i), "Kantor", placement.UPTD)
			ok(b, err)
		}
		for i := range 12_000 {
			e := draft.AddEmployee()
			ok(b, draft.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, "2020-01-01", "Pegawai Demo"))
			ok(b, draft.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeStatus, "2020-01-01", "aktif"))
			_, err := draft.Place(place(e.ID, placement.UnitID(i%300+1), "2020-01-01"), true)
			ok(b, err)
		}
		return nil
	})
	i := 0
	for b.Loop() {
		i++
		edit(b, d, func(draft *directory.Draft) error {
			_, err := draft.Place(place(placement.EmployeeID(i%12_000+1), placement.UnitID(i%299+1), roster.Date("2026-01-01").Add(i/12_000)), true)
			return err
		})
	}
}
