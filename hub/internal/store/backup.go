package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Check looks at a whole database and returns what makes it unfit.
type Check func(ctx context.Context, s *Store) error

// Backup writes a copy of one moment to path while the hub goes on. The file has
// its name only once it is whole, has passed check, and is on disk; a file that
// is there is never replaced (ErrExists).
func (s *Store) Backup(ctx context.Context, path string, check Check) error {
	if s.engine.name != "sqlite" {
		return ErrEngine
	}
	err := publish(path, func(temporary string) error {
		if err := s.copyTo(ctx, temporary); err != nil {
			return s.engine.mapped(err)
		}
		return examine(ctx, temporary, check, nil)
	})
	if err != nil {
		return fmt.Errorf("back up to %s: %w", path, err)
	}
	return nil
}

// copyTo copies over a connection of its own: the writer must not wait for it,
// and readers must not write files.
func (s *Store) copyTo(ctx context.Context, file string) (err error) {
	db, err := sql.Open("sqlite", sqliteAddress(s.dsn, nil))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, "VACUUM INTO $1", file)
	return err
}

// Restore puts the copy in a backup file in place as a new database and begins a
// new generation in it. Where a database is already, it does nothing (ErrExists):
// moving that away is a person's decision.
func Restore(ctx context.Context, backup, database string, at time.Time, check Check) (g protocol.Generation, err error) {
	for _, left := range []string{database + "-wal", database + "-shm"} {
		if _, err := os.Lstat(left); err == nil {
			return g, fmt.Errorf("restore %s: %s belongs to another database: %w", backup, left, ErrExists)
		}
	}
	err = publish(database, func(temporary string) error {
		if err := copyFile(backup, temporary); err != nil {
			return err
		}
		return examine(ctx, temporary, check, func(s *Store) error {
			g, err = s.RaiseGeneration(ctx, "restored from a backup", at)
			return err
		})
	})
	if err != nil {
		return protocol.Generation{}, fmt.Errorf("restore %s: %w", backup, err)
	}
	return g, nil
}

// examine opens a copy, checks it and then does what is left to do.
func examine(ctx context.Context, path string, check Check, then func(*Store) error) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return errors.New("the file is empty")
	}
	s, err := Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var said string
	if err := s.read.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&said); err != nil {
		return s.engine.mapped(err)
	}
	if said != "ok" {
		return fmt.Errorf("the copy is damaged: %s", said)
	}
	if err := check(ctx, s); err != nil {
		return err
	}
	if then == nil {
		return nil
	}
	return then(s)
}

// publish lets make write a file under a temporary name beside path and then
// gives it its name, if no file has it.
func publish(path string, write func(temporary string) error) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return ErrExists
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".sidik-*") // mode 0600
	if err != nil {
		return err
	}
	temporary := f.Name()
	defer func() {
		for _, name := range []string{temporary, temporary + "-wal", temporary + "-shm"} {
			if gone := os.Remove(name); !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
	}()
	if err := errors.Join(f.Close(), write(temporary), syncFile(temporary)); err != nil {
		return err
	}
	switch err := os.Link(temporary, path); {
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	case err != nil: // such as a USB stick, whose file system has no links
		if _, err := os.Lstat(path); err == nil {
			return ErrExists
		}
		if err := os.Rename(temporary, path); err != nil {
			return err
		}
	}
	return syncFolder(filepath.Dir(path))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
