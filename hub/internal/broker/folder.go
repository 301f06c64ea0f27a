package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// forget removes what the engine kept beside the retained messages: sessions and
// messages for them. No client of ours has a session, so it is of no use, and a
// damaged session would shut out its client for good.
func forget(dir string) error {
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	entries, err := os.ReadDir(streams)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.Name() != streamRetained {
			err = errors.Join(err, os.RemoveAll(filepath.Join(streams, e.Name())))
		}
	}
	return err
}

// unreadable stands in the name of a folder put aside.
const unreadable = ".unreadable-"

// putAside renames the folder, so that somebody can look at it. Only the newest is
// kept: a store can be large.
func putAside(dir string) (aside string, err error) {
	former, err := os.ReadDir(filepath.Dir(dir))
	for _, f := range former {
		if strings.HasPrefix(f.Name(), filepath.Base(dir)+unreadable) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(filepath.Dir(dir), f.Name())))
		}
	}
	if err != nil {
		return "", fmt.Errorf("put the broker's folder aside: %w", err)
	}
	aside = dir + unreadable + time.Now().UTC().Format("20060102T150405.000")
	if err := os.Rename(dir, aside); err != nil {
		return "", fmt.Errorf("put the broker's folder aside: %w", err)
	}
	return aside, nil
}

// writable finds out whether the place of the folder has room at all: a megabyte,
// more than the engine needs to start.
func writable(dir string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(dir), ".room-*")
	if err != nil {
		return fmt.Errorf("the broker's disk: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, 1<<20))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("the broker's disk: %w", err)
	}
	return nil
}
