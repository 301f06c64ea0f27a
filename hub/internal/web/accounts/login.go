package accounts

import (
	"errors"
	"net/http"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
)

// loginView is the data of login.html.
type loginView struct {
	shell.Speech
	Form *shell.Form
	Back string // where to go then
}

func (p *Pages) askLogin(w http.ResponseWriter, r *http.Request) error {
	back := shell.OwnPath(r.URL.Query().Get("back"))
	if door.Who(r).ID != 0 {
		http.Redirect(w, r, back, http.StatusSeeOther)
		return nil
	}
	return p.showLogin(w, r, loginView{p.Speech(r), p.Form(r), back}, http.StatusOK)
}

func (p *Pages) login(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v := loginView{p.Speech(r), form, shell.OwnPath(form.Get("back"))}
	who, err := p.Accounts.Login(r.Context(), form.Get("name"), form.Get("password"), door.Address(r))
	if err != nil {
		code, is := refused(v.Speech, form, err)
		if !is {
			return err
		}
		return p.showLogin(w, r, v, code)
	}
	if err := p.door.Begin(w, r, who); err != nil {
		return err
	}
	http.Redirect(w, r, v.Back, http.StatusSeeOther)
	return nil
}

func (p *Pages) showLogin(w http.ResponseWriter, r *http.Request, v loginView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-login"), Code: code}, shell.Still("login", v))
}

func (p *Pages) logout(w http.ResponseWriter, r *http.Request) error {
	if err := p.door.End(w, r); err != nil {
		return err
	}
	p.Done(w, r, "/login", "notice-out")
	return nil
}

// linkView is the data of link.html.
type linkView struct {
	shell.Speech
	Form    *shell.Form
	Account account.Account // whose link it is; none where it makes the first account
}

// First tells that the link makes the first account.
func (v linkView) First() bool { return v.Account.ID == 0 }

func (p *Pages) linkView(r *http.Request, form *shell.Form) (linkView, error) {
	who, err := p.Accounts.LinkOf(r.Context(), r.PathValue("code"))
	if errors.Is(err, account.ErrLink) {
		return linkView{}, &shell.Problem{Code: http.StatusGone, Phrase: "link"}
	}
	return linkView{p.Speech(r), form, who}, err
}

func (p *Pages) askLink(w http.ResponseWriter, r *http.Request) error {
	v, err := p.linkView(r, p.Form(r))
	if err != nil {
		return err
	}
	return p.showLink(w, r, v, http.StatusOK)
}

// link takes the password that somebody chose, and logs them in.
func (p *Pages) link(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, err := p.linkView(r, form)
	if err != nil {
		return err
	}
	if twice(v.Speech, form) {
		first := account.Account{Name: form.Text("name"), FullName: form.Text("full-name")}
		who, err := p.Accounts.Choose(r.Context(), r.PathValue("code"), first, form.Get("password"), door.Address(r))
		if err == nil {
			if err := p.door.Begin(w, r, who); err != nil {
				return err
			}
			p.Done(w, r, "/", "notice-password")
			return nil
		}
		code, is := refused(v.Speech, form, err)
		if !is {
			return err
		}
		return p.showLink(w, r, v, code)
	}
	return p.showLink(w, r, v, http.StatusUnprocessableEntity)
}

// twice tells that the new password was typed the same again.
func twice(v shell.Speech, form *shell.Form) bool {
	if form.Get("password") != form.Get("again") {
		form.Refuse("again", v.Text("again-differs"))
	}
	return form.Good()
}

func (p *Pages) showLink(w http.ResponseWriter, r *http.Request, v linkView, code int) error {
	return p.Show(w, r, shell.Frame{Title: v.Text("title-link"), Code: code}, shell.Still("link", v))
}
