package placement_test

import (
	"slices"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

func TestStaysFollowAMove(t *testing.T) {
	s := province()
	s.Employees = append(s.Employees, placement.Employee{ID: 2, PIN: "100002"})
	s.Placements = []placement.Placement{
		{ID: 1, Employee: 1, Unit: samsat, Kind: placement.Definitive, Period: period("2020-01-01", "2026-02-01")},
		{ID: 2, Employee: 1, Unit: forest, Kind: placement.Definitive, Period: period("2026-02-01", "")},
		{ID: 3, Employee: 2, Unit: agency, Kind: placement.Definitive, Period: period("2020-01-01", "")},
	}
	s.Grants = []placement.Grant{{ID: 1, Employee: 1, Terminal: atAgency, Privilege: roster.Administrator, Period: period("2026-01-10", "2026-01-11")}}
	want := []placement.Stay{
		{Terminal: atAgency, Period: period("2026-01-10", "2026-01-11")},
		{Terminal: atSamsat, Period: period("2026-01-01", "2026-02-03")}, // two days of grace
		{Terminal: atForest, Period: period("2026-01-29", "2026-03-01")}, // three of preparing
	}
	if got := placement.Stays(s, 1, "2026-01-01", "2026-03-01"); !slices.Equal(got, want) {
		t.Errorf("Stays = %+v, want %+v", got, want)
	}
	if len(s.Employees) != 2 || len(s.Placements) != 3 {
		t.Error("Stays changed the snapshot")
	}
	d := placement.On(s, "2026-01-01")
	for _, c := range []struct {
		terminal placement.TerminalID
		unit     placement.UnitID
		want     bool
	}{{atSamsat, samsat, true}, {atSamsat, section, true}, {atSamsat, forest, false}, {99, samsat, false}} {
		if got := d.Serves(c.terminal, c.unit); got != c.want {
			t.Errorf("Serves(%d, %d) = %v, want %v", c.terminal, c.unit, got, c.want)
		}
	}
}
