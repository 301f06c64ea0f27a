// Package survey finds out where terminals and the register disagree on a day: it
// gathers the register, the vault's digests and the newest inventories, and has the
// rule (validate) look at them.
//
// It knows where the facts are, and the names that people know. It must not know what
// was decided about a finding, who looks at it, or any template.
//
// Beware: a look at one terminal costs a reading of the whole register and of all that
// the vault holds; look at many at once.
package survey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Directory is what is needed of the register.
type Directory interface {
	Register(ctx context.Context) (*directory.Register, error)
}

// Vault is what is needed of the vault: whose fingers there are, older copies too,
// which terminals may still hold.
type Vault interface {
	All(ctx context.Context) ([]vault.Held, error)
}

// Holding is what is needed of what terminals hold.
type Holding interface {
	Inventory(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Inventory, error)
}

// Survey looks at terminals.
type Survey struct {
	directory Directory
	vault     Vault
	holding   Holding
	settings  placement.Settings
}

// New returns a Survey of these.
func New(d Directory, v Vault, h Holding, settings placement.Settings) *Survey {
	return &Survey{d, v, h, settings}
}

// Terminal is one that was looked at.
type Terminal struct {
	report.Terminal
	ID       placement.TerminalID
	Mode     roster.Mode
	Findings []report.Named // in the order of validate.Find; none where nothing was read yet
}

// View is what a look has shown.
type View struct {
	Register  *directory.Register
	Day       roster.Date
	Terminals []Terminal // by site and serial
}

// Look compares chosen terminals with the register of a day. A terminal that was never
// read has no time in Read, and no findings.
func (s *Survey) Look(ctx context.Context, day roster.Date, chosen func(*directory.Terminal) bool) (*View, error) {
	reg, err := s.directory.Register(ctx)
	if err != nil {
		return nil, err
	}
	known, err := s.know(ctx, reg, day)
	if err != nil {
		return nil, err
	}
	names := namesOf(reg, day)
	v := &View{Register: reg, Day: day}
	for _, t := range bySite(reg) {
		if !chosen(t) {
			continue
		}
		seen, err := s.terminal(ctx, names, known, t)
		if err != nil {
			return nil, err
		}
		v.Terminals = append(v.Terminals, seen)
	}
	return v, nil
}

// know gathers what register and vault say on a day.
func (s *Survey) know(ctx context.Context, reg *directory.Register, day roster.Date) (*validate.Known, error) {
	held, err := s.vault.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what the vault holds: %w", err)
	}
	stored := make([]validate.Stored, len(held))
	for i, t := range held {
		stored[i] = validate.Stored{Employee: placement.EmployeeID(t.Employee), Best: t.Best,
			Finger: roster.Finger{Number: t.Finger, Algorithm: t.Algorithm, Digest: t.Digest}}
	}
	matcher := reg.Matcher(s.settings)
	means := func(terminal placement.TerminalID, pin string) placement.EmployeeID {
		return matcher.Meet(terminal, pin, day).Employee
	}
	return validate.Know(reg.Snapshot(s.settings), day, stored, means), nil
}

func bySite(reg *directory.Register) []*directory.Terminal {
	all := directory.Sorted(reg.Terminals)
	slices.SortStableFunc(all, func(a, b *directory.Terminal) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Serial, b.Serial))
	})
	return all
}

func (s *Survey) terminal(ctx context.Context, names names, known *validate.Known, t *directory.Terminal) (Terminal, error) {
	seen := Terminal{ID: t.ID, Terminal: report.Terminal{Site: t.Site, Serial: t.Serial}}
	if u := Responsible(names.reg, t.ID, names.day); u != nil {
		seen.Unit = u.At(directory.UnitName, names.day)
	}
	inv, err := s.holding.Inventory(ctx, t.Site, t.Serial)
	if err != nil && !errors.Is(err, holding.ErrNone) {
		return seen, err
	}
	c, _ := known.Case(t.ID, inv.Inventory) // the register that knows it is the one it came from
	seen.Mode, seen.Placed = c.Roster.Mode, len(c.Roster.Entries)
	if err != nil {
		return seen, nil
	}
	seen.Read, seen.Inventory, seen.Users = inv.At, inv.Digest, len(inv.Users)
	shown := make(map[uint16]string, len(inv.Users))
	for _, u := range inv.Users {
		shown[u.Slot] = string(u.Name)
		seen.Fingers += len(u.Fingers)
		if u.Privilege == roster.Administrator && !u.Disabled {
			seen.Administrators++
		}
	}
	for _, f := range validate.Find(c) {
		seen.Findings = append(seen.Findings, names.of(f, shown[f.Slot]))
	}
	return seen, nil
}

// names are what people know employees and units by.
type names struct {
	reg    *directory.Register
	day    roster.Date
	people map[string]string // by the hub's PIN
}

func namesOf(reg *directory.Register, day roster.Date) names {
	n := names{reg, day, make(map[string]string, len(reg.Employees))}
	for _, e := range reg.Employees {
		n.people[e.PINText()] = e.At(directory.EmployeeName, day)
	}
	return n
}

// of adds names to a finding; shown is what the terminal shows.
func (n names) of(f validate.Finding, shown string) report.Named {
	named := report.Named{Finding: f, Who: shown, Whose: n.people[f.Other]}
	if f.Person != "" {
		named.Who = n.people[f.Person]
	}
	if u := n.reg.Units[f.Unit]; u != nil {
		named.Where = u.At(directory.UnitName, n.day)
	}
	return named
}

// Responsible is the unit that answers for a terminal on a day; nil for none.
func Responsible(reg *directory.Register, id placement.TerminalID, day roster.Date) *directory.Unit {
	for _, s := range directory.Sorted(reg.Servings) {
		if s.Terminal == id && s.Responsible && s.Holds(day) {
			return reg.Units[s.Unit]
		}
	}
	return nil
}

// Since tells whether an inventory is of a day or later, as clocks on walls show it.
func (t Terminal) Since(day roster.Date) bool {
	return !t.Read.IsZero() && roster.DateOf(t.Read) >= day
}
