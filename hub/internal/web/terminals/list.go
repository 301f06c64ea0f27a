package terminals

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/people"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/hub/internal/wording"
)

// pageSize is how many terminals stand on one page.
const pageSize = 50

// question is what somebody asks of the list, as it stands in the address.
type question struct {
	Typed    string // a part of a site, a serial number or a unit's name
	Standing string // a wording.StandingCode; empty for all
	Page     int    // from 1
}

func asked(r *http.Request) (question, error) {
	query := r.URL.Query()
	q := question{Typed: strings.TrimSpace(query.Get("q")), Standing: query.Get("standing")}
	if len(q.Typed) > 100 || q.Standing != "" && !slices.Contains(standings(), q.Standing) {
		return q, shell.BadRequest("filter")
	}
	var err error
	q.Page, err = shell.PageNumber(r)
	return q, err
}

// standings are the codes by which a list can be asked for.
func standings() []string {
	return []string{"equal", "sent", "waiting", "blocked", "braked", "failed", "ahead", "unsealed", "none"}
}

func (q question) path(page int) string {
	query := url.Values{}
	if q.Typed != "" {
		query.Set("q", q.Typed)
	}
	if q.Standing != "" {
		query.Set("standing", q.Standing)
	}
	if page > 1 {
		query.Set("page", strconv.Itoa(page))
	}
	return (&url.URL{Path: "/terminals", RawQuery: query.Encode()}).String()
}

// listView is the data of list.html.
type listView struct {
	speech
	question
	Rows       []listRow
	Count      int
	Codes      []string
	Prev, Next string // addresses; empty at the ends
}

// listRow is one terminal of the list.
type listRow struct {
	holding.Terminal
	Unit      string
	Enrolment bool
	Code      string // a wording.StandingCode
	Badge     string
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	q, err := asked(r)
	if err != nil {
		return err
	}
	return p.Show(w, r, shell.Frame{Title: p.Speech(r).Text("title-list"), Section: "terminals"},
		shell.Part{Name: "search", Data: func() (any, error) {
			return listView{speech: speech{people.Speech{Speech: p.Speech(r)}}, question: q, Codes: standings()}, nil
		}},
		shell.Part{Name: "list", Every: 10 * time.Second, Data: func() (any, error) { return p.listView(r, q) }})
}

func (p *Pages) listView(r *http.Request, q question) (listView, error) {
	v := listView{question: q}
	var err error
	if v.speech, err = p.read(r); err != nil {
		return v, err
	}
	all, err := p.Holding.Terminals(r.Context())
	if err != nil {
		return v, err
	}
	var rows []listRow
	for _, t := range all {
		known, found := v.Register.TerminalBy(t.Site, t.Serial)
		if !found || !v.Scope.Terminal(t.Site, t.Serial) {
			continue // others', or registered since the register was read
		}
		code := wording.StandingCode(t)
		row := listRow{Terminal: t, Unit: v.Responsible(known.ID), Code: code, Badge: badge(code),
			Enrolment: known.On(directory.TerminalEnrolment, v.Today) == "yes"}
		if q.Standing != "" && q.Standing != code || q.Typed != "" && !row.meant(q.Typed) {
			continue
		}
		rows = append(rows, row)
	}
	v.Count = len(rows)
	from := min(len(rows), (q.Page-1)*pageSize)
	v.Rows = rows[from:min(len(rows), from+pageSize)]
	if q.Page > 1 {
		v.Prev = q.path(q.Page - 1)
	}
	if from+pageSize < len(rows) {
		v.Next = q.path(q.Page + 1)
	}
	return v, nil
}

func (r listRow) meant(typed string) bool {
	for _, text := range []string{string(r.Site), string(r.Serial), r.Unit} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(typed)) {
			return true
		}
	}
	return false
}
