package shell

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

const languageCookie = "sidik_language"

// languageOf returns the language that somebody chose. What the browser prefers is
// not looked at: many are installed in English by people who read Indonesian.
func languageOf(r *http.Request) phrase.Lang {
	chosen, err := r.Cookie(languageCookie)
	if err != nil {
		return phrase.Indonesian
	}
	return phrase.ParseLang(chosen.Value)
}

// language remembers a choice and goes back to where it was made.
func (s *Shell) language(w http.ResponseWriter, r *http.Request) error {
	chosen := phrase.Lang(r.PathValue("language"))
	if chosen != phrase.Indonesian && chosen != phrase.English {
		return NotFound("no-page")
	}
	http.SetCookie(w, &http.Cookie{
		Name: languageCookie, Value: string(chosen), Path: "/", MaxAge: 365 * 24 * 60 * 60,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
	})
	http.Redirect(w, r, OwnPath(r.URL.Query().Get("back")), http.StatusSeeOther)
	return nil
}

// OwnPath returns an address of this hub; anything that could lead elsewhere is "/".
func OwnPath(back string) string {
	u, err := url.Parse(back)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" ||
		!strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(u.Path, "\\\r\n\t") {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}
