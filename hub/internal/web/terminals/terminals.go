// Package terminals shows machines as holders of people: each one's roster against its
// inventory, the plan that lies between, what was done and when; and lets a named person
// approve a plan that an agent stopped at, or say how far agents may go.
//
// It reads the register and what is held by narrow interfaces; the difference is
// roster.Diff, as the agent reckons it. It knows no SQL and sends nothing. Beware: what
// a terminal holds is as old as its newest inventory, and is always shown with its age.
package terminals

import (
	"context"
	"embed"
	"net/http"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/people"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

//go:embed page/*.html
var files embed.FS

// Modes says how far agents may go at a terminal; it refuses what nobody signed for.
type Modes interface {
	SetMode(ctx context.Context, by directory.By, terminal placement.TerminalID, mode roster.Mode,
		more ...func(*directory.Draft) error) (int64, error)
}

// Holding is what terminals should and do hold.
type Holding interface {
	Terminals(ctx context.Context) ([]holding.Terminal, error)
	Roster(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Revision, roster.Roster, error)
	Inventory(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Inventory, error)
	History(ctx context.Context, site protocol.SiteID, serial protocol.Serial) ([]holding.Revision, error)
	Outcomes(ctx context.Context, site protocol.SiteID, serial protocol.Serial, pin string) ([]holding.Outcome, error)
	Approve(ctx context.Context, site protocol.SiteID, serial protocol.Serial, plan protocol.Hash, who string, at time.Time) error
}

// Options are the parts of these pages; all are needed.
type Options struct {
	Directory people.Directory
	Holding   Holding
	Modes     Modes
	// Tasks says what is open at terminals, what is due longest first.
	Tasks    func(ctx context.Context, site protocol.SiteID, now time.Time) ([]whereabouts.Task, error)
	Settings placement.Settings
}

// Pages are the list of terminals, what is open there, each of them, and two forms.
type Pages struct {
	*shell.Group
	Options
}

// New plugs the pages into the shell.
func New(s *shell.Shell, o Options) *Pages { return &Pages{s.Group("terminals", files), o} }

// Routes adds the pages' addresses.
func (p *Pages) Routes(d *door.Door) {
	command := door.To(account.Command, door.Terminal)
	d.Handle("GET /terminals", door.To(account.See), p.Page(p.list))
	d.Handle("GET /terminals/tasks", door.To(account.See), p.Page(p.tasks))
	d.Handle("GET /terminals/{site}/{serial}", door.To(account.See, door.Terminal), p.Page(p.terminal))
	d.Handle("GET /terminals/{site}/{serial}/approval", command, p.Page(p.askApproval))
	d.Handle("POST /terminals/{site}/{serial}/approval", command, p.Page(p.approve))
	d.Handle("GET /terminals/{site}/{serial}/mode", command, p.Page(p.askMode))
	d.Handle("POST /terminals/{site}/{serial}/mode", command, p.Page(p.saveMode))
}

// speech is how a reader is told of terminals.
type speech struct{ people.Speech }

// Responsible is the unit that is responsible for a terminal today; empty for none.
func (v speech) Responsible(id placement.TerminalID) string {
	for _, s := range v.Register.Servings {
		if s.Terminal == id && s.Responsible && s.Holds(v.Today) {
			return v.Unit(s.Unit)
		}
	}
	return ""
}

// badge is the class of the light that goes with a standing.
func badge(code string) string {
	switch protocol.Standing(code) {
	case protocol.StandingEqual:
		return "ready"
	case protocol.StandingBraked, protocol.StandingFailed, "ahead":
		return "missing"
	case protocol.StandingBlocked, protocol.StandingWaiting, "sent":
		return "starting"
	}
	return ""
}

// read begins every page: the register, and how the reader is spoken to.
func (p *Pages) read(r *http.Request) (speech, error) {
	v, err := people.Read(p.Group, p.Directory, r)
	return speech{v}, err
}

// find is the terminal that the address names.
func (p *Pages) find(r *http.Request, v speech) (held holding.Terminal, known *directory.Terminal, err error) {
	site, serial := protocol.SiteID(r.PathValue("site")), protocol.Serial(r.PathValue("serial"))
	all, err := p.Holding.Terminals(r.Context())
	if err != nil {
		return held, nil, err
	}
	i := slices.IndexFunc(all, func(t holding.Terminal) bool { return t.Site == site && t.Serial == serial })
	known, found := v.Register.TerminalBy(site, serial)
	if i < 0 || site == "" || !found {
		return held, nil, shell.NotFound("no-terminal")
	}
	return all[i], known, nil
}
