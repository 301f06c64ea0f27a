package commkey_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/commkey"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

const (
	demo       protocol.Serial = "DEMO1"
	configured uint32          = 77
)

func open(t *testing.T, dir string) *commkey.Keys {
	t.Helper()
	k, err := commkey.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever step was the last before the power went, one of the keys that are tried is the
// one that the terminal has.
func TestAKeyIsNeverLost(t *testing.T) {
	for terminal, steps := range map[string]int{"has the old one": 2, "has the new one": 3} {
		for cut := range steps + 1 {
			dir := t.TempDir()
			k := open(t, dir)
			has, next := configured, uint32(0)
			for n := range cut {
				var err error
				switch n {
				case 0:
					next, err = k.Make(demo)
				case 1:
					err = k.Written(demo)
				case 2:
					has = next
					err = k.Of(demo, configured).Opened(next)
				}
				must(t, err)
			}
			if cut == 2 && steps == 3 { // the write went out before the power
				has = next
			}
			again := open(t, dir)
			if keys := again.Of(demo, configured).Keys(); !slices.Contains(keys, has) || len(keys) > 2 {
				t.Errorf("%s, cut after step %d: tries %v, it has %d", terminal, cut, keys, has)
			}
			must(t, again.Of(demo, configured).Opened(has))
			if got := again.Of(demo, configured).Present(); got != has {
				t.Errorf("%s, cut after step %d: %d opened, %d is told", terminal, cut, has, got)
			}
			if made, err := again.Make(demo); err != nil || next != 0 && has != next && made != next {
				t.Errorf("%s, cut after step %d: another key was made, %v: the hub has the copy of the first", terminal, cut, err)
			}
		}
	}
}

func TestKeysAreRandomAndCanBeTyped(t *testing.T) {
	k, seen := open(t, t.TempDir()), map[uint32]bool{}
	for range 50 {
		key, err := k.Make(demo)
		must(t, err)
		if key < 1 || key > 999_999 {
			t.Errorf("key %d cannot be typed at a terminal", key)
		}
		if keys := k.Of(demo, configured).Keys(); !slices.Equal(keys, []uint32{configured}) {
			t.Errorf("tries %v before anything was written", keys)
		}
		seen[key] = true
		must(t, k.Drop(demo))
	}
	if len(seen) < 45 {
		t.Errorf("%d different keys of 50", len(seen))
	}
}

// A person can set a terminal back at its menu, or to something else that is configured.
func TestTheConfiguredKeyIsAlwaysTried(t *testing.T) {
	k := open(t, t.TempDir())
	next, err := k.Make(demo)
	must(t, err)
	must(t, k.Written(demo))
	must(t, k.Of(demo, configured).Opened(next))
	if keys := k.Of(demo, 5).Keys(); !slices.Equal(keys, []uint32{next, 5}) {
		t.Errorf("tries %v, want %d and then 5", keys, next)
	}
	must(t, k.Of(demo, 5).Opened(5))
	if got := k.Of(demo, 5).Keys(); !slices.Equal(got, []uint32{5}) {
		t.Errorf("tries %v after the configured one opened", got)
	}
}

func TestADamagedFileIsSetAside(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "comm-keys.json"), []byte("{"), 0o600))
	k, err := commkey.Open(dir)
	if !errors.Is(err, commkey.ErrDamaged) {
		t.Fatalf("opened: %v", err)
	}
	if keys := k.Of(demo, configured).Keys(); !slices.Equal(keys, []uint32{configured}) {
		t.Errorf("tries %v, want the configured key", keys)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.damaged*")); err != nil || len(left) != 1 {
		t.Errorf("set aside: %q (%v)", left, err)
	}
	open(t, dir)
}

func TestADiskThatRefusesChangesNothing(t *testing.T) {
	dir := t.TempDir()
	k := open(t, dir)
	must(t, os.Mkdir(filepath.Join(dir, "comm-keys.json.new"), 0o700))
	if _, err := k.Make(demo); err == nil {
		t.Error("a key was made that is not on disk")
	}
	if err := k.Drop(demo); err != nil {
		t.Errorf("there is one to drop: %v", err)
	}
}
