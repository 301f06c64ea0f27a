// Package punches shows punches, with what the register says of them: a page of them by
// site, terminal, PIN, employee, doubt and day, and all of such a choice as a file.
//
// It reads store and register and changes nothing. Beware: a PIN can be a person's NIP.
// It may stand on a page and in its address; never in a log line, an error or a file's
// name.
package punches

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/meeting"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
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

// Register is what holds now of units and employees.
type Register func(ctx context.Context) (*directory.Register, error)

// Pages are the punches of one site or of all.
type Pages struct {
	*shell.Group
	store    Store
	register Register
}

// New plugs the pages into the shell. Without a register punches are shown as they came.
func New(s *shell.Shell, store Store, register Register) *Pages {
	if register == nil {
		register = func(context.Context) (*directory.Register, error) { return &directory.Register{}, nil }
	}
	return &Pages{s.Group("page", files), store, register}
}

// Routes adds the pages' addresses.
func (s *Pages) Routes(d *door.Door) {
	d.Handle("GET /sites/{site}/punches", door.To(account.See, door.Site), s.Page(s.punches))
	d.Handle("GET /sites/{site}/punches.csv", door.To(account.See, door.Site), s.Page(s.download))
	d.Handle("GET /punches", door.To(account.See, door.AskedSite), s.Page(s.punches))
	d.Handle("GET /punches.csv", door.To(account.See, door.AskedSite), s.Page(s.download))
}

// pageSize is how many punches stand on one page: a phone scrolls through them, and
// a poor line carries them in a second. At most pageSearch are looked at for it.
const (
	pageSize   = 50
	pageSearch = 5000
)

// question is what somebody asks of the punches, as it stands in the address.
type question struct {
	Site       protocol.SiteID
	Serial     string
	PIN        string
	Employee   string // NIP, NIK or the hub's PIN
	Doubt      string // one of doubts, or empty
	From, To   string // days, 2026-01-02; To is the last day that is wanted
	Impossible bool
	After      string // cursor of the page before
	InPath     bool   // the site is a part of the path
}

// doubts are what one can ask for that the register says, as it stands in the address.
func doubts() []string { return []string{"unknown-pin", "not-placed", "no-unit"} }

// search is a question as store and register answer it.
type search struct {
	question question
	meeting  *meeting.Meeting
	filter   meeting.Filter
	scope    account.Scope
}

// everywhere tells that all terminals are looked at: for who sees all of them, and for
// somebody's own employee, wherever they punched.
func (l search) everywhere() bool {
	return l.scope.Whole() || l.filter.Employee > 0 && l.scope.Employee(l.filter.Employee)
}

// asked reads and checks an address.
func (s *Pages) asked(r *http.Request) (search, error) {
	q, stored, err := s.stored(r)
	if err != nil {
		return search{}, err
	}
	reg, err := s.register(r.Context())
	if err != nil {
		return search{}, err
	}
	f := meeting.Filter{Filter: stored}
	if q.Employee != "" {
		f.Employee = -1 // of whom nobody knows there is nothing
		if e, found := reg.EmployeeBy(q.Employee); found {
			f.Employee = e.ID
		}
	}
	switch q.Doubt {
	case "":
	case "unknown-pin":
		f.Flags = store.FlagUnknownPIN
	case "not-placed":
		f.Flags = store.FlagNotPlaced
	case "no-unit":
		f.Flags = store.FlagNoUnit
	default:
		return search{}, shell.BadRequest("filter")
	}
	return search{q, meeting.New(reg, placement.Usual()), f, door.Who(r).Scope}, nil
}

// stored is the part of an address that the store answers.
func (s *Pages) stored(r *http.Request) (question, store.Filter, error) {
	query := r.URL.Query()
	text := func(name string) string { return strings.TrimSpace(query.Get(name)) }
	q := question{
		Site: protocol.SiteID(text("site")), Serial: text("terminal"), PIN: text("pin"), From: text("from"), To: text("to"),
		Employee: text("employee"), Doubt: text("doubt"), Impossible: query.Has("impossible"), After: query.Get("after"),
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
	if len(q.Serial) > 64 || len(q.PIN) > 64 || len(q.Employee) > 64 {
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
	set("employee", q.Employee)
	set("doubt", q.Doubt)
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
	Doubts []string
	CSV    string
	Days   []dayLink
}

// dayLink leads to the same question about days that are asked for often.
type dayLink struct{ Code, Path string }

// punchesView is the data of punches.html.
type punchesView struct {
	shell.Speech
	question
	Punches []meeting.Punch
	Next    string // address of the next page; empty at the end
	First   string // address of the first page; empty on it
}

// Of is the address of all punches of an employee by the hub's PIN.
func (v punchesView) Of(pin string) string { return question{Employee: pin}.path("", "") }

func (s *Pages) punches(w http.ResponseWriter, r *http.Request) error {
	look, err := s.asked(r)
	if err != nil {
		return err
	}
	q, every := look.question, 2*time.Second
	switch {
	case q.After != "":
		every = 0 // a page of the past
	case (q.PIN != "" || q.Employee != "") && q.Site == "", q.Doubt != "":
		every = 10 * time.Second // one person in the whole province is looked for in every terminal
	}
	title := s.Speech(r).Text("title-punches")
	if q.InPath {
		title += " – " + string(q.Site)
	}
	return s.Show(w, r, shell.Frame{Title: title, Section: "punches"},
		shell.Part{Name: "filter", Every: 0, Data: func() (any, error) { return s.filterView(r, q) }},
		shell.Part{Name: "punches", Every: every, Data: func() (any, error) { return s.punchesView(r, look) }})
}

func (s *Pages) filterView(r *http.Request, q question) (filterView, error) {
	v := filterView{Speech: s.Speech(r), question: q, Action: r.URL.Path, Doubts: doubts(), CSV: q.path(".csv", "")}
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
		if door.Who(r).Site(o.Agent.Site) {
			v.Sites = append(v.Sites, o.Agent.Site)
		}
	}
	return v, nil
}

func (s *Pages) punchesView(r *http.Request, look search) (punchesView, error) {
	v := punchesView{Speech: s.Speech(r), question: look.question}
	look.filter.Limit = pageSize + 1 // one more tells whether there is a next page
	if look.filter.Employee != 0 || look.filter.Flags != 0 {
		look.filter.Limit = pageSearch
	}
	seen, err := s.collect(r.Context(), look)
	if err != nil {
		return v, err
	}
	whole := len(seen) < look.filter.Limit
	for n, p := range seen {
		if len(v.Punches) == pageSize {
			whole, seen = false, seen[:n]
			break
		}
		if look.filter.Fits(p) {
			v.Punches = append(v.Punches, p)
		}
	}
	if !whole {
		v.Next = look.question.path("", seen[len(seen)-1].Cursor().String())
	}
	if look.question.After != "" {
		v.First = look.question.path("", "")
	}
	return v, nil
}

// collect reads punches up to the filter's limit, also such as do not fit.
func (s *Pages) collect(ctx context.Context, look search) ([]meeting.Punch, error) {
	narrow := look.meeting.Narrow(look.filter)
	sources := []store.Filter{narrow}
	if !look.everywhere() {
		terminals, err := s.terminals(ctx, look, narrow)
		if err != nil {
			return nil, err
		}
		sources = terminals
	}
	var punches []meeting.Punch
	for _, of := range sources {
		more, err := s.read(ctx, look, of)
		if err != nil {
			return nil, err
		}
		punches = append(punches, more...)
	}
	if len(sources) > 1 { // each began at the same place; together they are as long as one would be
		slices.SortFunc(punches, func(a, b meeting.Punch) int { return b.Cursor().Compare(a.Cursor()) })
		punches = punches[:min(narrow.Limit, len(punches))]
	}
	return punches, nil
}

func (s *Pages) read(ctx context.Context, look search, f store.Filter) (punches []meeting.Punch, err error) {
	for p, err := range s.store.Punches(ctx, f) {
		if err != nil {
			return nil, fmt.Errorf("read punches: %w", err)
		}
		punches = append(punches, look.meeting.Meet(p))
	}
	return punches, nil
}

// terminals divides a filter into one for each registered terminal that may be looked at:
// of one terminal the store reads any number of punches in the order in which it keeps them.
func (s *Pages) terminals(ctx context.Context, look search, f store.Filter) (sources []store.Filter, err error) {
	all, err := s.store.Terminals(ctx, f.Site)
	for _, t := range all {
		if !t.Registered.IsZero() && (f.Serial == "" || f.Serial == t.Serial) && (look.everywhere() || look.scope.Terminal(t.Site, t.Serial)) {
			of := f
			of.Site, of.Serial = t.Site, t.Serial
			sources = append(sources, of)
		}
	}
	return sources, err
}
