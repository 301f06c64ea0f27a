package sites

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// siteDetail is the data of site.html.
type siteDetail struct {
	speaker
	siteView
	Steps   []step
	Notices []notice
	Receipt protocol.Receipt
}

// latestView is the data of latest.html.
type latestView struct {
	speaker
	Site   protocol.SiteID // empty: of all
	Latest []store.Punch
}

func (s *Pages) site(w http.ResponseWriter, r *http.Request) error {
	o, err := s.knownSite(r)
	if err != nil {
		return err
	}
	id := o.Agent.Site
	return s.Show(w, r, shell.Frame{Title: string(id), Section: "sites", Aside: true},
		shell.Part{Name: "site", Every: 2 * time.Second, Data: func() (any, error) { return s.siteDetail(r, o) }},
		s.latestPart(r, id))
}

// knownSite reads the site that the address names.
func (s *Pages) knownSite(r *http.Request) (store.Overview, error) {
	id, err := protocol.ParseSiteID(r.PathValue("site"))
	if err != nil {
		return store.Overview{}, shell.NotFound("no-site")
	}
	o, err := s.store.Site(r.Context(), id)
	if errors.Is(err, store.ErrNoSite) {
		return o, shell.NotFound("no-site")
	}
	return o, err
}

func (s *Pages) siteDetail(r *http.Request, o store.Overview) (siteDetail, error) {
	ctx, id := r.Context(), o.Agent.Site
	v := siteDetail{speaker: s.speaker(r)}
	held, err := s.store.Terminals(ctx, id)
	if err != nil {
		return v, err
	}
	scope := door.Who(r).Scope
	held = slices.DeleteFunc(held, func(t store.Terminal) bool { return !scope.Terminal(id, t.Serial) })
	if v.siteView, err = view(o, scope, held, s.Live(), v.Now, s.Zone); err != nil {
		return v, err
	}
	if v.Receipt, _, err = s.store.Receipt(ctx, id); err != nil && !errors.Is(err, store.ErrNoSite) { // nobody is told one where no agent is
		return v, err
	}
	last, found, err := s.last(ctx, scope, id)
	if err != nil {
		return v, err
	}
	v.Steps = v.way(v.siteView, last, found, v.Receipt)
	v.Notices = v.conditions(id, v.State, v.siteView.Conditions)
	for i := range v.Notices {
		v.Notices[i].Site = "" // the page is the site's own
	}
	rank(v.Notices)
	return v, nil
}

// last is the newest punch of a site within a scope; false for none.
func (s *Pages) last(ctx context.Context, scope account.Scope, site protocol.SiteID) (store.Punch, bool, error) {
	if scope.Whole() {
		return s.store.LastPunch(ctx, site)
	}
	punches, err := s.collect(ctx, scope, store.Filter{Site: site, Newest: true, Limit: 1})
	if err != nil || len(punches) == 0 {
		return store.Punch{}, false, err
	}
	return punches[0], true, nil
}

// latestPart is the part of a page that shows the newest punches of one or all sites.
func (s *Pages) latestPart(r *http.Request, site protocol.SiteID) shell.Part {
	return shell.Part{Name: "latest", Every: 2 * time.Second, Data: func() (any, error) {
		v := latestView{speaker: s.speaker(r), Site: site}
		var err error
		v.Latest, err = s.latest(r.Context(), door.Who(r).Scope, site, v.Now)
		return v, err
	}}
}

// latest returns the newest punches. A terminal whose clock runs years ahead would
// stand at the top for years, so nothing beyond tomorrow is looked at. Most often
// the last hour has enough, and looking at less is quicker.
func (s *Pages) latest(ctx context.Context, scope account.Scope, site protocol.SiteID, now time.Time) (punches []store.Punch, err error) {
	const shown = 6
	const day = 24 * time.Hour
	here := wall(now, s.Zone)
	f := store.Filter{Site: site, Newest: true, Limit: shown, To: protocol.NewLocalTime(here.Add(day))}
	for _, back := range []time.Duration{time.Hour, day, 30 * day} {
		f.From = protocol.NewLocalTime(here.Add(-back))
		if punches, err = s.collect(ctx, scope, f); err != nil || len(punches) == shown {
			return punches, err
		}
	}
	f.From = ""
	return s.collect(ctx, scope, f)
}

// collect reads the punches of a filter that lie within a scope: of part of all terminals,
// from each of them.
func (s *Pages) collect(ctx context.Context, scope account.Scope, f store.Filter) (punches []store.Punch, err error) {
	sources := []store.Filter{f}
	if !scope.Whole() {
		terminals, err := s.store.Terminals(ctx, f.Site)
		if err != nil {
			return nil, err
		}
		sources = nil
		for _, t := range terminals {
			if scope.Terminal(t.Site, t.Serial) {
				of := f
				of.Site, of.Serial = t.Site, t.Serial
				sources = append(sources, of)
			}
		}
	}
	for _, of := range sources {
		for p, err := range s.store.Punches(ctx, of) {
			if err != nil {
				return nil, fmt.Errorf("read punches: %w", err)
			}
			punches = append(punches, p)
		}
	}
	if len(sources) > 1 {
		slices.SortFunc(punches, func(a, b store.Punch) int { return b.Cursor().Compare(a.Cursor()) })
		punches = punches[:min(f.Limit, len(punches))]
	}
	return punches, nil
}
