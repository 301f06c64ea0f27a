package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
)

// problem is an error that says what people are told: the sentences
// page.problem-<phrase> and page.problem-<phrase>-advice. The cause is for the log.
type problem struct {
	code   int // HTTP status
	phrase string
	cause  error
}

func (p *problem) Error() string {
	if p.cause == nil {
		return p.phrase
	}
	return p.phrase + ": " + p.cause.Error()
}

func (p *problem) Unwrap() error { return p.cause }

func notFound(phrase string) error { return &problem{code: http.StatusNotFound, phrase: phrase} }

// badRequest is for an address that somebody wrote or cut by hand. It takes no
// cause: what was wrong in it may be a PIN.
func badRequest(phrase string) error { return &problem{code: http.StatusBadRequest, phrase: phrase} }

// page turns what a handler returns into what people see. It is the only place
// that does, and the only one that logs it.
func (s *server) page(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := handle(w, r)
		if err == nil || r.Context().Err() != nil {
			return // whoever asked is gone: nobody is there to be told
		}
		var p *problem
		switch {
		case errors.As(err, &p):
		case errors.Is(err, store.ErrNoSite):
			p = &problem{code: http.StatusNotFound, phrase: "no-site"}
		case errors.Is(err, context.DeadlineExceeded):
			p = &problem{code: http.StatusServiceUnavailable, phrase: "busy", cause: err}
		default:
			p = &problem{code: http.StatusInternalServerError, phrase: "ours", cause: err}
		}
		if p.code >= 500 {
			s.Logger.Error("page failed", "page", r.Pattern, "status", p.code, "error", err)
		}
		s.showProblem(w, r, p)
	})
}

// problemView is the data of the problem page.
type problemView struct {
	speech
	Code           int
	Phrase, Advice string // codes of the catalogue
}

func (s *server) showProblem(w http.ResponseWriter, r *http.Request, p *problem) {
	v := problemView{s.speech(r), p.code, "problem-" + p.phrase, "problem-" + p.phrase + "-advice"}
	body, err := s.render("problem", v)
	if err == nil {
		var title string
		if title, err = v.Say(v.Phrase); err == nil {
			err = s.frame(w, r, p.code, frame{Title: title, Main: body})
		}
	}
	if err != nil {
		s.Logger.Error("problem page failed", "error", err)
		http.Error(w, http.StatusText(p.code), p.code)
	}
}
