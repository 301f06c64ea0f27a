package campaign

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Decision is what somebody decided about a finding, and what came of it.
type Decision struct {
	N        int64
	Terminal placement.TerminalID
	report.Row
}

// evidence is a finding of a terminal.
type evidence struct {
	terminal placement.TerminalID
	digest   protocol.Hash
}

// Decisions returns the decisions of a terminal, the oldest first.
func (c *Campaigns) Decisions(ctx context.Context, terminal placement.TerminalID) ([]Decision, error) {
	return c.decisions(ctx, "WHERE d.terminal = $1", int64(terminal))
}

func (c *Campaigns) decisions(ctx context.Context, where string, args ...any) (all []Decision, err error) {
	err = c.o.Database.Query(ctx, func(rows *sql.Rows) error {
		var d Decision
		var finding []byte
		if err := d.scan(rows, &finding); err != nil {
			return err
		}
		all = append(all, d)
		return json.Unmarshal(finding, &all[len(all)-1].Named)
	}, "SELECT "+decisionColumns+", d.finding FROM decision d LEFT JOIN closing c ON c.decision = d.n "+where+" ORDER BY d.n", args...)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

const decisionColumns = "d.n, d.terminal, d.act, d.reason, d.who, d.at, COALESCE(c.at, 0)"

// scan reads decisionColumns, and more columns behind them.
func (d *Decision) scan(rows *sql.Rows, more ...any) error {
	var at, closed int64
	if err := rows.Scan(append([]any{&d.N, &d.Terminal, &d.Act, &d.Reason, &d.By, &at, &closed}, more...)...); err != nil {
		return err
	}
	d.Decided = time.UnixMilli(at).UTC()
	if closed > 0 {
		d.Closed = time.UnixMilli(closed).UTC()
	}
	return nil
}

// standing are the decisions that count, by what they are about: no later one has
// replaced them, and their finding was not gone since. An acceptance counts until
// somebody decides otherwise. The findings themselves are not read.
func (c *Campaigns) standing(ctx context.Context) (map[evidence]Decision, error) {
	all := map[evidence]Decision{}
	err := c.o.Database.Query(ctx, func(rows *sql.Rows) error {
		var d Decision
		var digest []byte
		if err := d.scan(rows, &digest); err != nil {
			return err
		}
		if len(digest) != len(protocol.Hash{}) {
			return fmt.Errorf("decision %d rests on %d bytes", d.N, len(digest))
		}
		all[evidence{d.Terminal, protocol.Hash(digest)}] = d
		return nil
	}, "SELECT "+decisionColumns+`, d.evidence FROM decision d LEFT JOIN closing c ON c.decision = d.n
		WHERE (d.act = $1 OR c.at IS NULL)
		AND NOT EXISTS (SELECT 1 FROM decision later WHERE later.terminal = d.terminal AND later.evidence = d.evidence AND later.n > d.n)`,
		string(validate.ActAccept))
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

// Last is the number of the newest decision, 0 for none.
func (c *Campaigns) Last(ctx context.Context) (n int64, err error) {
	err = c.o.Database.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&n) }, "SELECT COALESCE(MAX(n), 0) FROM decision")
	if err != nil {
		return 0, fmt.Errorf("read decisions: %w", err)
	}
	return n, nil
}

// Version rises whenever what is accepted may be another: somebody decided, or, where
// anything is accepted, an inventory came.
func (c *Campaigns) Version(ctx context.Context) (int64, error) {
	n, err := c.Last(ctx)
	if err != nil || n == 0 {
		return 0, err
	}
	accepted := false
	err = c.o.Database.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&accepted) },
		"SELECT COUNT(*) > 0 FROM decision WHERE act = $1", string(validate.ActAccept))
	if err != nil {
		return 0, fmt.Errorf("read decisions: %w", err)
	}
	if !accepted {
		return n, nil
	}
	came, err := c.o.Holding.Inventories(ctx)
	return n + came, err
}

// Judged is a finding with the decision that counts for it; nil for none.
type Judged struct {
	report.Named
	Decision *Decision
}

// Accepted tells whether it may stay.
func (j Judged) Accepted() bool { return j.Decision != nil && j.Decision.Act == validate.ActAccept }

// Judge puts the decisions beside the findings of terminals, terminal by terminal and
// in their order.
func (c *Campaigns) Judge(ctx context.Context, v *survey.View) ([][]Judged, error) {
	decided, err := c.standing(ctx)
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
func (c *Campaigns) Accepted(ctx context.Context, day roster.Date) (map[placement.TerminalID][]validate.Finding, error) {
	decided, err := c.standing(ctx)
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
	v, err := c.o.Survey.Look(ctx, day, func(t *directory.Terminal) bool { return where[t.ID] })
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

// record writes a decision.
func (c *Campaigns) record(ctx context.Context, by directory.By, t survey.Terminal, f report.Named, act validate.Act, reason string) error {
	finding, err := json.Marshal(f)
	if err == nil {
		err = c.o.Database.Update(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO decision (n, terminal, evidence, act, reason, who, at, inventory, finding)
				VALUES ((SELECT COALESCE(MAX(n), 0) + 1 FROM decision), $1, $2, $3, $4, $5, $6, $7, $8)`,
				int64(t.ID), f.Evidence[:], string(act), reason, by.Who, by.At.UnixMilli(), t.Inventory[:], finding)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("keep decision: %w", err)
	}
	return nil
}

// Settle closes the decisions whose findings are there no more.
func (c *Campaigns) Settle(ctx context.Context) error {
	open, err := c.standing(ctx)
	if err != nil {
		return err
	}
	where := map[placement.TerminalID]bool{}
	for key, d := range open {
		if d.Act == validate.ActAccept {
			delete(open, key)
		} else {
			where[key.terminal] = true
		}
	}
	if len(open) == 0 {
		return nil
	}
	now := c.o.Now()
	v, err := c.o.Survey.Look(ctx, roster.DateOf(now), func(t *directory.Terminal) bool { return where[t.ID] })
	if err != nil {
		return err
	}
	for _, t := range v.Terminals {
		for _, f := range t.Findings {
			delete(open, evidence{t.ID, f.Evidence})
		}
	}
	inventories := map[placement.TerminalID]protocol.Hash{}
	for _, t := range v.Terminals {
		inventories[t.ID] = t.Inventory
	}
	err = c.o.Database.Update(ctx, func(tx *sql.Tx) error {
		for _, d := range open {
			inventory, looked := inventories[d.Terminal]
			if !looked {
				continue // no longer in the register
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO closing (decision, at, inventory) VALUES ($1, $2, $3) ON CONFLICT (decision) DO NOTHING",
				d.N, now.UnixMilli(), inventory[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("close decisions: %w", err)
	}
	return nil
}

// Run closes decisions as inventories come and the register changes, until ctx ends.
func (c *Campaigns) Run(ctx context.Context) error {
	tick := time.NewTicker(c.o.Every)
	defer tick.Stop()
	var seen moment
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := c.moment(ctx)
		if err == nil && now != seen {
			if err = c.Settle(ctx); err == nil {
				seen = now
			}
		}
		if err != nil && ctx.Err() == nil {
			c.o.Logger.Error("cannot see what came of decisions", "error", err)
		}
	}
}

// moment is what the outcome of decisions depends on, as far as it is cheap to ask. The
// vault is not asked: a captured finger ends its finding when it has been written.
type moment struct {
	inventories int64 // rises with each
	change      int64 // of the register
	decision    int64
	day         roster.Date
}

func (c *Campaigns) moment(ctx context.Context) (m moment, err error) {
	m.day = roster.DateOf(c.o.Now())
	if m.inventories, err = c.o.Holding.Inventories(ctx); err != nil {
		return m, err
	}
	last, err := c.o.Directory.Changes(ctx, 1)
	if err != nil {
		return m, err
	}
	if len(last) > 0 {
		m.change = last[0].N
	}
	m.decision, err = c.Last(ctx)
	return m, err
}
