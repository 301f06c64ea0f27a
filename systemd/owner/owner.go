// Package owner gives a service what a command that was typed with sudo has left in the
// service's own folder.
//
// It knows a folder and its owner, and nothing of what is in it. Beware: root works here in
// a folder that somebody else may write. Links are never followed, nothing outside of the
// folder is reached, and only what belongs to root and has one name changes hands.
package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// HandOver gives whatever root owns in a folder to the folder's owner. For anybody but
// root it does nothing, nor where there is no folder, nor where it is root's own.
func HandOver(folder string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	root, err := os.OpenRoot(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("hand over %s: %w", folder, err)
	}
	defer root.Close()
	info, err := root.Stat(".")
	if err != nil {
		return fmt.Errorf("hand over %s: %w", folder, err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the service lives here, and tidies up
		}
		if err != nil {
			return err
		}
		return give(root, name, owner)
	})
	if err != nil {
		return fmt.Errorf("hand over %s: %w", folder, err)
	}
	return nil
}

func give(root *os.Root, name string, to *syscall.Stat_t) error {
	info, err := root.Lstat(name)
	if err == nil {
		of, ok := info.Sys().(*syscall.Stat_t)
		if !ok || of.Uid != 0 || !info.IsDir() && !(info.Mode().IsRegular() && of.Nlink == 1) {
			return nil
		}
		err = root.Lchown(name, int(to.Uid), int(to.Gid))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
