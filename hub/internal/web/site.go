package web

import (
	"context"
	"net/http"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// siteDetail is the data of site.html.
type siteDetail struct {
	speech
	siteView
	Steps   []step
	Notices []notice
	Receipt protocol.Receipt
}

// latestView is the data of latest.html.
type latestView struct {
	speech
	Site   protocol.SiteID // empty: of all
	Latest []store.Punch
}

func (s *server) site(w http.ResponseWriter, r *http.Request) error {
	o, err := s.knownSite(r)
	if err != nil {
		return err
	}
	id := o.Agent.Site
	return s.show(w, r, frame{Title: string(id), Section: "sites", Aside: true},
		part{"site", 2 * time.Second, func() (any, error) { return s.siteDetail(r, o) }},
		s.latestPart(r, id))
}

// knownSite reads the site that the address names.
func (s *server) knownSite(r *http.Request) (store.Overview, error) {
	id, err := protocol.ParseSiteID(r.PathValue("site"))
	if err != nil {
		return store.Overview{}, notFound("no-site")
	}
	return s.Store.Site(r.Context(), id)
}

func (s *server) siteDetail(r *http.Request, o store.Overview) (siteDetail, error) {
	ctx, id := r.Context(), o.Agent.Site
	v := siteDetail{speech: s.speech(r)}
	held, err := s.Store.Terminals(ctx, id)
	if err != nil {
		return v, err
	}
	if v.siteView, err = view(o, held, s.Options.Live(), v.now, s.Zone); err != nil {
		return v, err
	}
	if v.Receipt, _, err = s.Store.Receipt(ctx, id); err != nil {
		return v, err
	}
	last, found, err := s.Store.LastPunch(ctx, id)
	if err != nil {
		return v, err
	}
	v.Steps = v.way(v.siteView, last, found, v.Receipt)
	v.Notices = v.conditions(id, v.State, o.Conditions)
	for i := range v.Notices {
		v.Notices[i].Site = "" // the page is the site's own
	}
	rank(v.Notices)
	return v, nil
}

// latestPart is the part of a page that shows the newest punches of one or all sites.
func (s *server) latestPart(r *http.Request, site protocol.SiteID) part {
	return part{"latest", 2 * time.Second, func() (any, error) {
		v := latestView{speech: s.speech(r), Site: site}
		var err error
		v.Latest, err = s.latest(r.Context(), site, v.now)
		return v, err
	}}
}

// latest returns the newest punches. A terminal whose clock runs years ahead would
// stand at the top for years, so nothing beyond tomorrow is looked at. Most often
// the last hour has enough, and looking at less is quicker.
func (s *server) latest(ctx context.Context, site protocol.SiteID, now time.Time) (punches []store.Punch, err error) {
	const shown = 6
	const day = 24 * time.Hour
	here := wall(now, s.Zone)
	f := store.Filter{Site: site, Newest: true, Limit: shown, To: protocol.NewLocalTime(here.Add(day))}
	for _, back := range []time.Duration{time.Hour, day, 30 * day} {
		f.From = protocol.NewLocalTime(here.Add(-back))
		if punches, err = s.collect(ctx, f); err != nil || len(punches) == shown {
			return punches, err
		}
	}
	f.From = ""
	return s.collect(ctx, f)
}
