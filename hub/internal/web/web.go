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

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/metrics"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/accounts"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/admissions"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/api"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/campaigns"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/captures"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
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

// Options are the parts that New puts together. Now and Zone may be nil.
type Options struct {
	Accounts    *account.Accounts
	Store       Store
	Directory   Directory
	Vault       people.Vault
	Holding     Holding
	Survey      campaigns.Survey
	Decisions   campaigns.Decisions
	Campaigns   Campaigns
	Jobs        captures.Jobs
	Settings    placement.Settings
	Whereabouts *whereabouts.Whereabouts
	Way         api.Way // in for agents
	Service     api.Service

	Live      func() Live // asked for every page: it must answer at once
	Metrics   *metrics.Metrics
	StoreSize func() (int64, error)  // bytes of the database's files; may be nil
	Address   string                 // HOST:PORT on which the pages listen; loopback names are always its names
	Named     func(host string) bool // names that a certificate of the pages has; nil: none
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

// Web is everything that the hub shows.
type Web struct {
	http.Handler
	door *door.Door
}

// Patterns are all addresses that the hub answers at, as net/http writes them.
func (w *Web) Patterns() []string { return w.door.Patterns() }

// New returns the handler of everything the hub shows. It starts nothing and there
// is nothing to close. Its server must not have a WriteTimeout: a download of many
// punches may take long and sets its own deadlines.
func New(o Options) *Web {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.FixedZone("WIB", int(protocol.Zone/time.Second))
	}
	frame := shell.New(shell.Options{
		Live: o.Live, Logger: o.Logger, Version: o.Version, Now: o.Now, Zone: o.Zone, Reader: door.Reader,
		Menu: []shell.Entry{
			{Section: "sites", Path: "/"}, {Section: "punches", Path: "/punches"}, {Section: "employees", Path: "/employees"},
			{Section: "fingerless", Path: "/employees?without=fingers"}, {Section: "captures", Path: "/captures"},
			{Section: "terminals", Path: "/terminals"},
			{Section: "findings", Path: "/findings"}, {Section: "campaigns", Path: "/campaigns"},
			{Section: "accounts", Path: "/accounts", Deed: string(account.Inspect)},
		},
	})
	s := &server{Options: o, sites: sites.New(frame, o.Store)}

	d := door.New(door.Options{Frame: frame, Accounts: o.Accounts, Register: o.Directory.Register, Now: o.Now, Logger: o.Logger})
	for _, pages := range []interface{ Routes(*door.Door) }{
		s.sites, admissions.New(frame, admissions.Options{Admissions: o.Way.Admissions, Accounts: o.Accounts}), punches.New(frame, o.Store, o.Directory.Register),
		people.New(frame, people.Options{Directory: o.Directory, Vault: o.Vault, Holding: o.Holding, Whereabouts: o.Whereabouts.Of}),
		placements.New(frame, placements.Options{Directory: o.Directory, Vault: o.Vault, Holding: o.Holding, Settings: o.Settings}),
		campaigns.New(frame, campaigns.Options{Directory: o.Directory, Survey: o.Survey, Decisions: o.Decisions, Campaigns: o.Campaigns}),
		captures.New(frame, captures.Options{Directory: o.Directory, Vault: o.Vault, Jobs: o.Jobs}),
		terminals.New(frame, terminals.Options{Directory: o.Directory, Holding: o.Holding, Modes: o.Campaigns, Tasks: o.Whereabouts.Tasks, Settings: o.Settings}),
		accounts.New(frame, d, accounts.Options{Accounts: o.Accounts, Directory: o.Directory}), api.New(o.Accounts, o.Way, o.Service),
	} {
		pages.Routes(d)
	}
	d.Handle("GET /language/{language}", door.Anyone(), frame.Language())
	d.Handle("GET /assets/{hash}/{name}", door.Anyone(), frame.Assets())
	d.Handle("GET /healthz", door.Anyone(), http.HandlerFunc(s.health))
	d.Handle("GET /metrics", door.To(account.Inspect).Local(), o.Metrics.Handler(s.figures))
	d.Handle("/", door.Known(), frame.Nowhere())
	return &Web{secured(known(o.Address, o.Named, frame, http.NewCrossOriginProtection().Handler(d))), d}
}
