// Package web shows the hub to people and to machines that watch it: the pages
// (Indonesian first), /healthz and /metrics. It puts together the groups of pages, each
// a package of its own around which shell stands, and guards the door.
//
// It listens nowhere (the root of the tree does) and asks no site. Beware: a PIN can be
// a person's NIP. It may stand on a page and in its address; never in a log line, an
// error or a metric.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/metrics"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/campaigns"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/captures"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/people"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/placements"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/punches"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/sites"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/terminals"
	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Store is what pages read of what sites sent.
type Store interface {
	Generation(ctx context.Context) (protocol.Generation, error)
	sites.Store
	punches.Store
}

// Directory is the register, as pages read and change it.
type Directory = placements.Directory

// Holding is what terminals should and do hold.
type Holding interface {
	people.Holding
	placements.Holding
	terminals.Holding
}

// Campaigns is what was signed, and who may let an agent do what was decided.
type Campaigns interface {
	campaigns.Campaigns
	terminals.Modes
}

// Live is how the hub's own line is.
type Live = shell.Live

// Options are the parts that New puts together. Now, Zone and StoreSize may be nil.
type Options struct {
	Store       Store
	Directory   Directory // nil: nobody says whose punches they are
	Vault       people.Vault
	Holding     Holding
	Survey      campaigns.Survey
	Decisions   campaigns.Decisions
	Campaigns   Campaigns
	Jobs        captures.Jobs
	Settings    placement.Settings
	Whereabouts *whereabouts.Whereabouts

	Live      func() Live // asked for every page: it must answer at once
	Metrics   *metrics.Metrics
	StoreSize func() (int64, error) // bytes of the database's files
	Address   string                // HOST:PORT on which the pages listen; loopback names are always its names
	Logger    *slog.Logger
	Version   string
	Now       func() time.Time
	Zone      *time.Location // of times on pages; nil is WIB
}

// server is what is left of the pages when the groups are taken away.
type server struct {
	Options
	sites *sites.Pages
}

// New returns the handler of everything the hub shows. It starts nothing and there
// is nothing to close. Its server must not have a WriteTimeout: a download of many
// punches may take long and sets its own deadlines.
func New(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.FixedZone("WIB", int(protocol.Zone/time.Second))
	}
	frame := shell.New(shell.Options{
		Live: o.Live, Logger: o.Logger, Version: o.Version, Now: o.Now, Zone: o.Zone,
		Menu: []shell.Entry{
			{Section: "sites", Path: "/"}, {Section: "punches", Path: "/punches"}, {Section: "employees", Path: "/employees"},
			{Section: "fingerless", Path: "/employees?without=fingers"}, {Section: "captures", Path: "/captures"},
			{Section: "terminals", Path: "/terminals"},
			{Section: "findings", Path: "/findings"}, {Section: "campaigns", Path: "/campaigns"},
		},
	})
	s := &server{Options: o, sites: sites.New(frame, o.Store)}

	mux := http.NewServeMux()
	var register punches.Register
	if o.Directory != nil {
		register = o.Directory.Register
	}
	for _, pages := range []interface{ Routes(*http.ServeMux) }{
		frame, s.sites, punches.New(frame, o.Store, register),
		people.New(frame, people.Options{Directory: o.Directory, Vault: o.Vault, Holding: o.Holding, Whereabouts: o.Whereabouts.Of}),
		placements.New(frame, placements.Options{Directory: o.Directory, Vault: o.Vault, Holding: o.Holding, Settings: o.Settings}),
		campaigns.New(frame, campaigns.Options{Directory: o.Directory, Survey: o.Survey, Decisions: o.Decisions, Campaigns: o.Campaigns}),
		captures.New(frame, captures.Options{Directory: o.Directory, Vault: o.Vault, Jobs: o.Jobs}),
		terminals.New(frame, terminals.Options{Directory: o.Directory, Holding: o.Holding, Modes: o.Campaigns, Tasks: o.Whereabouts.Tasks, Settings: o.Settings}),
	} {
		pages.Routes(mux)
	}
	mux.HandleFunc("GET /healthz", s.health)
	mux.Handle("GET /metrics", o.Metrics.Handler(s.figures))

	return secured(known(o.Address, frame, http.NewCrossOriginProtection().Handler(mux)))
}
