// Package captures shows the recording of fingers at terminals of enrolment: it orders
// one, with the notice to the employee, follows it live, cancels it.
//
// It knows the register, whose fingers there are, and jobs; it sends nothing: agents are
// asked by dispatch. Beware: no finger is recorded of somebody to whom the notice was not
// shown. The form shows it, whoever orders says that the employee saw it, and job keeps
// which wording it was.
package captures

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/people"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

//go:embed page/*.html
var files embed.FS

// Vault is whose fingers there are; never what is in them.
type Vault interface {
	Have(ctx context.Context, employee int64) ([]vault.Held, error)
}

// Jobs are the captures.
type Jobs interface {
	Start(ctx context.Context, o job.Order, at time.Time) ([]job.Job, error)
	List(ctx context.Context, f job.Filter) ([]job.Job, error)
	Get(ctx context.Context, id int64) (job.Job, error)
	Cancel(ctx context.Context, id int64, who string, at time.Time) error
}

// Options are the parts of these pages; all are needed.
type Options struct {
	Directory people.Directory
	Vault     Vault
	Jobs      Jobs
}

// Pages are the list of captures, the form that orders one, and the one that cancels.
type Pages struct {
	*shell.Group
	Options
}

// New plugs the pages into the shell.
func New(s *shell.Shell, o Options) *Pages { return &Pages{s.Group("captures", files), o} }

// Routes adds the pages' addresses.
func (p *Pages) Routes(d *door.Door) {
	d.Handle("GET /captures", door.To(account.See, door.AskedEmployee), p.Page(p.list))
	order, end := door.To(account.Capture, door.AskedEmployee), door.To(account.Capture, p.within)
	d.Handle("GET /captures/new", order, p.Page(p.ask))
	d.Handle("POST /captures/new", order, p.Page(p.start))
	d.Handle("GET /captures/{capture}/cancel", end, p.Page(p.askCancel))
	d.Handle("POST /captures/{capture}/cancel", end, p.Page(p.cancel))
}

// within tells whether the capture in the path is of somebody within a scope.
func (p *Pages) within(r *http.Request, s account.Scope) (bool, error) {
	j, err := p.job(r)
	if errors.Is(err, job.ErrNone) {
		return false, nil
	}
	return err == nil && s.Employee(j.Employee), err
}

// job is the capture that the address names.
func (p *Pages) job(r *http.Request) (job.Job, error) {
	id, err := strconv.ParseInt(r.PathValue("capture"), 10, 64)
	if err != nil {
		return job.Job{}, job.ErrNone
	}
	return p.Jobs.Get(r.Context(), id)
}

// speech is how a reader is told of captures.
type speech struct{ people.Speech }

func (p *Pages) read(r *http.Request) (speech, error) {
	v, err := people.Read(p.Group, p.Directory, r)
	return speech{v}, err
}

// employee is the one that a number names; nil for none.
func (v speech) employee(text string) *directory.Employee {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil
	}
	return v.Register.Employees[placement.EmployeeID(id)]
}

// Called is an employee's name today, without titles.
func (v speech) Called(id placement.EmployeeID) string {
	if e := v.Register.Employees[id]; e != nil {
		return e.At(directory.EmployeeName, v.Today)
	}
	return ""
}

// terminals are those of enrolment, by site and serial.
func (v speech) terminals() (list []*directory.Terminal) {
	for _, t := range directory.Sorted(v.Register.Terminals) {
		if t.On(directory.TerminalEnrolment, v.Today) == "yes" {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b *directory.Terminal) int { return strings.Compare(nameOf(a), nameOf(b)) })
	return list
}

// nameOf is how a form names a terminal.
func nameOf(t *directory.Terminal) string { return string(t.Site) + "/" + string(t.Serial) }

// terminalOf is what such a name says.
func terminalOf(name string) (protocol.SiteID, protocol.Serial) {
	site, serial, _ := strings.Cut(name, "/")
	return protocol.SiteID(site), protocol.Serial(serial)
}
