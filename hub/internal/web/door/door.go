// Package door stands before every address of the hub: it knows who asks, by a browser's
// session or a tool's token, and lets nobody through whom the rule of the address does
// not let through. What it refuses is written down.
//
// An address is known to the hub only by Handle, with its rule: there is no other way in.
// A handler asks Who for the account and its scope, and shows nothing beyond the scope.
// The door knows no page's content and keeps no secret. Beware: whose a unit is changes
// with the day and the register, so nothing of a visit is kept for the next.
package door

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Options are the parts of a Door; all are needed.
type Options struct {
	Frame    *shell.Shell // shows people what is refused
	Accounts *account.Accounts
	Register func(ctx context.Context) (*directory.Register, error)
	Now      func() time.Time
	Logger   *slog.Logger
}

// Door is all addresses of the hub with their rules. It is safe for concurrent use once
// all addresses are known.
type Door struct {
	Options
	sessions *scs.SessionManager
	mux      *http.ServeMux
	patterns []string
}

// New returns a door without addresses.
func New(o Options) *Door {
	return &Door{Options: o, mux: http.NewServeMux(), sessions: &scs.SessionManager{ // scs.New would start a goroutine for a store of its own
		Store: o.Accounts.Sessions(), Codec: scs.GobCodec{}, HashTokenInStore: true,
		Lifetime: account.SessionMost, // the store has the last word
	}}
}

// Handle makes an address known, with who may come there.
func (d *Door) Handle(pattern string, rule Rule, h http.Handler) {
	d.patterns = append(d.patterns, pattern)
	d.mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.pass(w, r, rule, h) }))
}

// Patterns are all addresses, in the order in which they were made known.
func (d *Door) Patterns() []string { return d.patterns }

// ServeHTTP answers a request.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.mux.ServeHTTP(w, r) }

// pass lets a visitor through to where they may be.
func (d *Door) pass(w http.ResponseWriter, r *http.Request, rule Rule, h http.Handler) {
	v, err := d.visitor(r)
	if err != nil && rule.anyone && !errors.Is(err, account.ErrWrong) {
		v, err = visit{session: v.session}, nil // what everybody may see does not depend on the database
	}
	if err != nil {
		d.fail(w, r, err)
		return
	}
	r = r.WithContext(context.WithValue(v.session, visitKey{}, v))
	switch refused, err := rule.judge(r, v); {
	case err != nil:
		d.fail(w, r, err)
	case refused != nil:
		d.refuse(w, r, v, refused)
	default:
		h.ServeHTTP(w, r)
	}
}

// visit is one request's visitor.
type visit struct {
	account.Holder
	tool    bool            // by a token
	session context.Context // of the session library
}

// visitKey is where a request's context has its visit.
type visitKey struct{}

// Who is who asks: a Holder without an ID where nobody is logged in.
func Who(r *http.Request) account.Holder {
	v, _ := r.Context().Value(visitKey{}).(visit)
	return v.Holder
}

// Reader is who asks, as the shell of the pages needs to know.
func Reader(r *http.Request) shell.Reader {
	who := Who(r)
	if who.ID == 0 {
		return shell.Reader{}
	}
	return shell.Reader{Name: who.FullName, By: who.By(), May: func(deed string) bool { return account.Can(who.Role, account.Deed(deed)) }}
}

// visitor finds out who asks.
func (d *Door) visitor(r *http.Request) (v visit, err error) {
	if secret, is := bearer(r); is {
		v.tool = true
		v.session, _ = d.sessions.Load(r.Context(), "") // of none: cannot fail
		v.Account, err = d.Accounts.ByToken(r.Context(), secret)
	} else {
		v.Account, v.session, err = d.browser(r)
	}
	if err != nil || v.ID == 0 || v.Role.Whole() {
		if v.ID != 0 {
			v.Scope = account.Everything()
		}
		return v, err
	}
	reg, err := d.Register(r.Context())
	if err != nil {
		return v, err
	}
	v.Scope = account.ScopeOf(v.Account, reg, roster.DateOf(d.Now()))
	return v, nil
}

// bearer is the token that a tool shows; false where it shows none.
func bearer(r *http.Request) (secret string, is bool) {
	kind, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(secret), strings.EqualFold(kind, "Bearer")
}

// Address is from where somebody asks, without the port.
func Address(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// fail answers what could not be found out.
func (d *Door) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, account.ErrWrong) { // a token that counts for nobody
		w.Header().Set("WWW-Authenticate", "Bearer")
		d.answer(w, r, &Failure{http.StatusUnauthorized, "token", "the token is not valid: it was revoked, is too old, or its account is disabled"})
		return
	}
	if machine(r) {
		d.Logger.Error("request failed", "address", r.Pattern, "error", err)
		d.answer(w, r, &Failure{http.StatusInternalServerError, "ours", "the hub could not answer; its log says why"})
		return
	}
	d.Frame.Page(func(http.ResponseWriter, *http.Request) error { return err }).ServeHTTP(w, r)
}
