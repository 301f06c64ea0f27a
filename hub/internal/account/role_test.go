package account_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// TestWhatARoleMayDo is the rule in full; a new deed or role fails here until somebody
// has decided about it.
func TestWhatARoleMayDo(t *testing.T) {
	const all = "admin-bkpsdmd admin-opd operator-uptd auditor"
	table := map[account.Deed]map[account.Role]bool{}
	allow := func(d account.Deed, roles ...account.Role) {
		table[d] = map[account.Role]bool{}
		for _, r := range roles {
			table[d][r] = true
		}
	}
	allow(account.See, account.AdminAgency, account.AdminOffice, account.OperatorUnit, account.Auditor)
	allow(account.Inspect, account.AdminAgency, account.Auditor)
	allow(account.Decide, account.AdminAgency, account.AdminOffice)
	allow(account.Register, account.AdminAgency)
	allow(account.Capture, account.AdminAgency)
	allow(account.Command, account.AdminAgency)
	allow(account.Lead, account.AdminAgency)
	allow(account.Manage, account.AdminAgency)
	allow(account.Provision, account.AdminAgency)
	for _, d := range account.Deeds() {
		if table[d] == nil {
			t.Errorf("nobody has decided who may %s", d)
		}
		for _, r := range append(account.Roles(), "", "raja") {
			if got := account.Can(r, d); got != table[d][r] {
				t.Errorf("Can(%s, %s) = %v", r, d, got)
			}
		}
		if account.Can(account.Auditor, d) && d != account.See && d != account.Inspect {
			t.Errorf("an auditor may %s, and that changes something", d)
		}
	}
	if len(table) != len(account.Deeds()) || account.Can(account.AdminAgency, "fly") {
		t.Error("a deed is missing from Deeds")
	}
	said := ""
	for i, r := range account.Roles() {
		if i > 0 {
			said += " "
		}
		said += string(r)
	}
	if said != all {
		t.Errorf("roles %s, want %s", said, all)
	}
}

// tree is a register of: an agency; an OPD with a UPTD that has a post below it, and with
// an office that was merged into the UPTD; another OPD. Each has a terminal at a
// site of its own.
type tree struct {
	*directory.Register
	units map[string]placement.UnitID
}

const (
	today roster.Date = "2026-01-06"
	since roster.Date = "2025-01-01"
)

func newTree(t *testing.T) tree {
	t.Helper()
	w := tree{&directory.Register{Units: map[placement.UnitID]*directory.Unit{}, Terminals: map[placement.TerminalID]*directory.Terminal{}, Servings: map[int64]directory.Serving{}},
		map[string]placement.UnitID{}}
	for i, u := range []struct{ name, above, into string }{
		{"agency", "", ""}, {"opd", "", ""}, {"uptd", "opd", ""}, {"post", "uptd", ""}, {"merged", "", "uptd"}, {"other", "", ""},
	} {
		id := placement.UnitID(i + 1)
		w.units[u.name] = id
		facts := directory.Facts{}
		fact := func(a directory.Attribute, unit string) {
			if unit != "" {
				facts[a] = []directory.Fact{{Attribute: a, Since: since, Value: fmt.Sprint(w.units[unit])}}
			}
		}
		fact(directory.UnitParent, u.above)
		fact(directory.UnitMerged, u.into)
		w.Units[id] = &directory.Unit{ID: id, Facts: facts}
		terminal := placement.TerminalID(i + 1)
		w.Terminals[terminal] = &directory.Terminal{ID: terminal, Site: siteOf(u.name), Serial: "T-1"}
		w.Servings[int64(i)] = directory.Serving{Terminal: terminal, Serving: placement.Serving{Unit: id, Responsible: true, Period: placement.Period{From: since, To: roster.Forever}}}
		// Everybody's people may punch at the agency too; that makes its terminal nobody else's.
		w.Servings[int64(i+100)] = directory.Serving{Terminal: 1, Serving: placement.Serving{Unit: id, Period: placement.Period{From: since, To: roster.Forever}}}
	}
	return w
}

func TestScopeFollowsTheTree(t *testing.T) {
	w := newTree(t)
	for _, row := range []struct {
		name  string
		role  account.Role
		roots []string
		sees  string
	}{
		{"an OPD with all below it, and what was merged", account.AdminOffice, []string{"opd"}, "opd uptd post merged"},
		{"an OPD's part", account.AdminOffice, []string{"uptd"}, "uptd post merged"},
		{"a UPTD alone, with what was merged into it", account.OperatorUnit, []string{"uptd"}, "uptd merged"},
		{"an OPD's operator does not look down", account.OperatorUnit, []string{"opd"}, "opd"},
		{"two units", account.OperatorUnit, []string{"post", "other"}, "post other"},
		{"no unit", account.AdminOffice, nil, ""},
		{"the agency", account.AdminAgency, nil, "agency opd uptd post merged other"},
		{"who audits", account.Auditor, nil, "agency opd uptd post merged other"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := account.Account{Role: row.role}
			for _, name := range row.roots {
				a.Units = append(a.Units, w.units[name])
			}
			h := account.Holder{Account: a, Scope: account.ScopeOf(a, w.Register, today)}
			wanted := map[string]bool{}
			for name := range w.units {
				wanted[name] = contains(row.sees, name)
			}
			for name, want := range wanted {
				id := w.units[name]
				if h.Unit(id) != want || h.Can(account.See, id) != want {
					t.Errorf("unit %s: %v, want %v", name, h.Unit(id), want)
				}
				if got := h.Terminal(siteOf(name), "T-1"); got != want {
					t.Errorf("terminal of %s: %v, want %v", name, got, want)
				}
				if got := h.Site(siteOf(name)); got != want {
					t.Errorf("site of %s: %v, want %v", name, got, want)
				}
				if h.Can(account.Manage, id) != (row.role == account.AdminAgency) {
					t.Errorf("manage at %s: %v", name, h.Can(account.Manage, id))
				}
			}
			if got := h.Terminal("nowhere", "T-1") || h.Site("nowhere") || h.Unit(99); got != h.Whole() {
				t.Errorf("what nobody knows: %v", got)
			}
		})
	}
}

// TestNobodysScopeIsEmpty: whoever is not logged in has the zero Scope.
func TestNobodysScopeIsEmpty(t *testing.T) {
	var h account.Holder
	if h.Whole() || h.Unit(1) || h.Unit(0) || h.Employee(1) || h.Site("site-opd") || h.Terminal("site-opd", "T-1") || h.Can(account.See, 1) {
		t.Error("nobody sees something")
	}
}

func siteOf(unit string) protocol.SiteID { return protocol.SiteID("site-" + unit) }

func contains(list, name string) bool { return slices.Contains(strings.Fields(list), name) }
