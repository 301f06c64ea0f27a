// Package punches shows punches: a page of them by site, terminal, PIN and day, and
// all of such a choice as a file.
//
// It reads the store and changes nothing. Beware: a PIN can be a person's NIP. It may
// stand on a page and in its address; never in a log line, an error or a file's name.
package punches

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

//go:embed page/*.html
var files embed.FS

// Store is what these pages read.
type Store interface {
	Sites(ctx context.Context) ([]store.Overview, error)
	Site(ctx context.Context, site protocol.SiteID) (store.Overview, error)
	Terminals(ctx context.Context, site protocol.SiteID) ([]store.Terminal, error)
	Punches(ctx context.Context, f store.Filter) iter.Seq2[store.Punch, error]
}

// Pages are the punches of one site or of all.
type Pages struct {
	*shell.Group
	store Store
}

// New plugs the pages into the shell.
func New(s *shell.Shell, store Store) *Pages { return &Pages{s.Group("page", files), store} }

// Routes adds the pages' addresses.
func (s *Pages) Routes(mux *http.ServeMux) {
	mux.Handle("GET /sites/{site}/punches", s.Page(s.punches))
	mux.Handle("GET /sites/{site}/punches.csv", s.Page(s.download))
	mux.Handle("GET /punches", s.Page(s.punches))
	mux.Handle("GET /punches.csv", s.Page(s.download))
}

// pageSize is how many punches stand on one page: a phone scrolls through them, and
// a poor line carries them in a second.
const pageSize = 50

// question is what somebody asks of the punches, as it stands in the address.
type question struct {
	Site       protocol.SiteID
	Serial     string
	PIN        string
	From, To   string // days, 2026-01-02; To is the last day that is wanted
	Impossible bool
	After      string // cursor of the page before
	InPath     bool   // the site is a part of the path
}

// asked reads and checks an address.
func (s *Pages) asked(r *http.Request) (question, store.Filter, error) {
	query := r.URL.Query()
	text := func(name string) string { return strings.TrimSpace(query.Get(name)) }
	q := question{
		Site: protocol.SiteID(text("site")), Serial: text("terminal"), PIN: text("pin"), From: text("from"), To: text("to"),
		Impossible: query.Has("impossible"), After: query.Get("after"),
	}
	if path := r.PathValue("site"); path != "" {
		site, err := protocol.ParseSiteID(path)
		if err == nil {
			_, err = s.store.Site(r.Context(), site)
		} else {
			err = store.ErrNoSite
		}
		if errors.Is(err, store.ErrNoSite) {
			return q, store.Filter{}, shell.NotFound("no-site")
		}
		if err != nil {
			return q, store.Filter{}, err
		}
		q.Site, q.InPath = site, true
	}
	f := store.Filter{Site: q.Site, Serial: protocol.Serial(q.Serial), PIN: q.PIN, Newest: true, Impossible: q.Impossible}
	if f.Site != "" && !q.InPath {
		if _, err := protocol.ParseSiteID(string(f.Site)); err != nil {
			return q, f, shell.BadRequest("filter")
		}
	}
	if len(q.Serial) > 64 || len(q.PIN) > 64 {
		return q, f, shell.BadRequest("filter")
	}
	for _, end := range []struct {
		day  string
		add  int
		into *protocol.LocalTime
	}{{q.From, 0, &f.From}, {q.To, 1, &f.To}} {
		if end.day == "" || q.Impossible { // an impossible time is on no day
			continue
		}
		day, err := time.Parse(time.DateOnly, end.day)
		if err != nil {
			return q, f, shell.BadRequest("filter")
		}
		*end.into = protocol.LocalTime(day.AddDate(0, 0, end.add).Format(time.DateOnly))
	}
	if q.After != "" {
		after, err := store.ParseCursor(q.After)
		if err != nil {
			return q, f, shell.BadRequest("filter")
		}
		f.After = &after
	}
	return q, f, nil
}

// path writes the address of a page of these punches, or of their download.
func (q question) path(kind, after string) string {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	u := url.URL{Path: "/punches" + kind}
	if q.InPath {
		u.Path = "/sites/" + string(q.Site) + "/punches" + kind
	} else {
		set("site", string(q.Site))
	}
	set("terminal", q.Serial)
	set("pin", q.PIN)
	set("from", q.From)
	set("to", q.To)
	set("after", after)
	if q.Impossible {
		query.Set("impossible", "1")
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// filterView is the data of filter.html, which stays while the table lives.
type filterView struct {
	shell.Speech
	question
	Action string // the path without the question
	Sites  []protocol.SiteID
	CSV    string
	Days   []dayLink
}

// dayLink leads to the same question about days that are asked for often.
type dayLink struct{ Code, Path string }

// punchesView is the data of punches.html.
type punchesView struct {
	shell.Speech
	question
	Punches []store.Punch
	Next    string // address of the next page; empty at the end
	First   string // address of the first page; empty on it
}

func (s *Pages) punches(w http.ResponseWriter, r *http.Request) error {
	q, f, err := s.asked(r)
	if err != nil {
		return err
	}
	every := 2 * time.Second
	switch {
	case q.After != "":
		every = 0 // a page of the past
	case q.PIN != "" && q.Site == "":
		every = 10 * time.Second // one person in the whole province is looked for in every terminal
	}
	title := s.Speech(r).Text("title-punches")
	if q.InPath {
		title += " – " + string(q.Site)
	}
	return s.Show(w, r, shell.Frame{Title: title, Section: "punches"},
		shell.Part{Name: "filter", Every: 0, Data: func() (any, error) { return s.filterView(r, q) }},
		shell.Part{Name: "punches", Every: every, Data: func() (any, error) { return s.punchesView(r, q, f) }})
}

func (s *Pages) filterView(r *http.Request, q question) (filterView, error) {
	v := filterView{Speech: s.Speech(r), question: q, Action: r.URL.Path, CSV: q.path(".csv", "")}
	for _, days := range []struct {
		code     string
		from, to int
	}{{"today", 0, 0}, {"yesterday", -1, -1}, {"week", -6, 0}} {
		of, today := q, v.Now.In(s.Zone)
		of.From, of.To, of.Impossible = today.AddDate(0, 0, days.from).Format(time.DateOnly), today.AddDate(0, 0, days.to).Format(time.DateOnly), false
		v.Days = append(v.Days, dayLink{"filter-" + days.code, of.path("", "")})
	}
	if q.InPath {
		return v, nil
	}
	all, err := s.store.Sites(r.Context())
	if err != nil {
		return v, err
	}
	for _, o := range all {
		v.Sites = append(v.Sites, o.Agent.Site)
	}
	return v, nil
}

func (s *Pages) punchesView(r *http.Request, q question, f store.Filter) (punchesView, error) {
	v := punchesView{Speech: s.Speech(r), question: q}
	f.Limit = pageSize + 1 // one more tells whether there is a next page
	var err error
	if v.Punches, err = s.collect(r.Context(), f); err != nil {
		return v, err
	}
	if len(v.Punches) > pageSize {
		v.Punches = v.Punches[:pageSize]
		v.Next = q.path("", v.Punches[pageSize-1].Cursor().String())
	}
	if q.After != "" {
		v.First = q.path("", "")
	}
	return v, nil
}

// collect reads the punches of one page.
func (s *Pages) collect(ctx context.Context, f store.Filter) ([]store.Punch, error) {
	var punches []store.Punch
	for p, err := range s.store.Punches(ctx, f) {
		if err != nil {
			return nil, fmt.Errorf("read punches: %w", err)
		}
		punches = append(punches, p)
	}
	return punches, nil
}
