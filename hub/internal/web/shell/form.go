package shell

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	noticeCookie = "sidik_notice"
	noticeKept   = time.Minute

	formSize = 64 << 10 // bytes
)

// Form is what somebody typed to change something, and beside each field what is wrong
// with it.
type Form struct {
	url.Values
	By    string // who changes something
	wrong map[string]string
}

// Wrong is what is wrong with a field, in words; empty for nothing.
func (f *Form) Wrong(field string) string { return f.wrong[field] }

// Refuse says what is wrong with a field. The first word about a field stays.
func (f *Form) Refuse(field, sentence string) {
	if f.wrong[field] == "" {
		f.wrong[field] = sentence
	}
}

// Good tells that nothing is wrong.
func (f *Form) Good() bool { return len(f.wrong) == 0 }

// Text is what stands in a field, without blanks around it.
func (f *Form) Text(field string) string { return strings.TrimSpace(f.Get(field)) }

// Form is an empty one.
func (g *Group) Form(r *http.Request) *Form {
	return &Form{Values: url.Values{}, By: g.Reader(r).By, wrong: map[string]string{}}
}

// Posted reads a form that was sent.
func (g *Group) Posted(w http.ResponseWriter, r *http.Request) (*Form, error) {
	r.Body = http.MaxBytesReader(w, r.Body, formSize)
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, &Problem{Code: http.StatusRequestEntityTooLarge, Phrase: "form"}
		}
		return nil, BadRequest("form")
	}
	return &Form{Values: r.PostForm, By: g.Reader(r).By, wrong: map[string]string{}}, nil
}

// Done leads to a page after a change, which says once what was done: the sentence
// notice-… of the group's area.
func (g *Group) Done(w http.ResponseWriter, r *http.Request, path, notice string) {
	g.cookie(w, r, noticeCookie, g.area+notice, noticeKept)
	http.Redirect(w, r, path, http.StatusSeeOther)
}

// takeNotice returns what was done, in words, and forgets it.
func (s *Shell) takeNotice(w http.ResponseWriter, r *http.Request) string {
	kept, err := r.Cookie(noticeCookie)
	if err != nil {
		return ""
	}
	s.cookie(w, r, noticeCookie, "", -time.Second)
	if _, bare, _ := strings.Cut(kept.Value, "."); !strings.HasPrefix(bare, "notice-") || !s.catalogue.Has(kept.Value) {
		return ""
	}
	return s.catalogue.Say(languageOf(r), kept.Value, nil)
}

// cookie sets one that no script reads and no other site sends.
func (s *Shell) cookie(w http.ResponseWriter, r *http.Request, name, value string, kept time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(kept / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
}
