package collect_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/agent/internal/collect"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// row is a punch of a made-up log; n makes its time.
func row(pin string, n int) terminal.Row {
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	return terminal.Row{PIN: pin, Time: protocol.NewLocalTime(at), Verify: 1}
}

// days is n rows of a log without equal rows.
func days(from, n int) (rows []terminal.Row) {
	for i := range n {
		rows = append(rows, row("1001", from+i))
	}
	return rows
}

// reading answers an Ask from a log, as a driver does.
func reading(ask terminal.Ask, log []terminal.Row, full bool) terminal.Reading {
	r := terminal.Reading{Count: len(log), Full: full, Layout: "40", Proof: terminal.ProofCount, At: time.Unix(1, 0)}
	switch {
	case ask.Mode == terminal.IfChanged && ask.Known == len(log) && !full:
		r.Unchanged = true
		return r
	case ask.Mode != terminal.Whole:
		r.First = max(0, min(ask.Known, len(log))-ask.Overlap)
	}
	r.Rows = log[r.First:]
	return r
}

// agent is what a collector keeps: cursor, and per mark the numbers it appended.
type agent struct {
	cursor  collect.Cursor
	numbers map[collect.Mark][]uint32
	times   map[collect.Mark]string
}

func newAgent() *agent {
	return &agent{numbers: map[collect.Mark][]uint32{}, times: map[collect.Mark]string{}}
}

func (a *agent) known(m collect.Mark) uint32 { return uint32(len(a.numbers[m])) }

func (a *agent) rows() (n int) {
	for _, numbers := range a.numbers {
		n += len(numbers)
	}
	return n
}

// read reads the log, the whole of it when its end leaves a doubt, keeps at most
// limit new rows and dies then. It returns how often it read.
func (a *agent) read(mode terminal.Mode, log []terminal.Row, full bool, limit int) (reads int) {
	r := reading(a.cursor.Ask(mode), log, full)
	found, ok := collect.Diff(a.cursor, r, a.known)
	if reads = 1; !ok {
		r = reading(a.cursor.Ask(terminal.Whole), log, full)
		if found, ok = collect.Diff(a.cursor, r, a.known); !ok {
			panic("a whole reading was not enough")
		}
		reads = 2
	}
	for i, f := range found.Fresh {
		if i == limit {
			a.cursor.Doubt = true
			return reads
		}
		a.numbers[f.Mark] = append(a.numbers[f.Mark], f.Nth)
		a.times[f.Mark] = fmt.Sprint(r.Rows[f.Row].Time)
	}
	a.cursor = found.Next
	return reads
}

const all = 1 << 30

func TestDiff(t *testing.T) {
	early := days(0, 1000)
	impossible := terminal.Row{PIN: "1001", Time: "zk:776577728"}
	stuck := append(days(0, 900), slices.Repeat(days(2000, 1), 100)...)
	moved := append(slices.Clone(stuck[33:]), row("1002", 2000))
	moved = append(moved, slices.Repeat(days(2000, 1), 32)...)
	for _, c := range []struct {
		name  string
		first []terminal.Row // what the log held at the first read
		then  []terminal.Row // and at the second
		full  bool
		mode  terminal.Mode
		fresh int // rows that the second read adds
		reads int // how many readings that takes
	}{
		{"nothing in an empty log", nil, nil, false, terminal.IfChanged, 0, 1},
		{"the first rows of a log that was empty", nil, days(0, 3), false, terminal.IfChanged, 3, 1},
		{"nothing when unchanged", early, early, false, terminal.IfChanged, 0, 1},
		{"only new rows at the end", early, days(0, 1010), false, terminal.IfChanged, 10, 1},
		{"only new rows after a hint", early, days(0, 1001), false, terminal.Tail, 1, 1},
		{"everything new after the log was cleared", early, days(2000, 5), false, terminal.IfChanged, 5, 1},
		{"everything new after the log was cleared and grew beyond", early, days(2000, 1200), false, terminal.IfChanged, 1200, 2},
		{"nothing when the log was cleared and put back in part", early, early[:400], false, terminal.IfChanged, 0, 2},
		{"new rows of a wrapped full log", early, days(20, 1000), true, terminal.IfChanged, 20, 1},
		{"nothing of a full log that stood still", early, early, true, terminal.IfChanged, 0, 1},
		{"new rows of a full log that wrapped far", early, days(700, 1000), true, terminal.IfChanged, 700, 2},
		{"new rows of a full log whose known end is not the only one", stuck, moved, true, terminal.IfChanged, 33, 2},
		{"new rows after the terminal dropped a block", early, days(150, 900), false, terminal.IfChanged, 50, 1},
		{"nothing when the order changed", early, shuffled(early), false, terminal.Tail, 0, 2},
		{"new rows when the order changed too", early, shuffled(days(0, 1003)), false, terminal.IfChanged, 3, 2},
		{"rows after the clock was set back", early, append(days(0, 1000), row("1001", -500), row("1001", -499)), false, terminal.IfChanged, 2, 1},
		{"a second equal row next to the first", early, append(days(0, 1000), early[999]), false, terminal.IfChanged, 1, 1},
		{"an equal row of long ago", early, append(days(0, 1000), early[3]), false, terminal.IfChanged, 1, 2},
		{"three equal new rows", early, append(days(0, 1001), early[999], row("1001", 1000), row("1001", 1000)), false, terminal.IfChanged, 4, 1},
		{"impossible times, twice the same", early, append(days(0, 1000), impossible, impossible), false, terminal.IfChanged, 2, 1},
		{"the same time with another status", early, append(days(0, 1000), status(early[999], 1)), false, terminal.IfChanged, 1, 1},
		{"the same time of somebody else", early, append(days(0, 1000), row("1002", 999)), false, terminal.IfChanged, 1, 1},
		{"nothing when a slot went to somebody else", slots("1001", 400), slots("1002", 400), false, terminal.Whole, 0, 1},
		{"nothing when an unknown slot became known", slots("slot:7", 400), slots("1002", 400), false, terminal.Whole, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAgent()
			a.read(terminal.IfChanged, c.first, false, all)
			if a.rows() != len(c.first) {
				t.Fatalf("first read kept %d rows, want %d", a.rows(), len(c.first))
			}
			reads := a.read(c.mode, c.then, c.full, all)
			if fresh := a.rows() - len(c.first); fresh != c.fresh || reads != c.reads {
				t.Errorf("second read kept %d new rows in %d readings, want %d in %d", fresh, reads, c.fresh, c.reads)
			}
			if again := a.rows(); a.read(terminal.Whole, c.then, c.full, all) != 1 || a.rows() != again {
				t.Errorf("a third read of the same log kept %d rows more", a.rows()-again)
			}
			a.check(t)
		})
	}
}

// TestPaddedPINsAreNumberedAsOne: to the hub 007 and 7 are one PIN, so two rows of
// them in one second must not be the same punch.
func TestPaddedPINsAreNumberedAsOne(t *testing.T) {
	log := []terminal.Row{row("007", 1), row("7", 1), row("8", 1)}
	found, ok := collect.Diff(collect.Cursor{}, reading(collect.Cursor{}.Ask(terminal.Whole), log, true), func(collect.Mark) uint32 { return 0 })
	if !ok || len(found.Fresh) != 3 {
		t.Fatalf("%+v, %t", found, ok)
	}
	for i, want := range []uint32{0, 1, 0} {
		if found.Fresh[i].Nth != want {
			t.Errorf("row %d is number %d, want %d", i, found.Fresh[i].Nth, want)
		}
	}
}

func TestDiffAfterCrashBetweenFlushes(t *testing.T) {
	log := days(0, 3000)
	for i := range log {
		if i%7 == 0 {
			log[i] = log[i/2] // equal rows, far from each other
		}
	}
	for _, kept := range []int{1, 1000, 2999} {
		t.Run(fmt.Sprintf("after %d rows", kept), func(t *testing.T) {
			a := newAgent()
			a.read(terminal.Whole, log, false, kept)
			a.read(terminal.IfChanged, log, false, all)
			if a.rows() != len(log) {
				t.Errorf("kept %d rows, the log has %d", a.rows(), len(log))
			}
			a.check(t)
		})
	}
}

func TestDiffInDoubtTakesOnlyAWholeReading(t *testing.T) {
	log := days(0, 1000)
	a := newAgent()
	a.read(terminal.Whole, log, false, all)
	r := reading(a.cursor.Ask(terminal.Tail), log, false)
	if _, ok := collect.Diff(a.cursor, r, a.known); !ok {
		t.Fatal("the end of the log is refused without a doubt")
	}
	a.cursor.Doubt = true
	if _, ok := collect.Diff(a.cursor, r, a.known); ok {
		t.Error("the end of the log is taken in doubt")
	}
	if ask := a.cursor.Ask(terminal.IfChanged); ask.Mode != terminal.Whole {
		t.Errorf("in doubt the %s is asked for", ask.Mode)
	}
}

func TestWatermarkIgnoresTheFuture(t *testing.T) {
	log := append(days(0, 400), row("1001", 1e9))
	r := reading(collect.Cursor{}.Ask(terminal.Tail), log, false)
	r.Clock = row("", 1000).Time
	found, _ := collect.Diff(collect.Cursor{}, r, newAgent().known)
	if got, want := found.Next.Watermark, log[399].Time; got != want {
		t.Errorf("watermark %s, want %s", got, want)
	}
	if got, want := found.Next.Newest, log[400].Time; got != want {
		t.Errorf("newest %s, want %s", got, want)
	}
}

// TestDiffKeepsEveryRowOnce lets a terminal and its reader live: whatever happens to
// the log and wherever the reader dies, of every mark as many rows are kept as the
// most that any complete read has shown, numbered from 0, and never more than there
// have been.
func TestDiffKeepsEveryRowOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log []terminal.Row
		clock, full := 0, false
		made := map[collect.Mark]uint32{}
		a := newAgent()
		punch := func(n, step int) {
			for range n {
				clock += rapid.IntRange(0, step).Draw(t, "seconds")
				r := row(rapid.SampledFrom([]string{"1001", "1002"}).Draw(t, "pin"), clock)
				if full && len(log) > 0 {
					log = log[1:]
				}
				log = append(slices.Clip(log), r)
				made[collect.MarkOf(r)]++
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"":           func(t *rapid.T) { a.check(t) },
			"few punch":  func(t *rapid.T) { punch(rapid.IntRange(1, 5).Draw(t, "people"), 1) },
			"many punch": func(t *rapid.T) { punch(rapid.IntRange(100, 400).Draw(t, "people"), 2) },
			"clear":      func(*rapid.T) { log, full = nil, false },
			"fill up":    func(*rapid.T) { full = len(log) > 0 },
			"drop block": func(t *rapid.T) { log = log[rapid.IntRange(0, len(log)).Draw(t, "rows"):] },
			"shuffle":    func(*rapid.T) { log = shuffled(log) },
			"set clock":  func(t *rapid.T) { clock = rapid.IntRange(0, clock).Draw(t, "clock") },
			"read": func(t *rapid.T) {
				mode := rapid.SampledFrom([]terminal.Mode{terminal.IfChanged, terminal.Tail, terminal.Whole}).Draw(t, "mode")
				limit := rapid.SampledFrom([]int{all, all, 1, 100}).Draw(t, "dies after")
				a.read(mode, log, full, limit)
				if limit != all || mode == terminal.IfChanged {
					return
				}
				now := map[collect.Mark]uint32{}
				for _, r := range log {
					now[collect.MarkOf(r)]++
				}
				for m, n := range now {
					if a.known(m) < n {
						t.Fatalf("%d rows of %s are in the log, %d were kept", n, a.times[m], a.known(m))
					}
				}
			},
		})
		for m := range maps.Keys(a.numbers) {
			if a.known(m) > made[m] {
				t.Fatalf("%d rows of %s were ever punched, %d were kept", made[m], a.times[m], a.known(m))
			}
		}
	})
}

// check tells whether the numbers of every mark are 0, 1, 2 ….
func (a *agent) check(t interface {
	Helper()
	Fatalf(string, ...any)
}) {
	t.Helper()
	for m, numbers := range a.numbers {
		for want, got := range numbers {
			if got != uint32(want) {
				t.Fatalf("rows of %s are numbered %v", a.times[m], numbers)
			}
		}
	}
}

func shuffled(log []terminal.Row) []terminal.Row {
	log = slices.Clone(log)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(log), func(i, j int) { log[i], log[j] = log[j], log[i] })
	return log
}

func status(r terminal.Row, s uint8) terminal.Row {
	r.Status = s
	return r
}

// slots is a log of rows that have only slot 7, whose user has a PIN now.
func slots(pin string, n int) []terminal.Row {
	rows := days(0, n)
	for i := range rows {
		rows[i].PIN, rows[i].Slot, rows[i].SlotOnly = pin, 7, true
	}
	return rows
}
