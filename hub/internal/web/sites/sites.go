// Package sites shows how the offices are: all of them, and each with its terminals
// and the way of its last punch.
//
// It knows what the store holds of sites, and how the hub's line is; rules over both
// (standing, way) are here too. It asks no site and changes nothing. Beware: what a
// site said before its line broke is history, and is said so.
package sites

import (
	"context"
	"embed"
	"iter"
	"net/http"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

//go:embed page/*.html
var files embed.FS

// Store is what these pages read.
type Store interface {
	Totals(ctx context.Context) (store.Totals, error)
	Attempts(ctx context.Context) ([]store.Attempt, error)

	Sites(ctx context.Context) ([]store.Overview, error)
	Site(ctx context.Context, site protocol.SiteID) (store.Overview, error)
	Terminals(ctx context.Context, site protocol.SiteID) ([]store.Terminal, error)
	Conditions(ctx context.Context, site protocol.SiteID) ([]store.Condition, error)
	Receipt(ctx context.Context, site protocol.SiteID) (protocol.Receipt, uint64, error)

	Punches(ctx context.Context, f store.Filter) iter.Seq2[store.Punch, error]
	LastPunch(ctx context.Context, site protocol.SiteID) (p store.Punch, found bool, err error)
}

// Pages are the overview and the page of each site.
type Pages struct {
	*shell.Group
	store Store
}

// New plugs the pages into the shell.
func New(s *shell.Shell, store Store) *Pages { return &Pages{s.Group("page", files), store} }

// Routes adds the pages' addresses.
func (s *Pages) Routes(d *door.Door) {
	d.Handle("GET /{$}", door.To(account.See), s.Page(s.overview))
	d.Handle("GET /sites/{site}", door.To(account.See, door.Site), s.Page(s.site))
}

// speaker says what is particular to sites.
type speaker struct{ shell.Speech }

func (s *Pages) speaker(r *http.Request) speaker { return speaker{s.Speech(r)} }
