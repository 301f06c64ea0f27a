package captures

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
)

// recommended are the fingers of a fresh form: one of each hand, which most people can
// place without thinking.
func recommended() []string { return []string{"6", "3"} }

// orderView is the data of order.html.
type orderView struct {
	speech
	Employee  *directory.Employee
	Form      *shell.Form
	Terminals []string // of enrolment
	Fingers   []fingerChoice
	Wording   string // version of the notice
}

// fingerChoice is one finger that can be asked for.
type fingerChoice struct {
	Number uint8
	Chosen bool
	Held   bool // there is a template already
}

func pathOf(e placement.EmployeeID) string { return fmt.Sprintf("/captures?employee=%d", e) }

func (p *Pages) orderView(r *http.Request, form *shell.Form) (v orderView, err error) {
	v.Form, v.Wording = form, job.Wording
	if v.speech, err = p.read(r); err != nil {
		return v, err
	}
	if v.Employee = v.employee(r.URL.Query().Get("employee")); v.Employee == nil {
		return v, shell.NotFound("no-employee")
	}
	for _, t := range v.terminals() {
		v.Terminals = append(v.Terminals, nameOf(t))
	}
	held, err := p.Vault.Have(r.Context(), int64(v.Employee.ID))
	if err != nil {
		return v, err
	}
	there := map[uint8]bool{}
	for _, h := range held {
		there[h.Finger] = true
	}
	for n := range uint8(10) {
		v.Fingers = append(v.Fingers, fingerChoice{n, slices.Contains(form.Values["finger"], strconv.Itoa(int(n))), there[n]})
	}
	return v, nil
}

func (p *Pages) ask(w http.ResponseWriter, r *http.Request) error {
	form := p.Form(r)
	form.Values["finger"] = recommended()
	v, err := p.orderView(r, form)
	if err != nil {
		return err
	}
	if len(v.Terminals) > 0 {
		form.Set("terminal", v.Terminals[0])
	}
	return p.showOrder(w, r, v, http.StatusOK)
}

// start orders the capture of the fingers that were chosen, as the command does.
func (p *Pages) start(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.orderView(r, form)
	if err != nil {
		return err
	}
	order := job.Order{Employee: v.Employee.ID, Notice: form.Text("notice") == job.Wording, Who: form.By}
	if !slices.Contains(v.Terminals, form.Text("terminal")) {
		form.Refuse("terminal", v.Text("terminal-missing"))
	}
	order.Site, order.Serial = terminalOf(form.Text("terminal"))
	for _, f := range v.Fingers {
		if f.Chosen {
			order.Fingers = append(order.Fingers, f.Number)
		}
	}
	if form.Good() {
		_, err := p.Jobs.Start(r.Context(), order, p.Now())
		if refusal, ok := errors.AsType[job.Refusal](err); ok {
			form.Refuse(fieldOf(refusal), v.refusal(refusal))
		} else if err != nil {
			return err
		}
	}
	if !form.Good() {
		return p.showOrder(w, r, v, http.StatusUnprocessableEntity)
	}
	notice := "notice-started"
	if len(order.Fingers) == 1 {
		notice = "notice-started-one"
	}
	p.Done(w, r, pathOf(v.Employee.ID), notice)
	return nil
}

// fieldOf is the field beside which a refusal belongs.
func fieldOf(r job.Refusal) string {
	switch r {
	case job.ErrNotice:
		return "notice"
	case job.ErrFinger, job.ErrBusy:
		return "finger"
	case job.ErrTerminal, job.ErrEnrolment:
		return "terminal"
	}
	return "form"
}

// refusal is said in the words of a page where those of the command name a flag.
func (v speech) refusal(r job.Refusal) string {
	if said, known := v.Tell("captures.refused-"+string(r), nil); known {
		return said
	}
	return v.Words().CaptureRefused(r)
}

func (p *Pages) showOrder(w http.ResponseWriter, r *http.Request, v orderView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-order"), Section: "captures", Code: code},
		shell.Still("order", v))
}

// Notice is what the employee must be shown.
func (v orderView) Notice() string {
	said, _ := v.Tell("capture.notice", nil)
	return said
}
