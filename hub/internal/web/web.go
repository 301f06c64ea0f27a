// Package web shows the hub to people and to machines that watch it: the pages
// (Indonesian first), /healthz and /metrics.
//
// It knows what the store holds and how the hub's line is; it changes nothing, asks
// no site and listens nowhere (the root of the tree does). Beware: a PIN can be a
// person's NIP. It may stand on a page and in its address; never in a log line, an
// error or a metric.
package web

import (
	"context"
	"html/template"
	"iter"
	"log/slog"
	"net/http"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/metrics"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// Store is what the pages read.
type Store interface {
	Generation(ctx context.Context) (protocol.Generation, error)
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

// Live is how the hub's own line is.
type Live struct {
	Broker  bool      // connected to the broker
	Since   time.Time // since when it is so
	Trouble error     // why it is not; nil while connected
	Address string    // where agents connect, for people; may be empty
}

// Options are the parts that New puts together. Now, Zone and StoreSize may be nil.
type Options struct {
	Store     Store
	Live      func() Live // asked for every page: it must answer at once
	Metrics   *metrics.Metrics
	StoreSize func() (int64, error) // bytes of the database's files
	Logger    *slog.Logger
	Version   string
	Now       func() time.Time
	Zone      *time.Location // of times on pages; nil is WIB
}

// server is the handler of all pages.
type server struct {
	Options
	catalogue *phrase.Catalogue
	templates *template.Template
	assets    assets
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
	s := &server{Options: o, catalogue: phrase.New(), assets: loadAssets()}
	s.templates = loadTemplates()

	mux := http.NewServeMux()
	mux.Handle("GET /{$}", s.page(s.overview))
	mux.Handle("GET /sites/{site}", s.page(s.site))
	mux.Handle("GET /sites/{site}/punches", s.page(s.punches))
	mux.Handle("GET /sites/{site}/punches.csv", s.page(s.download))
	mux.Handle("GET /punches", s.page(s.punches))
	mux.Handle("GET /punches.csv", s.page(s.download))
	mux.Handle("GET /language/{language}", s.page(s.language))
	mux.Handle("GET /assets/{hash}/{name}", s.page(s.assets.serve))
	mux.HandleFunc("GET /healthz", s.health)
	mux.Handle("GET /metrics", o.Metrics.Handler(s.figures))
	mux.Handle("/", s.page(func(http.ResponseWriter, *http.Request) error { return notFound("no-page") }))

	return secured(http.NewCrossOriginProtection().Handler(s.onlyReads(mux)))
}

// secured sets what protects every answer: nothing but our own files is loaded, no
// script stands in a page, nobody frames us, nothing is kept by a proxy on the way.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer") // addresses hold PINs
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// onlyReads refuses every method that could mean a change: there is none to make here.
func (s *server) onlyReads(next http.Handler) http.Handler {
	refuse := s.page(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Allow", "GET, HEAD")
		return &problem{code: http.StatusMethodNotAllowed, phrase: "only-reads"}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			refuse.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
