// Package store keeps what the hub knows, in SQLite or PostgreSQL: sites and
// their keys, every segment with its signature, every record in it (sighting),
// how far each agent's epoch is held, and what the hub tells about itself.
//
// It knows SQL and the contract's types. It must not know MQTT, pages, signing
// keys or the time of day: callers hand in times, and have checked signatures.
//
// Beware: nothing that came from an agent is ever changed or removed. A punch is
// no row but a view: what the sightings of a registered terminal agree on.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Errors by which callers decide.
var (
	ErrNoSite      = errors.New("no such site")
	ErrSiteKey     = errors.New("the site has another agent key")
	ErrNotAdmitted = errors.New("the key is not the one that was admitted")
	ErrExists      = errors.New("the file is there already; nothing is written over it")
	ErrEngine      = errors.New("this database is PostgreSQL: back it up with pg_dump and bring it back with pg_restore, then raise the generation")
	ErrFull        = errors.New("no room left for the database")
	ErrReadOnly    = errors.New("the database cannot be written to")
)

// Store is the hub's memory. It is safe for concurrent use; writers wait for
// their turn, also those of other processes.
type Store struct {
	engine *engine
	dsn    string
	write  *sql.DB // one connection
	read   *sql.DB // several, which cannot write

	mu   sync.Mutex // guards bulk
	bulk bulk
}

// Open opens the database that dsn names and brings its tables up to date: a
// path is a SQLite file, made where there is none; what begins with postgres://
// is a PostgreSQL database. Its collation must be C.
func Open(ctx context.Context, dsn string) (*Store, error) {
	e := sqliteEngine
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		e = postgresEngine
	}
	s := &Store{engine: e(), dsn: dsn}
	var err error
	if s.write, s.read, err = s.engine.open(dsn); err != nil {
		return nil, fmt.Errorf("open hub database: %w", s.engine.mapped(err))
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open hub database: %w", s.engine.mapped(err)), s.Close())
	}
	return s, nil
}

// prepare makes the tables and the first generation.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.engine.check(ctx, s.write); err != nil {
		return err
	}
	if err := migrate(ctx, s.engine, s.write); err != nil {
		return err
	}
	_, err := s.Generation(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = s.firstGeneration(ctx)
	}
	return err
}

// Close closes the database. In SQLite the last one to do so folds the log into
// the file.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bulk.close()
	s.bulk = nil
	return errors.Join(s.read.Close(), s.write.Close())
}

// Engine is the name of the database: sqlite or postgres.
func (s *Store) Engine() string { return s.engine.name }

// update runs change in one transaction, alone among all writers, and returns
// once it is durable.
func (s *Store) update(ctx context.Context, change func(*sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.engine.mapped(err)
	}
	defer tx.Rollback() // after Commit it does nothing
	if s.engine.turn != "" {
		if _, err := tx.ExecContext(ctx, s.engine.turn); err != nil {
			return s.engine.mapped(err)
		}
	}
	if err := change(tx); err != nil {
		return s.engine.mapped(err)
	}
	return s.engine.mapped(tx.Commit())
}

// Update is update for the rooms that keep their own tables here: directory and
// vault. Their SQL is the common one; dialects stay in this package.
func (s *Store) Update(ctx context.Context, change func(*sql.Tx) error) error {
	return s.update(ctx, change)
}

// Query runs a query outside any change and calls row for every row of the answer.
func (s *Store) Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error {
	return s.engine.mapped(each(ctx, s.read, row, query, args...))
}

// Within is Query for inside a change: it sees what the change has done so far.
func (s *Store) Within(tx *sql.Tx) func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error {
	return func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error {
		return each(ctx, tx, row, query, args...)
	}
}

// querier is what reading needs: the pool, or one transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// each runs a query and calls row for every row of the answer.
func each(ctx context.Context, q querier, row func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// millis is how a time is kept: Unix milliseconds, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// instant reads what millis wrote, in UTC.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// hashColumn scans a BYTEA column into a hash and refuses another length.
type hashColumn struct{ to *protocol.Hash }

func (h hashColumn) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok || len(b) != len(h.to) {
		return fmt.Errorf("a hash column holds %d bytes of %T", len(b), v)
	}
	*h.to = protocol.Hash(b)
	return nil
}
