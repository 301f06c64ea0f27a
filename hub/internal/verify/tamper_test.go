package verify_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/verify"
)

// tables are all that hold evidence: what agents sent and what persons decided.
var tables = []string{"ledger", "generation", "site", "agent_key", "terminal", "epoch", "segment", "fork", "sighting"}

// tamperer changes a database behind the program's back.
type tamperer struct {
	t  *testing.T
	db *sql.DB
}

func newTamperer(t *testing.T, dsn string) *tamperer {
	t.Helper()
	driver := "sqlite"
	if strings.HasPrefix(dsn, "postgres:") {
		driver = "pgx"
	} else {
		dsn = "file:" + dsn + "?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, dsn)
	ok(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { ok(t, db.Close()) })
	tm := &tamperer{t, db}
	if driver == "pgx" {
		tm.exec("SET session_replication_role = replica") // no triggers and no foreign keys, in this session
		return tm
	}
	tm.exec("PRAGMA foreign_keys = 0")
	var triggers []string
	guards := 0
	tm.query("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'", func(row []any) {
		triggers = append(triggers, row[0].(string))
		if slices.Contains(tables, row[1].(string)) {
			guards++
		}
	})
	if guards != 8 {
		t.Fatalf("%d triggers, want 8: an update and a delete for each table of evidence that is only added to", guards)
	}
	for _, name := range triggers {
		tm.exec("DROP TRIGGER " + name)
	}
	return tm
}

func (tm *tamperer) exec(text string, args ...any) {
	tm.t.Helper()
	if _, err := tm.db.Exec(text, args...); err != nil {
		tm.t.Fatalf("%s: %v", text, err)
	}
}

// query calls row with the values of each row, and returns the columns.
func (tm *tamperer) query(text string, row func([]any)) []string {
	tm.t.Helper()
	rows, err := tm.db.Query(text)
	ok(tm.t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	ok(tm.t, err)
	for rows.Next() {
		values, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		ok(tm.t, rows.Scan(to...))
		row(values)
	}
	ok(tm.t, rows.Err())
	return columns
}

// where names one row by all its columns.
func where(columns []string, after int) string {
	tests := make([]string, len(columns))
	for i, c := range columns {
		tests[i] = fmt.Sprintf("%s = $%d", c, after+i+1)
	}
	return " WHERE " + strings.Join(tests, " AND ")
}

func insertion(table string, columns []string) string {
	places := make([]string, len(columns))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	return "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")"
}

// others are values of the same type that a column might hold instead.
func others(v any) (all []any) {
	switch v := v.(type) {
	case int64:
		return []any{v + 1, v - 1, v + 1000, -v - 7}
	case string:
		all = []any{v + "x", strings.ToUpper(v) + "0"}
		if v != "" {
			all = append(all, "")
		}
	case []byte:
		flipped, cut := slices.Clone(v), slices.Clone(v[:len(v)-1])
		flipped[len(v)/2] ^= 1
		return []any{flipped, cut, []byte{}, slices.Concat(v, []byte{0})}
	}
	return all
}

// TestEverySingleChangeIsNamed makes, in a database without its triggers, each
// single update of each column, delete and insert in each table of evidence, on
// each row, and takes it back. With -short it takes the first and the last row
// of each table only.
func TestEverySingleChangeIsNamed(t *testing.T) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		seed(t, s)
		tm := newTamperer(t, dsn)
		count := 0
		for _, table := range tables {
			var rows [][]any
			columns := tm.query("SELECT * FROM "+table, func(row []any) { rows = append(rows, row) })
			if len(rows) == 0 {
				t.Fatalf("table %s is empty: nothing would be tried", table)
			}
			if testing.Short() && len(rows) > 2 {
				rows = [][]any{rows[0], rows[len(rows)-1]}
			}
			named := func(what string, row []any) {
				t.Helper()
				count++
				found, _ := breaks(t, s)
				if !names(found, table, columns, row, what) {
					t.Errorf("%s %s %.80v: named were %.300v", table, what, fmt.Sprint(row), fmt.Sprint(found))
				}
			}
			for _, row := range rows {
				for i, column := range columns {
					for _, other := range others(row[i]) {
						changed := slices.Clone(row)
						changed[i] = other
						if _, err := tm.db.Exec("UPDATE "+table+" SET "+column+" = $1"+where(columns, 1), append([]any{other}, row...)...); err != nil {
							continue // another row has this key: the database itself refuses
						}
						named("update of "+column, row)
						tm.exec("UPDATE "+table+" SET "+column+" = $1"+where(columns, 1), append([]any{row[i]}, changed...)...)
					}
					// The same row once more, with another value in this column.
					for _, other := range others(row[i]) {
						added := slices.Clone(row)
						added[i] = other
						if _, err := tm.db.Exec(insertion(table, columns), added...); err != nil {
							continue // not without its key
						}
						named("insert with other "+column, added)
						tm.exec("DELETE FROM "+table+where(columns, 0), added...)
					}
				}
				tm.exec("DELETE FROM "+table+where(columns, 0), row...)
				named("delete", row)
				tm.exec(insertion(table, columns), row...)
			}
		}
		if found, _ := breaks(t, s); len(found) > 0 {
			t.Fatalf("not everything was taken back: %v", found)
		}
		t.Logf("%d changes", count)
		least := 1500
		if testing.Short() {
			least = 400
		}
		if count < least {
			t.Errorf("%d changes were tried, want at least %d", count, least)
		}
	})
}

// names tells whether a break names the table of the change, and for a sighting
// its number too. What a line of the ledger decided may be named in its place.
func names(found []verify.Break, table string, columns []string, row []any, what string) bool {
	return slices.ContainsFunc(found, func(b verify.Break) bool {
		switch {
		case table == "ledger" && what == "delete":
			return true
		case b.Table != table:
			return false
		case table == "sighting":
			return b.Seq == uint64(row[slices.Index(columns, "seq")].(int64)) || b.Seq == 0 || b.Detail == "rows of an epoch that is not in table epoch"
		}
		return true
	})
}
