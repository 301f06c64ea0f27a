package accounts

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// roleView is the data of new.html and role.html: what somebody is to be.
type roleView struct {
	shell.Speech
	Form  *shell.Form
	Units []unitChoice
	Whose account.Account // of role.html
}

// Path is where the account is.
func (v roleView) Path() string { return pathOf(v.Whose) }

// unitChoice is a unit that an account can be for.
type unitChoice struct {
	ID     placement.UnitID
	Name   string
	Chosen bool
}

// Roles are all that somebody can be.
func (roleView) Roles() []account.Role { return account.Roles() }

func (v roleView) role() account.Role { return account.Role(v.Form.Text("role")) }

func (v roleView) units() (chosen []placement.UnitID) {
	for _, u := range v.Units {
		if u.Chosen {
			chosen = append(chosen, u.ID)
		}
	}
	return chosen
}

func (p *Pages) roleView(r *http.Request, form *shell.Form) (roleView, error) {
	v := roleView{Speech: p.Speech(r), Form: form}
	reg, err := p.Directory.Register(r.Context())
	if err != nil {
		return v, err
	}
	for id, u := range reg.Units {
		v.Units = append(v.Units, unitChoice{id, u.At(directory.UnitName, roster.DateOf(p.Now())), slices.Contains(form.Values["unit"], strconv.FormatInt(int64(id), 10))})
	}
	slices.SortFunc(v.Units, func(a, b unitChoice) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return v, nil
}

func (p *Pages) askNew(w http.ResponseWriter, r *http.Request) error {
	v, err := p.roleView(r, p.Form(r))
	if err != nil {
		return err
	}
	v.Form.Set("role", string(account.OperatorUnit))
	return p.showNew(w, r, v, http.StatusOK)
}

func (p *Pages) showNew(w http.ResponseWriter, r *http.Request, v roleView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-new"), Section: "accounts", Code: code}, shell.Still("new", v))
}

// add makes an account, and shows the link that its owner is to open.
func (p *Pages) add(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.roleView(r, form)
	if err != nil {
		return err
	}
	n := account.Account{Name: form.Text("name"), FullName: form.Text("full-name"), Role: v.role(), Units: v.units()}
	made, link, err := p.Accounts.Add(r.Context(), by(r), n)
	if err != nil {
		code, is := refused(v.Speech, form, err)
		if !is {
			return err
		}
		return p.showNew(w, r, v, code)
	}
	return p.showAccount(w, r, made, p.Form(r), link, http.StatusOK)
}

// askRole shows what somebody is, to make them something else.
func (p *Pages) askRole(w http.ResponseWriter, r *http.Request) error {
	a, err := p.find(r)
	if err != nil {
		return err
	}
	form := p.Form(r)
	form.Set("role", string(a.Role))
	for _, unit := range a.Units {
		form.Add("unit", strconv.FormatInt(int64(unit), 10))
	}
	v, err := p.roleView(r, form)
	if err != nil {
		return err
	}
	v.Whose = a
	return p.showRole(w, r, v, http.StatusOK)
}

// saveRole gives an account another role and other units.
func (p *Pages) saveRole(w http.ResponseWriter, r *http.Request) error {
	a, err := p.find(r)
	if err != nil {
		return err
	}
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.roleView(r, form)
	if err != nil {
		return err
	}
	v.Whose = a
	if err := p.Accounts.Assign(r.Context(), by(r), a.ID, v.role(), v.units()); err != nil {
		code, is := refused(v.Speech, form, err)
		if !is {
			return err
		}
		return p.showRole(w, r, v, code)
	}
	p.Done(w, r, v.Path(), "notice-role")
	return nil
}

func (p *Pages) showRole(w http.ResponseWriter, r *http.Request, v roleView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-role"), Section: "accounts", Code: code}, shell.Still("role", v))
}
