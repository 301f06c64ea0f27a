package placement_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

const (
	agency placement.UnitID = iota + 1
	samsat
	forest
	section // of samsat
)

const (
	atAgency placement.TerminalID = iota + 1
	atSamsat
	atForest
)

func since[T any](from roster.Date, value T) placement.History[T] {
	return placement.History[T]{{From: from, Value: value}}
}

func period(from, to roster.Date) placement.Period {
	if to == "" {
		to = roster.Forever
	}
	return placement.Period{From: from, To: to}
}

// province has three offices with a terminal each and one employee, PIN 100001.
func province() placement.Snapshot {
	unit := func(id placement.UnitID, kind placement.UnitKind, parent placement.UnitID) placement.Unit {
		return placement.Unit{ID: id, Kind: since("2020-01-01", kind), Parent: since("2020-01-01", parent)}
	}
	terminal := func(id placement.TerminalID, serial protocol.Serial, unit placement.UnitID) placement.Terminal {
		return placement.Terminal{ID: id, Serial: serial, Mode: since("2020-01-01", roster.Add), Algorithm: 10,
			Serves: []placement.Serving{{Unit: unit, Responsible: true, Period: period("2020-01-01", "")}}}
	}
	return placement.Snapshot{
		Settings:  placement.Settings{PrepareDays: 3, GraceDays: 2},
		Units:     []placement.Unit{unit(agency, placement.OPD, 0), unit(samsat, placement.UPTD, agency), unit(forest, placement.UPTD, agency), unit(section, placement.Section, samsat)},
		Terminals: []placement.Terminal{terminal(atAgency, "A", agency), terminal(atSamsat, "S", samsat), terminal(atForest, "F", forest)},
		Employees: []placement.Employee{{ID: 1, PIN: "100001", Name: since("2020-01-01", "Pegawai Demo")}},
	}
}

func TestWhoIsCarried(t *testing.T) {
	placed := func(unit placement.UnitID, from, to roster.Date) placement.Placement {
		return placement.Placement{ID: 1, Employee: 1, Unit: unit, Kind: placement.Definitive, Period: period(from, to)}
	}
	for name, c := range map[string]struct {
		change func(*placement.Snapshot)
		day    roster.Date
		want   string // serials of the terminals
		why    placement.Code
		at     placement.TerminalID // of which why is asked
	}{
		"nobody without a placement": {func(s *placement.Snapshot) {}, "2026-01-01", "", "", atSamsat},
		"placed": {func(s *placement.Snapshot) { s.Placements = []placement.Placement{placed(samsat, "2026-01-01", "")} },
			"2026-01-01", "S", placement.Placed, atSamsat},
		"and nowhere else": {func(s *placement.Snapshot) { s.Placements = []placement.Placement{placed(samsat, "2026-01-01", "")} },
			"2026-01-01", "S", placement.Elsewhere, atForest},
		"prepared three days before": {func(s *placement.Snapshot) { s.Placements = []placement.Placement{placed(samsat, "2026-01-04", "")} },
			"2026-01-01", "S", placement.Preparing, atSamsat},
		"not four days before": {func(s *placement.Snapshot) { s.Placements = []placement.Placement{placed(samsat, "2026-01-05", "")} },
			"2026-01-01", "", placement.NotYet, atSamsat},
		"still there on the second day after": {func(s *placement.Snapshot) {
			s.Placements = []placement.Placement{placed(samsat, "2025-01-01", "2025-12-31")}
		},
			"2026-01-01", "S", placement.Lingering, atSamsat},
		"gone on the third": {func(s *placement.Snapshot) {
			s.Placements = []placement.Placement{placed(samsat, "2025-01-01", "2025-12-30")}
		},
			"2026-01-01", "", placement.Over, atSamsat},
		"prepared as long as the unit says": {func(s *placement.Snapshot) {
			s.Units[1].Prepare = since("2020-01-01", 10)
			s.Placements = []placement.Placement{placed(samsat, "2026-01-11", "")}
		}, "2026-01-01", "S", placement.Preparing, atSamsat},
		"kept as long as the unit above says": {func(s *placement.Snapshot) {
			s.Units[0].Grace, s.Units[1].Grace = since("2020-01-01", 30), since("2020-01-01", -1)
			s.Placements = []placement.Placement{placed(samsat, "2025-01-01", "2025-12-03")}
		}, "2026-01-01", "S", placement.Lingering, atSamsat},
		"on both while moving": {func(s *placement.Snapshot) {
			s.Placements = []placement.Placement{placed(samsat, "2025-01-01", "2026-02-01"), placed(forest, "2026-02-01", "")}
		}, "2026-01-30", "F S", placement.Preparing, atForest},
		"lent to a second office": {func(s *placement.Snapshot) {
			lent := placed(forest, "2025-01-01", "")
			lent.ID, lent.Kind = 2, placement.Lent
			s.Placements = []placement.Placement{placed(samsat, "2025-01-01", ""), lent}
		}, "2026-01-30", "F S", placement.Placed, atForest},
		"retired goes at once": {func(s *placement.Snapshot) {
			s.Placements = []placement.Placement{placed(samsat, "2025-01-01", "")}
			s.Employees[0].Status = placement.History[placement.Status]{{From: "2025-01-01", Value: placement.Active}, {From: "2026-01-01", Value: placement.Retired}}
		}, "2026-01-01", "", placement.NotActive, atSamsat},
		"retires tomorrow": {func(s *placement.Snapshot) {
			s.Placements = []placement.Placement{placed(samsat, "2025-01-01", "")}
			s.Employees[0].Status = since("2026-01-02", placement.Retired)
		}, "2026-01-01", "S", placement.Placed, atSamsat},
		"back from leave in time": {func(s *placement.Snapshot) {
			s.Placements = []placement.Placement{placed(samsat, "2025-01-01", "")}
			s.Employees[0].Status = placement.History[placement.Status]{{From: "2025-01-01", Value: placement.Leave}, {From: "2026-01-04", Value: placement.Active}}
		}, "2026-01-01", "S", placement.Placed, atSamsat},
		"a section uses the office's": {func(s *placement.Snapshot) { s.Placements = []placement.Placement{placed(section, "2025-01-01", "")} },
			"2026-01-01", "S", placement.Placed, atSamsat},
		"a merged office uses the other's": {func(s *placement.Snapshot) {
			s.Units[2].Merged = since("2026-01-01", samsat)
			s.Terminals[2].Serves[0].To = "2025-06-01"
			s.Placements = []placement.Placement{placed(forest, "2025-01-01", "")}
		}, "2026-01-01", "S", placement.Placed, atSamsat},
		"an office that will be merged is prepared for": {func(s *placement.Snapshot) {
			s.Units[2].Merged = since("2026-01-04", samsat)
			s.Placements = []placement.Placement{placed(forest, "2025-01-01", "")}
		}, "2026-01-01", "F S", placement.Placed, atSamsat},
		"a terminal no longer serves the unit": {func(s *placement.Snapshot) {
			s.Terminals[1].Serves[0].To = "2025-06-01"
			s.Placements = []placement.Placement{placed(samsat, "2025-01-01", "")}
		}, "2026-01-01", "", placement.Elsewhere, atSamsat},
		"a grant without a placement": {func(s *placement.Snapshot) {
			s.Grants = []placement.Grant{{ID: 1, Employee: 1, Terminal: atForest, Privilege: roster.Administrator, Period: period("2026-01-01", "2026-01-02")}}
		}, "2026-01-01", "F", placement.Granted, atForest},
		"a grant that ended": {func(s *placement.Snapshot) {
			s.Grants = []placement.Grant{{ID: 1, Employee: 1, Privilege: roster.Administrator, Period: period("2025-01-01", "2026-01-01")}}
		}, "2026-01-01", "", placement.Over, atForest},
		"a unit above itself ends": {func(s *placement.Snapshot) {
			s.Units[1].Merged, s.Units[2].Merged = since("2020-01-01", forest), since("2020-01-01", samsat)
			s.Placements = []placement.Placement{placed(agency, "2025-01-01", "")}
		}, "2026-01-01", "A", placement.Elsewhere, atSamsat},
	} {
		t.Run(name, func(t *testing.T) {
			s := province()
			c.change(&s)
			d := placement.On(s, c.day)
			got := ""
			for id, r := range d.Rosters() {
				if err := r.Check(); err != nil {
					t.Errorf("roster of %s: %v", r.Serial, err)
				}
				on, reasons := d.Why(1, id)
				if on != (len(r.Entries) > 0) {
					t.Errorf("Why at %s = %v, %+v; the roster has %d entries", r.Serial, on, reasons, len(r.Entries))
				}
				if len(r.Entries) > 0 {
					got += " " + string(r.Serial)
				}
			}
			want := ""
			for _, serial := range []string{"A", "S", "F"} { // by id, as Rosters yields
				if slices.Contains(slices.Collect(fields(c.want)), serial) {
					want += " " + serial
				}
			}
			if got != want {
				t.Errorf("carried at%s, want%s", got, want)
			}
			_, reasons := d.Why(1, c.at)
			if c.why == "" && len(reasons) > 0 || c.why != "" && (len(reasons) == 0 || reasons[0].Code != c.why) {
				t.Errorf("Why = %+v, want first %q", reasons, c.why)
			}
		})
	}
}

func fields(s string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, r := range s {
			if r != ' ' && !yield(string(r)) {
				return
			}
		}
	}
}

func TestRosterSaysWhatTheRegisterHas(t *testing.T) {
	s := province()
	finger := func(number, algorithm uint8) roster.Finger {
		return roster.Finger{Number: number, Algorithm: algorithm, Digest: protocol.Hash{number + 1, algorithm}}
	}
	s.Employees[0].Fingers = []roster.Finger{finger(1, 9), finger(1, 10), finger(6, 9)}
	s.Employees[0].Card = placement.History[uint32]{{From: "2020-01-01", Value: 77}}
	s.Employees[0].Name = placement.History[string]{{From: "2020-01-01", Value: "Pegawai Demo"}, {From: "2026-01-02", Value: "Pegawai Demo, S.Sos."}}
	s.Placements = []placement.Placement{{ID: 1, Employee: 1, Unit: samsat, Kind: placement.Definitive, Period: period("2025-01-01", "")}}
	s.Grants = []placement.Grant{
		{ID: 1, Employee: 1, Privilege: roster.Administrator, Period: period("2025-01-01", "")},
		{ID: 2, Employee: 1, Terminal: atSamsat, Privilege: roster.Enroller, Period: period("2025-01-01", "")},
	}
	s.Terminals[1].MaxAdmins = since("2020-01-01", 5)
	s.Terminals[2].Mode = since("2026-03-01", roster.Enforce)
	card := uint32(77)
	got, found := placement.On(s, "2026-01-01").Roster(atSamsat)
	want := roster.Roster{Serial: "S", AsOf: "2026-01-01", Mode: roster.Add, MaxAdmins: 5, Entries: []roster.Entry{{
		PIN: "100001", Name: "Pegawai Demo", Privilege: roster.Administrator, Card: &card,
		Fingers: []roster.Finger{finger(1, 10), finger(6, 9)}, // the 9 of finger 6 is to be seen as blocked
	}}}
	if !found || !reflect.DeepEqual(got, want) {
		t.Errorf("Roster = %+v, want %+v", got, want)
	}
	s.Terminals[1].Algorithm = 0
	if got, _ := placement.On(s, "2026-01-01").Roster(atSamsat); len(got.Entries[0].Fingers) != 3 {
		t.Errorf("a terminal of unknown algorithm gets %d fingers, want all 3", len(got.Entries[0].Fingers))
	}
	if got, _ := placement.On(s, "2026-01-01").Roster(atForest); got.Mode != roster.Observe || got.MaxAdmins != placement.DefaultMaxAdmins {
		t.Errorf("a terminal that will be enforced in March = %s, %d; want observe, %d", got.Mode, got.MaxAdmins, placement.DefaultMaxAdmins)
	}
	if _, found := placement.On(s, "2026-01-01").Roster(99); found {
		t.Error("a terminal that is not in the register has a roster")
	}
}

func TestRosterNamesTheOtherPINsOfTheDay(t *testing.T) {
	s := province()
	alias := func(at placement.TerminalID, pin string, from, to roster.Date) placement.Alias {
		return placement.Alias{Terminal: at, PIN: pin, Period: period(from, to)}
	}
	s.Employees[0].Aliases = []placement.Alias{
		alias(0, "198001012005011901", "2020-01-01", ""), alias(atSamsat, "7", "2026-01-01", "2026-02-01"), alias(atForest, "8", "2020-01-01", ""),
		alias(0, "9", "2020-01-01", ""), alias(0, "100002", "2020-01-01", ""),
	}
	s.Employees = append(s.Employees,
		placement.Employee{ID: 2, PIN: "100002"}, // the number that the hub has given is theirs
		placement.Employee{ID: 3, PIN: "100003", Aliases: []placement.Alias{alias(atSamsat, "9", "2020-01-01", "")}}) // at the samsat 9 is somebody else
	for e := placement.EmployeeID(1); e <= 2; e++ {
		s.Placements = append(s.Placements, placement.Placement{ID: placement.PlacementID(e), Employee: e, Unit: samsat, Kind: placement.Definitive, Period: period("2020-01-01", "")})
	}
	for day, want := range map[roster.Date][]string{
		"2025-12-31": {"198001012005011901"}, "2026-01-01": {"198001012005011901", "7"}, "2026-02-01": {"198001012005011901"},
	} {
		r, _ := placement.On(s, day).Roster(atSamsat)
		if err := r.Check(); err != nil || len(r.Entries) != 2 || !slices.Equal(r.Entries[0].Also, want) || len(r.Entries[1].Also) > 0 {
			t.Errorf("on %s %+v, %v; want %v", day, r.Entries, err, want)
		}
	}
}

func TestUnservedNamesWhoHasNoTerminal(t *testing.T) {
	s := province()
	s.Units = append(s.Units, placement.Unit{ID: 9, Kind: since("2020-01-01", placement.School)})
	for i, unit := range []placement.UnitID{9, samsat, 9} {
		s.Placements = append(s.Placements, placement.Placement{ID: placement.PlacementID(i + 1), Employee: 1, Unit: unit, Period: period("2025-01-01", "")})
	}
	s.Placements[2].To = "2025-02-01"
	if got := placement.On(s, "2026-01-01").Unserved(); !slices.Equal(got, []placement.PlacementID{1}) {
		t.Errorf("Unserved = %v, want placement 1", got)
	}
}

// snapshots draws small registers in which everything can overlap.
func snapshots() *rapid.Generator[placement.Snapshot] {
	return rapid.Custom(func(t *rapid.T) placement.Snapshot {
		date := rapid.Custom(func(t *rapid.T) roster.Date {
			return roster.Date("2026-01-01").Add(rapid.IntRange(0, 20).Draw(t, "day"))
		})
		during := func() placement.Period {
			p := placement.Period{From: date.Draw(t, "from"), To: roster.Forever}
			if rapid.Bool().Draw(t, "ends") {
				p.To = p.From.Add(rapid.IntRange(1, 15).Draw(t, "days"))
			}
			return p
		}
		s := placement.Snapshot{Settings: placement.Settings{PrepareDays: rapid.IntRange(0, 4).Draw(t, "prepare"), GraceDays: rapid.IntRange(0, 4).Draw(t, "grace")}}
		units := rapid.IntRange(1, 5).Draw(t, "units")
		for id := 1; id <= units; id++ {
			u := placement.Unit{ID: placement.UnitID(id), Kind: since("2020-01-01", rapid.SampledFrom([]placement.UnitKind{placement.OPD, placement.UPTD, placement.Section}).Draw(t, "kind"))}
			u.Parent = since("2020-01-01", placement.UnitID(rapid.IntRange(0, id-1).Draw(t, "parent")))
			if rapid.IntRange(0, 3).Draw(t, "merged") == 0 {
				u.Merged = since(date.Draw(t, "merged on"), placement.UnitID(rapid.IntRange(0, id-1).Draw(t, "into")))
			}
			if rapid.Bool().Draw(t, "own") {
				u.Prepare = since("2020-01-01", rapid.IntRange(-1, 6).Draw(t, "own prepare"))
			}
			s.Units = append(s.Units, u)
		}
		for id := 1; id <= rapid.IntRange(1, 4).Draw(t, "terminals"); id++ {
			m := placement.Terminal{ID: placement.TerminalID(id), Serial: protocol.Serial(fmt.Sprint("T", id))}
			for range rapid.IntRange(0, 3).Draw(t, "serves") {
				m.Serves = append(m.Serves, placement.Serving{Unit: placement.UnitID(rapid.IntRange(1, units).Draw(t, "served")), Period: during()})
			}
			s.Terminals = append(s.Terminals, m)
		}
		for id := 1; id <= rapid.IntRange(0, 6).Draw(t, "employees"); id++ {
			e := placement.Employee{ID: placement.EmployeeID(id), PIN: fmt.Sprint(100000 + id)}
			for range rapid.IntRange(0, 2).Draw(t, "statuses") {
				e.Status = append(e.Status, placement.Dated[placement.Status]{From: date.Draw(t, "since"), Value: rapid.SampledFrom([]placement.Status{placement.Active, placement.Retired, placement.Leave}).Draw(t, "status")})
			}
			slices.SortStableFunc(e.Status, func(a, b placement.Dated[placement.Status]) int {
				if a.From < b.From {
					return -1
				}
				return 1
			})
			s.Employees = append(s.Employees, e)
			for range rapid.IntRange(0, 3).Draw(t, "placements") {
				s.Placements = append(s.Placements, placement.Placement{ID: placement.PlacementID(len(s.Placements) + 1), Employee: e.ID,
					Unit: placement.UnitID(rapid.IntRange(1, units).Draw(t, "unit")), Period: during()})
			}
			if rapid.IntRange(0, 4).Draw(t, "granted") == 0 {
				s.Grants = append(s.Grants, placement.Grant{ID: placement.GrantID(len(s.Grants) + 1), Employee: e.ID,
					Terminal: placement.TerminalID(rapid.IntRange(0, len(s.Terminals)).Draw(t, "terminal")), Privilege: roster.Administrator, Period: during()})
			}
		}
		return s
	})
}

// On any day: whoever is on a roster has a placement or a grant within the days
// that bring there; whoever works at a served unit is on it; Why says the same.
func TestEverybodyPlacedAndNobodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := snapshots().Draw(t, "register")
		day := roster.Date("2026-01-01").Add(rapid.IntRange(-3, 40).Draw(t, "today"))
		d := placement.On(s, day)
		for id, r := range d.Rosters() {
			if err := r.Check(); err != nil {
				t.Fatalf("roster of %s: %v", r.Serial, err)
			}
			for _, e := range s.Employees {
				has := slices.ContainsFunc(r.Entries, func(entry roster.Entry) bool { return entry.PIN == e.PIN })
				if on, reasons := d.Why(e.ID, id); on != has {
					t.Fatalf("on the roster of %s: %v, but Why = %v, %+v", r.Serial, has, on, reasons)
				}
				if has && !couldBe(s, e.ID, id, day) {
					t.Fatalf("employee %d is on terminal %d without a placement or grant near %s", e.ID, id, day)
				}
				if !has && mustBe(s, e, id, day) {
					t.Fatalf("employee %d is placed at a unit that terminal %d serves on %s, and not on it", e.ID, id, day)
				}
			}
		}
	})
}

// couldBe is a looser rule than the one under test: something within its longest
// days of preparing and grace.
func couldBe(s placement.Snapshot, e placement.EmployeeID, t placement.TerminalID, day roster.Date) bool {
	for _, p := range s.Placements {
		if p.Employee == e && p.From.Add(-6) <= day && day < p.To.Add(6) {
			return true
		}
	}
	for _, g := range s.Grants {
		if g.Employee == e && (g.Terminal == 0 || g.Terminal == t) && g.Holds(day) {
			return true
		}
	}
	return false
}

// mustBe is a stricter one: active, placed today at the very unit that the terminal
// serves today.
func mustBe(s placement.Snapshot, e placement.Employee, id placement.TerminalID, day roster.Date) bool {
	if status, known := e.Status.At(day); known && status != placement.Active {
		return false
	}
	for _, p := range s.Placements {
		if p.Employee != e.ID || !p.Holds(day) {
			continue
		}
		for _, m := range s.Terminals {
			if m.ID == id && slices.ContainsFunc(m.Serves, func(v placement.Serving) bool { return v.Unit == p.Unit && v.Holds(day) }) {
				return true
			}
		}
	}
	return false
}

func TestTheOrderOfTheRegisterDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := snapshots().Draw(t, "register")
		const day = "2026-01-10"
		want := rosters(placement.On(s, day))
		mixed := placement.Snapshot{
			Settings:   s.Settings,
			Units:      rapid.Permutation(s.Units).Draw(t, "units"),
			Terminals:  rapid.Permutation(s.Terminals).Draw(t, "terminals"),
			Employees:  rapid.Permutation(s.Employees).Draw(t, "employees"),
			Placements: rapid.Permutation(s.Placements).Draw(t, "placements"),
			Grants:     rapid.Permutation(s.Grants).Draw(t, "grants"),
		}
		if got := rosters(placement.On(mixed, day)); !reflect.DeepEqual(got, want) {
			t.Fatalf("rosters = %+v, want %+v", got, want)
		}
	})
}

func rosters(d *placement.Day) (list []roster.Roster) {
	for _, r := range d.Rosters() {
		list = append(list, r)
	}
	return list
}

// BenchmarkRosters computes all rosters of a day from a register: 300 people and
// two fingers of each at every terminal.
func BenchmarkRosters(b *testing.B) {
	for _, terminals := range []int{350, 10_000} {
		b.Run(fmt.Sprintf("%dx300", terminals), func(b *testing.B) {
			s := placement.Snapshot{Settings: placement.Settings{PrepareDays: 3, GraceDays: 2}}
			for t := range terminals {
				unit := placement.UnitID(t + 1)
				s.Units = append(s.Units, placement.Unit{ID: unit, Kind: since("2020-01-01", placement.UPTD)})
				s.Terminals = append(s.Terminals, placement.Terminal{ID: placement.TerminalID(t + 1), Serial: protocol.Serial(fmt.Sprint("T", t)), Algorithm: 10,
					Serves: []placement.Serving{{Unit: unit, Period: period("2020-01-01", "")}}})
				for i := range 300 {
					e := placement.EmployeeID(t*300 + i + 1)
					s.Employees = append(s.Employees, placement.Employee{ID: e, PIN: fmt.Sprint(100000 + int(e)), Name: since("2020-01-01", "Pegawai Demo"),
						Status:  since("2020-01-01", placement.Active),
						Fingers: []roster.Finger{{Number: 1, Algorithm: 10, Digest: protocol.Hash{1}}, {Number: 6, Algorithm: 10, Digest: protocol.Hash{2}}}})
					s.Placements = append(s.Placements, placement.Placement{ID: placement.PlacementID(e), Employee: e, Unit: unit, Period: period("2020-01-01", "")})
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				entries := 0
				for _, r := range placement.On(s, "2026-01-01").Rosters() {
					entries += len(r.Entries)
				}
				if entries != terminals*300 {
					b.Fatalf("%d entries, want %d", entries, terminals*300)
				}
			}
		})
	}
}
