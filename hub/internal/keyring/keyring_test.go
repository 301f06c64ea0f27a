package keyring_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

var today = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func newRoot(t testing.TB) seal.SigningKey {
	t.Helper()
	root, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func open(t testing.TB, dir string) *keyring.Keyring {
	t.Helper()
	k, err := keyring.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signed is the document that the root signs for what a hub requests.
func signed(t testing.TB, dir string, root seal.SigningKey, stolen bool) []byte {
	t.Helper()
	r, err := keyring.Requested(dir, open(t, dir), today, stolen)
	if err != nil {
		t.Fatal(err)
	}
	message, err := trust.Sign(root, r.Number+1, today, r.Keys)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func install(t testing.TB, dir string, message []byte) {
	t.Helper()
	if _, err := keyring.Install(dir, message); err != nil {
		t.Fatal(err)
	}
}

// A whole life: made, vouched for, replaced; what was sealed to and signed by the
// former keys stays of use.
func TestKeysAreReplacedWhenTheRootHasSigned(t *testing.T) {
	dir, root := t.TempDir(), newRoot(t)
	first := open(t, dir)
	if !first.Created() || open(t, dir).Created() || !first.Document().IsZero() {
		t.Error("keys are not made exactly once, or come with a document of nobody")
	}
	install(t, dir, signed(t, dir, root, false))
	if d := open(t, dir).Document(); d.Number() != 1 || d.Hub() != first.Signing().Public() {
		t.Errorf("document %d vouches for %s", d.Number(), d.Hub().KeyID())
	}
	box, err := first.Sealing().Seal(seal.For("test"), []byte("old"))
	if err != nil {
		t.Fatal(err)
	}

	if err := errors.Join(keyring.Prepare(dir), keyring.Prepare(dir)); err != nil {
		t.Fatal(err)
	}
	if open(t, dir).Signing().Public() != first.Signing().Public() {
		t.Fatal("a prepared key is used before the root has signed it")
	}
	install(t, dir, signed(t, dir, root, false))
	second := open(t, dir)
	if second.Signing().Public() == first.Signing().Public() || second.Sealing() == first.Sealing() {
		t.Fatal("the keys stay the same after the root has signed others")
	}
	if _, known := second.Public(first.Signing().Public().KeyID()); !known {
		t.Error("the former signing key is forgotten")
	}
	if text, err := second.Open(seal.For("test"), box); err != nil || string(text) != "old" {
		t.Errorf("what was sealed to the former key: %q, %v", text, err)
	}
	if _, counts := second.Document().Key(first.Signing().Public().KeyID(), today); !counts {
		t.Error("the former key does not count for what is under way")
	}
	if _, counts := second.Document().Key(first.Signing().Public().KeyID(), today.Add(keyring.Overlap)); counts {
		t.Error("the former key counts for ever")
	}

	if err := keyring.Prepare(dir); err != nil {
		t.Fatal(err)
	}
	install(t, dir, signed(t, dir, root, true))
	third := open(t, dir)
	if _, counts := third.Document().Key(second.Signing().Public().KeyID(), today); counts {
		t.Error("a stolen key still counts")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 7 { // present and two former ones of each, and the document
		t.Errorf("files = %v, %v", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v), want 0600", filepath.Base(f), info.Mode(), err)
		}
		if !slices.ContainsFunc(keyring.Files(), func(pattern string) bool { ok, _ := filepath.Match(pattern, filepath.Base(f)); return ok }) {
			t.Errorf("a copy of the keys would lack %s", filepath.Base(f))
		}
	}
}

func TestInstallRefuses(t *testing.T) {
	root := newRoot(t)
	for _, row := range []struct {
		name    string
		message func(t *testing.T, dir string) []byte
		want    error
	}{
		{"the same again", func(t *testing.T, dir string) []byte { return open(t, dir).Document().Message() }, keyring.ErrOlder},
		{"another root", func(t *testing.T, dir string) []byte { return signed(t, dir, newRoot(t), false) }, keyring.ErrOtherRoot},
		{"another hub's", func(t *testing.T, dir string) []byte {
			other := t.TempDir()
			install(t, other, signed(t, other, root, false))
			return signed(t, other, root, false)
		}, keyring.ErrNotVouched},
		{"nonsense", func(*testing.T, string) []byte { return []byte("{}") }, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir)
			install(t, dir, signed(t, dir, root, false))
			_, err := keyring.Install(dir, row.message(t, dir))
			if err == nil || row.want != nil && !errors.Is(err, row.want) {
				t.Errorf("Install = %v, want %v", err, row.want)
			}
			if d := open(t, dir).Document(); d.Number() != 1 {
				t.Errorf("document %d counts after a refusal", d.Number())
			}
		})
	}
}

// A power cut between any two of the renames of an installation leaves a folder that
// the next start completes.
func TestAnInstallationIsCompletedAfterAPowerCut(t *testing.T) {
	root := newRoot(t)
	move := func(dir, from, to string) {
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	for cut := range 5 {
		dir := t.TempDir()
		before := open(t, dir)
		install(t, dir, signed(t, dir, root, false))
		if err := keyring.Prepare(dir); err != nil {
			t.Fatal(err)
		}
		install(t, dir, signed(t, dir, root, false))
		for i, step := range [][2]string{
			{"hub.key", "hub-" + string(before.Signing().Public().KeyID()) + ".key"}, {"hub.next.key", "hub.key"},
			{"sealing.key", "sealing-" + string(before.Sealing().KeyID()) + ".key"}, {"sealing.next.key", "sealing.key"},
		} {
			if i < cut {
				move(dir, step[0], step[1])
			}
		}
		k := open(t, dir)
		if k.Created() || k.Signing().Public() != k.Document().Hub() || k.Sealing() != k.Document().Sealing() {
			t.Errorf("cut after %d steps: the keys are not those of the document", cut)
		}
		if _, known := k.Public(before.Signing().Public().KeyID()); !known {
			t.Errorf("cut after %d steps: the former key is lost", cut)
		}
	}
}

func TestKeysOfAnotherHubAreRefused(t *testing.T) {
	dir, other, root := t.TempDir(), t.TempDir(), newRoot(t)
	open(t, dir)
	install(t, dir, signed(t, dir, root, false))
	open(t, other)
	text, err := os.ReadFile(filepath.Join(other, "hub.key"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "hub.key"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Open(dir); !errors.Is(err, keyring.ErrNotVouched) {
		t.Errorf("Open = %v, want ErrNotVouched", err)
	}
}
