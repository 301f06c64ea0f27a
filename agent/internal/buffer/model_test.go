package buffer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// fastDir is a folder in memory where there is one: these tests are about what
// is kept, not about the disk.
func fastDir(t fataler) (dir string, remove func()) {
	parent := "/dev/shm"
	if _, err := os.Stat(parent); err != nil {
		parent = ""
	}
	dir, err := os.MkdirTemp(parent, "sidik-buffer-")
	if err != nil {
		t.Fatalf("make folder: %v", err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

// kept is the model of a buffer: everything in plain slices and maps.
type kept struct {
	b       *buffer.Buffer
	o       buffer.Options
	now     time.Time
	records [][]byte // canonical, by position−1, pruned ones too
	marks   map[protocol.Serial]map[uint64]uint32
	cursors map[protocol.Serial][]byte
	proven  uint64
	order   uint64
	gen     protocol.Generation
	next    int
}

func (m *kept) reopen(t *rapid.T) {
	if m.b != nil {
		if err := m.b.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		if err := buffer.CheckFile(filepath.Join(m.o.Dir, "buffer.db")); err != nil {
			t.Fatalf("CheckFile: %v", err)
		}
	}
	b, opening, err := buffer.Open(context.Background(), m.o)
	if err != nil || opening.Quarantined != "" {
		t.Fatalf("Open: %+v, %v", opening, err)
	}
	m.b = b
}

func (m *kept) append(t *rapid.T) {
	serial := rapid.SampledFrom([]protocol.Serial{"DEMO-0001", "DEMO-0002", "DEMO-00010"}).Draw(t, "serial")
	n := rapid.OneOf(rapid.IntRange(0, 12), rapid.SampledFrom([]int{499, 500, 501, 1100})).Draw(t, "records")
	f := buffer.Flush{Serial: serial, Entries: punches(serial, m.next, n)}
	if rapid.Bool().Draw(t, "same marks") {
		for i := range f.Entries {
			f.Entries[i].Mark = uint64(i % 3)
		}
	}
	if rapid.Bool().Draw(t, "with cursor") {
		f.Cursor = fmt.Appendf(nil, "cursor %d", rapid.IntRange(0, 3).Draw(t, "cursor"))
	}
	err := m.b.Append(f)
	if errors.Is(err, buffer.ErrFull) {
		if s, _ := m.b.Status(); s.Waiting < 1500 {
			t.Fatalf("full with %d records waiting", s.Waiting)
		}
		return
	}
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	m.next += n
	for _, e := range f.Entries {
		m.records = append(m.records, e.Record.AppendCanonical(nil))
		if m.marks[serial] == nil {
			m.marks[serial] = map[uint64]uint32{}
		}
		m.marks[serial][e.Mark]++
	}
	if f.Cursor != nil {
		m.cursors[serial] = f.Cursor
	}
}

func (m *kept) receipt(t *rapid.T) {
	last := uint64(len(m.records))
	through := rapid.Uint64Range(m.proven, last).Draw(t, "through")
	h := m.b.Epoch()
	for _, r := range m.records[:through] {
		h = h.Next(r)
	}
	m.order++
	outcome, err := m.b.Apply([]byte("receipt"), protocol.Seq{Life: 1, Counter: m.order}, protocol.Receipt{
		Generation: m.gen, Epochs: []protocol.EpochStore{{Epoch: m.b.Epoch(), Through: through, Hash: h}},
	})
	if err != nil || outcome != (buffer.Outcome{Verdict: buffer.Applied, Proven: through - m.proven}) {
		t.Fatalf("Apply through %d (was %d) = %+v, %v", through, m.proven, outcome, err)
	}
	m.proven = through
}

func (m *kept) keepMarks(t *rapid.T) {
	serial := protocol.Serial("DEMO-0001")
	before := m.marks[serial]
	least := rapid.Uint64Range(0, uint64(m.next)).Draw(t, "least mark kept")
	if err := m.b.KeepMarks(serial, func(mark uint64) bool { return mark >= least }); err != nil {
		t.Fatalf("KeepMarks: %v", err)
	}
	after, err := m.b.Marks(serial)
	if err != nil {
		t.Fatalf("Marks: %v", err)
	}
	for mark, n := range before {
		if mark >= least && after[mark] != n || after[mark] > n {
			t.Fatalf("mark %d stands %d times, want %d (kept from %d)", mark, after[mark], n, least)
		}
	}
	m.marks[serial] = after
}

func (m *kept) check(t *rapid.T) {
	place := m.b.Place()
	if place.Last != uint64(len(m.records)) || place.Receipted != m.proven {
		t.Fatalf("place = %+v, want last %d, receipted %d", place, len(m.records), m.proven)
	}
	got := drain(t, m.b, m.proven)
	for i, r := range got {
		if !bytes.Equal(r.AppendCanonical(nil), m.records[m.proven+uint64(i)]) {
			t.Fatalf("record %d after the mark differs", i)
		}
	}
	if len(got) != len(m.records)-int(m.proven) {
		t.Fatalf("%d records waiting, want %d", len(got), len(m.records)-int(m.proven))
	}
	for serial, want := range m.marks {
		marks, err := m.b.Marks(serial)
		if err != nil || !maps.Equal(marks, want) {
			t.Fatalf("marks of %s: %d, want %d, %v", serial, len(marks), len(want), err)
		}
	}
	for serial, want := range m.cursors {
		cursor, err := m.b.Cursor(serial)
		if err != nil || !bytes.Equal(cursor, want) {
			t.Fatalf("cursor of %s = %q, want %q, %v", serial, cursor, want, err)
		}
	}
	s, err := m.b.Status()
	if err != nil || s.Waiting != uint64(len(got)) || s.UsedBytes > m.o.MaxBytes {
		t.Fatalf("Status = %+v, %v", s, err)
	}
	if info, err := os.Stat(filepath.Join(m.o.Dir, "buffer.db")); err != nil || info.Size() > m.o.MaxBytes {
		t.Fatalf("file of %d bytes, the limit is %d, %v", info.Size(), m.o.MaxBytes, err)
	}
}

func TestRandomOperationsKeepWhatAMapKeeps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, remove := fastDir(t)
		defer remove()
		m := &kept{
			now:   time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
			marks: map[protocol.Serial]map[uint64]uint32{}, cursors: map[protocol.Serial][]byte{},
			gen: protocol.Generation{ID: protocol.NewEpoch(), Number: 1},
		}
		m.o = buffer.Options{Dir: dir, MaxBytes: 1 << 20, RetainPunches: 700, Now: func() time.Time { return m.now }}
		m.reopen(t)
		defer func() { m.b.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"append":     m.append,
			"receipt":    m.receipt,
			"keep marks": m.keepMarks,
			"reopen":     m.reopen,
			"prune": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "days")) * 24 * time.Hour)
				if _, err := m.b.Prune(); err != nil {
					t.Fatalf("Prune: %v", err)
				}
			},
			"": m.check,
		})
	})
}
