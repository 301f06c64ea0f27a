package campaigns

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/campaign"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// listView is the data of list.html.
type listView struct {
	speech
	Campaigns []campaign.Campaign
}

// list shows all campaigns, the newest first.
func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	v := listView{speech: p.speech(r)}
	var err error
	if v.Campaigns, err = p.Campaigns.List(r.Context()); err != nil {
		return err
	}
	if !v.Scope.Whole() {
		reg, err := p.Directory.Register(r.Context())
		if err != nil {
			return err
		}
		v.Campaigns = slices.DeleteFunc(v.Campaigns, func(c campaign.Campaign) bool { return !touches(c, reg, v.Scope, v.Today) })
	}
	return p.Show(w, r, shell.Frame{Title: v.Text("title-list"), Section: "campaigns"},
		shell.Still("list", v))
}

// newView is the data of new.html.
type newView struct {
	speech
	Form  *shell.Form
	Units []choice
}

// choice is a unit that a campaign can be over.
type choice struct {
	ID     placement.UnitID
	Name   string
	Chosen bool
}

func (p *Pages) newView(r *http.Request, form *shell.Form) (v newView, err error) {
	v.speech, v.Form = p.speech(r), form
	reg, err := p.Directory.Register(r.Context())
	if err != nil {
		return v, err
	}
	for _, u := range directory.Sorted(reg.Units) {
		v.Units = append(v.Units, choice{u.ID, u.At(directory.UnitName, v.Today), slices.Contains(form.Values["unit"], fmt.Sprint(int64(u.ID)))})
	}
	slices.SortFunc(v.Units, func(a, b choice) int { return strings.Compare(a.Name, b.Name) })
	return v, nil
}

func (p *Pages) askNew(w http.ResponseWriter, r *http.Request) error {
	v, err := p.newView(r, p.Form(r))
	if err != nil {
		return err
	}
	v.Form.Set("from", string(v.Today))
	return p.showNew(w, r, v, http.StatusOK)
}

func (p *Pages) showNew(w http.ResponseWriter, r *http.Request, v newView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-new"), Section: "campaigns", Code: code},
		shell.Still("new", v))
}

// add begins a campaign.
func (p *Pages) add(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.newView(r, form)
	if err != nil {
		return err
	}
	n := campaign.Campaign{Name: form.Get("name"), From: roster.Date(form.Get("from")), To: roster.Date(form.Get("to")), Lead: form.Get("lead")}
	for _, text := range form.Values["unit"] {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return shell.BadRequest("form")
		}
		n.Units = append(n.Units, placement.UnitID(id))
	}
	if form.Good() {
		number, err := p.Campaigns.Add(r.Context(), p.by(form, "campaign add", n.Name), n)
		if err == nil {
			p.Done(w, r, fmt.Sprintf("/campaigns/%d", number), "notice-added")
			return nil
		}
		if !v.refused(form, err) {
			return err
		}
	}
	return p.showNew(w, r, v, http.StatusUnprocessableEntity)
}

// progressView is the data of progress.html, visit.html and minutes.html.
type progressView struct {
	speech
	*campaign.Progress
	Standing campaign.Standing // of a page about one terminal
	Form     *shell.Form
}

// Path is where the campaign is.
func (v progressView) Path() string { return fmt.Sprintf("/campaigns/%d", v.Campaign.N) }

// Count is how many terminals are in a state.
func (v progressView) Count(state string) (n int) {
	for _, l := range v.Summary.Lines {
		if string(l.State) == state {
			n++
		}
	}
	return n
}

// read is the campaign that the address names, as it stands today.
func (p *Pages) read(r *http.Request) (v progressView, err error) {
	v.speech = p.speech(r)
	n, err := number(r)
	if err != nil {
		return v, err
	}
	v.Progress, err = p.Campaigns.Progress(r.Context(), n, v.Today)
	var no decision.Refusal
	if errors.As(err, &no) {
		return v, shell.NotFound("no-campaign")
	}
	if err != nil || v.Scope.Whole() {
		return v, err
	}
	reg, err := p.Directory.Register(r.Context())
	if err == nil {
		v.Progress = v.part(v.Progress, reg)
	}
	return v, err
}

// part is what a campaign is about within the reader's scope.
func (v progressView) part(whole *campaign.Progress, reg *directory.Register) *campaign.Progress {
	p := &campaign.Progress{Campaign: whole.Campaign, Summary: whole.Summary}
	p.Campaign.Units = slices.DeleteFunc(slices.Clone(whole.Campaign.Units), func(u placement.UnitID) bool { return !v.Scope.Unit(u) })
	p.Summary.Campaign, p.Summary.Lines = p.Campaign.Content(reg, v.Today), nil
	for i, t := range whole.Terminals {
		if v.Scope.Terminal(t.Site, t.Serial) {
			p.Terminals, p.Summary.Lines = append(p.Terminals, t), append(p.Summary.Lines, whole.Summary.Lines[i])
		}
	}
	return p
}

// one is read for a page about one terminal of the campaign.
func (p *Pages) one(r *http.Request) (v progressView, err error) {
	if v, err = p.read(r); err != nil {
		return v, err
	}
	found := false
	if v.Standing, found = v.Find(protocol.SiteID(r.PathValue("site")), protocol.Serial(r.PathValue("serial"))); !found {
		return v, shell.NotFound("no-terminal")
	}
	return v, nil
}

// progress shows how a campaign stands.
func (p *Pages) progress(w http.ResponseWriter, r *http.Request) error {
	v, err := p.read(r)
	if err != nil {
		return err
	}
	return p.Show(w, r, shell.Frame{Title: v.Campaign.Name, Section: "campaigns"},
		shell.Still("progress", v))
}
