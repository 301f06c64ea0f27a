package campaign

import (
	"context"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Progress is how a campaign's terminals stand.
type Progress struct {
	Campaign  Campaign
	Summary   report.Summary
	Terminals []Standing // in the order of the summary's lines
}

// Standing is one terminal of a campaign.
type Standing struct {
	survey.Terminal
	Line     report.Line
	Findings []decision.Judged
	Closed   []decision.Decision // whose findings are gone, since the campaign began
	Minutes  *Signed             // nil: not signed
}

// Progress looks at all terminals of a campaign as of a day.
func (c *Campaigns) Progress(ctx context.Context, n int64, day roster.Date) (*Progress, error) {
	campaign, err := c.Get(ctx, n)
	if err != nil {
		return nil, err
	}
	reg, err := c.o.Directory.Register(ctx)
	if err != nil {
		return nil, err
	}
	v, err := c.o.Survey.Look(ctx, day, func(t *directory.Terminal) bool { return campaign.Covers(reg, t.ID, day) })
	if err != nil {
		return nil, err
	}
	judged, err := c.o.Decisions.Judge(ctx, v)
	if err != nil {
		return nil, err
	}
	ended, err := c.o.Decisions.Ended(ctx, begin(campaign.From))
	if err != nil {
		return nil, err
	}
	visits, err := c.visits(ctx, n)
	if err != nil {
		return nil, err
	}
	signed, err := c.signed(ctx, n)
	if err != nil {
		return nil, err
	}
	p := &Progress{Campaign: campaign, Summary: report.Summary{Campaign: campaign.Content(v.Register, day), Day: day}}
	for i, t := range v.Terminals {
		s := Standing{Terminal: t, Findings: judged[i], Line: visits[t.ID]}
		for _, d := range ended {
			if d.Terminal == t.ID {
				s.Closed = append(s.Closed, d)
			}
		}
		if m, found := signed[t.ID]; found {
			s.Minutes = &m
		}
		s.reckon(campaign)
		p.Terminals, p.Summary.Lines = append(p.Terminals, s), append(p.Summary.Lines, s.Line)
	}
	return p, nil
}

// begin is when a day begins on the terminals' walls.
func begin(day roster.Date) time.Time {
	at, err := time.Parse(time.DateOnly, string(day))
	if err != nil {
		return time.Time{} // a campaign has days that exist
	}
	return at.Add(-protocol.Zone)
}

// reckon fills in the terminal's line of the summary.
func (s *Standing) reckon(n Campaign) {
	l := &s.Line
	l.Terminal, l.Closed = s.Terminal.Terminal, len(s.Closed)
	for _, j := range s.Findings {
		switch {
		case j.Decision == nil:
			l.Open++
		case j.Accepted():
			l.Kept++
		default:
			l.Agreed++
		}
	}
	switch {
	case s.Minutes != nil:
		l.State, l.Number, l.Day = report.Signed, s.Minutes.Number, s.Minutes.Day
	case !s.Since(n.From):
		l.State = report.Unread
	case l.Open > 0:
		l.State = report.Open
	default:
		l.State = report.Decided
	}
}

// Find is a terminal of the campaign; site may be "" where the serial is at one only.
func (p *Progress) Find(site protocol.SiteID, serial protocol.Serial) (Standing, bool) {
	i := slices.IndexFunc(p.Terminals, func(s Standing) bool { return s.Serial == serial && (site == "" || s.Site == site) })
	if i < 0 {
		return Standing{}, false
	}
	return p.Terminals[i], true
}

func (p *Progress) terminal(id placement.TerminalID) (Standing, bool) {
	i := slices.IndexFunc(p.Terminals, func(s Standing) bool { return s.ID == id })
	if i < 0 {
		return Standing{}, false
	}
	return p.Terminals[i], true
}
