package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
)

// password is that of everybody in these tests.
const password = "empat kuda besi 91"

// sessionCookie is the name of the cookie without TLS.
const sessionCookie = "sidik_session"

// administrator makes the first account, by its link as at a first start, and returns the
// cookie of the session that this begins.
func (h *hub) administrator() *http.Cookie {
	h.t.Helper()
	code, err := h.accounts.FirstLink(h.t.Context(), account.By{Who: "test"})
	ok(h.t, err)
	return h.choose(code, url.Values{"full-name": {"Siti Petugas"}, "name": {"siti"}})
}

// person makes another account, and returns the cookie of a session.
func (h *hub) person(n account.Account) *http.Cookie {
	h.t.Helper()
	_, code, err := h.accounts.Add(h.t.Context(), account.By{Who: "test"}, n)
	ok(h.t, err)
	return h.choose(code, url.Values{})
}

// choose opens a link and chooses the password.
func (h *hub) choose(code string, form url.Values) *http.Cookie {
	h.t.Helper()
	form.Set("password", password)
	form.Set("again", password)
	answer := h.from(nil, asking(http.MethodPost, "/link/"+code), form)
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" {
		h.t.Fatalf("the link leads to %d %s: %s", answer.StatusCode, answer.Header.Get("Location"), body(h.t, answer))
	}
	for _, c := range answer.Cookies() {
		if c.Name == sessionCookie {
			return c
		}
	}
	h.t.Fatal("nobody is logged in by a link")
	return nil
}

// as are pages as somebody sees them. A request that says itself who asks is left as it is.
func as(session *http.Cookie, pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie(session.Name); err != nil && r.Header.Get("Authorization") == "" {
			r.AddCookie(&http.Cookie{Name: session.Name, Value: session.Value})
		}
		pages.ServeHTTP(w, r)
	})
}

// from sends a request of a session, nil for none, to the pages as everybody has them.
func (h *hub) from(session *http.Cookie, r *http.Request, form url.Values) *http.Response {
	h.t.Helper()
	if form != nil {
		r.Body = io.NopCloser(strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if session != nil {
		r.AddCookie(&http.Cookie{Name: session.Name, Value: session.Value})
	}
	w := httptest.NewRecorder()
	h.web.ServeHTTP(w, r)
	return w.Result()
}
