package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// bulkRows is the largest number of rows in one statement: larger ones are
// slower in SQLite. The sizes below it are the powers of two, so that few
// statements serve every number of rows.
const bulkRows = 128

// statement is an INSERT of many rows, with ROWS where they stand.
type statement string

// The statements that carry the load. They stay prepared.
const (
	insertSegment  statement = "INSERT INTO segment (epoch, last, first, received, message, seal) VALUES ROWS"
	insertSighting statement = "INSERT INTO sighting (epoch, seq, canonical, hash, terminal, time, pin, status, nth, flags) VALUES ROWS"
	upsertEpoch    statement = `INSERT INTO epoch (id, site, name, through, hash, fork, forks, seal) VALUES ROWS
		ON CONFLICT (id) DO UPDATE SET through = excluded.through, hash = excluded.hash, fork = excluded.fork, forks = excluded.forks, seal = excluded.seal`
	upsertTerminal statement = `INSERT INTO terminal (id, site, serial, registered, sightings) VALUES ROWS
		ON CONFLICT (id) DO UPDATE SET sightings = excluded.sightings`
	upsertHeard statement = `INSERT INTO heard (site, epoch, revision, at) VALUES ROWS
		ON CONFLICT (site, epoch) DO UPDATE SET revision = excluded.revision, at = excluded.at`
	upsertRevision statement = `INSERT INTO receipt (site, revision) VALUES ROWS
		ON CONFLICT (site) DO UPDATE SET revision = excluded.revision`
)

// columns counts the names between the first brackets.
func (into statement) columns() int {
	names, _, _ := strings.Cut(string(into), ")")
	return strings.Count(names, ",") + 1
}

// text writes the statement for a number of rows.
func (into statement) text(rows int) string {
	var b strings.Builder
	columns := into.columns()
	for row := range rows {
		if row > 0 {
			b.WriteByte(',')
		}
		b.WriteString(placeholders(row*columns, columns))
	}
	return strings.Replace(string(into), "ROWS", b.String(), 1)
}

// bulk holds the load's statements, prepared for every size.
type bulk map[statement]map[int]*sql.Stmt

// prepareBulk prepares them once. It cannot be done within a transaction, which
// holds the one connection.
func (s *Store) prepareBulk(ctx context.Context) (bulk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bulk != nil {
		return s.bulk, nil
	}
	b := bulk{}
	for _, into := range []statement{insertSegment, insertSighting, upsertEpoch, upsertTerminal, upsertHeard, upsertRevision} {
		b[into] = map[int]*sql.Stmt{}
		for rows := bulkRows; rows > 0; rows /= 2 {
			stmt, err := s.write.PrepareContext(ctx, into.text(rows))
			if err != nil {
				b.close()
				return nil, err
			}
			b[into][rows] = stmt
		}
	}
	s.bulk = b
	return b, nil
}

// insert adds the rows whose values stand one after the other in values.
func (b bulk) insert(ctx context.Context, tx *sql.Tx, into statement, values []any) error {
	columns := into.columns()
	for rows := bulkRows; rows > 0; rows /= 2 {
		for len(values) >= rows*columns {
			if _, err := tx.StmtContext(ctx, b[into][rows]).ExecContext(ctx, values[:rows*columns]...); err != nil {
				head, _, _ := strings.Cut(string(into), " (")
				return fmt.Errorf("%s: %w", strings.ToLower(head), err)
			}
			values = values[rows*columns:]
		}
	}
	return nil
}

func (b bulk) close() {
	for _, sizes := range b {
		for _, stmt := range sizes {
			stmt.Close() // nothing of it is left to lose
		}
	}
}

// placeholders writes ($after+1,…) with n of them.
func placeholders(after, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteByte("(,"[min(i, 1)])
		fmt.Fprintf(&b, "$%d", after+i+1)
	}
	b.WriteByte(')')
	return b.String()
}

// list writes placeholders for a list of values, at least one, and returns them
// as arguments. The last is repeated up to a power of two, so that the texts of
// statements recur.
func list[T any](values []T) (text string, args []any) {
	n := 1
	for n < len(values) {
		n *= 2
	}
	args = make([]any, n)
	for i := range args {
		args[i] = values[min(i, len(values)-1)]
	}
	return placeholders(0, n), args
}
