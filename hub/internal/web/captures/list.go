package captures

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
)

// shown is how many captures stand on the page, the newest first; among looked of them
// those of one office are found.
const (
	shown  = 50
	looked = 2000
)

// listView is the data of list.html.
type listView struct {
	speech
	Employee *directory.Employee // whose captures; nil: of all
	Jobs     []job.Job
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	v := listView{}
	var err error
	if v.speech, err = p.read(r); err != nil {
		return err
	}
	if asked := r.URL.Query().Get("employee"); asked != "" {
		if v.Employee = v.employee(asked); v.Employee == nil {
			return shell.NotFound("no-employee")
		}
	}
	return p.Show(w, r, shell.Frame{Title: v.Text("title-list"), Section: "captures"},
		shell.Still("head", v),
		shell.Part{Name: "list", Every: time.Second, Data: func() (any, error) {
			f := job.Filter{Limit: shown}
			if v.Employee != nil {
				f.Employee = v.Employee.ID
			} else if !v.Scope.Whole() {
				f.Limit = looked // which of them are theirs is not known before
			}
			all, err := p.Jobs.List(r.Context(), f)
			all = slices.DeleteFunc(all, func(j job.Job) bool { return !v.Scope.Employee(j.Employee) })
			v.Jobs = all[:min(shown, len(all))]
			return v, err
		}})
}

// Badge is the class of the light that goes with a capture.
func (listView) Badge(s job.State) string {
	switch s {
	case job.Done:
		return "ready"
	case job.Waiting, job.Begun:
		return "starting"
	case job.Failed, job.Expired:
		return "missing"
	}
	return ""
}

// cancelView is the data of cancel.html.
type cancelView struct {
	speech
	Job  job.Job
	Form *shell.Form
}

func (p *Pages) cancelView(r *http.Request, form *shell.Form) (v cancelView, err error) {
	v.Form = form
	if v.speech, err = p.read(r); err != nil {
		return v, err
	}
	v.Job, err = p.job(r)
	if errors.Is(err, job.ErrNone) {
		return v, shell.NotFound("no-capture")
	}
	return v, err
}

func (p *Pages) askCancel(w http.ResponseWriter, r *http.Request) error {
	v, err := p.cancelView(r, p.Form(r))
	if err != nil {
		return err
	}
	return p.showCancel(w, r, v, http.StatusOK)
}

// cancel ends a capture that has not ended, as the command does.
func (p *Pages) cancel(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.cancelView(r, form)
	if err != nil {
		return err
	}
	if form.Good() {
		err := p.Jobs.Cancel(r.Context(), v.Job.ID, form.By, p.Now())
		if refusal, ok := errors.AsType[job.Refusal](err); ok {
			form.Refuse("form", v.refusal(refusal))
		} else if err != nil {
			return err
		}
	}
	if !form.Good() {
		return p.showCancel(w, r, v, http.StatusUnprocessableEntity)
	}
	p.Done(w, r, pathOf(v.Job.Employee), "notice-cancelled")
	return nil
}

func (p *Pages) showCancel(w http.ResponseWriter, r *http.Request, v cancelView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-cancel"), Section: "captures", Code: code},
		shell.Still("cancel", v))
}
