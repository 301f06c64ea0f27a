package campaign

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Signed are the minutes of a terminal, frozen: Digest is SHA-256 of their JSON.
type Signed struct {
	report.Minutes
	Digest protocol.Hash
}

// Paper is what stands on minutes beside what was found: both sign for it.
type Paper struct {
	Number, Place  string
	Day            roster.Date
	Agency, Office report.Signer
}

func (p Paper) check() error {
	for _, typed := range []string{p.Number, p.Place, p.Agency.Name, p.Agency.Position, p.Office.Name, p.Office.Position} {
		if typed == "" {
			return decision.Refuse("paper-incomplete")
		}
	}
	if p.Day.Check() != nil {
		return decision.Refuse("no-days")
	}
	for _, s := range []report.Signer{p.Agency, p.Office} {
		if s.NIP == "" {
			continue
		}
		if _, err := directory.ParseNIP(s.NIP); err != nil {
			return err
		}
	}
	return nil
}

// Sign freezes the minutes of a terminal in a campaign. It is refused while nothing was
// read since the campaign began, and while a finding is undecided. What is signed stays:
// signing again returns it as it is, and fresh is false.
func (c *Campaigns) Sign(ctx context.Context, by directory.By, n int64, terminal placement.TerminalID, paper Paper) (s Signed, fresh bool, err error) {
	for _, typed := range []*string{&paper.Number, &paper.Place, &paper.Agency.Name, &paper.Agency.NIP, &paper.Agency.Position,
		&paper.Office.Name, &paper.Office.NIP, &paper.Office.Position} {
		*typed = decision.Text(*typed)
	}
	if err := c.o.Decisions.Settle(ctx); err != nil {
		return s, false, err
	}
	p, err := c.Progress(ctx, n, roster.DateOf(by.At))
	if err != nil {
		return s, false, err
	}
	t, found := p.terminal(terminal)
	switch {
	case by.Who == "":
		return s, false, decision.Refuse("nobody")
	case !found:
		return s, false, decision.Refuse("not-in-campaign", "campaign", n)
	case t.Minutes != nil:
		return *t.Minutes, false, nil
	case t.Line.State == report.Unread:
		return s, false, decision.Refuse("unread", "serial", t.Serial, "from", p.Campaign.From)
	case t.Line.State == report.Open:
		return s, false, decision.Refuse("undecided", "serial", t.Serial, "findings", t.Line.Open)
	}
	if err := paper.check(); err != nil {
		return s, false, err
	}
	s.Minutes = t.minutes(p.Summary.Campaign, by, paper)
	content, err := json.Marshal(s.Minutes)
	if err != nil {
		return s, false, fmt.Errorf("write minutes: %w", err)
	}
	s.Digest = sha256.Sum256(content)
	err = c.o.Database.Update(ctx, func(tx *sql.Tx) error {
		var same, number int
		if err := tx.QueryRowContext(ctx, `SELECT COALESCE(SUM(CASE WHEN campaign = $1 AND terminal = $2 THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN number = $3 THEN 1 ELSE 0 END), 0) FROM minutes`, n, int64(terminal), paper.Number).Scan(&same, &number); err != nil {
			return err
		}
		if same > 0 {
			return nil // somebody else was first
		}
		if number > 0 {
			return decision.Refuse("number-taken", "number", paper.Number)
		}
		fresh = true
		_, err := tx.ExecContext(ctx, `INSERT INTO minutes (n, campaign, terminal, number, who, at, digest, content)
			VALUES ((SELECT COALESCE(MAX(n), 0) + 1 FROM minutes), $1, $2, $3, $4, $5, $6, $7)`,
			n, int64(terminal), paper.Number, by.Who, by.At.UnixMilli(), s.Digest[:], content)
		return err
	})
	if err != nil {
		return Signed{}, false, fmt.Errorf("sign minutes: %w", err)
	}
	if !fresh {
		all, err := c.signed(ctx, n)
		return all[terminal], false, err
	}
	return s, true, nil
}

// minutes is what is signed of a terminal.
func (s Standing) minutes(n report.Campaign, by directory.By, paper Paper) report.Minutes {
	m := report.Minutes{
		Version: 1, Number: paper.Number, Place: paper.Place, Day: paper.Day, Campaign: n, Terminal: s.Line.Terminal,
		Rows: []report.Row{}, Agency: paper.Agency, Office: paper.Office, SignedBy: by.Who, SignedAt: by.At.UTC(),
	}
	for _, d := range s.Closed {
		m.Rows = append(m.Rows, d.Row)
	}
	for _, j := range s.Findings {
		row := j.Decision.Row
		row.Named = j.Named
		m.Rows = append(m.Rows, row)
	}
	slices.SortStableFunc(m.Rows, func(a, b report.Row) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.PIN, b.PIN), a.Decided.Compare(b.Decided))
	})
	return m
}

// signed are the minutes of a campaign, by terminal; of all campaigns for 0 the newest.
func (c *Campaigns) signed(ctx context.Context, n int64) (map[placement.TerminalID]Signed, error) {
	all := map[placement.TerminalID]Signed{}
	err := c.o.Database.Query(ctx, func(rows *sql.Rows) error {
		var id placement.TerminalID
		var digest, content []byte
		if err := rows.Scan(&id, &digest, &content); err != nil {
			return err
		}
		s := Signed{Digest: sha256.Sum256(content)}
		if !slices.Equal(digest, s.Digest[:]) {
			return fmt.Errorf("the minutes of terminal %d were changed after they were signed", id)
		}
		if err := json.Unmarshal(content, &s.Minutes); err != nil {
			return err
		}
		all[id] = s
		return nil
	}, "SELECT terminal, digest, content FROM minutes WHERE $1 = 0 OR campaign = $1 ORDER BY n", n)
	if err != nil {
		return nil, fmt.Errorf("read minutes: %w", err)
	}
	return all, nil
}

// SetMode says how far agents may go at a terminal, together with more that is said of
// it at once. Enforce is only for one of which a validation was signed: whoever it would
// take off must have been looked at.
func (c *Campaigns) SetMode(ctx context.Context, by directory.By, terminal placement.TerminalID, mode roster.Mode,
	more ...func(*directory.Draft) error) (change int64, err error) {
	if mode == roster.Enforce {
		signed, err := c.signed(ctx, 0)
		if err != nil {
			return 0, err
		}
		if _, found := signed[terminal]; !found {
			return 0, c.unsigned(ctx, terminal)
		}
	}
	return c.o.Directory.Edit(ctx, by, func(d *directory.Draft) error {
		err := d.Set(directory.AboutTerminal, int64(terminal), directory.TerminalMode, d.Today, string(mode))
		for _, also := range more {
			if err == nil {
				err = also(d)
			}
		}
		return err
	})
}

func (c *Campaigns) unsigned(ctx context.Context, terminal placement.TerminalID) error {
	reg, err := c.o.Directory.Register(ctx)
	if err != nil {
		return err
	}
	serial := protocol.Serial("")
	if t := reg.Terminals[terminal]; t != nil {
		serial = t.Serial
	}
	return decision.Refuse("not-signed", "serial", serial)
}
