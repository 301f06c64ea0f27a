package buffer_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
)

// rows of the terminal in these tests; all were appended before the damage.
const rotten = 1500

// sound makes a buffer file with single punches and larger flushes.
func sound(t *testing.T) []byte {
	t.Helper()
	dir, remove := fastDir(t)
	defer remove()
	b, _, err := buffer.Open(context.Background(), buffer.Options{Dir: dir, MaxBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < rotten; {
		size := min([]int{1, 1, 7, 60}[n%4], rotten-n)
		mustAppend(t, b, buffer.Flush{Serial: terminal, Entries: punches(terminal, n, size), Cursor: fmt.Append(nil, n+size)})
		n += size
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, "buffer.db"))
	if err != nil {
		t.Fatal(err)
	}
	// What follows the last written page is room to grow: damage there harms nothing.
	used := len(bytes.TrimRight(file, "\x00"))
	return file[:(used+4095)/4096*4096]
}

// reread does what the collector does after the damage, and checks that then
// every row stands once.
func reread(t *testing.T, damaged []byte, mustFind bool) {
	t.Helper()
	dir, remove := fastDir(t)
	defer remove()
	if err := os.WriteFile(filepath.Join(dir, "buffer.db"), damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	b, opening, err := buffer.Open(context.Background(), buffer.Options{Dir: dir, MaxBytes: 8 << 20, Check: checkInChild(t)})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer closeAndCheck(t, b, dir)
	if mustFind && opening.Quarantined == "" {
		t.Fatal("the damage was not seen")
	}
	status, err := b.Status()
	if err != nil {
		t.Fatal(err)
	}
	if opening.Quarantined != "" {
		kept, err := os.ReadFile(opening.Quarantined)
		if err != nil || len(kept) != len(damaged) || status.Quarantine == nil {
			t.Errorf("the damaged file is not kept and shown: %d bytes, %v, %+v", len(kept), err, status.Quarantine)
		}
	}
	cursor, err := b.Cursor(terminal)
	if err != nil {
		t.Fatal(err)
	}
	from := 0
	if cursor != nil {
		// Without its newest meta page a file is as it was one flush ago, the cursor too.
		if opening.Quarantined != "" {
			t.Fatal("the cursor outlived the quarantine")
		}
		if from, err = strconv.Atoi(string(cursor)); err != nil {
			t.Fatal(err)
		}
	}
	marks, err := b.Marks(terminal)
	if err != nil {
		t.Fatal(err)
	}
	if opening.Quarantined != "" && uint64(len(marks)) != opening.Salvaged {
		t.Errorf("%d records are there, %d were salvaged", len(marks), opening.Salvaged)
	}
	var missing []buffer.Entry
	for _, e := range punches(terminal, from, rotten-from) {
		if marks[e.Mark] == 0 {
			missing = append(missing, e)
		}
	}
	mustAppend(t, b, buffer.Flush{Serial: terminal, Entries: missing, Cursor: fmt.Append(nil, rotten)})
	found := map[string]int{}
	for _, r := range drain(t, b, 0) {
		found[string(r.AppendCanonical(nil))]++
	}
	for i := range rotten {
		if n := found[string(punch(terminal, i).Record.AppendCanonical(nil))]; n != 1 {
			t.Fatalf("row %d stands %d times after re-reading", i, n)
		}
	}
	if len(found) != rotten {
		t.Fatalf("%d records, want %d", len(found), rotten)
	}
}

func TestDamageIsQuarantinedAndReadAgain(t *testing.T) {
	file := sound(t)
	zero := func(from, to int) []byte {
		b := append([]byte(nil), file...)
		clear(b[from:to])
		return b
	}
	for name, damaged := range map[string][]byte{
		"empty file":             {},
		"both meta pages zeroed": zero(0, 8192),
		"zeroed but for metas":   zero(8192, len(file)),
		"all zero":               zero(0, len(file)),
		"cut in the middle":      file[:len(file)/2/4096*4096],
		"cut in the first page":  file[:100],
		"a page that goes on and on": func() []byte {
			b := append([]byte(nil), file...)
			b[len(file)/2/4096*4096+15] = 0x7f
			return b
		}(),
		"second quarter zeroed": zero(len(file)/4, len(file)/2),
	} {
		t.Run(name, func(t *testing.T) { reread(t, damaged, true) })
	}
}

func TestBitRotIsFoundOrHarmless(t *testing.T) {
	trials := 60
	if os.Getenv("SIDIK_SOAK") == "1" {
		trials = 600
	}
	file := sound(t)
	random := rand.New(rand.NewPCG(2, 2))
	for range trials {
		damaged := append([]byte(nil), file...)
		at := random.IntN(len(file))
		if random.IntN(2) == 0 { // near the beginning of a page the structure is hurt, not only a record
			at = at/4096*4096 + random.IntN(64)
		}
		if random.IntN(4) == 0 {
			at = at / 512 * 512
			clear(damaged[at : at+512])
		} else {
			damaged[at] ^= 1 << random.IntN(8)
		}
		t.Run(fmt.Sprintf("at %d", at), func(t *testing.T) { reread(t, damaged, false) })
	}
}
