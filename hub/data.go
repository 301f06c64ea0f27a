package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// LoadKey reads the hub's signing key, or makes it on first use.
func LoadKey(data string) (key seal.SigningKey, created bool, err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return seal.SigningKey{}, false, fmt.Errorf("make data folder: %w", err)
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

// Exclusive keeps every hub out of a data folder until release is called: for
// putting back a backup.
func Exclusive(data string) (release func() error, err error) { return lock(data) }

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
