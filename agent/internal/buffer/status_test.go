package buffer_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestDaysLeftFollowsThePaceOfTheLastWeeks(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b, _ := open(t, buffer.Options{Dir: t.TempDir(), MaxBytes: 4 << 20, Now: func() time.Time { return now }})
	status := func() buffer.Status {
		t.Helper()
		s, err := b.Status()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := status(); s.DaysLeft != -1 || s.Oldest != nil || s.Waiting != 0 {
		t.Errorf("empty: %+v, want days unknown", s)
	}
	n := 0
	day := func(punched int) {
		for range punched / 100 {
			mustAppend(t, b, buffer.Flush{Serial: terminal, Entries: punches(terminal, n, 100)})
			n += 100
		}
		now = now.Add(24 * time.Hour)
	}
	day(0)
	begun := now
	day(1000)
	day(1000)
	slow := status()
	perDay := slow.UsedBytes / 2
	if most := slow.MaxBytes / perDay; slow.DaysLeft < int(most)/2 || slow.DaysLeft > int(most) {
		t.Errorf("%d days left at %d bytes a day of %d", slow.DaysLeft, perDay, slow.MaxBytes)
	}
	if slow.Oldest == nil || !slow.Oldest.Equal(begun) || slow.Waiting != 2000 {
		t.Errorf("waiting %d since %v, want 2000 since %v", slow.Waiting, slow.Oldest, begun)
	}
	for range 30 {
		day(100) // the first busy days leave the window
	}
	if s := status(); s.DaysLeft < 2*slow.DaysLeft {
		t.Errorf("%d days left at a tenth of the pace, %d before", s.DaysLeft, slow.DaysLeft)
	}
}

func TestSegmentFitsAnEnvelopeWhateverIsInTheRecords(t *testing.T) {
	for name, change := range map[string]func(*protocol.Record){
		"as usual":           func(*protocol.Record) {},
		"large raw rows":     func(r *protocol.Record) { r.Raw = make([]byte, 4096) },
		"control characters": func(r *protocol.Record) { r.PIN = strings.Repeat("\x01", 64); r.Read = strings.Repeat("\x02", 64) },
		"beyond ASCII":       func(r *protocol.Record) { r.PIN = strings.Repeat("\u2028", 21); r.Raw = nil },
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := open(t, buffer.Options{Dir: t.TempDir()})
			entries := punches(terminal, 0, 1200)
			for i := range entries {
				change(&entries[i].Record)
			}
			mustAppend(t, b, buffer.Flush{Serial: terminal, Entries: entries})
			if got := drain(t, b, 0); len(got) != len(entries) {
				t.Fatalf("%d records, want %d", len(got), len(entries))
			}
			s, _, err := b.Segment(0)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(s)
			if err != nil || len(text) > protocol.MaxPayload-4096 {
				t.Errorf("%d records are %d bytes of JSON, an envelope holds %d, %v", len(s.Records), len(text), protocol.MaxPayload, err)
			}
			size := 0
			for _, r := range s.Records {
				size += len(r.AppendCanonical(nil))
			}
			if len(s.Records) > 1 && size > protocol.MaxSegmentBytes {
				t.Errorf("%d records of %d bytes, a segment holds %d", len(s.Records), size, protocol.MaxSegmentBytes)
			}
		})
	}
}

func TestReceiptOfAnotherHubIsRefusedAndCounted(t *testing.T) {
	b, _ := open(t, buffer.Options{Dir: t.TempDir()})
	mustAppend(t, b, buffer.Flush{Serial: terminal, Entries: punches(terminal, 0, 2)})
	ours := protocol.Generation{ID: protocol.NewEpoch(), Number: 3}
	if o, err := b.Apply([]byte("ours"), protocol.Seq{Life: 3, Counter: 1}, protocol.Receipt{Generation: ours}); err != nil || o.Verdict != buffer.Applied {
		t.Fatalf("first receipt: %+v, %v", o, err)
	}
	place := b.Place()
	other := protocol.Generation{ID: protocol.NewEpoch(), Number: 3}
	if o, err := b.Apply([]byte("other"), protocol.Seq{Life: 3, Counter: 9}, protocol.Receipt{Generation: other}); err != nil || o.Verdict != buffer.OtherHub {
		t.Errorf("receipt of another hub: %+v, %v", o, err)
	}
	if _, err := b.Apply([]byte("odd"), protocol.Seq{Life: 4, Counter: 9}, protocol.Receipt{Generation: ours}); err == nil {
		t.Error("a receipt whose order is of another generation was taken")
	}
	s, err := b.Status()
	if err != nil || s.Verdicts[buffer.OtherHub] != 1 || b.Place() != place || string(b.NewestReceipt()) != "ours" {
		t.Errorf("%+v, newest %q, %v", s, b.NewestReceipt(), err)
	}
}

func TestCheckThatCouldNotLookQuarantinesNothing(t *testing.T) {
	dir := t.TempDir()
	b, _, err := buffer.Open(context.Background(), buffer.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for name, check := range map[string]func(context.Context, string) error{
		"killed from outside": buffer.CheckInChild("/bin/sh", "-c", "kill -9 $$"),
		"no such program":     buffer.CheckInChild("/no/such/program"),
		"another exit status": buffer.CheckInChild("/bin/sh", "-c", "exit 1"),
	} {
		_, opening, err := buffer.Open(context.Background(), buffer.Options{Dir: dir, Check: check})
		if err == nil || errors.Is(err, buffer.ErrDamaged) || opening.Quarantined != "" {
			t.Errorf("%s: Open = %+v, %v, want an error that is not damage", name, opening, err)
		}
	}
	for name, check := range map[string]func(context.Context, string) error{
		"says damaged": buffer.CheckInChild("/bin/sh", "-c", "exit 74"),
		"panicked":     buffer.CheckInChild("/bin/sh", "-c", "exit 2"),
		"faulted":      buffer.CheckInChild("/bin/sh", "-c", "kill -BUS $$"),
	} {
		if err := check(context.Background(), dir); !errors.Is(err, buffer.ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
	}
	if _, err := os.Stat(dir + "/buffer.db"); err != nil {
		t.Error(err)
	}
}
