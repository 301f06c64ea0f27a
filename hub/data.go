package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/hub/internal/retention"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/verify"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// LoadKey reads the hub's signing key, or makes it on first use.
func LoadKey(data string) (key seal.SigningKey, created bool, err error) {
	if err := settleKeys(data); err != nil {
		return seal.SigningKey{}, false, err
	}
	return seal.LoadOrCreate(filepath.Join(data, keyFile))
}

// OpenStore opens the hub's database: dsn, or SQLite in the data folder. It may
// be opened beside a running hub.
func OpenStore(ctx context.Context, data, dsn string) (*store.Store, error) {
	if dsn == "" {
		if err := os.MkdirAll(data, 0o700); err != nil {
			return nil, fmt.Errorf("make data folder: %w", err)
		}
		dsn = DatabasePath(data)
	}
	s, err := store.Open(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return s, nil
}

// ErrNoDatabase says that nothing was ever stored in the data folder.
var ErrNoDatabase = errors.New("no database")

// OpenExisting is OpenStore for those who only ask: a mistyped folder shall not
// look like a hub without punches.
func OpenExisting(ctx context.Context, data, dsn string) (*store.Store, error) {
	if dsn == "" {
		if _, err := os.Stat(DatabasePath(data)); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w in %s", ErrNoDatabase, data)
		}
	}
	return OpenStore(ctx, data, dsn)
}

// Filter and Punch are the store's, for those who read it from outside.
type (
	Filter = store.Filter
	Punch  = store.Punch
)

// DatabasePath is where the SQLite database of a data folder is.
func DatabasePath(data string) string { return filepath.Join(data, databaseFile) }

// ErrNotRunning says that no hub works in the data folder.
var ErrNotRunning = errors.New("no hub runs in this data folder; start it with: sidik-hub run")

// Running returns where the hub of a data folder is found.
func Running(data string) (Addresses, error) {
	var a Addresses
	text, err := os.ReadFile(filepath.Join(data, runFile))
	if errors.Is(err, os.ErrNotExist) {
		return a, ErrNotRunning
	}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		return a, fmt.Errorf("read addresses: %w", err)
	}
	return a, nil
}

// Keep returns how long the hub of a data folder keeps templates, as it was told when it
// was last started; false where none ever was.
func Keep(data string) (days retention.Days, told bool, err error) {
	text, err := os.ReadFile(filepath.Join(data, keepFile))
	if errors.Is(err, os.ErrNotExist) {
		return days, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &days)
	}
	if err != nil {
		return days, false, fmt.Errorf("read how long templates are kept: %w", err)
	}
	return days, true, nil
}

func writeKeep(data string, days retention.Days) error {
	if err := writeFile(filepath.Join(data, keepFile), days); err != nil {
		return fmt.Errorf("write how long templates are kept: %w", err)
	}
	return nil
}

// lock makes this process the only hub in the data folder.
func lock(data string) (release func() error, err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(data, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", data, ErrRunning)
		}
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	return f.Close, nil
}

// Backup copies the database to a file while the hub may run, and verifies the
// copy. An existing file is never replaced.
func Backup(ctx context.Context, data, dsn, to string) (err error) {
	s, err := OpenExisting(ctx, data, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Backup(ctx, to, verify.Store)
}

// Restore puts a verified backup in place of a database that is gone, and begins
// a new generation: agents then send what it lacks.
func Restore(ctx context.Context, data, from string) (g protocol.Generation, err error) {
	release, err := lock(data)
	if err != nil {
		return g, err
	}
	defer func() { err = errors.Join(err, release()) }()
	return store.Restore(ctx, from, DatabasePath(data), time.Now(), verify.Store)
}
