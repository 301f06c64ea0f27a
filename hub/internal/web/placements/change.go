package placements

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/people"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// change is a kind of change: its form, and what the form does to the register. A form
// is sent twice: first to look at what it will do, then to save exactly that.
type change struct {
	name   string // of its template; its sentences are title-… and notice-…
	act    string // for the audit, as the command of the same kind says it
	fields []string
	// begin fills a fresh form. read makes an edit of a form, and says the last day of
	// which the form speaks; what is wrong it refuses beside its field.
	begin func(v changeView)
	read  func(v changeView) wish
}

// wish is a form that could be read.
type wish struct {
	subject string // for the audit: no name and no NIP
	last    roster.Date
	edit    func(*directory.Draft) error
}

// changeView is the data of every form of a change.
type changeView struct {
	people.Speech
	*directory.Employee
	Title     string
	Form      *shell.Form
	Placement directory.Placement // which is to be ended; zero elsewhere
	Seen      string              // what was looked at; empty before
	Stale     bool                // something changed since it was looked at
	Effects   *effectsView        // nil before it was looked at
}

// Kinds are all kinds of placements.
func (changeView) Kinds() []placement.Kind {
	return []placement.Kind{placement.Definitive, placement.Acting, placement.Lent, placement.Additional}
}

// Statuses are all that somebody can be.
func (changeView) Statuses() []placement.Status {
	return []placement.Status{placement.Active, placement.Retired, placement.Died, placement.Moved, placement.Leave, placement.Study}
}

// Why a change is not saved though the register would take it.
var (
	errMoved   = errors.New("form, register or day are not those that were looked at")
	errNothing = errors.New("the form changes nothing")
)

// ask shows a fresh form.
func (p *Pages) ask(w http.ResponseWriter, r *http.Request, c change) error {
	v, err := p.changeView(r, c, p.Form(r))
	if err != nil {
		return err
	}
	c.begin(v)
	return p.showChange(w, r, c, v, http.StatusOK)
}

// answer looks at what a form would do, or saves what was looked at.
func (p *Pages) answer(w http.ResponseWriter, r *http.Request, c change) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.changeView(r, c, form)
	if err != nil {
		return err
	}
	wanted := c.read(v)
	if form.Good() {
		if form.Get("step") == "save" {
			err = p.save(r.Context(), c, v, wanted)
			if err == nil {
				p.Done(w, r, fmt.Sprintf("/employees/%d", v.ID), "notice-"+c.name)
				return nil
			}
			v.Stale = errors.Is(err, errMoved)
		}
		if form.Get("step") != "save" || v.Stale {
			err = p.look(r.Context(), c, &v, wanted)
		}
		if err != nil && !v.refused(err) {
			return err
		}
	}
	code := http.StatusOK
	if !form.Good() {
		code = http.StatusUnprocessableEntity
	}
	return p.showChange(w, r, c, v, code)
}

// save makes the change that was looked at, and no other.
func (p *Pages) save(ctx context.Context, c change, v changeView, wanted wish) error {
	by := directory.By{Who: v.Form.By, At: p.Now(), Act: c.act, Subject: wanted.subject}
	n, err := p.Directory.Edit(ctx, by, func(d *directory.Draft) error {
		if v.Form.Get("seen") != v.token(c, d) {
			return errMoved
		}
		return wanted.edit(d)
	})
	if err == nil && n == 0 {
		return errNothing
	}
	return err
}

// look reckons what the change would do.
func (p *Pages) look(ctx context.Context, c change, v *changeView, wanted wish) error {
	draft, err := p.Directory.Try(ctx, v.Today, wanted.edit)
	if err != nil {
		return err
	}
	if len(draft.Made)+len(draft.Voided) == 0 {
		return errNothing
	}
	before, err := p.Directory.Register(ctx)
	if err != nil {
		return err
	}
	if v.Effects, err = p.effects(ctx, *v, before, draft.Register, wanted.last); err != nil {
		return err
	}
	if before.Change() != draft.Change() {
		v.Stale = true // somebody was quicker, between two readings
		return nil
	}
	v.Seen = v.token(c, draft)
	return nil
}

func (p *Pages) changeView(r *http.Request, c change, form *shell.Form) (changeView, error) {
	var v changeView
	var err error
	if v.Speech, err = people.Read(p.Group, p.Directory, r); err != nil {
		return v, err
	}
	if v.Employee, err = v.Find(r); err != nil {
		return v, err
	}
	v.Title, v.Form = v.Text("title-"+c.name), form
	if asked := r.PathValue("placement"); asked != "" {
		for _, held := range v.Register.PlacementsOf(v.ID) {
			if fmt.Sprint(int64(held.ID)) == asked {
				v.Placement = held
			}
		}
		if v.Placement.ID == 0 {
			return v, shell.NotFound("no-placement")
		}
	}
	return v, nil
}

func (p *Pages) showChange(w http.ResponseWriter, r *http.Request, c change, v changeView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Title, Section: "employees", Code: code},
		shell.Still(c.name, v))
}

// token stands for a form, and the register and the day for which somebody looked at
// what it would do.
func (v changeView) token(c change, d *directory.Draft) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%d\x00%d\x00%d\x00%s", c.name, v.ID, v.Placement.ID, d.Change(), d.Today)
	for _, name := range c.fields {
		fmt.Fprintf(h, "\x00%q", v.Form.Text(name))
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// refused puts what the register refuses beside the field that it is about; false for an
// error that is nothing to tell people.
func (v changeView) refused(err error) bool {
	var problem directory.Problem
	switch {
	case errors.Is(err, errNothing):
		v.Form.Refuse("form", v.Text("nothing-changed"))
		return true
	case !errors.As(err, &problem):
		return false
	}
	field := "form"
	if problem.Code == "period" {
		field = "to"
	}
	said, _ := v.Tell("register."+problem.Code, problem.Args)
	v.Form.Refuse(field, said)
	return true
}

// day reads a date of a form; the field may be empty where there is another day for it.
func (v changeView) day(field string, otherwise roster.Date) roster.Date {
	text := v.Form.Text(field)
	if text == "" && otherwise != "" {
		return otherwise
	}
	day, err := roster.ParseDate(text)
	switch {
	case text == "":
		v.Form.Refuse(field, v.Text("date-missing"))
	case err != nil || day < "1945-01-01" || day > "2200-01-01":
		v.Form.Refuse(field, v.Text("date-wrong"))
	}
	return day
}
