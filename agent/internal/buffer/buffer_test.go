package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

const terminal protocol.Serial = "DEMO-0001"

// punch makes the n-th demo punch of a terminal.
func punch(serial protocol.Serial, n int) buffer.Entry {
	at := time.Date(2026, 1, 2, 7, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	return buffer.Entry{Mark: uint64(n) + 1, Record: protocol.Record{
		Serial: serial, PIN: fmt.Sprint(100001 + n%300), Time: protocol.NewLocalTime(at),
		Verify: 1, Source: protocol.SourceZK, Raw: fmt.Appendf(nil, "%040d", n), Read: "0123456789abcdef", Offset: 2,
	}}
}

func punches(serial protocol.Serial, from, n int) []buffer.Entry {
	entries := make([]buffer.Entry, n)
	for i := range entries {
		entries[i] = punch(serial, from+i)
	}
	return entries
}

// open opens a buffer and, after the test, closes and checks it.
func open(t testing.TB, o buffer.Options) (*buffer.Buffer, buffer.Opening) {
	t.Helper()
	b, opening, err := buffer.Open(context.Background(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { closeAndCheck(t, b, o.Dir) })
	return b, opening
}

func closeAndCheck(t testing.TB, b *buffer.Buffer, dir string) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := buffer.CheckFile(filepath.Join(dir, "buffer.db")); err != nil {
		t.Errorf("CheckFile after the test: %v", err)
	}
}

func mustAppend(t testing.TB, b *buffer.Buffer, f buffer.Flush) {
	t.Helper()
	if err := b.Append(f); err != nil {
		t.Fatalf("Append(%d records): %v", len(f.Entries), err)
	}
}

// fataler is what *testing.T, *testing.B and *rapid.T have in common here.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// drain reads everything after a sequence in segments and checks each.
func drain(t fataler, b *buffer.Buffer, after uint64) []protocol.Record {
	t.Helper()
	var all []protocol.Record
	for {
		s, ok, err := b.Segment(after)
		if err != nil {
			t.Fatalf("Segment(%d): %v", after, err)
		}
		if !ok {
			return all
		}
		if err := s.Check(); err != nil {
			t.Fatalf("Segment(%d): %v", after, err)
		}
		if s.First != after+1 {
			t.Fatalf("Segment(%d) begins at %d", after, s.First)
		}
		all = append(all, s.Records...)
		after = s.Last
	}
}

func TestMain(m *testing.M) {
	if run := os.Getenv("SIDIK_BUFFER_CHILD"); run != "" {
		os.Exit(child(run, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

func TestAppendedRecordsComeBackAfterReopening(t *testing.T) {
	dir := t.TempDir()
	b, opening := open(t, buffer.Options{Dir: dir})
	if !opening.Created || opening.Quarantined != "" {
		t.Fatalf("first opening = %+v, want created", opening)
	}
	boot := b.Boot()
	mustAppend(t, b, buffer.Flush{Serial: terminal, Entries: punches(terminal, 0, 1), Cursor: []byte("one")})
	mustAppend(t, b, buffer.Flush{Serial: terminal, Entries: punches(terminal, 1, 1200)})
	place := b.Place()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b, opening = open(t, buffer.Options{Dir: dir})
	if opening.Created {
		t.Error("second opening says created")
	}
	if b.Boot() <= boot {
		t.Errorf("boot number %d after %d", b.Boot(), boot)
	}
	if b.Place() != place || place.Last != 1201 {
		t.Errorf("place = %+v, was %+v", b.Place(), place)
	}
	cursor, err := b.Cursor(terminal)
	if err != nil || string(cursor) != "one" {
		t.Errorf("Cursor = %q, %v", cursor, err)
	}
	got := drain(t, b, 0)
	if len(got) != 1201 {
		t.Fatalf("%d records, want 1201", len(got))
	}
	for i, r := range got {
		want := punch(terminal, i).Record
		if string(r.AppendCanonical(nil)) != string(want.AppendCanonical(nil)) {
			t.Fatalf("record %d = %+v, want %+v", i, r, want)
		}
	}
}

func TestSecondAgentOnTheFolderIsTold(t *testing.T) {
	dir := t.TempDir()
	open(t, buffer.Options{Dir: dir})
	if _, _, err := buffer.Open(context.Background(), buffer.Options{Dir: dir}); !errors.Is(err, buffer.ErrInUse) {
		t.Errorf("Open = %v, want ErrInUse", err)
	}
}
