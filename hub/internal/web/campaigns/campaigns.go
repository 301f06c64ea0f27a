// Package campaigns shows validation: the findings of terminals with their evidence, the
// forms by which a named person decides, and campaigns with their progress, minutes and
// documents.
//
// What is found comes from a survey, what was decided from the campaigns; deciding and
// signing are theirs, and the words are those of the commands. It knows no SQL and sends
// nothing. Beware: findings are those of the newest inventory, shown with its age, and
// documents name people: none of it belongs in a log.
package campaigns

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/hub/internal/campaign"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

//go:embed page/*.html
var files embed.FS

// Directory is the register, as these pages need it.
type Directory interface {
	Register(ctx context.Context) (*directory.Register, error)
}

// Survey is what is found at terminals.
type Survey interface {
	Look(ctx context.Context, day roster.Date, chosen func(*directory.Terminal) bool) (*survey.View, error)
}

// Decisions is what is decided about findings.
type Decisions interface {
	Judge(ctx context.Context, v *survey.View) ([][]decision.Judged, error)
	Of(ctx context.Context, terminal placement.TerminalID) ([]decision.Decision, error)
	Decide(ctx context.Context, by directory.By, t survey.Terminal, f report.Named, ch decision.Choice) (decision.Effect, error)
}

// Campaigns is what is led and signed.
type Campaigns interface {
	List(ctx context.Context) ([]campaign.Campaign, error)
	Add(ctx context.Context, by directory.By, n campaign.Campaign) (int64, error)
	Progress(ctx context.Context, n int64, day roster.Date) (*campaign.Progress, error)
	Visit(ctx context.Context, by directory.By, n int64, terminal placement.TerminalID, day roster.Date, officer string) error
	Sign(ctx context.Context, by directory.By, n int64, terminal placement.TerminalID, paper campaign.Paper) (campaign.Signed, bool, error)
}

// Options are the parts of these pages; all are needed.
type Options struct {
	Directory Directory
	Survey    Survey
	Decisions Decisions
	Campaigns Campaigns
}

// Pages are findings and campaigns, with their forms and documents.
type Pages struct {
	*shell.Group
	Options
	paper report.Words // of minutes: they are in Indonesian, whoever prints them
}

// New plugs the pages into the shell.
func New(s *shell.Shell, o Options) *Pages {
	return &Pages{s.Group("campaign", files), o, report.In(phrase.New(), phrase.Indonesian)}
}

// Routes adds the pages' addresses.
func (p *Pages) Routes(mux *http.ServeMux) {
	mux.Handle("GET /findings", p.Page(p.found))
	mux.Handle("GET /findings/{site}/{serial}", p.Page(p.findings))
	mux.Handle("POST /findings/{site}/{serial}", p.Page(p.decideClass))
	mux.Handle("GET /findings/{site}/{serial}/{finding}", p.Page(p.askDecision))
	mux.Handle("POST /findings/{site}/{serial}/{finding}", p.Page(p.decide))
	mux.Handle("GET /campaigns", p.Page(p.list))
	mux.Handle("GET /campaigns/new", p.Page(p.askNew))
	mux.Handle("POST /campaigns/new", p.Page(p.add))
	mux.Handle("GET /campaigns/{campaign}", p.Page(p.progress))
	mux.Handle("GET /campaigns/{campaign}/summary.pdf", p.Page(p.summaryPDF))
	mux.Handle("GET /campaigns/{campaign}/summary.xlsx", p.Page(p.summarySheet))
	mux.Handle("GET /campaigns/{campaign}/visit/{site}/{serial}", p.Page(p.askVisit))
	mux.Handle("POST /campaigns/{campaign}/visit/{site}/{serial}", p.Page(p.visit))
	mux.Handle("GET /campaigns/{campaign}/minutes/{site}/{serial}", p.Page(p.askMinutes))
	mux.Handle("POST /campaigns/{campaign}/minutes/{site}/{serial}", p.Page(p.sign))
	mux.Handle("GET /campaigns/{campaign}/minutes/{site}/{serial}/document.pdf", p.Page(p.minutesPDF))
}

// speech is how a reader is told of findings and campaigns.
type speech struct {
	shell.Speech
	Today roster.Date
}

// Words are those that commands use too.
func (v speech) Words() report.Words { return v.Tell }

func (p *Pages) speech(r *http.Request) speech {
	return speech{p.Speech(r), roster.DateOf(p.Now())}
}

// number is the campaign that the address names.
func number(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("campaign"), 10, 64)
	if err != nil {
		return 0, shell.NotFound("no-campaign")
	}
	return n, nil
}

// by is who changes something by a form.
func (p *Pages) by(form *shell.Form, act, subject string) directory.By {
	return directory.By{Who: form.Officer, At: p.Now(), Act: act, Subject: subject}
}

// refused notes beside a form why it was not done; other errors are for the caller.
func (v speech) refused(form *shell.Form, err error) bool {
	var no decision.Refusal
	var problem directory.Problem
	code, args := "", map[string]any(nil)
	switch {
	case errors.As(err, &no):
		code, args = "campaign.error-"+no.Code, no.Args
	case errors.As(err, &problem):
		code, args = "register."+problem.Code, problem.Args
	default:
		return false
	}
	said, _ := v.Tell(code, args)
	form.Refuse("form", said)
	return true
}
