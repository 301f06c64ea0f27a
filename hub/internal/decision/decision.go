// Package decision keeps what people decided about single findings of terminals, and
// what came of it.
//
// It knows its tables, the register and what a survey shows. It must not know pages or
// MQTT. It carries nothing out at a terminal: rosters do that, as far as a terminal's
// mode lets them; deciding changes the register at most.
//
// Beware: rows are only ever added. A decision belongs to what its finding rests on
// (the evidence): another template or name is another finding, which nobody has decided.
package decision

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Database is what this needs of the store.
type Database interface {
	Update(ctx context.Context, change func(*sql.Tx) error) error
	Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
}

// Holding is what is needed of what terminals hold.
type Holding interface {
	Inventories(ctx context.Context) (int64, error)
}

// Options are the parts of Decisions. All but Every are needed.
type Options struct {
	Database  Database
	Directory *directory.Directory
	Survey    *survey.Survey
	Holding   Holding
	Now       func() time.Time
	Logger    *slog.Logger

	Every time.Duration // between two looks whether findings are gone; default 5 s
}

// Decisions is all of this in a database. It is safe for concurrent use, also by
// several processes.
type Decisions struct{ o Options }

// New is what was decided in a database.
func New(o Options) *Decisions {
	if o.Every == 0 {
		o.Every = 5 * time.Second
	}
	return &Decisions{o}
}

// Refusal says why a person cannot do what they asked for. Its code has a sentence in
// the catalogue, in the area campaign.
type Refusal struct {
	Code string
	Args map[string]any
}

func (r Refusal) Error() string { return "refused: " + r.Code }

// Refuse is a Refusal with pairs of name and value.
func Refuse(code string, pairs ...any) error {
	r := Refusal{Code: code, Args: map[string]any{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		r.Args[pairs[i].(string)] = pairs[i+1]
	}
	return r
}

// Text is what somebody typed, as every database takes it.
func Text(typed string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(typed, ""), "\x00", ""))
}

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

// Of returns the decisions of a terminal, the oldest first.
func (ds *Decisions) Of(ctx context.Context, terminal placement.TerminalID) ([]Decision, error) {
	return ds.read(ctx, "WHERE d.terminal = $1", int64(terminal))
}

// Ended returns the decisions whose findings were gone at a moment or later, the oldest
// first.
func (ds *Decisions) Ended(ctx context.Context, since time.Time) ([]Decision, error) {
	return ds.read(ctx, "WHERE c.at >= $1", since.UnixMilli())
}

func (ds *Decisions) read(ctx context.Context, where string, args ...any) (all []Decision, err error) {
	err = ds.o.Database.Query(ctx, func(rows *sql.Rows) error {
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
func (ds *Decisions) standing(ctx context.Context) (map[evidence]Decision, error) {
	all := map[evidence]Decision{}
	err := ds.o.Database.Query(ctx, func(rows *sql.Rows) error {
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

// record writes a decision.
func (ds *Decisions) record(ctx context.Context, by directory.By, t survey.Terminal, f report.Named, act validate.Act, reason string) error {
	finding, err := json.Marshal(f)
	if err == nil {
		err = ds.o.Database.Update(ctx, func(tx *sql.Tx) error {
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
