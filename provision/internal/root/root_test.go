package root_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/provision/internal/keyfile"
	"github.com/bkpsdmd-babel/sidik/provision/internal/root"
)

const passphrase = "enam kata dari daftar kata"

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// files is what a folder holds, by name.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	ok(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
		text, err := os.ReadFile(path)
		all[entry.Name()] = string(text)
		return err
	}))
	return all
}

// One key serves all of these tests: to make or open one takes a second.
func TestRoot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	if _, err := root.Init(dir, "lima belas hur"); !errors.Is(err, keyfile.ErrWeak) {
		t.Errorf("a short passphrase: %v", err)
	}
	if _, err := root.Fingerprint(dir); !errors.Is(err, root.ErrMissing) {
		t.Errorf("the fingerprint of none: %v", err)
	}
	if _, err := root.Open(dir, passphrase); !errors.Is(err, root.ErrMissing) {
		t.Errorf("to open none: %v", err)
	}
	// A power cut before the key was there leaves a fingerprint of nobody.
	ok(t, os.MkdirAll(dir, 0o700))
	ok(t, os.WriteFile(filepath.Join(dir, "root.txt"), []byte(strings.Repeat("ab", 32)+"\n"), 0o600))
	if f, err := root.Fingerprint(dir); !errors.Is(err, root.ErrMissing) {
		t.Errorf("the fingerprint of a key that was never kept: %s, %v", f, err)
	}
	made, err := root.Init(dir, passphrase)
	ok(t, err)
	if f, err := root.Fingerprint(dir); err != nil || f != made.Fingerprint() {
		t.Errorf("fingerprint %s, %v, want %s", f, err, made.Fingerprint())
	}
	before := files(t, dir)
	for name, text := range before {
		if strings.Contains(text, "PRIVATE") || len(before) != 2 {
			t.Errorf("%s of %d files: %s", name, len(before), text)
		}
	}
	if _, err := root.Init(dir, passphrase); !errors.Is(err, root.ErrExists) {
		t.Errorf("made a second time: %v", err)
	}
	opened, err := root.Open(dir, passphrase)
	if err != nil || opened.Fingerprint() != made.Fingerprint() {
		t.Errorf("opened: %v", err)
	}
	if after := files(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("the folder changed")
	}
	t.Run("documents have rising numbers", func(t *testing.T) { numbersRise(t, dir, opened) })
	t.Run("a fingerprint is the key's own", func(t *testing.T) { fingerprintCounts(t, dir) })
}

// The fingerprint stands beside the key, in clear; whoever changes it is found out before
// anything is signed.
func fingerprintCounts(t *testing.T, dir string) {
	public := filepath.Join(dir, "root.txt")
	ok(t, os.WriteFile(public, []byte(strings.Repeat("ab", 32)+"\n"), 0o600))
	if _, err := root.Open(dir, passphrase); !errors.Is(err, root.ErrOther) {
		t.Errorf("beside another fingerprint: %v", err)
	}
	ok(t, os.Remove(public))
	if _, err := root.Open(dir, passphrase); !errors.Is(err, root.ErrOther) {
		t.Errorf("beside none: %v", err)
	}
}

func numbersRise(t *testing.T, dir string, r *root.Root) {
	hub, err := seal.GenerateSigningKey()
	ok(t, err)
	sealing, err := seal.GenerateSealingKey()
	ok(t, err)
	request := trust.Request{Keys: protocol.KeyList{Signing: []protocol.HubKey{{Key: hub.Public()}}, Sealing: []seal.SealingPublic{sealing.Public()}}}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var newest trust.Document
	for _, row := range []struct{ asked, want uint64 }{
		{0, 1}, {0, 2}, {1, 3}, // the folder knows more than the hub
		{40, 41},                                                       // the hub knows more than this copy of the folder
		{41 + 10_001, 0}, {math.MaxUint64, 0}, {math.MaxUint64 - 1, 0}, // nobody signed so many
		{41 + 10_000, 10_042},
		{2, 10_043}, // more digits than names have
	} {
		request.Number = row.asked
		before := len(files(t, dir))
		message, number, err := r.Sign(request, now)
		if row.want == 0 {
			if !errors.Is(err, root.ErrNumber) || len(files(t, dir)) != before {
				t.Errorf("a request after %d: %v", row.asked, err)
			}
			continue
		}
		ok(t, err)
		d, err := trust.Open(r.Fingerprint(), message)
		if err != nil || number != row.want || d.Number() != number || !d.Newer(newest) || d.Hub() != hub.Public() {
			t.Errorf("a request after %d: document %d, %d: %v; want %d", row.asked, number, d.Number(), err, row.want)
		}
		if kept := files(t, dir)[fmt.Sprintf("keys-%04d.json", number)]; kept != string(message)+"\n" {
			t.Errorf("document %d is kept as %q", number, kept)
		}
		newest = d
	}
	request.Keys.Signing = nil
	if _, _, err := r.Sign(request, now); err == nil {
		t.Error("a hub without keys was signed")
	}
}
