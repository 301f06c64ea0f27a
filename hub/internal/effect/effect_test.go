package effect_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/hub/internal/effect"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

const (
	first roster.Date = "2026-01-01"
	last  roster.Date = "2026-03-01"
	pin               = "100001"
)

// province is a register of a few units, terminals and people, with employee 1 among
// them; the placements are drawn by themselves.
func province(t *rapid.T) placement.Snapshot {
	s := placement.Snapshot{Settings: placement.Settings{PrepareDays: rapid.IntRange(0, 5).Draw(t, "prepare"), GraceDays: rapid.IntRange(0, 5).Draw(t, "grace")}}
	for n := placement.UnitID(1); n <= 4; n++ {
		u := placement.Unit{ID: n, Kind: placement.History[placement.UnitKind]{{From: "2020-01-01", Value: placement.UPTD}}}
		if n > 1 && rapid.Bool().Draw(t, "section") {
			u.Kind[0].Value = placement.Section
			u.Parent = placement.History[placement.UnitID]{{From: "2020-01-01", Value: n - 1}}
		}
		s.Units = append(s.Units, u)
		s.Terminals = append(s.Terminals, placement.Terminal{ID: placement.TerminalID(n), Serial: protocol.Serial(fmt.Sprint("T", n)),
			Mode:   placement.History[roster.Mode]{{From: "2020-01-01", Value: rapid.SampledFrom([]roster.Mode{roster.Observe, roster.Add, roster.Enforce}).Draw(t, "mode")}},
			Serves: []placement.Serving{{Unit: n, Responsible: true, Period: period(t)}, {Unit: rapid.SampledFrom([]placement.UnitID{1, 2, 3, 4}).Draw(t, "serves"), Period: period(t)}}})
	}
	for n := placement.EmployeeID(1); n <= 3; n++ {
		e := placement.Employee{ID: n, PIN: fmt.Sprint(100000 + int(n)), Name: placement.History[string]{{From: "2020-01-01", Value: "Pegawai Demo"}}}
		for i := range rapid.IntRange(0, 2).Draw(t, "fingers") {
			e.Fingers = append(e.Fingers, roster.Finger{Number: uint8(i), Algorithm: rapid.SampledFrom([]uint8{9, 10}).Draw(t, "algorithm"), Digest: protocol.Hash{byte(n), byte(i), 1}})
		}
		s.Employees = append(s.Employees, e)
		s.Placements = append(s.Placements, placement.Placement{ID: placement.PlacementID(n), Employee: n, Unit: 1, Kind: placement.Definitive, Period: period(t)})
	}
	return s
}

// period begins and ends somewhere around the days that are looked at.
func period(t *rapid.T) placement.Period {
	p := placement.Period{From: first.Add(rapid.IntRange(-20, 40).Draw(t, "from")), To: roster.Forever}
	if rapid.Bool().Draw(t, "ends") {
		p.To = p.From.Add(rapid.IntRange(1, 60).Draw(t, "days"))
	}
	return p
}

// changed is what somebody might do to employee 1: end a placement, add one, or retire.
func changed(t *rapid.T, s placement.Snapshot) placement.Snapshot {
	s.Placements, s.Employees, s.Grants = slices.Clone(s.Placements), slices.Clone(s.Employees), slices.Clone(s.Grants)
	if rapid.Bool().Draw(t, "end") {
		s.Placements[0].To = s.Placements[0].From.Add(rapid.IntRange(1, 40).Draw(t, "after"))
	}
	if rapid.Bool().Draw(t, "move") {
		s.Placements = append(s.Placements, placement.Placement{ID: 9, Employee: 1, Kind: placement.Definitive, Period: period(t),
			Unit: placement.UnitID(rapid.IntRange(1, 4).Draw(t, "to"))})
	}
	if rapid.IntRange(0, 3).Draw(t, "retire") == 0 {
		s.Employees[0].Status = placement.History[placement.Status]{{From: "2020-01-01", Value: placement.Active},
			{From: first.Add(rapid.IntRange(-5, 50).Draw(t, "on")), Value: placement.Retired}}
	}
	if rapid.IntRange(0, 3).Draw(t, "grant") == 0 {
		s.Grants = append(s.Grants, placement.Grant{ID: 1, Employee: 1, Terminal: placement.TerminalID(rapid.IntRange(0, 4).Draw(t, "at")), Privilege: roster.Administrator, Period: period(t)})
	}
	return s
}

// inventories are what terminals hold; of some nobody knows.
func inventories(t *rapid.T, s placement.Snapshot) map[placement.TerminalID]roster.Inventory {
	all := map[placement.TerminalID]roster.Inventory{}
	for _, terminal := range s.Terminals {
		if rapid.IntRange(0, 3).Draw(t, "unread") == 0 {
			continue
		}
		inv := roster.Inventory{Serial: terminal.Serial, Capabilities: roster.Capabilities{NameBytes: 24, Algorithm: rapid.SampledFrom([]uint8{0, 9, 10}).Draw(t, "speaks"),
			PINWidth: rapid.SampledFrom([]int{0, 5, 9}).Draw(t, "width"), Users: rapid.SampledFrom([]int{0, 1, 3000}).Draw(t, "room"), ReadOnly: rapid.IntRange(0, 5).Draw(t, "read-only") == 0}}
		for i, e := range s.Employees {
			if rapid.Bool().Draw(t, "there") {
				inv.Users = append(inv.Users, roster.Held{Slot: uint16(i + 1), PIN: e.PIN, Privilege: roster.User})
			}
		}
		all[terminal.ID] = inv
	}
	return all
}

// TestWhatIsForetoldIsWhatTheRosterDoes looks at every day of whole rosters, of all
// people, and at the agent's own difference.
func TestWhatIsForetoldIsWhatTheRosterDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := province(t)
		after := changed(t, before)
		held := inventories(t, after)
		effects := map[placement.TerminalID]effect.Effect{}
		for _, e := range effect.Of(effect.Question{Before: before, After: after, Employee: 1, PIN: pin, First: first, Last: last,
			Held: func(id placement.TerminalID) (roster.Inventory, []roster.Keep, bool) {
				inv, known := held[id]
				return inv, nil, known
			}}) {
			if _, twice := effects[e.Terminal]; twice {
				t.Fatalf("terminal %d twice", e.Terminal)
			}
			effects[e.Terminal] = e
		}
		comes, goes := map[placement.TerminalID]roster.Date{}, map[placement.TerminalID]roster.Date{}
		ever := map[placement.TerminalID]bool{}
		for day := first; day < last; day = day.Add(1) {
			was, will := placement.On(before, day), placement.On(after, day)
			for _, terminal := range after.Terminals {
				had, has := on(was, terminal.ID), on(will, terminal.ID)
				ever[terminal.ID] = ever[terminal.ID] || had || has
				if has && !had && comes[terminal.ID] == "" {
					comes[terminal.ID] = day
				}
				if had && !has && goes[terminal.ID] == "" {
					goes[terminal.ID] = day
				}
				stays := slices.ContainsFunc(effects[terminal.ID].Stays, func(p placement.Period) bool { return p.Holds(day) })
				if stays != has {
					t.Fatalf("terminal %d on %s: foretold %v, the roster %v", terminal.ID, day, stays, has)
				}
				if day == first && effects[terminal.ID].On != had {
					t.Fatalf("terminal %d now: %v, the roster %v", terminal.ID, effects[terminal.ID].On, had)
				}
			}
		}
		for _, terminal := range after.Terminals {
			e, told := effects[terminal.ID]
			if told != ever[terminal.ID] || e.Comes.Day != comes[terminal.ID] || e.Goes.Day != goes[terminal.ID] {
				t.Fatalf("terminal %d: foretold %v, comes %q, goes %q; the rosters: %v, %q, %q", terminal.ID, told, e.Comes.Day, e.Goes.Day,
					ever[terminal.ID], comes[terminal.ID], goes[terminal.ID])
			}
			for _, s := range []effect.Step{e.Comes, e.Goes} {
				if s.Day == "" {
					continue
				}
				inv, known := held[terminal.ID]
				if s.Unknown == known {
					t.Fatalf("terminal %d: unknown %v, the inventory is there %v", terminal.ID, s.Unknown, known)
				}
				if want := blocked(after, terminal.ID, s.Day, inv); known && !reflect.DeepEqual(s.Blocked, want) {
					t.Fatalf("terminal %d on %s: blocked %+v, the agent finds %+v", terminal.ID, s.Day, s.Blocked, want)
				}
				puts := slices.ContainsFunc(s.Reasons, func(r placement.Reason) bool { return r.Code.Puts() })
				if puts != (s.Day == e.Comes.Day) {
					t.Fatalf("terminal %d on %s: reasons %+v", terminal.ID, s.Day, s.Reasons)
				}
			}
		}
	})
}

// on tells whether employee 1 is on a terminal's roster of a day.
func on(day *placement.Day, terminal placement.TerminalID) bool {
	r, _ := day.Roster(terminal)
	return slices.ContainsFunc(r.Entries, func(e roster.Entry) bool { return e.PIN == pin })
}

// blocked is what the agent would leave undone of employee 1.
func blocked(s placement.Snapshot, terminal placement.TerminalID, day roster.Date, inv roster.Inventory) (list []effect.Block) {
	r, _ := placement.On(s, day).Roster(terminal)
	for _, b := range roster.Diff(r, inv).Blocked {
		if b.Change.PIN == pin {
			list = append(list, effect.Block{Act: b.Change.Act, Finger: b.Change.Finger.Number, Reason: b.Reason})
		}
	}
	return list
}

// TestKeptIsNotTakenAway: what is there is left where a person accepted it, also by a change to come.
func TestKeptIsNotTakenAway(t *testing.T) {
	unit := placement.Unit{ID: 1, Kind: placement.History[placement.UnitKind]{{From: "2020-01-01", Value: placement.UPTD}}}
	before := placement.Snapshot{Units: []placement.Unit{unit},
		Terminals: []placement.Terminal{{ID: 1, Serial: "T1", Mode: placement.History[roster.Mode]{{From: "2020-01-01", Value: roster.Enforce}},
			Serves: []placement.Serving{{Unit: 1, Period: placement.Period{From: "2020-01-01", To: roster.Forever}}}}},
		Employees:  []placement.Employee{{ID: 1, PIN: pin}},
		Placements: []placement.Placement{{ID: 1, Employee: 1, Unit: 1, Period: placement.Period{From: "2020-01-01", To: roster.Forever}}}}
	after := before
	after.Placements = []placement.Placement{{ID: 1, Employee: 1, Unit: 1, Period: placement.Period{From: "2020-01-01", To: "2026-01-10"}}}
	inv := roster.Inventory{Serial: "T1", Users: []roster.Held{{Slot: 1, PIN: pin, Privilege: roster.User}, {Slot: 2, PIN: "9", Privilege: roster.Administrator}}}
	effects := effect.Of(effect.Question{Before: before, After: after, Employee: 1, PIN: pin, First: first, Last: last,
		Held: func(placement.TerminalID) (roster.Inventory, []roster.Keep, bool) {
			return inv, []roster.Keep{{PIN: pin, User: true}}, true
		}})
	want := []effect.Block{{Act: roster.DropUser, Reason: roster.ReasonAccepted}}
	if len(effects) != 1 || effects[0].Goes.Day != "2026-01-10" || !reflect.DeepEqual(effects[0].Goes.Blocked, want) {
		t.Errorf("effects %+v, want the user kept on 10 January", effects)
	}
}
