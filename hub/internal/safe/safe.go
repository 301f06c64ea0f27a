// Package safe copies the files of a hub's identity into one file under a passphrase, and
// brings them back into a folder that has none: all of them or none, whenever the power
// goes.
//
// It knows files by their names. It must not know what is in them, databases or pages.
//
// Beware: what opens the vault grows old. A copy from before a destruction opens what was
// destroyed since, unless the list of destructions or the database beside it knows better:
// a list that is in the folder is never replaced by a shorter one.
package safe

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Names are the files of a hub's identity.
type Names struct {
	Keys []string // names and patterns of names
	List string   // what was destroyed: it only grows, and is copied last
}

// File is one of them.
type File struct {
	Name    string
	Content []byte
}

// Backup is the files as they were at one moment.
type Backup struct {
	Made  time.Time
	Hub   seal.Fingerprint // of the hub's signing key
	Files []File           // keys by name, then the list
}

// Bounds of what is read.
const (
	maxFiles = 1000
	maxBytes = 64 << 20 // of all files together
)

// Errors by which people are told what to do.
var (
	ErrNoKeys   = errors.New("the data folder holds no keys of a hub; name the right one with --data")
	ErrThere    = errors.New("the data folder has keys already, and none was touched; name an empty folder with --data, or move these keys to a safe place first")
	ErrList     = errors.New("destroyed.log in the data folder and the one in the backup are of different hubs; choose the backup of this hub")
	ErrLarge    = errors.New("it is larger than a hub's keys can be")
	ErrChanging = errors.New("the keys are being changed at this moment; try again")
)

// has tells whether a name is one of the files.
func (n Names) has(name string) bool {
	plain := !strings.ContainsFunc(name, func(r rune) bool {
		return r != '.' && r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return plain && (name == n.List || slices.ContainsFunc(n.Keys, func(pattern string) bool {
		match, err := filepath.Match(pattern, name)
		return err == nil && match
	}))
}

// Collect reads the files of a folder. They are read until two readings agree, because a
// hub may run and change them.
func Collect(dir string, n Names) ([]File, error) {
	before, err := read(dir, n)
	for range 5 {
		if err != nil {
			return nil, fmt.Errorf("read keys of %s: %w", dir, err)
		}
		var now []File
		now, err = read(dir, n)
		if slices.EqualFunc(before, now, File.equal) {
			if len(n.keys(now)) == 0 && err == nil {
				err = ErrNoKeys
			}
			if err != nil {
				return nil, fmt.Errorf("read keys of %s: %w", dir, err)
			}
			return now, nil
		}
		before = now
	}
	return nil, fmt.Errorf("read keys of %s: %w", dir, ErrChanging)
}

func (f File) equal(other File) bool {
	return f.Name == other.Name && string(f.Content) == string(other.Content)
}

// keys are the files without the list.
func (n Names) keys(files []File) []File {
	return slices.DeleteFunc(slices.Clone(files), func(f File) bool { return f.Name == n.List })
}

// read reads the files once. The list comes last: it may know more than the keys beside
// it, never less.
func read(dir string, n Names) (files []File, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries { // by name
		if n.has(e.Name()) && e.Name() != n.List {
			names = append(names, e.Name())
		}
	}
	if len(names) >= maxFiles {
		return nil, ErrLarge
	}
	left := int64(maxBytes)
	for _, name := range append(names, n.List) {
		content, err := readBounded(filepath.Join(dir, name), left)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		left -= int64(len(content))
		files = append(files, File{name, content})
	}
	return files, nil
}

// readBounded reads a file of at most so many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%s: %w", path, ErrLarge)
	}
	return content, err
}

// Difference is how a folder and a backup stand to each other in one file.
type Difference struct {
	Name             string
	Folder, InBackup bool // whether it is there; both: the contents differ
}

// Compare returns in what a folder differs from a backup; nothing where it does not.
func Compare(folder []File, b Backup) (all []Difference) {
	find := func(files []File, name string) int {
		return slices.IndexFunc(files, func(f File) bool { return f.Name == name })
	}
	for _, f := range folder {
		if i := find(b.Files, f.Name); i < 0 || !f.equal(b.Files[i]) {
			all = append(all, Difference{f.Name, true, i >= 0})
		}
	}
	for _, f := range b.Files {
		if find(folder, f.Name) < 0 {
			all = append(all, Difference{f.Name, false, true})
		}
	}
	return all
}
