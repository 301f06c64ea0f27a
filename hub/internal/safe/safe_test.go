package safe_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/safe"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

const secret = "enam kata dari daftar kata"

func names() safe.Names {
	return safe.Names{Keys: []string{"hub.key", "hub-*.key", "vault.key"}, List: "destroyed.log"}
}

// some is a backup of a hub that destroyed these.
func some(list string) safe.Backup {
	b := safe.Backup{
		Made: time.Date(2026, 3, 1, 2, 3, 4, 0, time.UTC), Hub: seal.Fingerprint(strings.Repeat("ab", 32)),
		Files: []safe.File{{Name: "hub-00ff.key", Content: []byte("former")}, {Name: "hub.key", Content: []byte("present")}, {Name: "vault.key", Content: []byte("vault")}},
	}
	if list != "" {
		b.Files = append(b.Files, safe.File{Name: "destroyed.log", Content: []byte(list)})
	}
	return b
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, dir string, files ...safe.File) {
	t.Helper()
	for _, f := range files {
		ok(t, os.WriteFile(filepath.Join(dir, f.Name), f.Content, 0o600))
	}
}

// holds is what a folder holds, a line each.
func holds(t testing.TB, dir string) (lines []string) {
	t.Helper()
	ok(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, wrong := filepath.Rel(dir, path)
		lines = append(lines, fmt.Sprintf("%s=%s", name, content))
		return errors.Join(err, wrong)
	}))
	return lines
}

func want(t testing.TB, dir string, files ...safe.File) {
	t.Helper()
	var lines []string
	for _, f := range files {
		lines = append(lines, fmt.Sprintf("%s=%s", f.Name, f.Content))
	}
	slices.Sort(lines)
	if got := holds(t, dir); !slices.Equal(got, lines) {
		t.Errorf("the folder holds %q, want %q", got, lines)
	}
}

// What is written is read again, whole; the file is its owner's, holds no key in clear and
// is never replaced.
func TestBackupIsReadAgain(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "keys.age")
	b := some("one\n")
	put(t, dir, b.Files...)
	put(t, dir, safe.File{Name: "hub.db", Content: []byte("no key")}, safe.File{Name: "hub-.key.new", Content: []byte("cut")})
	files, err := safe.Collect(dir, names())
	ok(t, err)
	if d := safe.Compare(files, b); len(d) > 0 || len(files) != 4 || files[3].Name != "destroyed.log" {
		t.Fatalf("collected %d files, other than the backup's in %v", len(files), d)
	}
	ok(t, safe.Write(path, b, names(), secret))
	got, err := safe.Read(path, names(), secret)
	ok(t, err)
	if d := safe.Compare(got.Files, b); len(d) > 0 || !got.Made.Equal(b.Made) || got.Hub != b.Hub {
		t.Errorf("read %s of %s, which differs in %v", got.Hub, got.Made, d)
	}
	text, err := os.ReadFile(path)
	ok(t, err)
	info, err := os.Stat(path)
	ok(t, err)
	if strings.Contains(string(text), "present") || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup is in clear or has mode %v", info.Mode())
	}
	if err := safe.Write(path, some(""), names(), secret); !errors.Is(err, safe.ErrExists) {
		t.Errorf("a second backup of the same name: %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(text) {
		t.Errorf("the first backup was changed: %v", err)
	}
	if err := safe.Write(path+"2", b, names(), "too short"); !errors.Is(err, safe.ErrWeak) {
		t.Errorf("a short passphrase: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("beside the backup are %v, %v", left, err)
	}
}

func TestDamagedFilesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.age")
	ok(t, safe.WriteCheap(path, some("one\n"), secret))
	text, err := os.ReadFile(path)
	ok(t, err)
	hard, err := safe.LockHard(secret)
	ok(t, err)
	refused := func(name string, content []byte, passphrase string, errs ...error) {
		t.Helper()
		ok(t, os.WriteFile(path, content, 0o600))
		b, err := safe.Read(path, names(), passphrase)
		if !slices.ContainsFunc(errs, func(want error) bool { return errors.Is(err, want) }) || len(b.Files) > 0 {
			t.Errorf("%s: %d files, %v", name, len(b.Files), err)
		}
	}
	refused("another passphrase", text, secret+".", safe.ErrPassphrase)
	refused("no passphrase", text, "", safe.ErrPassphrase)
	refused("a cost that takes all memory", hard, secret, safe.ErrDamaged)
	refused("something else", []byte("hello"), secret, safe.ErrDamaged)
	for n := range len(text) - 1 { // the last is the end of the line
		refused(fmt.Sprintf("cut after %d bytes", n), text[:n], secret, safe.ErrDamaged, safe.ErrPassphrase)
		changed := slices.Clone(text)
		changed[n] ^= 1
		refused(fmt.Sprintf("byte %d changed", n), changed, secret, safe.ErrDamaged, safe.ErrPassphrase)
	}
}

func TestKeysAreNeverReplaced(t *testing.T) {
	for _, f := range some("").Files {
		dir := t.TempDir()
		other := safe.File{Name: f.Name, Content: []byte("another hub's")}
		put(t, dir, other)
		if err := safe.Place(dir, some("one\n"), names()); !errors.Is(err, safe.ErrThere) {
			t.Errorf("with another %s: %v", f.Name, err)
		}
		want(t, dir, other)
	}
}

// The list of what was destroyed never becomes shorter.
func TestListOnlyGrows(t *testing.T) {
	for _, row := range []struct {
		name, there, restored, want string
		err                         error
	}{
		{"none is there", "", "one\n", "one\n", nil},
		{"none was copied", "one\n", "", "one\n", nil},
		{"the copy is older", "one\ntwo\n", "one\n", "one\ntwo\n", nil},
		{"the copy is newer", "one\n", "one\ntwo\n", "one\ntwo\n", nil},
		{"a write was cut", "one\ntw", "one\ntwo\n", "one\ntwo\n", nil},
		{"another hub's", "three\n", "one\n", "three\n", safe.ErrList},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			if row.there != "" {
				put(t, dir, safe.File{Name: "destroyed.log", Content: []byte(row.there)})
			}
			if err := safe.Place(dir, some(row.restored), names()); !errors.Is(err, row.err) {
				t.Fatalf("Place = %v, want %v", err, row.err)
			}
			if row.err != nil {
				want(t, dir, safe.File{Name: "destroyed.log", Content: []byte(row.want)})
				return
			}
			want(t, dir, some(row.want).Files...)
		})
	}
}

// Each state in which a power cut can leave the folder leads to all files or to none.
func TestPowerCutWhileRestoring(t *testing.T) {
	b := some("one\n")
	for n := range len(b.Files) + 1 {
		t.Run(fmt.Sprintf("%d files written", n), func(t *testing.T) {
			dir := t.TempDir()
			ok(t, os.Mkdir(filepath.Join(dir, safe.Writing), 0o700))
			put(t, filepath.Join(dir, safe.Writing), b.Files[:n]...)
			put(t, filepath.Join(dir, safe.Writing), safe.File{Name: "vault.key.new", Content: []byte("va")})
			if finished, err := safe.Finish(dir, names()); err != nil || finished {
				t.Fatalf("Finish = %t, %v", finished, err)
			}
			want(t, dir)
			ok(t, safe.Place(dir, b, names()))
			want(t, dir, b.Files...)
		})
		t.Run(fmt.Sprintf("%d files in place", n), func(t *testing.T) {
			dir := t.TempDir()
			ok(t, safe.Stage(dir, b.Files))
			for _, f := range b.Files[:n] {
				ok(t, os.Link(filepath.Join(dir, safe.Whole, f.Name), filepath.Join(dir, f.Name)))
			}
			if n == len(b.Files) { // and some are cleared away
				ok(t, os.Remove(filepath.Join(dir, safe.Whole, "hub.key")))
			}
			if finished, err := safe.Finish(dir, names()); err != nil || !finished {
				t.Fatalf("Finish = %t, %v", finished, err)
			}
			want(t, dir, b.Files...)
			for _, f := range b.Files {
				if info, err := os.Stat(filepath.Join(dir, f.Name)); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%s: %v, %v", f.Name, info, err)
				}
			}
		})
	}
}

func TestCollectFromAnEmptyFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, safe.File{Name: "destroyed.log", Content: []byte("one\n")})
	for _, dir := range []string{dir, filepath.Join(dir, "mistyped")} {
		if files, err := safe.Collect(dir, names()); !errors.Is(err, safe.ErrNoKeys) || files != nil {
			t.Errorf("Collect = %v, %v", files, err)
		}
	}
}

// No bytes make Unpack panic, take a name that is not a key's, or ask for more than they
// are.
func FuzzUnpack(f *testing.F) {
	for _, list := range []string{"", "one\n"} {
		packed, err := safe.Pack(some(list))
		ok(f, err)
		f.Add(packed)
		f.Add(packed[:len(packed)-1])
		f.Add(append(packed, 'x'))
		for _, change := range [][2]string{{"vault.key", "../../key"}, {`"size":7`, `"size":9`}, {`"size":7`, `"size":-7`}, {"present", "changed"}, {"hub.key", "hub-aaaa.key"}} {
			f.Add([]byte(strings.Replace(string(packed), change[0], change[1], 1)))
		}
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		b, err := safe.Unpack(packed, names())
		if err != nil {
			if !errors.Is(err, safe.ErrForm) || len(b.Files) > 0 {
				t.Fatalf("%d files, %v", len(b.Files), err)
			}
			return
		}
		total := 0
		for _, f := range b.Files {
			total += len(f.Content)
			if filepath.Base(f.Name) != f.Name || strings.HasPrefix(f.Name, ".") {
				t.Fatalf("took the name %q", f.Name)
			}
		}
		if again, err := safe.Pack(b); err != nil || string(again) != string(packed) || total > len(packed) {
			t.Fatalf("another form than Pack writes: %v", err)
		}
	})
}

// Each damage of a packed backup is seen, without the help of the passphrase.
func TestUnpackRefuses(t *testing.T) {
	packed, err := safe.Pack(some("one\n"))
	ok(t, err)
	if b, err := safe.Unpack(packed, names()); err != nil || len(b.Files) != 4 {
		t.Fatalf("the whole one: %d files, %v", len(b.Files), err)
	}
	for n := range packed {
		if _, err := safe.Unpack(packed[:n], names()); !errors.Is(err, safe.ErrForm) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	for _, b := range []safe.Backup{
		{Hub: some("").Hub, Files: []safe.File{{Name: "hub.db"}}},
		{Hub: some("").Hub, Files: []safe.File{{Name: "hub-../x.key"}}},
		{Hub: some("").Hub, Files: []safe.File{{Name: "vault.key"}, {Name: "hub.key"}}},
		{Hub: some("").Hub, Files: []safe.File{{Name: "hub.key"}, {Name: "hub.key"}}},
		{Hub: some("").Hub, Files: []safe.File{{Name: "destroyed.log"}, {Name: "hub.key"}}},
		{Hub: "nobody", Files: []safe.File{{Name: "hub.key"}}},
	} {
		packed, err := safe.Pack(b)
		ok(t, err)
		if _, err := safe.Unpack(packed, names()); !errors.Is(err, safe.ErrForm) {
			t.Errorf("%+v: %v", b, err)
		}
	}
}
