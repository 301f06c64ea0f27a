// Package people shows employees: who they are, where they are placed, whose fingers
// there are, on which terminals they stand; and makes the changes that move them, each
// with what it will do before it is saved.
//
// It reads and writes the register by narrow interfaces; what follows from a change is
// reckoned by effect and placement, where they are now by whereabouts. It knows no SQL
// and sends nothing. Beware: names and NIPs stand here on pages only. An address holds
// an employee's internal id, or what somebody typed into the search; a log holds neither.
package people

import (
	"context"
	"embed"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
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
	Try(ctx context.Context, today roster.Date, edit func(*directory.Draft) error) (*directory.Draft, error)
	Edit(ctx context.Context, by directory.By, edit func(*directory.Draft) error) (int64, error)
}

// Vault is whose fingers there are; never what is in them.
type Vault interface {
	Best(ctx context.Context) ([]vault.Held, error)
	Have(ctx context.Context, employee int64) ([]vault.Held, error)
}

// Holding is what terminals should and do hold.
type Holding interface {
	Roster(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Revision, roster.Roster, error)
	Inventory(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Inventory, error)
}

// Options are the parts of these pages; all are needed.
type Options struct {
	Directory   Directory
	Vault       Vault
	Holding     Holding
	Whereabouts func(ctx context.Context, e placement.EmployeeID, now time.Time) ([]whereabouts.Place, error)
	Settings    placement.Settings
}

// Pages are the list of employees, each of them, and the forms that change them.
type Pages struct {
	*shell.Group
	Options
}

// New plugs the pages into the shell.
func New(s *shell.Shell, o Options) *Pages { return &Pages{s.Group("people", files), o} }

// Routes adds the pages' addresses.
func (p *Pages) Routes(mux *http.ServeMux) {
	mux.Handle("GET /employees", p.Page(p.list))
	mux.Handle("GET /employees/{employee}", p.Page(p.employee))
	for path, c := range map[string]change{
		"/employees/{employee}/place":                      placing(),
		"/employees/{employee}/placements/{placement}/end": ending(),
		"/employees/{employee}/status":                     turning(),
	} {
		mux.Handle("GET "+path, p.Page(func(w http.ResponseWriter, r *http.Request) error { return p.ask(w, r, c) }))
		mux.Handle("POST "+path, p.Page(func(w http.ResponseWriter, r *http.Request) error { return p.answer(w, r, c) }))
	}
}

// speech is how a reader is told of employees and terminals.
type speech struct {
	shell.Speech
	reg   *directory.Register
	Today roster.Date
}

// read begins every page: the register, and how the reader is spoken to.
func (p *Pages) read(r *http.Request) (speech, error) {
	reg, err := p.Directory.Register(r.Context())
	return speech{p.Speech(r), reg, roster.DateOf(p.Now())}, err
}

// find is the employee that the address names.
func (v speech) find(r *http.Request) (*directory.Employee, error) {
	id, err := strconv.ParseInt(r.PathValue("employee"), 10, 64)
	if e := v.reg.Employees[placement.EmployeeID(id)]; err == nil && e != nil {
		return e, nil
	}
	return nil, shell.NotFound("no-employee")
}

// Words are those that commands use too.
func (v speech) Words() wording.Words { return v.Tell }

// Unit is a unit's name today.
func (v speech) Unit(id placement.UnitID) string {
	if u := v.reg.Units[id]; u != nil {
		return u.At(directory.UnitName, v.Today)
	}
	return ""
}

// FullName is an employee's name today, with titles.
func (v speech) FullName(e *directory.Employee) string {
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
func (v speech) Until(day roster.Date) string {
	if day == roster.Forever || day == "" {
		return v.Text("no-end")
	}
	return v.Day(day)
}

// Numbers writes some numbers in a row.
func (v speech) Numbers(list []uint8) string {
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = strconv.Itoa(int(n))
	}
	return v.Texts(texts)
}

// Texts writes some texts in a row.
func (v speech) Texts(list []string) string { return strings.Join(list, ", ") }
