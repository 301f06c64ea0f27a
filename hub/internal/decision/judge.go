package decision

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Judged is a finding with the decision that counts for it; nil for none.
type Judged struct {
	report.Named
	Decision *Decision
}

// Accepted tells whether it may stay.
func (j Judged) Accepted() bool { return j.Decision != nil && j.Decision.Act == validate.ActAccept }

// Judge puts the decisions beside the findings of terminals, terminal by terminal and
// in their order.
func (ds *Decisions) Judge(ctx context.Context, v *survey.View) ([][]Judged, error) {
	decided, err := ds.standing(ctx)
	if err != nil {
		return nil, err
	}
	return judge(v, decided), nil
}

func judge(v *survey.View, decided map[evidence]Decision) [][]Judged {
	judged := make([][]Judged, len(v.Terminals))
	for i, t := range v.Terminals {
		for _, f := range t.Findings {
			j := Judged{Named: f}
			if d, found := decided[evidence{t.ID, f.Evidence}]; found {
				d.Named = f
				j.Decision = &d
			}
			judged[i] = append(judged[i], j)
		}
	}
	return judged
}

// Accepted returns the findings of a day that somebody has accepted as they are, by
// terminal: rosters leave them alone.
func (ds *Decisions) Accepted(ctx context.Context, day roster.Date) (map[placement.TerminalID][]validate.Finding, error) {
	decided, err := ds.standing(ctx)
	if err != nil {
		return nil, err
	}
	where := map[placement.TerminalID]bool{}
	for key, d := range decided {
		if d.Act == validate.ActAccept {
			where[key.terminal] = true
		}
	}
	if len(where) == 0 {
		return nil, nil
	}
	v, err := ds.o.Survey.Look(ctx, day, func(t *directory.Terminal) bool { return where[t.ID] })
	if err != nil {
		return nil, err
	}
	accepted := map[placement.TerminalID][]validate.Finding{}
	for i, findings := range judge(v, decided) {
		for _, j := range findings {
			if j.Accepted() {
				accepted[v.Terminals[i].ID] = append(accepted[v.Terminals[i].ID], j.Finding)
			}
		}
	}
	return accepted, nil
}

// Last is the number of the newest decision, 0 for none.
func (ds *Decisions) Last(ctx context.Context) (n int64, err error) {
	err = ds.o.Database.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COALESCE(MAX(n), 0) FROM decision")
	if err != nil {
		return 0, fmt.Errorf("read decisions: %w", err)
	}
	return n, nil
}

// Version rises whenever what is accepted may be another: somebody decided, or, where
// anything is accepted, an inventory came.
func (ds *Decisions) Version(ctx context.Context) (int64, error) {
	n, err := ds.Last(ctx)
	if err != nil || n == 0 {
		return 0, err
	}
	accepted := false
	err = ds.o.Database.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&accepted) },
		"SELECT COUNT(*) > 0 FROM decision WHERE act = $1", string(validate.ActAccept))
	if err != nil {
		return 0, fmt.Errorf("read decisions: %w", err)
	}
	if !accepted {
		return n, nil
	}
	came, err := ds.o.Holding.Inventories(ctx)
	return n + came, err
}
