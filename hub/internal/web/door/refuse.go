package door

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
)

// Failure is why a request is not done, for machines: it has no language.
type Failure struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"` // for who writes the tool
}

func (f *Failure) Error() string { return f.Code + ": " + f.Message }

// JSON turns what a handler of tools returns into an answer: 200 with a body, or a Failure.
func (d *Door) JSON(handle func(w http.ResponseWriter, r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := handle(w, r)
		var f *Failure
		switch {
		case err == nil:
			send(w, http.StatusOK, body)
		case errors.As(err, &f):
			send(w, f.Status, f)
		default:
			d.fail(w, r, err)
		}
	})
}

func send(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // whoever asked may be gone
}

// machine tells that a tool asks, not a person.
func machine(r *http.Request) bool {
	_, token := bearer(r)
	return token || strings.HasPrefix(r.URL.Path, "/api/")
}

// pathLength bounds what of an address is written down.
const pathLength = 200

// refuse answers a visitor who may not come, and writes it down where they are known.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, v visit, f *Failure) {
	if v.ID != 0 {
		path := strings.ToValidUTF8(r.URL.Path[:min(len(r.URL.Path), pathLength)], "")
		if err := d.Accounts.Refused(r.Context(), v.Account, r.Method+" "+path, Address(r)); err != nil && r.Context().Err() == nil {
			d.Logger.Error("write down a refusal", "error", err)
		}
	}
	d.answer(w, r, f)
}

func (d *Door) answer(w http.ResponseWriter, r *http.Request, f *Failure) {
	switch {
	case machine(r):
		send(w, f.Status, f)
	case f.Code == "login" && r.Header.Get("HX-Request") != "": // an open page asks for itself, and its session is over
		w.Header().Set("HX-Redirect", loginPath(r.Header.Get("HX-Current-URL")))
		w.WriteHeader(http.StatusUnauthorized)
	case f.Code == "login" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		http.Redirect(w, r, loginPath(r.URL.RequestURI()), http.StatusSeeOther)
	default:
		d.Frame.Page(func(http.ResponseWriter, *http.Request) error {
			return &shell.Problem{Code: f.Status, Phrase: f.Code}
		}).ServeHTTP(w, r)
	}
}

// loginPath is where somebody logs in, and comes back from to where they were.
func loginPath(from string) string {
	u, err := url.Parse(from)
	if err != nil || u.Path == "/" && u.RawQuery == "" {
		return "/login"
	}
	back := url.URL{Path: u.Path, RawQuery: u.RawQuery}
	return "/login?" + url.Values{"back": {back.String()}}.Encode()
}
