package accounts

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
)

// ownView is the data of own.html.
type ownView struct {
	shell.Speech
	account.Account
	Units  []string
	Tokens []account.Token
	Form   *shell.Form
	Secret string // of the token that was just made; shown this once
}

func (p *Pages) own(w http.ResponseWriter, r *http.Request) error {
	return p.showOwn(w, r, ownView{Form: p.Form(r)}, http.StatusOK)
}

func (p *Pages) showOwn(w http.ResponseWriter, r *http.Request, v ownView, code int) error {
	v.Speech, v.Account = p.Speech(r), door.Who(r).Account
	var err error
	if v.Units, err = p.unitNames(r, v.Account); err != nil {
		return err
	}
	if v.Tokens, err = p.Accounts.Tokens(r.Context(), v.ID); err != nil {
		return err
	}
	return p.Show(w, r, shell.Frame{Title: v.Text("title-own"), Code: code, At: "/account"}, shell.Still("own", v))
}

// password changes one's own. Other browsers in which one was logged in are so no more.
func (p *Pages) password(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	v, code := p.Speech(r), http.StatusUnprocessableEntity
	if twice(v, form) {
		who, err := p.Accounts.ChangePassword(r.Context(), door.Who(r).ID, form.Get("old"), form.Get("password"), door.Address(r))
		if err == nil {
			if err := p.door.Begin(w, r, who); err != nil {
				return err
			}
			p.Done(w, r, "/account", "notice-password")
			return nil
		}
		is := errors.Is(err, account.ErrWrong)
		if is {
			form.Refuse("old", v.Text("old-wrong"))
		} else if code, is = refused(v, form, err); !is {
			return err
		}
	}
	return p.showOwn(w, r, ownView{Form: form}, code)
}

func (p *Pages) token(w http.ResponseWriter, r *http.Request) error {
	form, err := p.Posted(w, r)
	if err != nil {
		return err
	}
	secret, _, err := p.Accounts.NewToken(r.Context(), door.Who(r).Account, form.Get("purpose"), door.Address(r))
	if err != nil {
		code, is := refused(p.Speech(r), form, err)
		if !is {
			return err
		}
		return p.showOwn(w, r, ownView{Form: form}, code)
	}
	return p.showOwn(w, r, ownView{Form: p.Form(r), Secret: secret}, http.StatusOK)
}

func (p *Pages) revoke(w http.ResponseWriter, r *http.Request) error {
	n, err := strconv.ParseInt(r.PathValue("token"), 10, 64)
	if err == nil {
		err = p.Accounts.Revoke(r.Context(), door.Who(r).Account, n, door.Address(r))
	} else {
		err = account.ErrNoSuchToken
	}
	if errors.Is(err, account.ErrNoSuchToken) {
		return shell.NotFound("no-page")
	}
	if err != nil {
		return err
	}
	p.Done(w, r, "/account", "notice-revoked")
	return nil
}
