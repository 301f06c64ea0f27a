package directory

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Database is what the register needs of the store.
type Database interface {
	Update(ctx context.Context, change func(*sql.Tx) error) error
	Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
	Within(tx *sql.Tx) func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
}

// Directory is the register in a database. It is safe for concurrent use, also by
// several processes.
type Directory struct {
	db       Database
	settings placement.Settings

	mu   sync.Mutex // guards held
	held *Register  // as last read or written; it is never changed
}

// New is the register in db. The settings hold where no unit says otherwise.
func New(db Database, settings placement.Settings) *Directory {
	return &Directory{db: db, settings: settings}
}

// By is who changes the register, when, and what they call it.
type By struct {
	Who     string
	At      time.Time
	Act     string // what was done, in a word of the command line: unit add, import …
	Subject string // to whom, without a NIP or a name: an id, a PIN, a file
}

// ErrWho says that nobody stands for a change.
var ErrWho = errors.New("a change of the register needs the name of who makes it")

// Change is one line of the audit trail.
type Change struct {
	N      int64
	Undoes int64 // the change that it took back, or 0
	By
}

// Edit makes one change: edit works on a draft of the register, which is written
// only when edit returns nil and the outcome contradicts itself nowhere. It returns
// the change's number, 0 when the draft changed nothing.
func (d *Directory) Edit(ctx context.Context, by By, edit func(*Draft) error) (n int64, err error) {
	if by.Who == "" {
		return 0, ErrWho
	}
	var draft *Draft
	err = d.db.Update(ctx, func(tx *sql.Tx) error {
		reg, err := d.current(ctx, d.db.Within(tx))
		if err != nil {
			return fmt.Errorf("read register: %w", err)
		}
		draft = newDraft(reg, roster.DateOf(by.At))
		if err := edit(draft); err != nil {
			return err
		}
		if draft.empty() {
			return nil
		}
		if err := draft.Check(); err != nil {
			return err
		}
		n, err = recordChange(ctx, tx, by, 0)
		if err != nil {
			return err
		}
		return draft.write(ctx, tx, n)
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", by.Act, err)
	}
	if n > 0 {
		draft.moment.change = n
		d.hold(draft.Register)
	}
	return n, nil
}

// Try is Edit without writing: what would be changed, or why it would be refused.
func (d *Directory) Try(ctx context.Context, today roster.Date, edit func(*Draft) error) (*Draft, error) {
	reg, err := d.Register(ctx)
	if err != nil {
		return nil, err
	}
	draft := newDraft(reg, today)
	if err := edit(draft); err != nil {
		return nil, err
	}
	return draft, draft.Check()
}

// Register is what holds now. It is shared: nobody changes it but in a Draft.
func (d *Directory) Register(ctx context.Context) (*Register, error) {
	reg, err := d.current(ctx, d.db.Query)
	if err != nil {
		return nil, fmt.Errorf("read register: %w", err)
	}
	return reg, nil
}

// current returns the held register where nothing changed since, or reads it.
func (d *Directory) current(ctx context.Context, read reader) (*Register, error) {
	for {
		before, err := momentOf(ctx, read)
		if err != nil {
			return nil, err
		}
		d.mu.Lock()
		held := d.held
		d.mu.Unlock()
		if held != nil && held.moment == before {
			return held, nil
		}
		reg, err := load(ctx, read)
		if err != nil {
			return nil, err
		}
		// Outside a transaction a change may have come between two tables: whoever had
		// been moved by it could seem to be nowhere.
		after, err := momentOf(ctx, read)
		if err != nil {
			return nil, err
		}
		if before == after {
			reg.moment = after
			d.hold(reg)
			return reg, nil
		}
	}
}

func (d *Directory) hold(reg *Register) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil || d.held.moment.change <= reg.moment.change {
		d.held = reg
	}
}

// moment tells one state of the register from the others.
type moment struct {
	change    int64 // the newest
	terminals int64 // how many are registered: that is no change of the register
}

// Change is the number of the newest change that the register knows.
func (r *Register) Change() int64 { return r.moment.change }

func momentOf(ctx context.Context, read reader) (m moment, err error) {
	err = read(ctx, func(rows *sql.Rows) error { return rows.Scan(&m.change, &m.terminals) },
		"SELECT (SELECT COALESCE(MAX(n), 0) FROM register_change), (SELECT COUNT(*) FROM terminal WHERE registered > 0)")
	return m, err
}

// Changes returns the audit trail, the newest first; a limit of 0 is all of it.
func (d *Directory) Changes(ctx context.Context, limit int) (all []Change, err error) {
	query, args := "SELECT n, at, who, act, subject, undoes FROM register_change ORDER BY n DESC", []any(nil)
	if limit > 0 {
		query, args = query+" LIMIT $1", []any{limit}
	}
	err = d.db.Query(ctx, func(rows *sql.Rows) error {
		var c Change
		var at int64
		err := rows.Scan(&c.N, &at, &c.Who, &c.Act, &c.Subject, &c.Undoes)
		c.At = time.UnixMilli(at).UTC()
		all = append(all, c)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read changes of the register: %w", err)
	}
	return all, nil
}

func recordChange(ctx context.Context, tx *sql.Tx, by By, undoes int64) (n int64, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO register_change (n, at, who, act, subject, undoes)
		VALUES ((SELECT COALESCE(MAX(n), 0) + 1 FROM register_change), $1, $2, $3, $4, $5) RETURNING n`,
		by.At.UnixMilli(), by.Who, by.Act, by.Subject, undoes).Scan(&n)
	return n, err
}

// reader runs a query and calls row for every row of the answer.
type reader func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
