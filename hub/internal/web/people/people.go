// Package people shows employees: who they are, where they are placed, whose fingers
// there are, and on which terminals they stand. What changes them is in placements.
//
// It reads the register and the vault by narrow interfaces; where somebody is now is
// reckoned by whereabouts. It knows no SQL and changes nothing. Beware: names and NIPs
// stand here on pages only. An address holds an employee's internal id, or what somebody
// typed into the search; a log holds neither.
package people

import (
	"context"
	"embed"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
	"github.com/bkpsdmd-babel/sidik/hub/internal/wording"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

//go:embed page/*.html
var files embed.FS

// Directory is the register, as these pages need it.
type Directory interface {
	Register(ctx context.Context) (*directory.Register, error)
}

// Vault is whose fingers there are; never what is in them.
type Vault interface {
	Best(ctx context.Context) ([]vault.Held, error)
	Have(ctx context.Context, employee int64) ([]vault.Held, error)
}

// Holding is what became of changes at terminals.
type Holding interface {
	Outcomes(ctx context.Context, site protocol.SiteID, serial protocol.Serial, pin string) ([]holding.Outcome, error)
}

// Options are the parts of these pages; all are needed.
type Options struct {
	Directory   Directory
	Vault       Vault
	Holding     Holding
	Whereabouts func(ctx context.Context, e placement.EmployeeID, now time.Time) ([]whereabouts.Place, error)
}

// Pages are the list of employees, and each of them.
type Pages struct {
	*shell.Group
	Options
}

// New plugs the pages into the shell.
func New(s *shell.Shell, o Options) *Pages { return &Pages{s.Group("people", files), o} }

// Routes adds the pages' addresses.
func (p *Pages) Routes(d *door.Door) {
	d.Handle("GET /employees", door.To(account.See, door.AskedUnit), p.Page(p.list))
	d.Handle("GET /employees/{employee}", door.To(account.See, door.Employee), p.Page(p.employee))
}

// Speech is how a reader is told of employees: with the register as it is, on a day, as
// far as their scope reaches.
type Speech struct {
	shell.Speech
	Scope    account.Scope
	Register *directory.Register
	Today    roster.Date
}

// Read begins every page of employees: the register, and how the reader is spoken to.
func Read(g *shell.Group, d Directory, r *http.Request) (Speech, error) {
	reg, err := d.Register(r.Context())
	return Speech{g.Speech(r), door.Who(r).Scope, reg, roster.DateOf(g.Now())}, err
}

// Find is the employee that the address names.
func (v Speech) Find(r *http.Request) (*directory.Employee, error) {
	id, err := strconv.ParseInt(r.PathValue("employee"), 10, 64)
	if e := v.Register.Employees[placement.EmployeeID(id)]; err == nil && e != nil {
		return e, nil
	}
	return nil, shell.NotFound("no-employee")
}

// Words are those that commands use too.
func (v Speech) Words() wording.Words { return v.Tell }

// Unit is a unit's name today.
func (v Speech) Unit(id placement.UnitID) string {
	if u := v.Register.Units[id]; u != nil {
		return u.At(directory.UnitName, v.Today)
	}
	return ""
}

// FullName is an employee's name today, with titles.
func (v Speech) FullName(e *directory.Employee) string {
	name := e.At(directory.EmployeeName, v.Today)
	if before := e.At(directory.EmployeeBefore, v.Today); before != "" {
		name = before + " " + name
	}
	if after := e.At(directory.EmployeeAfter, v.Today); after != "" {
		name += ", " + after
	}
	return name
}

// Until is the day on which something ends, or what says that it does not.
func (v Speech) Until(day roster.Date) string {
	if day == roster.Forever || day == "" {
		return v.Text("no-end")
	}
	return v.Day(day)
}

// Numbers writes some numbers in a row.
func (v Speech) Numbers(list []uint8) string {
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = strconv.Itoa(int(n))
	}
	return v.Texts(texts)
}

// Texts writes some texts in a row.
func (v Speech) Texts(list []string) string { return strings.Join(list, ", ") }
