// Package durable writes small files so that they survive a power cut whole.
//
// It knows files and folders, and nothing of what is in them. Beware: whoever reads the
// folder passes over names that end in .new, which a power cut left.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// Write replaces a file as a whole: a power cut leaves the old or the new one. It
// returns once that is so.
func Write(path string, text []byte) (err error) {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// SetAside renames a file that cannot be read as what it should be, so that a person can
// look at it, and that nobody stumbles over it again.
func SetAside(path string) error {
	if err := os.Rename(path, path+".damaged"); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// SyncFolder puts the names in a folder on disk.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
