package shell

import (
	"context"
	"errors"
	"net/http"
)

// Problem is an error that says what people are told: the sentences
// page.problem-<phrase> and page.problem-<phrase>-advice. The cause is for the log.
type Problem struct {
	Code   int // HTTP status
	Phrase string
	Cause  error
}

func (p *Problem) Error() string {
	if p.Cause == nil {
		return p.Phrase
	}
	return p.Phrase + ": " + p.Cause.Error()
}

func (p *Problem) Unwrap() error { return p.Cause }

// NotFound is for an address behind which nothing is.
func NotFound(phrase string) error { return &Problem{Code: http.StatusNotFound, Phrase: phrase} }

// BadRequest is for an address that somebody wrote or cut by hand. It takes no
// cause: what was wrong in it may be a PIN.
func BadRequest(phrase string) error { return &Problem{Code: http.StatusBadRequest, Phrase: phrase} }

// Page turns what a handler returns into what people see. It is the only place
// that does, and the only one that logs it.
func (s *Shell) Page(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := handle(w, r)
		if err == nil || r.Context().Err() != nil {
			return // whoever asked is gone: nobody is there to be told
		}
		var p *Problem
		switch {
		case errors.As(err, &p):
		case errors.Is(err, context.DeadlineExceeded):
			p = &Problem{Code: http.StatusServiceUnavailable, Phrase: "busy", Cause: err}
		default:
			p = &Problem{Code: http.StatusInternalServerError, Phrase: "ours", Cause: err}
		}
		if p.Code >= 500 {
			s.Logger.Error("page failed", "page", r.Pattern, "status", p.Code, "error", err)
		}
		s.showProblem(w, r, p)
	})
}

// problemView is the data of the problem page.
type problemView struct {
	Speech
	Code           int
	Phrase, Advice string // codes of the catalogue
}

func (s *Shell) showProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	v := problemView{s.own.Speech(r), p.Code, "problem-" + p.Phrase, "problem-" + p.Phrase + "-advice"}
	body, err := s.own.Render("problem", v)
	if err == nil {
		var title string
		if title, err = v.Say(v.Phrase); err == nil {
			err = s.frame(w, r, frame{Frame: Frame{Title: title, Code: p.Code}, Main: body})
		}
	}
	if err != nil {
		s.Logger.Error("problem page failed", "error", err)
		http.Error(w, http.StatusText(p.Code), p.Code)
	}
}
