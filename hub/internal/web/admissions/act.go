package admissions

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// act is something that the agency does about a site's agent.
type act struct {
	Name  string // in its address, and in its sentences
	Ends  bool   // who is there is shut out: say why
	Opens bool   // a claim code is made
}

func acts() []act {
	return []act{{Name: "code", Opens: true}, {Name: "revoke", Ends: true}, {Name: "replace", Ends: true, Opens: true}}
}

// reasonLength bounds a reason, in letters: it is kept for ever, and read in a list.
const reasonLength = 300

// Days are the lives of a code that can be chosen.
func (siteView) Days() []int { return []int{1, 3, 7, int(admission.LongestClaim / day)} }

const day = 24 * time.Hour

// Life writes a life of so many days.
func (v siteView) Life(days int) string { return v.Span(time.Duration(days) * day) }

func (p *Pages) ask(a act) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, err := p.view(r)
		if err != nil {
			return err
		}
		v.Act, v.Form = a, p.Form(r)
		v.Form.Set("days", "1")
		return p.showForm(w, r, v, http.StatusOK)
	}
}

func (p *Pages) showForm(w http.ResponseWriter, r *http.Request, v siteView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-"+v.Act.Name, "site", v.ID), Section: "sites", Code: code}, shell.Still("form", v))
}

// do does what a form asks for: first it shuts out, then it opens.
func (p *Pages) do(a act) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		form, err := p.Posted(w, r)
		if err != nil {
			return err
		}
		v, err := p.view(r)
		if err != nil {
			return err
		}
		v.Act, v.Form = a, form
		if !v.Open {
			return p.showForm(w, r, v, http.StatusConflict)
		}
		v.check()
		if a.Ends && form.Good() {
			if err := p.revoke(r, v); err != nil {
				return err
			}
		}
		if !form.Good() {
			return p.showForm(w, r, v, http.StatusUnprocessableEntity)
		}
		if !a.Opens {
			p.Done(w, r, v.Path(""), "notice-revoked")
			return nil
		}
		code, err := p.open(r, v)
		if err != nil {
			return err
		}
		return p.showCode(w, r, code)
	}
}

// check says what is wrong with a form.
func (v siteView) check() {
	if reason := v.Form.Text("reason"); v.Act.Ends {
		switch {
		case reason == "":
			v.Form.Refuse("reason", v.Text("reason-missing"))
		case utf8.RuneCountInString(reason) > reasonLength, !utf8.ValidString(reason), !printable(reason):
			v.Form.Refuse("reason", v.Text("reason-long", "letters", reasonLength))
		}
	}
	if !v.Act.Opens {
		return
	}
	if serial := protocol.Serial(v.Form.Text("terminal")); serial != "" && !slices.Contains(v.Terminals, serial) {
		v.Form.Refuse("terminal", v.Text("terminal-missing"))
	}
	if !slices.Contains(v.Days(), v.days()) {
		v.Form.Refuse("days", v.Text("days-missing"))
	}
}

func printable(text string) bool {
	for _, letter := range text {
		if unicode.IsControl(letter) {
			return false
		}
	}
	return true
}

// days are for how long the form wants a code; 0 where it says nothing that is a number.
func (v siteView) days() int {
	n, err := strconv.Atoi(v.Form.Text("days"))
	if err != nil {
		return 0
	}
	return n
}

// revoke shuts the site out, and refuses in the form where nobody is there.
func (p *Pages) revoke(r *http.Request, v siteView) error {
	err := p.Admissions.Revoke(r.Context(), door.Who(r).By(), v.ID, v.Form.Text("reason"))
	if errors.Is(err, admission.ErrNobody) {
		v.Form.Refuse("form", v.Text("nobody"))
		return nil
	}
	if err != nil {
		return err
	}
	return p.Accounts.Provisioned(r.Context(), door.Who(r).Account, "site revoke "+string(v.ID), door.Address(r))
}

// open makes a claim code.
func (p *Pages) open(r *http.Request, v siteView) (protocol.ClaimCode, error) {
	code, _, err := p.Admissions.NewCode(r.Context(), door.Who(r).By(), v.ID, protocol.Serial(v.Form.Text("terminal")), time.Duration(v.days())*day)
	if err != nil {
		return code, err
	}
	return code, p.Accounts.Provisioned(r.Context(), door.Who(r).Account, "claim new "+string(v.ID), door.Address(r))
}
