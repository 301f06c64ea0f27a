package survey_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// facts are a register, a vault and inventories in memory.
type facts struct {
	reg         *directory.Register
	held        []vault.Held
	inventories map[protocol.Serial]holding.Inventory
	broken      error
}

func (f *facts) Register(context.Context) (*directory.Register, error) { return f.reg, nil }
func (f *facts) All(context.Context) ([]vault.Held, error)             { return f.held, f.broken }
func (f *facts) Inventory(_ context.Context, _ protocol.SiteID, serial protocol.Serial) (holding.Inventory, error) {
	inv, found := f.inventories[serial]
	if !found {
		return inv, fmt.Errorf("terminal %s: %w", serial, holding.ErrNone)
	}
	return inv, nil
}

func (f *facts) survey() *survey.Survey { return survey.New(f, f, f, placement.Usual()) }

func one(about directory.About, id int64, a directory.Attribute, value string) []directory.Fact {
	return []directory.Fact{{About: about, Subject: id, Attribute: a, Since: "2020-01-01", Value: value}}
}

func digest(e, finger int) protocol.Hash {
	return protocol.Hash{byte(e >> 16), byte(e >> 8), byte(e), byte(finger), 1}
}

// province has so many terminals, each with a unit and so many people with three
// fingers, who are all on it.
func province(terminals, people int) *facts {
	always := placement.Period{From: "2020-01-01", To: roster.Forever}
	f := &facts{inventories: map[protocol.Serial]holding.Inventory{}, reg: &directory.Register{
		Units: map[placement.UnitID]*directory.Unit{}, Employees: map[placement.EmployeeID]*directory.Employee{}, Terminals: map[placement.TerminalID]*directory.Terminal{},
		Placements: map[placement.PlacementID]directory.Placement{}, Servings: map[int64]directory.Serving{}, Grants: map[placement.GrantID]placement.Grant{},
	}}
	n := 0
	for t := 1; t <= terminals; t++ {
		serial := protocol.Serial(fmt.Sprintf("DEMO%03d", t))
		f.reg.Units[placement.UnitID(t)] = &directory.Unit{ID: placement.UnitID(t), Facts: directory.Facts{
			directory.UnitName: one(directory.AboutUnit, int64(t), directory.UnitName, fmt.Sprintf("Unit %d", t)),
			directory.UnitKind: one(directory.AboutUnit, int64(t), directory.UnitKind, string(placement.UPTD))}}
		f.reg.Terminals[placement.TerminalID(t)] = &directory.Terminal{ID: placement.TerminalID(t), Site: protocol.SiteID(fmt.Sprintf("site-%03d", terminals-t)), Serial: serial, Facts: directory.Facts{}}
		f.reg.Servings[int64(t)] = directory.Serving{ID: int64(t), Terminal: placement.TerminalID(t), Serving: placement.Serving{Unit: placement.UnitID(t), Responsible: true, Period: always}}
		inv := holding.Inventory{At: time.Date(2026, 1, 30, 1, 0, 0, 0, time.UTC), Inventory: roster.Inventory{Serial: serial, Capabilities: roster.Capabilities{Algorithm: 10, NameBytes: 24}}}
		for slot := 1; slot <= people; slot++ {
			n++
			e := &directory.Employee{ID: placement.EmployeeID(n), PIN: int64(100_000 + n), Facts: directory.Facts{
				directory.EmployeeName: one(directory.AboutEmployee, int64(n), directory.EmployeeName, fmt.Sprintf("Pegawai Demo %d", n))}}
			f.reg.Employees[e.ID] = e
			f.reg.Placements[placement.PlacementID(n)] = directory.Placement{Placement: placement.Placement{ID: placement.PlacementID(n), Employee: e.ID, Unit: placement.UnitID(t), Kind: placement.Definitive, Period: always}}
			u := roster.Held{Slot: uint16(slot), PIN: e.PINText(), Name: []byte(fmt.Sprintf("Pegawai Demo %d", n)), Privilege: roster.User}
			for finger := range 3 {
				f.held = append(f.held, vault.Held{Ref: vault.Ref{Employee: int64(n), Finger: uint8(finger), Algorithm: 10, Digest: digest(n, finger)}, Best: true})
				u.Fingers = append(u.Fingers, roster.HeldFinger{Number: uint8(finger), Algorithm: 10, Digest: digest(n, finger)})
			}
			if slot == 1 {
				u.Privilege = roster.Administrator
				f.reg.Grants[placement.GrantID(t)] = placement.Grant{ID: placement.GrantID(t), Employee: e.ID, Terminal: placement.TerminalID(t), Privilege: roster.Administrator, Period: always}
			}
			inv.Users = append(inv.Users, u)
		}
		f.inventories[serial] = inv
	}
	return f
}

func all(*directory.Terminal) bool { return true }

func TestLookNamesWhomEverybodyKnows(t *testing.T) {
	f := province(2, 2)
	inv := f.inventories["DEMO002"]
	inv.Users[1].Name, inv.Users[1].Fingers[2].Digest = []byte("LAIN"), digest(1, 2) // of somebody at the other terminal
	inv.Users = append(inv.Users, roster.Held{Slot: 9, PIN: "77", Name: []byte("TAMU"), Privilege: roster.Administrator})
	f.inventories["DEMO002"] = inv
	v, err := f.survey().Look(t.Context(), "2026-01-30", all)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Terminals) != 2 || v.Terminals[0].Serial != "DEMO002" || len(v.Terminals[1].Findings) != 0 {
		t.Fatalf("saw %+v, want the terminal of the first site first, and nothing at the other", v.Terminals)
	}
	seen := v.Terminals[0]
	if seen.Unit != "Unit 2" || seen.Users != 3 || seen.Fingers != 6 || seen.Administrators != 2 || seen.Placed != 2 || seen.Mode != roster.Observe ||
		!seen.Since("2026-01-30") || seen.Since("2026-01-31") {
		t.Errorf("the terminal is %+v", seen.Terminal)
	}
	var got []string
	for _, n := range seen.Findings {
		got = append(got, fmt.Sprintf("%s %s %s|%s", n.Class, n.PIN, n.Who, n.Whose))
	}
	want := []string{"a 77 TAMU|", "d 100004 Pegawai Demo 4|", "e 100004 Pegawai Demo 4|Pegawai Demo 1"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestLookAtWhatWasNeverRead(t *testing.T) {
	f := province(2, 1)
	delete(f.inventories, "DEMO001")
	v, err := f.survey().Look(t.Context(), "2026-01-30", func(t *directory.Terminal) bool { return t.Serial == "DEMO001" })
	if err != nil || len(v.Terminals) != 1 {
		t.Fatalf("saw %+v, %v", v, err)
	}
	if seen := v.Terminals[0]; !seen.Read.IsZero() || len(seen.Findings) != 0 || seen.Placed != 1 || seen.Since("2020-01-01") {
		t.Errorf("the terminal that nobody read is %+v", seen)
	}
	f.broken = errors.New("the vault does not answer")
	if _, err := f.survey().Look(t.Context(), "2026-01-30", all); !errors.Is(err, f.broken) {
		t.Errorf("without the vault it says %v", err)
	}
}

// BenchmarkLook is a province of 350 terminals with 300 users and 900 fingers each,
// gathered and validated; the goal for difference and validation is 1 s.
func BenchmarkLook(b *testing.B) {
	f := province(350, 300)
	one := f.inventories["DEMO007"]
	one.Users[5].Name = []byte("LAIN")
	s := f.survey()
	b.ReportAllocs()
	for b.Loop() {
		v, err := s.Look(b.Context(), "2026-01-30", all)
		if err != nil {
			b.Fatal(err)
		}
		found := 0
		for _, t := range v.Terminals {
			found += len(t.Findings)
		}
		if found != 1 || v.Terminals[350-7].Findings[0].Class != validate.Name {
			b.Fatalf("found %d, want one name", found)
		}
	}
}
