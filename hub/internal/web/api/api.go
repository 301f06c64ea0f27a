// Package api is for tools that work in somebody's name: JSON over HTTPS, with the token
// of an account in the header Authorization.
//
// A tool may do what its account may do, by the same rules as at a page. It knows accounts
// and how sites get in, which no page of its own tells; what else a tool can do stands with
// the noun that it is about, as a handler behind door.JSON. Beware: an answer that tells a secret is told once, and never
// logged.
package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
)

// bodySize bounds what a tool sends here, in bytes.
const bodySize = 4 << 10

// API is what tools ask.
type API struct {
	accounts *account.Accounts
	way      Way
	service  Service
}

// New is the API of accounts, of sites on their way in, and of service at them.
func New(a *account.Accounts, way Way, service Service) *API { return &API{a, way, service} }

// Routes adds the addresses of tools.
func (a *API) Routes(d *door.Door) {
	d.Handle("POST /api/v1/tokens", door.Anyone(), d.JSON(a.token))
	d.Handle("GET /api/v1/me", door.Known(), d.JSON(a.me))
	a.sites(d)
	a.errands(d)
	d.Handle("/api/", door.Known(), d.JSON(func(http.ResponseWriter, *http.Request) (any, error) {
		return nil, &door.Failure{Status: http.StatusNotFound, Code: "no-page", Message: "there is nothing at this address"}
	}))
}

// credentials are what somebody says for a token.
type credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	Purpose  string `json:"purpose"` // in the owner's words: which tool, on which machine
}

// issued is a new token. The secret is told here and nowhere else.
type issued struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// token gives a token to who says a name and its password.
func (a *API) token(w http.ResponseWriter, r *http.Request) (any, error) {
	var c credentials
	if err := body(w, r, &c); err != nil {
		return nil, err
	}
	who, err := a.accounts.Login(r.Context(), c.Name, c.Password, door.Address(r))
	if err != nil {
		return nil, refused(err)
	}
	secret, made, err := a.accounts.NewToken(r.Context(), who, c.Purpose, door.Address(r))
	if err != nil {
		return nil, refused(err)
	}
	return issued{secret, made.Expires}, nil
}

// body reads what a tool sends.
func body(w http.ResponseWriter, r *http.Request, into any) error {
	read := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodySize))
	read.DisallowUnknownFields()
	if err := read.Decode(into); err != nil {
		return &door.Failure{Status: http.StatusBadRequest, Code: "body", Message: "send the fields of this address as JSON, and no other"}
	}
	return nil
}

// me is who a token stands for.
type me struct {
	Name     string             `json:"name"`
	FullName string             `json:"full_name"`
	Role     account.Role       `json:"role"`
	Units    []placement.UnitID `json:"units"` // none: all
}

func (a *API) me(_ http.ResponseWriter, r *http.Request) (any, error) {
	who := door.Who(r)
	return me{who.Name, who.FullName, who.Role, who.Units}, nil
}

// refused tells a machine why accounts refuse something; other errors stay as they are.
func refused(err error) error {
	no, is := errors.AsType[account.Refusal](err)
	if !is {
		return err
	}
	f := &door.Failure{Status: http.StatusUnprocessableEntity, Code: string(no), Message: no.Error()}
	switch no {
	case account.ErrWrong:
		f.Status = http.StatusUnauthorized
	case account.ErrSlow:
		f.Status = http.StatusTooManyRequests
	case account.ErrBusy:
		f.Status = http.StatusServiceUnavailable
	}
	return f
}
