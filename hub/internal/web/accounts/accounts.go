// Package accounts is where people log in and out, choose their password, make tokens for
// tools, and where administrators make accounts for others.
//
// It shows what package account keeps and says; whether somebody may come here is the
// door's to say. Beware: a secret (a link, a token) stands on one page, once, and a
// password stands on none: a form that is shown again has its fields empty.
package accounts

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
)

//go:embed page/*.html
var files embed.FS

// Directory is the register, for the units that accounts are for.
type Directory interface {
	Register(ctx context.Context) (*directory.Register, error)
}

// Options are the parts of these pages; all are needed.
type Options struct {
	Accounts  *account.Accounts
	Directory Directory
}

// Pages are login, one's own account, and the accounts of all.
type Pages struct {
	*shell.Group
	Options
	door *door.Door
}

// New plugs the pages into the shell; d logs browsers in and out.
func New(s *shell.Shell, d *door.Door, o Options) *Pages {
	return &Pages{s.Group("account", files), o, d}
}

// Routes adds the pages' addresses.
func (p *Pages) Routes(d *door.Door) {
	d.Handle("GET /login", door.Anyone(), p.Page(p.askLogin))
	d.Handle("POST /login", door.Anyone(), p.Page(p.login))
	d.Handle("POST /logout", door.Anyone(), p.Page(p.logout))
	d.Handle("GET /link/{code}", door.Anyone(), p.Page(p.askLink))
	d.Handle("POST /link/{code}", door.Anyone(), p.Page(p.link))

	own := door.Known().Person()
	d.Handle("GET /account", own, p.Page(p.own))
	d.Handle("POST /account/password", own, p.Page(p.password))
	d.Handle("POST /account/tokens", own, p.Page(p.token))
	d.Handle("POST /account/tokens/{token}/revoke", own, p.Page(p.revoke))

	manage := door.To(account.Manage).Person()
	d.Handle("GET /accounts", door.To(account.Inspect), p.Page(p.list))
	d.Handle("GET /accounts/log", door.To(account.Inspect), p.Page(p.log))
	d.Handle("GET /accounts/new", manage, p.Page(p.askNew))
	d.Handle("POST /accounts/new", manage, p.Page(p.add))
	d.Handle("GET /accounts/{account}", door.To(account.Inspect), p.Page(p.account))
	d.Handle("GET /accounts/{account}/role", manage, p.Page(p.askRole))
	d.Handle("POST /accounts/{account}/role", manage, p.Page(p.saveRole))
	d.Handle("POST /accounts/{account}/link", manage, p.Page(p.newLink))
	d.Handle("POST /accounts/{account}/disable", manage, p.Page(p.disable(true)))
	d.Handle("POST /accounts/{account}/enable", manage, p.Page(p.disable(false)))
}

// by is who asks, for the log of accounts.
func by(r *http.Request) account.By {
	return account.By{Who: door.Who(r).By(), Address: door.Address(r)}
}

// find is the account that the address names.
func (p *Pages) find(r *http.Request) (account.Account, error) {
	id, err := strconv.ParseInt(r.PathValue("account"), 10, 64)
	if err != nil {
		return account.Account{}, shell.NotFound("no-page")
	}
	a, err := p.Accounts.Get(r.Context(), account.ID(id))
	if errors.Is(err, account.ErrNone) {
		return a, shell.NotFound("no-page")
	}
	return a, err
}

// refused notes beside the field it is about why something was not done, and returns the
// status that goes with it; false for other errors.
func refused(v shell.Speech, form *shell.Form, err error) (code int, is bool) {
	no, is := errors.AsType[account.Refusal](err)
	if !is {
		return 0, false
	}
	field, code := "form", http.StatusUnprocessableEntity
	switch no {
	case account.ErrShort, account.ErrLong, account.ErrCommon:
		field = "password"
	case account.ErrName, account.ErrTaken:
		field = "name"
	case account.ErrFullName:
		field = "full-name"
	case account.ErrUnits:
		field = "unit"
	case account.ErrRole:
		field = "role"
	case account.ErrPurpose, account.ErrManyTokens:
		field = "purpose"
	case account.ErrSlow:
		code = http.StatusTooManyRequests
	case account.ErrBusy:
		code = http.StatusServiceUnavailable
	}
	said, _ := v.Tell("account.refused-"+string(no), nil)
	form.Refuse(field, said)
	return code, true
}
