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

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/campaign"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/door"
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
	Get(ctx context.Context, n int64) (campaign.Campaign, error)
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
func (p *Pages) Routes(d *door.Door) {
	see, decide := door.To(account.See, door.Terminal), door.To(account.Decide, door.Terminal)
	d.Handle("GET /findings", door.To(account.See), p.Page(p.found))
	d.Handle("GET /findings/{site}/{serial}", see, p.Page(p.findings))
	d.Handle("POST /findings/{site}/{serial}", decide, p.Page(p.decideClass))
	d.Handle("GET /findings/{site}/{serial}/{finding}", see, p.Page(p.askDecision))
	d.Handle("POST /findings/{site}/{serial}/{finding}", decide, p.Page(p.decide))
	part := door.To(account.See, p.within)
	d.Handle("GET /campaigns", door.To(account.See), p.Page(p.list))
	d.Handle("GET /campaigns/new", door.To(account.Lead), p.Page(p.askNew))
	d.Handle("POST /campaigns/new", door.To(account.Lead), p.Page(p.add))
	d.Handle("GET /campaigns/{campaign}", part, p.Page(p.progress))
	d.Handle("GET /campaigns/{campaign}/summary.pdf", part, p.Page(p.summaryPDF))
	d.Handle("GET /campaigns/{campaign}/summary.xlsx", part, p.Page(p.summarySheet))
	lead := door.To(account.Lead, p.within, door.Terminal)
	d.Handle("GET /campaigns/{campaign}/visit/{site}/{serial}", lead, p.Page(p.askVisit))
	d.Handle("POST /campaigns/{campaign}/visit/{site}/{serial}", lead, p.Page(p.visit))
	d.Handle("GET /campaigns/{campaign}/minutes/{site}/{serial}", lead, p.Page(p.askMinutes))
	d.Handle("POST /campaigns/{campaign}/minutes/{site}/{serial}", lead, p.Page(p.sign))
	d.Handle("GET /campaigns/{campaign}/minutes/{site}/{serial}/document.pdf", door.To(account.See, p.within, door.Terminal), p.Page(p.minutesPDF))
}

// within tells whether a terminal of the campaign in the path lies within a scope.
func (p *Pages) within(r *http.Request, s account.Scope) (bool, error) {
	n, err := number(r)
	if err != nil {
		return false, nil
	}
	c, err := p.Campaigns.Get(r.Context(), n)
	if no := (decision.Refusal{}); errors.As(err, &no) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	reg, err := p.Directory.Register(r.Context())
	return err == nil && touches(c, reg, s, roster.DateOf(p.Now())), err
}

// touches tells whether a campaign is also about a terminal within a scope.
func touches(c campaign.Campaign, reg *directory.Register, s account.Scope, day roster.Date) bool {
	for _, t := range reg.Terminals {
		if s.Terminal(t.Site, t.Serial) && c.Covers(reg, t.ID, day) {
			return true
		}
	}
	return false
}

// speech is how a reader is told of findings and campaigns.
type speech struct {
	shell.Speech
	Scope account.Scope
	Today roster.Date
}

// Words are those that commands use too.
func (v speech) Words() report.Words { return v.Tell }

func (p *Pages) speech(r *http.Request) speech {
	return speech{p.Speech(r), door.Who(r).Scope, roster.DateOf(p.Now())}
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
	return directory.By{Who: form.By, At: p.Now(), Act: act, Subject: subject}
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
