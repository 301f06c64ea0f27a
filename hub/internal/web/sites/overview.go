package sites

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// siteView is one site on the overview.
type siteView struct {
	store.Overview
	Standing  Standing
	Reported  bool
	State     reported
	Terminals []terminalView
}

// Oldest is the age of what has waited longest at the site, or nil.
func (v siteView) Oldest() *time.Time { return v.State.Backlog.Oldest }

// overviewView is the data of summary.html and sites.html.
type overviewView struct {
	speaker
	Live      shell.Live
	Sites     []siteView
	Notices   []notice
	More      int // notices that are not listed
	Attempts  []store.Attempt
	Strangers []store.Terminal // terminals that are not registered and have punches waiting

	Ready, Terminals, Unwell int // terminals: of all sites; unwell: of sites that are heard
	Backlog                  uint64
	Sightings                int64
}

// maxNotices keeps a bad day readable; each site's page has all of its own.
const maxNotices = 12

func (s *Pages) overview(w http.ResponseWriter, r *http.Request) error {
	every := 2 * time.Second
	totals, err := s.store.Totals(r.Context())
	if err != nil {
		return err
	}
	if totals.Sites > 40 {
		every = 10 * time.Second // a page of hundreds of sites is large and changes all the time
	}
	read := sync.OnceValues(func() (overviewView, error) { return s.overviewView(r) })
	return s.Show(w, r, shell.Frame{Title: s.Speech(r).Text("title-sites"), Section: "sites"},
		shell.Part{Name: "summary", Every: every, Data: func() (any, error) { return read() }},
		s.latestPart(r, ""),
		shell.Part{Name: "sites", Every: every, Data: func() (any, error) { return read() }})
}

func (s *Pages) overviewView(r *http.Request) (overviewView, error) {
	ctx := r.Context()
	v := overviewView{speaker: s.speaker(r), Live: s.Live()}
	scope := door.Who(r).Scope
	var err error
	if v.Sites, v.Strangers, err = s.sites(ctx, scope, v.Live, v.Now); err != nil {
		return v, err
	}
	if !scope.Whole() { // who knocks at the hub and how it is itself is the agency's business
		v.sum(nil)
		return v, nil
	}
	if v.Attempts, err = s.store.Attempts(ctx); err != nil {
		return v, err
	}
	hub, err := s.store.Conditions(ctx, "")
	if err != nil {
		return v, err
	}
	v.sum(hub)
	return v, nil
}

// sites reads all sites of a scope and, apart, the terminals that nobody registered.
func (s *Pages) sites(ctx context.Context, scope account.Scope, live shell.Live, now time.Time) (views []siteView, strangers []store.Terminal, err error) {
	all, err := s.store.Sites(ctx)
	if err != nil {
		return nil, nil, err
	}
	held, err := s.store.Terminals(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	bySite := map[protocol.SiteID][]store.Terminal{}
	for _, t := range held {
		if !scope.Terminal(t.Site, t.Serial) {
			continue
		}
		bySite[t.Site] = append(bySite[t.Site], t)
		if t.Registered.IsZero() {
			strangers = append(strangers, t)
		}
	}
	for _, o := range all {
		if !scope.Site(o.Agent.Site) {
			continue
		}
		v, err := view(o, scope, bySite[o.Agent.Site], live, now, s.Zone)
		if err != nil {
			return nil, nil, err
		}
		views = append(views, v)
	}
	return views, strangers, nil
}

// view puts together what is known of one site, as far as a scope reaches there.
func view(o store.Overview, scope account.Scope, held []store.Terminal, live shell.Live, now time.Time, zone *time.Location) (siteView, error) {
	st, found, err := open(o)
	if err != nil {
		return siteView{}, err
	}
	st, o = within(scope, st, o)
	v := siteView{Overview: o, Reported: found, State: st}
	if v.Standing = standing(st.Status, o.Heard, live.Listening(), now); o.Fingerprint == "" {
		v.Standing = Absent
	}
	v.Terminals = terminals(v.Standing, st, held, wall(now, zone))
	return v, nil
}

// within leaves out what a site and the hub say of terminals there that are others'.
func within(scope account.Scope, st reported, o store.Overview) (reported, store.Overview) {
	if scope.Whole() {
		return st, o
	}
	others := map[string]bool{}
	st.Terminals = slices.DeleteFunc(slices.Clone(st.Terminals), func(t protocol.Terminal) bool {
		others[string(t.Serial)] = !scope.Terminal(o.Agent.Site, t.Serial)
		return others[string(t.Serial)]
	})
	st.Conditions = slices.DeleteFunc(slices.Clone(st.Conditions), func(c protocol.Condition) bool { return others[c.Subject] })
	o.Conditions = slices.DeleteFunc(slices.Clone(o.Conditions), func(c store.Condition) bool { return others[c.Subject] })
	return st, o
}

// wall is what a right clock on a wall in the zone shows, in the form in which
// terminals' times are compared: as if it were UTC.
func wall(now time.Time, zone *time.Location) time.Time {
	now = now.In(zone)
	_, offset := now.Zone()
	return now.UTC().Add(time.Duration(offset) * time.Second)
}

// sum counts the sites and collects what needs somebody.
func (v *overviewView) sum(hub []store.Condition) {
	for _, c := range hub {
		n := v.condition("", c.Code, c.Subject, c.Args, protocol.SeverityError, &c.Since)
		n.Command = closeCommand(c)
		v.Notices = append(v.Notices, n)
	}
	for _, site := range v.Sites {
		if site.Standing == Ready {
			v.Ready++
		}
		if site.Standing.Alarming() {
			v.Notices = append(v.Notices, notice{Site: site.Agent.Site, Severity: protocol.SeverityError,
				Text: v.Text("notice-"+string(site.Standing), "since", v.Moment(site.Heard)), code: string(site.Standing)})
		}
		v.Terminals += len(site.Terminals)
		for _, t := range site.Terminals {
			if t.Health == "failing" {
				v.Unwell++
			}
		}
		if site.Standing.Holds() {
			v.Backlog += site.State.Backlog.Punches
		}
		v.Sightings += site.Sightings
		if site.Standing.Sees() { // what a silent site said of itself may be over
			v.Notices = append(v.Notices, v.conditions(site.Agent.Site, site.State, nil)...)
		}
		v.Notices = append(v.Notices, v.conditions(site.Agent.Site, reported{}, site.Conditions)...)
	}
	rank(v.Notices)
	if len(v.Notices) > maxNotices {
		v.More = len(v.Notices) - maxNotices
		v.Notices = v.Notices[:maxNotices]
	}
}
