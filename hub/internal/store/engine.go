package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver pgx
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// engine is all in which the two databases differ.
type engine struct {
	name     string
	dialect  goose.Dialect
	others   []string           // migrations of the other one
	turn     string             // makes a transaction wait for its turn to write; "" where beginning it does
	snapshot sql.IsolationLevel // of a transaction that sees one moment
	open     func(dsn string) (write, read *sql.DB, err error)
	check    func(ctx context.Context, db *sql.DB) error
}

func sqliteEngine() *engine {
	return &engine{
		name:    "sqlite",
		dialect: goose.DialectSQLite3,
		others:  []string{"00002_append_only_postgres.sql", "00006_append_only_vault_postgres.sql", "00010_append_only_campaign_postgres.sql", "00011_account_postgres.sql"},
		open:    openSQLite,
		check:   func(context.Context, *sql.DB) error { return nil },
	}
}

func postgresEngine() *engine {
	return &engine{
		name:     "postgres",
		dialect:  goose.DialectPostgres,
		others:   []string{"00002_append_only_sqlite.sql", "00006_append_only_vault_sqlite.sql", "00010_append_only_campaign_sqlite.sql", "00011_account_sqlite.sql"},
		snapshot: sql.LevelRepeatableRead,
		turn:     "SELECT pg_advisory_xact_lock(7369646)",
		open:     openPostgres,
		check:    checkCollation,
	}
}

// openSQLite opens the file at path for one writer and several readers. The
// file is made here, for its owner only, so that SQLite's log files are so too.
func openSQLite(path string) (write, read *sql.DB, err error) {
	if err := createFile(path); err != nil {
		return nil, nil, err
	}
	if write, err = sql.Open("sqlite", sqliteAddress(path, url.Values{"_txlock": {"immediate"}})); err != nil {
		return nil, nil, err
	}
	write.SetMaxOpenConns(1)
	if read, err = sql.Open("sqlite", sqliteAddress(path, url.Values{"_pragma": {"query_only(1)"}})); err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(4)
	return write, read, nil
}

// sqliteAddress is how the driver finds a file, with what every connection sets.
func sqliteAddress(path string, more url.Values) string {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	query := url.Values{"_txlock": more["_txlock"], "_pragma": append([]string{
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "journal_size_limit(67108864)",
	}, more["_pragma"]...)}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// createFile makes an empty file that survives a power cut by name; one that is
// there stays as it is.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), syncFolder(filepath.Dir(path)))
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func openPostgres(dsn string) (write, read *sql.DB, err error) {
	if write, err = sql.Open("pgx", dsn); err != nil {
		return nil, nil, err
	}
	write.SetMaxOpenConns(1)
	at, err := url.Parse(dsn)
	if err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	query := at.Query()
	query.Set("default_transaction_read_only", "on")
	at.RawQuery = query.Encode()
	if read, err = sql.Open("pgx", at.String()); err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(8)
	read.SetMaxIdleConns(4)
	return write, read, nil
}

// checkCollation refuses a database that would order texts by a language's
// rules: times and keys are compared as bytes, as SQLite does.
func checkCollation(ctx context.Context, db *sql.DB) error {
	var bytewise bool
	if err := db.QueryRowContext(ctx, "SELECT 'a-c' < 'ab' AND 'B' < 'a' AND '2026' < 'zk:1'").Scan(&bytewise); err != nil {
		return err
	}
	if !bytewise {
		return errors.New("this PostgreSQL database orders texts by a language; make one with CREATE DATABASE sidik TEMPLATE template0 LOCALE 'C' ENCODING 'UTF8'")
	}
	return nil
}

// maxMigrations is above the number of migrations.
const maxMigrations = 30

// migrate brings the tables up to date. Two programs that start at once on a new
// database may meet here; the one that came second finds the work done.
func migrate(ctx context.Context, e *engine, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	// Each try that fails has seen another program do one more of them.
	for try := 1; ; try++ {
		provider, err := goose.NewProvider(e.dialect, db, files,
			goose.WithExcludeNames(e.others), goose.WithDisableGlobalRegistry(true))
		if err != nil {
			return fmt.Errorf("read migrations: %w", err)
		}
		if _, err = provider.Up(ctx); err == nil || try == maxMigrations {
			return err
		}
	}
}

// mapped turns a driver's error into ours where callers decide by it.
func (e *engine) mapped(err error) error {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff { // the primary code; the rest refines it
		case sqlite3.SQLITE_FULL:
			return fmt.Errorf("%w: %w", ErrFull, err)
		case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
			return fmt.Errorf("%w: %w", ErrReadOnly, err)
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "53100": // disk_full
			return fmt.Errorf("%w: %w", ErrFull, err)
		case "25006": // read_only_sql_transaction
			return fmt.Errorf("%w: %w", ErrReadOnly, err)
		}
	}
	return err
}
