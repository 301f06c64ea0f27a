// Package placements changes where employees are: it places somebody at a unit, ends a
// placement, changes a status. Each change is looked at before it is saved, with what it
// will do on which terminal on which day; and what was looked at is what is saved.
//
// It tries and edits the register by narrow interfaces; what follows is reckoned by
// effect. It knows no SQL and sends nothing. Beware: the preview is of one register on
// one day. When either moves before somebody saves, they look again.
package placements

import (
	"context"
	"embed"
	"net/http"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
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
}

// Holding is what terminals should and do hold.
type Holding interface {
	Roster(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Revision, roster.Roster, error)
	Inventory(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Inventory, error)
}

// Options are the parts of these pages; all are needed.
type Options struct {
	Directory Directory
	Vault     Vault
	Holding   Holding
	Settings  placement.Settings
}

// Pages are three forms. They speak with the sentences of the area people.
type Pages struct {
	*shell.Group
	Options
}

// New plugs the pages into the shell.
func New(s *shell.Shell, o Options) *Pages { return &Pages{s.Group("people", files), o} }

// Routes adds the pages' addresses.
func (p *Pages) Routes(d *door.Door) {
	for path, c := range map[string]change{
		"/employees/{employee}/place":                      placing(),
		"/employees/{employee}/placements/{placement}/end": ending(),
		"/employees/{employee}/status":                     turning(),
	} {
		rule := door.To(account.Register, door.Employee)
		d.Handle("GET "+path, rule, p.Page(func(w http.ResponseWriter, r *http.Request) error { return p.ask(w, r, c) }))
		d.Handle("POST "+path, rule, p.Page(func(w http.ResponseWriter, r *http.Request) error { return p.answer(w, r, c) }))
	}
}
