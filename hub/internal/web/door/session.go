package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
)

// The cookie of a session. With the prefix a browser takes it over TLS only, and from
// nobody but this very host.
const (
	cookiePlain  = "sidik_session"
	cookieSecure = "__Host-sidik_session"
	ticketKey    = "ticket" // the one thing in a session: who is logged in
)

func cookieName(r *http.Request) string {
	if r.TLS != nil {
		return cookieSecure
	}
	return cookiePlain
}

// browser finds the account of a browser's session; none where it is over. The context
// is the session library's.
func (d *Door) browser(r *http.Request) (who account.Account, ctx context.Context, err error) {
	token := ""
	if c, err := r.Cookie(cookieName(r)); err == nil {
		token = c.Value
	}
	if ctx, err = d.sessions.Load(r.Context(), token); err != nil {
		ctx, _ = d.sessions.Load(r.Context(), "") // of none: cannot fail
		return who, ctx, fmt.Errorf("load session: %w", err)
	}
	who, err = d.Accounts.Redeem(ctx, d.sessions.GetString(ctx, ticketKey))
	if errors.Is(err, account.ErrWrong) {
		return account.Account{}, ctx, nil
	}
	if err == nil && !r.URL.Query().Has("live") { // a page that asks for itself is nobody at work
		if _, _, err := d.sessions.Commit(ctx); err != nil && r.Context().Err() == nil { // a full disk can still be looked at
			d.Logger.Warn("a session is not known as used", "error", err)
		}
	}
	return who, ctx, err
}

// Begin logs a browser in: under a new token, so that nobody has it from before.
func (d *Door) Begin(w http.ResponseWriter, r *http.Request, who account.Account) error {
	ctx := r.Context()
	ticket, err := d.Accounts.Ticket(ctx, who)
	if err == nil {
		err = d.sessions.RenewToken(ctx)
	}
	if err != nil {
		return fmt.Errorf("begin session: %w", err)
	}
	d.sessions.Put(ctx, ticketKey, ticket)
	token, _, err := d.sessions.Commit(ctx)
	if err != nil {
		return fmt.Errorf("begin session: %w", err)
	}
	setCookie(w, r, token, 0)
	return nil
}

// End logs a browser out.
func (d *Door) End(w http.ResponseWriter, r *http.Request) error {
	if err := d.sessions.Destroy(r.Context()); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	setCookie(w, r, "", -1)
	return nil
}

// setCookie sets the session's cookie, which ends with the browser.
func setCookie(w http.ResponseWriter, r *http.Request, token string, age int) {
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Value: token, Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil})
}
