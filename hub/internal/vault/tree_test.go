package vault

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

// knownTree is a vault key that everybody knows.
func knownTree() tree {
	root := node{}
	copy(root.key[:], "sidik known vault key for tests.")
	return tree{[]node{root}}
}

// The way from the vault key to a data key is a promise: what was sealed once must
// open for ever. So are the places of employees and days. The keys were reckoned by
// another program, with HMAC-SHA256 over "sidik/v1/vault" and the bit, 64 times.
func TestDataKeysNeverChange(t *testing.T) {
	for _, row := range []struct {
		kind   Kind
		number int64
		life   int
		leaf   uint64
		key    string
	}{
		{kindCheck, 0, 0, 0x0000000000000000, "6390b7d81ba3afbacd363345435d339353c016550c663b6a6c5f509c75e67fb0"},
		{KindEmployee, 1, 0, 0x0100000000000010, "18677b9e3ff0601c1b798c7c9ed2888070cb9ad91ef10f414daf288f94f1bc79"},
		{KindEmployee, maxNumber, maxLife, 0x01ffffffffffffff, "28291a6366e55623cc31e9c912b2c98684d9009084013a9a5cf982e18f537c62"},
		{KindFound, 20780, 0, 0x02000000000512c0, "39eb8017707d4d27c60d3c14a84a1b9866198533c17efada8eae310e3d4f1c5e"},
		{KindCopy, 20780, 1, 0x03000000000512c1, "9f3328527b319a6fa21968d3a22d0f06a0ff83c331cb37b6480a317bedaf384d"},
	} {
		leaf := leafOf(row.kind, row.number, row.life)
		if leaf != row.leaf {
			t.Errorf("%s %d, life %d: leaf %016x, want %016x", row.kind, row.number, row.life, leaf, row.leaf)
		}
		key, err := knownTree().leaf(leaf)
		if err != nil || hex.EncodeToString(key[:]) != row.key {
			t.Errorf("%s %d, life %d: key %x (%v), want %s", row.kind, row.number, row.life, key, err, row.key)
		}
	}
}

// Whatever was destroyed, in whichever order: it cannot be made again, and every
// other key is what it was, also after the file was written and read.
func TestTreeForgetsWhatWasDestroyedAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := knownTree()
		// Neighbours are the hard case: they share nearly the whole way.
		leaf := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 40), rapid.Custom(func(t *rapid.T) uint64 {
			return leafOf(KindEmployee, rapid.Int64Range(0, 30).Draw(t, "employee"), rapid.IntRange(0, 3).Draw(t, "life"))
		}))
		gone := map[uint64]bool{}
		less := whole
		for range rapid.IntRange(1, 30).Draw(t, "destructions") {
			l := leaf.Draw(t, "destroyed")
			next, changed := less.without(l)
			if changed == gone[l] {
				t.Fatalf("destroying %016x: changed %v, destroyed before %v", l, changed, gone[l])
			}
			gone[l], less = true, next
		}
		read, err := parseKey(less.text())
		if err != nil {
			t.Fatalf("the file of %d nodes does not read: %v", len(less.nodes), err)
		}
		var asked []uint64
		for l := range gone {
			asked = append(asked, l, l^1, l^2, l^1<<63)
		}
		for _, l := range append(asked, rapid.SliceOfN(leaf, 1, 10).Draw(t, "asked")...) {
			want, _ := whole.leaf(l)
			got, err := read.leaf(l)
			if gone[l] && !errors.Is(err, ErrDestroyed) || !gone[l] && (err != nil || got != want) {
				t.Fatalf("leaf %016x, destroyed %v: %v", l, gone[l], err)
			}
		}
		for _, n := range read.nodes { // nothing that is left lies on the way to what was destroyed
			for l := range gone {
				if l&mask(n.depth) == n.prefix {
					t.Fatalf("a node over %016x is left at depth %d", l, n.depth)
				}
			}
		}
	})
}

func TestDamagedKeyFileIsRefused(t *testing.T) {
	less, _ := knownTree().without(leafOf(KindEmployee, 7, 0))
	text := less.text()
	if _, err := parseKey(text); err != nil {
		t.Fatal(err)
	}
	for n := range text {
		if _, err := parseKey(text[:n]); !errors.Is(err, ErrKeyFile) {
			t.Fatalf("the first %d bytes: %v, want ErrKeyFile", n, err)
		}
		for bit := range 8 {
			changed := bytes.Clone(text)
			changed[n] ^= 1 << bit
			if _, err := parseKey(changed); !errors.Is(err, ErrKeyFile) {
				t.Fatalf("bit %d of byte %d: %v, want ErrKeyFile", bit, n, err)
			}
		}
	}
	for _, row := range []struct {
		name string
		tree tree
	}{
		{"a node below another", tree{[]node{{depth: 0}, {depth: 8, prefix: 1 << 56}}}},
		{"a node twice", tree{[]node{{depth: 8}, {depth: 8}}}},
		{"nodes out of order", tree{[]node{{depth: 8, prefix: 1 << 56}, {depth: 8}}}},
		{"a prefix longer than its depth", tree{[]node{{depth: 8, prefix: 1}}}},
		{"a depth that is none", tree{[]node{{depth: 65}}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := parseKey(row.tree.text()); !errors.Is(err, ErrKeyFile) {
				t.Errorf("parseKey = %v, want ErrKeyFile", err)
			}
		})
	}
}

// A second name of the old file shows that its bytes were overwritten.
func TestReplacedKeyIsOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), keyName)
	if err := createKey(path); err != nil {
		t.Fatal(err)
	}
	witness := filepath.Join(t.TempDir(), "witness")
	if err := os.Link(path, witness); err != nil {
		t.Fatal(err)
	}
	key, err := loadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	less, _ := key.without(5)
	if err := replaceKey(path, less); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadFile(witness); err != nil || len(left) == 0 || len(bytes.Trim(left, "\x00")) > 0 {
		t.Errorf("the old key is still on disk (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file mode = %v (%v), want 0600", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("left in the folder: %v", entries)
	}
	if err := createKey(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("createKey over a key = %v, want ErrExist", err)
	}
	if printed := fmt.Sprintf("%v %+v %#v %x", less, less, less, less); bytes.Contains([]byte(printed), []byte(hex.EncodeToString(less.nodes[0].key[:4]))) {
		t.Errorf("the key prints itself: %.40s", printed)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(knownTree().text())
	less, _ := knownTree().without(1)
	f.Add(less.text())
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := parseKey(text)
		if err == nil && !bytes.Equal(key.text(), text) {
			t.Errorf("%q is written as %q", text, key.text())
		}
	})
}

func BenchmarkDataKey(b *testing.B) {
	key := knownTree()
	for n := range int64(10_000) { // people who have left over the years
		key, _ = key.without(leafOf(KindEmployee, n*3, 0))
	}
	for b.Loop() {
		if _, err := key.leaf(leafOf(KindEmployee, 1001, 0)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(key.text())), "file-bytes")
}
