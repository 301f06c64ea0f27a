package safe

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// Folders within the data folder by which a restore survives a power cut. What is in the
// first is not whole and is taken away; the second is whole and is put in place.
const (
	writing = "keys-restored.new"
	whole   = "keys-restored"
)

// Place puts the files of a backup into a folder that has none of them but, perhaps, the
// list. Finish must have been called before.
func Place(dir string, b Backup, n Names) error {
	if err := place(dir, b, n); err != nil {
		return fmt.Errorf("restore keys to %s: %w", dir, err)
	}
	return nil
}

func place(dir string, b Backup, n Names) error {
	there, err := read(dir, n)
	if err != nil {
		return err
	}
	if len(n.keys(there)) > 0 {
		return ErrThere
	}
	if len(n.keys(b.Files)) == 0 {
		return ErrForm
	}
	for _, f := range b.Files {
		if f.Name != n.List || len(there) == 0 {
			continue
		}
		if _, err := longer(there[0].Content, f.Content); err != nil {
			return err
		}
	}
	if err := stage(dir, b.Files); err != nil {
		return errors.Join(err, os.RemoveAll(filepath.Join(dir, writing)))
	}
	_, err = Finish(dir, n)
	return err
}

// stage writes the files beside their places. The rename is the moment from which they
// are restored.
func stage(dir string, files []File) error {
	beside := filepath.Join(dir, writing)
	if err := os.Mkdir(beside, 0o700); err != nil {
		return err
	}
	for _, f := range files {
		if err := durable.Write(filepath.Join(beside, f.Name), f.Content); err != nil {
			return err
		}
	}
	if err := os.Rename(beside, filepath.Join(dir, whole)); err != nil {
		return err
	}
	return durable.SyncFolder(dir)
}

// Finish completes a restore that a power cut ended once its files were whole, and takes
// away what is left of one before that. It is called before keys are looked for.
func Finish(dir string, n Names) (finished bool, err error) {
	if err := os.RemoveAll(filepath.Join(dir, writing)); err != nil {
		return false, fmt.Errorf("take away half restored keys: %w", err)
	}
	from := filepath.Join(dir, whole)
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	for _, e := range entries {
		if err == nil {
			err = settle(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name()), e.Name() == n.List)
		}
	}
	if err == nil {
		err = durable.SyncFolder(dir)
	}
	if err == nil {
		err = os.RemoveAll(from)
	}
	if err == nil {
		err = durable.SyncFolder(dir)
	}
	if err != nil {
		return false, fmt.Errorf("complete the restore of keys in %s: %w", dir, err)
	}
	return true, nil
}

// settle gives one file its place, where it may be already. The list that knows more stays.
func settle(from, to string, list bool) error {
	err := os.Link(from, to)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	restored, err := readBounded(from, maxBytes)
	if err != nil {
		return err
	}
	there, err := readBounded(to, maxBytes)
	switch {
	case err != nil || bytes.Equal(restored, there):
		return err
	case !list:
		return fmt.Errorf("%s: %w", filepath.Base(to), ErrThere)
	}
	more, err := longer(there, restored)
	if err != nil {
		return err
	}
	return durable.Write(to, more)
}

// longer is the one of two lists that knows more: the other is its beginning. A last line
// without an end is a write that a power cut ended, and says nothing.
func longer(a, b []byte) ([]byte, error) {
	a, b = a[:bytes.LastIndexByte(a, '\n')+1], b[:bytes.LastIndexByte(b, '\n')+1]
	switch {
	case bytes.HasPrefix(a, b):
		return a, nil
	case bytes.HasPrefix(b, a):
		return b, nil
	}
	return nil, ErrList
}
