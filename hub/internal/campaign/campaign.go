// Package campaign leads validations over units and days, which end with signed minutes
// for each terminal.
//
// It knows its tables, the register, what a survey shows and what was decided. It must
// not know pages or MQTT, and carries nothing out at a terminal.
//
// Beware: rows are only ever added. What was signed is frozen as JSON, with its digest;
// nothing of it is reckoned again.
package campaign

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Database is what this needs of the store.
type Database interface {
	Update(ctx context.Context, change func(*sql.Tx) error) error
	Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
}

// Options are the parts of Campaigns; all are needed.
type Options struct {
	Database  Database
	Directory *directory.Directory
	Survey    *survey.Survey
	Decisions *decision.Decisions
}

// Campaigns is all of this in a database. It is safe for concurrent use, also by
// several processes.
type Campaigns struct{ o Options }

// New is the campaigns of a database.
func New(o Options) *Campaigns { return &Campaigns{o} }

// Campaign is a validation over units, with everything below them.
type Campaign struct {
	N        int64
	Name     string
	From, To roster.Date // first and last day
	Lead     string
	Units    []placement.UnitID
}

// Add begins a campaign.
func (c *Campaigns) Add(ctx context.Context, by directory.By, n Campaign) (int64, error) {
	n.Name, n.Lead = decision.Text(n.Name), decision.Text(n.Lead)
	switch {
	case by.Who == "":
		return 0, decision.Refuse("nobody")
	case n.Name == "" || n.Lead == "":
		return 0, decision.Refuse("no-name")
	case n.From.Check() != nil || n.To.Check() != nil || n.To < n.From:
		return 0, decision.Refuse("no-days")
	case len(n.Units) == 0:
		return 0, decision.Refuse("no-units")
	}
	reg, err := c.o.Directory.Register(ctx)
	if err != nil {
		return 0, err
	}
	slices.Sort(n.Units)
	n.Units = slices.Compact(n.Units)
	for _, u := range n.Units {
		if reg.Units[u] == nil {
			return 0, decision.Refuse("no-units")
		}
	}
	err = c.o.Database.Update(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `INSERT INTO campaign (n, name, since, until, lead, who, at)
			VALUES ((SELECT COALESCE(MAX(n), 0) + 1 FROM campaign), $1, $2, $3, $4, $5, $6) RETURNING n`,
			n.Name, string(n.From), string(n.To), n.Lead, by.Who, by.At.UnixMilli()).Scan(&n.N)
		for _, u := range n.Units {
			if err == nil {
				_, err = tx.ExecContext(ctx, "INSERT INTO campaign_unit (campaign, unit) VALUES ($1, $2)", n.N, int64(u))
			}
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("add campaign: %w", err)
	}
	return n.N, nil
}

// List returns all campaigns, the newest first.
func (c *Campaigns) List(ctx context.Context) (all []Campaign, err error) {
	err = c.o.Database.Query(ctx, func(rows *sql.Rows) error {
		var n Campaign
		err := rows.Scan(&n.N, &n.Name, &n.From, &n.To, &n.Lead)
		all = append(all, n)
		return err
	}, "SELECT n, name, since, until, lead FROM campaign ORDER BY n DESC")
	if err == nil {
		err = c.o.Database.Query(ctx, func(rows *sql.Rows) error {
			var n int64
			var u placement.UnitID
			err := rows.Scan(&n, &u)
			for i := range all {
				if all[i].N == n {
					all[i].Units = append(all[i].Units, u)
				}
			}
			return err
		}, "SELECT campaign, unit FROM campaign_unit ORDER BY campaign, unit")
	}
	if err != nil {
		return nil, fmt.Errorf("read campaigns: %w", err)
	}
	return all, nil
}

// Get returns one campaign.
func (c *Campaigns) Get(ctx context.Context, n int64) (Campaign, error) {
	all, err := c.List(ctx)
	if err != nil {
		return Campaign{}, err
	}
	if i := slices.IndexFunc(all, func(one Campaign) bool { return one.N == n }); i >= 0 {
		return all[i], nil
	}
	return Campaign{}, decision.Refuse("no-campaign", "campaign", n)
}

// Covers tells whether a terminal belongs to a campaign: the unit that answers for it
// is one of the campaign's, or below one.
func (n Campaign) Covers(reg *directory.Register, id placement.TerminalID, day roster.Date) bool {
	u := survey.Responsible(reg, id, day)
	for range len(reg.Units) + 1 {
		if u == nil {
			return false
		}
		if slices.Contains(n.Units, u.ID) {
			return true
		}
		u = parent(reg, u, day)
	}
	return false
}

// parent is the unit above one; nil for none.
func parent(reg *directory.Register, u *directory.Unit, day roster.Date) *directory.Unit {
	id, err := strconv.ParseInt(u.At(directory.UnitParent, day), 10, 64)
	if err != nil {
		return nil // it has none
	}
	return reg.Units[placement.UnitID(id)]
}

// Content is a campaign as documents tell of it.
func (n Campaign) Content(reg *directory.Register, day roster.Date) report.Campaign {
	told := report.Campaign{Number: n.N, Name: n.Name, From: n.From, To: n.To, Lead: n.Lead}
	for _, id := range n.Units {
		if u := reg.Units[id]; u != nil {
			told.Units = append(told.Units, u.At(directory.UnitName, day))
		}
	}
	return told
}

// Visit plans who goes to a terminal on which day; the newest plan counts.
func (c *Campaigns) Visit(ctx context.Context, by directory.By, n int64, terminal placement.TerminalID, day roster.Date, officer string) error {
	campaign, err := c.Get(ctx, n)
	if err != nil {
		return err
	}
	reg, err := c.o.Directory.Register(ctx)
	if err != nil {
		return err
	}
	switch {
	case by.Who == "":
		return decision.Refuse("nobody")
	case !campaign.Covers(reg, terminal, roster.DateOf(by.At)):
		return decision.Refuse("not-in-campaign", "campaign", n)
	case day.Check() != nil || day < campaign.From || day > campaign.To:
		return decision.Refuse("day-outside", "from", campaign.From, "to", campaign.To)
	case decision.Text(officer) == "":
		return decision.Refuse("no-officer")
	}
	err = c.o.Database.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO visit (n, campaign, terminal, day, officer, who, at)
			VALUES ((SELECT COALESCE(MAX(n), 0) + 1 FROM visit), $1, $2, $3, $4, $5, $6)`,
			n, int64(terminal), string(day), decision.Text(officer), by.Who, by.At.UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("plan visit: %w", err)
	}
	return nil
}

// visits are the newest plans of a campaign, by terminal.
func (c *Campaigns) visits(ctx context.Context, n int64) (map[placement.TerminalID]report.Line, error) {
	all := map[placement.TerminalID]report.Line{}
	err := c.o.Database.Query(ctx, func(rows *sql.Rows) error {
		var id placement.TerminalID
		var l report.Line
		err := rows.Scan(&id, &l.Planned, &l.Officer)
		all[id] = l
		return err
	}, "SELECT terminal, day, officer FROM visit WHERE campaign = $1 ORDER BY n", n)
	if err != nil {
		return nil, fmt.Errorf("read visits: %w", err)
	}
	return all, nil
}
