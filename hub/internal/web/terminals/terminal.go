package terminals

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/hub/internal/wording"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// How much of a terminal stands on one page; the commands tell all.
const (
	sideSize    = 100 // people
	stepsShown  = 100
	pastShown   = 12
	outcomesMax = 30
)

// terminalView is one terminal with what it should and does hold. It is the data of
// head.html, sides.html, plan.html and approval.html.
type terminalView struct {
	speech
	holding.Terminal
	Known     *directory.Terminal
	Code      string // a wording.StandingCode
	Badge     string
	Revision  holding.Revision
	Roster    roster.Roster
	Inventory holding.Inventory
	Issued    bool // there is a roster
	Seen      bool // there is an inventory
	Plan      planView
	Form      *shell.Form // of approval.html

	Sides      []side
	Different  int
	All        int
	Prev, Next string
}

// pastView is the data of past.html.
type pastView struct {
	speech
	Revisions []holding.Revision
	MoreRevs  int
	Outcomes  []holding.Outcome
	MoreOuts  int
}

func (p *Pages) terminal(w http.ResponseWriter, r *http.Request) error {
	page, err := shell.PageNumber(r)
	if err != nil {
		return err
	}
	v, err := p.terminalView(r)
	if err != nil {
		return err
	}
	return p.Show(w, r, shell.Frame{Title: string(v.Serial), Section: "terminals"},
		shell.Part{Name: "head", Every: 5 * time.Second, Data: func() (any, error) { return v, nil }},
		shell.Part{Name: "plan", Every: 5 * time.Second, Data: func() (any, error) { return v, nil }},
		shell.Part{Name: "sides", Every: 5 * time.Second, Data: func() (any, error) { v.compare(p.people(v), page); return v, nil }},
		shell.Part{Name: "past", Every: 10 * time.Second, Data: func() (any, error) { return p.past(r, v) }})
}

func (p *Pages) terminalView(r *http.Request) (terminalView, error) {
	var v terminalView
	var err error
	if v.speech, err = p.read(r); err != nil {
		return v, err
	}
	if v.Terminal, v.Known, err = p.find(r, v.speech); err != nil {
		return v, err
	}
	ctx := r.Context()
	if v.Revision, v.Roster, err = p.Holding.Roster(ctx, v.Site, v.Serial); err != nil && !errors.Is(err, holding.ErrNone) {
		return v, err
	}
	v.Issued = err == nil
	v.Order = v.Revision.Order // the roster may have been replaced since the list was read
	if v.Inventory, err = p.Holding.Inventory(ctx, v.Site, v.Serial); err != nil && !errors.Is(err, holding.ErrNone) {
		return v, err
	}
	v.Seen = err == nil
	v.Code = wording.StandingCode(v.Terminal)
	v.Badge = badge(v.Code)
	if v.Issued && v.Seen {
		v.Plan = v.plan(p.people(v))
	}
	return v, nil
}

func (p *Pages) past(r *http.Request, v terminalView) (pastView, error) {
	out := pastView{speech: v.speech}
	revisions, err := p.Holding.History(r.Context(), v.Site, v.Serial)
	if err != nil {
		return out, err
	}
	outcomes, err := p.Holding.Outcomes(r.Context(), v.Site, v.Serial, "")
	if err != nil {
		return out, err
	}
	out.Revisions, out.MoreRevs = revisions[:min(pastShown, len(revisions))], max(0, len(revisions)-pastShown)
	out.Outcomes, out.MoreOuts = outcomes[:min(outcomesMax, len(outcomes))], max(0, len(outcomes)-outcomesMax)
	return out, nil
}

// Path is the terminal's address, with something behind it.
func (v terminalView) Path(more string) string {
	return "/terminals/" + url.PathEscape(string(v.Site)) + "/" + url.PathEscape(string(v.Serial)) + more
}

// pageOf is the address of another page of the people.
func (v terminalView) pageOf(page int) string {
	if page == 1 {
		return v.Path("#sides")
	}
	return v.Path("?page=" + strconv.Itoa(page) + "#sides")
}

// Units are those whose people the terminal is for today.
func (v terminalView) Units() (names []string) {
	for _, s := range directory.Sorted(v.Register.Servings) {
		if s.Terminal == v.Known.ID && s.Holds(v.Today) {
			name := v.Unit(s.Unit)
			if s.Responsible {
				name = v.Text("responsible", "unit", name)
			}
			names = append(names, name)
		}
	}
	return names
}

// Enrolment tells that fingers are recorded at the terminal.
func (v terminalView) Enrolment() bool {
	return v.Known.On(directory.TerminalEnrolment, v.Today) == "yes"
}

// Mode is what the register says today; the issued roster may still have another.
func (v terminalView) Mode() roster.Mode {
	if mode := v.Known.On(directory.TerminalMode, v.Today); mode != "" {
		return roster.Mode(mode)
	}
	return roster.Observe
}
