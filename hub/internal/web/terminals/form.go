package terminals

import (
	"errors"
	"net/http"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// askApproval shows a braked plan and the form that lets it pass.
func (p *Pages) askApproval(w http.ResponseWriter, r *http.Request) error {
	v, err := p.terminalView(r)
	if err != nil {
		return err
	}
	v.Form = p.Form(r)
	return p.showApproval(w, r, v, http.StatusOK)
}

// approve lets the plan pass that was shown, exactly this one, as the command does.
func (p *Pages) approve(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.terminalView(r)
	if err != nil {
		return err
	}
	v.Form = form
	var plan protocol.Hash
	if err := plan.UnmarshalText([]byte(form.Text("plan"))); err != nil {
		return shell.BadRequest("form")
	}
	if form.Good() {
		err := p.Holding.Approve(r.Context(), v.Site, v.Serial, plan, form.By, p.Now())
		switch {
		case err == nil:
			p.Done(w, r, v.Path(""), "notice-approved")
			return nil
		case !errors.Is(err, holding.ErrNoPlan) && !errors.Is(err, holding.ErrNone):
			return err
		}
		form.Refuse("form", v.Text("approval-gone"))
	}
	return p.showApproval(w, r, v, http.StatusUnprocessableEntity)
}

func (p *Pages) showApproval(w http.ResponseWriter, r *http.Request, v terminalView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-approval"), Section: "terminals", Code: code},
		shell.Still("approval", v))
}

// modeView is the data of mode.html.
type modeView struct {
	terminalView
	Choices []modeChoice
}

// modeChoice is a mode, and what it would do now.
type modeChoice struct {
	Mode    roster.Mode
	Known   bool // roster and inventory are there
	Steps   int
	Deletes int
}

func modes() []roster.Mode { return []roster.Mode{roster.Observe, roster.Add, roster.Enforce} }

func (p *Pages) modeView(r *http.Request, form *shell.Form) (v modeView, err error) {
	if v.terminalView, err = p.terminalView(r); err != nil {
		return v, err
	}
	v.Form = form
	for _, mode := range modes() {
		c := modeChoice{Mode: mode, Known: v.Issued && v.Seen}
		if c.Known {
			would := v.Roster
			would.Mode = mode
			for _, change := range roster.Diff(would, v.Inventory.Inventory).Changes {
				c.Steps++
				if change.Deletes() {
					c.Deletes++
				}
			}
		}
		v.Choices = append(v.Choices, c)
	}
	return v, nil
}

func (p *Pages) askMode(w http.ResponseWriter, r *http.Request) error {
	v, err := p.modeView(r, p.Form(r))
	if err != nil {
		return err
	}
	v.Form.Set("mode", string(v.Mode()))
	return p.showMode(w, r, v, http.StatusOK)
}

func (p *Pages) saveMode(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.modeView(r, form)
	if err != nil {
		return err
	}
	mode := roster.Mode(form.Text("mode"))
	if !slices.Contains(modes(), mode) {
		form.Refuse("mode", v.Text("mode-missing"))
	}
	if form.Good() {
		by := directory.By{Who: form.By, At: p.Now(), Act: "terminal mode", Subject: string(v.Serial)}
		_, err = p.Modes.SetMode(r.Context(), by, v.Known.ID, mode)
		var refused decision.Refusal
		if errors.As(err, &refused) {
			said, _ := v.Tell("campaign.error-"+refused.Code, refused.Args)
			form.Refuse("mode", said)
		} else if err != nil {
			return err
		}
	}
	if !form.Good() {
		return p.showMode(w, r, v, http.StatusUnprocessableEntity)
	}
	p.Done(w, r, v.Path(""), "notice-mode")
	return nil
}

func (p *Pages) showMode(w http.ResponseWriter, r *http.Request, v modeView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-mode"), Section: "terminals", Code: code},
		shell.Still("mode", v))
}
