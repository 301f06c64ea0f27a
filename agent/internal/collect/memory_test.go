package collect_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/collect"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// memory is a buffer that outlives collectors and can refuse.
type memory struct {
	mu        sync.Mutex
	cursors   map[protocol.Serial][]byte
	marks     map[protocol.Serial]map[uint64]uint32
	records   []protocol.Record
	forgotten int                        // marks, at the last chance to forget
	refuse    func(f buffer.Flush) error // nil: takes everything
}

func newMemory() *memory {
	return &memory{cursors: map[protocol.Serial][]byte{}, marks: map[protocol.Serial]map[uint64]uint32{}}
}

func (m *memory) Append(f buffer.Flush) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		if err := m.refuse(f); err != nil {
			return err
		}
	}
	if len(f.Entries) > 1000 {
		return errors.New("a flush of more than 1000 punches")
	}
	if m.marks[f.Serial] == nil {
		m.marks[f.Serial] = map[uint64]uint32{}
	}
	for _, e := range f.Entries {
		if err := e.Record.Check(); err != nil {
			return err
		}
		e.Record.Raw = slices.Clone(e.Record.Raw)
		m.records = append(m.records, e.Record)
		m.marks[f.Serial][e.Mark]++
	}
	m.cursors[f.Serial] = slices.Clone(f.Cursor)
	return nil
}

func (m *memory) Cursor(serial protocol.Serial) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursors[serial], nil
}

func (m *memory) Marks(serial protocol.Serial) (map[uint64]uint32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	marks := map[uint64]uint32{}
	for mark, n := range m.marks[serial] {
		marks[mark] = n
	}
	return marks, nil
}

// KeepMarks only counts what a buffer could forget: here nothing is ever pruned.
func (m *memory) KeepMarks(serial protocol.Serial, keep func(uint64) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgotten = 0
	for mark := range m.marks[serial] {
		if !keep(mark) {
			m.forgotten++
		}
	}
	return nil
}

func (m *memory) kept() []protocol.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records)
}

func (m *memory) refusing(refuse func(buffer.Flush) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = refuse
}

// running is a collector at work, stopped by stop or at the end of the test.
type running struct {
	*collect.Collector
	stop func()
}

func start(t testing.TB, c collect.Config) running {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	r := running{Collector: collect.New(c)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want the end of its context", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
