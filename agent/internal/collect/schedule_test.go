package collect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/collect"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// scripted is a terminal without a line, in bubbles of time.
type scripted struct {
	mu     sync.Mutex
	log    []terminal.Row
	shape  func(*terminal.Reading) // changes what a read gives; nil: nothing
	fail   error
	reads  []readAt
	hint   func()
	closed bool
}

// readAt is one read that was asked for.
type readAt struct {
	at   time.Time
	mode terminal.Mode
}

func (s *scripted) Read(ctx context.Context, ask terminal.Ask) (terminal.Reading, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads = append(s.reads, readAt{time.Now(), ask.Mode})
	if s.fail != nil {
		return terminal.Reading{}, s.fail
	}
	r := reading(ask, s.log, false)
	r.At, r.Source = time.Now(), protocol.SourceZK
	if s.shape != nil {
		s.shape(&r)
	}
	return r, ctx.Err()
}

func (s *scripted) Watch(ctx context.Context, hint func()) error {
	s.mu.Lock()
	s.hint = hint
	s.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func (s *scripted) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// change changes the terminal, and hints at it if it can.
func (s *scripted) change(f func()) {
	s.mu.Lock()
	f()
	hint := s.hint
	s.mu.Unlock()
	if hint != nil {
		hint()
	}
}

// since returns the reads from a moment on.
func (s *scripted) since(t time.Time) (reads []readAt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.reads {
		if !r.at.Before(t) {
			reads = append(reads, r)
		}
	}
	return reads
}

// bubble runs a test with a collector of one scripted terminal, which has been read
// once when the test begins. Time begins on 1 January 2000 at midnight UTC.
func bubble(t *testing.T, live bool, test func(t *testing.T, s *scripted, m *memory, r running)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, m := &scripted{log: days(0, 500)}, newMemory()
		r := start(t, collect.Config{Terminals: []collect.Terminal{{Serial: "S1", Address: func() string { return "here" }, Source: s, Live: live}}, Buffer: m})
		synctest.Wait()
		if len(m.kept()) != 500 {
			t.Fatalf("%d punches were kept at the start", len(m.kept()))
		}
		test(t, s, m, r)
		r.stop()
		if !s.closed {
			t.Error("the terminal was not let go")
		}
	})
}

func TestScheduleReadsWhatChanged(t *testing.T) {
	bubble(t, false, func(t *testing.T, s *scripted, m *memory, _ running) {
		time.Sleep(time.Minute)
		from := time.Now()
		time.Sleep(55 * time.Minute)
		synctest.Wait()
		reads := s.since(from)
		if len(reads) < 10 || len(reads) > 13 {
			t.Errorf("%d reads in 55 minutes, want one in 5", len(reads))
		}
		for _, r := range reads {
			if r.mode != terminal.IfChanged {
				t.Errorf("a scheduled read is %s", r.mode)
			}
		}
		s.change(func() { s.log = days(0, 503) })
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if n := len(m.kept()); n != 503 {
			t.Errorf("%d punches kept, want 503", n)
		}
	})
}

func TestWholeLogIsReadOnceANight(t *testing.T) {
	bubble(t, false, func(t *testing.T, s *scripted, _ *memory, _ running) {
		time.Sleep(24 * time.Hour)
		from := time.Now()
		time.Sleep(3 * 24 * time.Hour)
		synctest.Wait()
		var nights []readAt
		for _, r := range s.since(from) {
			if r.mode == terminal.Whole {
				nights = append(nights, r)
			}
		}
		if len(nights) != 3 {
			t.Fatalf("%d whole reads in three days: %v", len(nights), nights)
		}
		for _, r := range nights {
			if h := protocol.Wall(r.at).Hour(); h < 1 || h >= 5 {
				t.Errorf("a whole read at %s", protocol.Wall(r.at))
			}
		}
	})
}

func TestHintsReadAtOnceAndThenSparingly(t *testing.T) {
	bubble(t, true, func(t *testing.T, s *scripted, m *memory, _ running) {
		time.Sleep(30 * time.Second)
		from := time.Now()
		for i := range 10 { // ten people in a second
			s.change(func() { s.log = days(0, 501+i) })
			synctest.Wait()
			if i == 0 && len(m.kept()) != 501 {
				t.Error("the first hint does not read at once")
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := len(m.kept()); n != 510 {
			t.Errorf("%d punches kept, want 510", n)
		}
		reads := s.since(from)
		if len(reads) != 2 || reads[1].at.Sub(reads[0].at) < 2*time.Second || reads[0].mode != terminal.Tail {
			t.Errorf("reads %v, want two tails 2 s apart", reads)
		}
	})
}

func TestFailuresAreRetriedLaterAndLater(t *testing.T) {
	for cause, err := range map[string]error{
		"unreachable": terminal.ErrUnreachable, "incomplete": terminal.ErrIncomplete, "key": terminal.ErrKey,
		"refused": terminal.ErrRefused, "layout": terminal.ErrLayout, "not-terminal": terminal.ErrNotTerminal,
		"stranger": &terminal.StrangerError{Want: "S1", Got: "S2"},
	} {
		t.Run(cause, func(t *testing.T) {
			bubble(t, false, func(t *testing.T, s *scripted, m *memory, r running) {
				s.change(func() { s.fail = fmt.Errorf("read: %w", err) })
				from := time.Now()
				time.Sleep(time.Hour)
				synctest.Wait()
				reads := s.since(from)
				if len(reads) < 14 || len(reads) > 22 {
					t.Errorf("%d reads in an hour of failures", len(reads))
				}
				for i := 1; i < len(reads); i++ {
					if gap := reads[i].at.Sub(reads[i-1].at); gap > 331*time.Second || gap < 4*time.Second {
						t.Errorf("read %d comes %s after the one before", i, gap)
					}
				}
				conditions := r.Conditions()
				if len(conditions) != 1 || conditions[0].Code != "terminal-"+cause || conditions[0].Subject != "S1" {
					t.Errorf("conditions %+v, want terminal-%s", conditions, cause)
				}
				if shown := r.Terminals()[0]; shown.LastError != cause || shown.LastRead == nil {
					t.Errorf("shown %+v, want last error %s", shown, cause)
				}
				s.change(func() { s.fail, s.log = nil, days(0, 501) })
				time.Sleep(6 * time.Minute)
				synctest.Wait()
				if n := len(m.kept()); n != 501 {
					t.Errorf("%d punches kept after it came back, want 501", n)
				}
				if len(r.Conditions()) > 0 || r.Terminals()[0].LastError != "" {
					t.Errorf("conditions %+v, last error %q after it came back", r.Conditions(), r.Terminals()[0].LastError)
				}
			})
		})
	}
}

// A terminal whose address nobody knows yet is told at once, and is no error: somebody has
// just installed it.
func TestATerminalThatIsLookedForIsNoTrouble(t *testing.T) {
	bubble(t, false, func(t *testing.T, s *scripted, _ *memory, r running) {
		s.change(func() { s.fail = terminal.ErrSought })
		r.Reread("")
		synctest.Wait()
		if c := r.Conditions(); len(c) != 1 || c[0].Code != "terminal-sought" || c[0].Severity != protocol.SeverityWarning {
			t.Errorf("conditions %+v, want that it is looked for", c)
		}
	})
}

func TestOneBrokenReadIsNoCondition(t *testing.T) {
	bubble(t, false, func(t *testing.T, s *scripted, _ *memory, r running) {
		s.change(func() { s.fail = terminal.ErrIncomplete })
		r.Reread("")
		synctest.Wait()
		if shown := r.Terminals()[0]; shown.LastError != "incomplete" {
			t.Errorf("last error %q after a broken read", shown.LastError)
		}
		if c := r.Conditions(); len(c) > 0 {
			t.Errorf("conditions %+v after one broken read", c)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if c := r.Conditions(); len(c) != 1 || c[0].Severity != protocol.SeverityWarning {
			t.Errorf("conditions %+v after two broken reads, want a warning", c)
		}
	})
}

// TestLogThatWasReplacedUnseen has as many rows as before, all of them new.
func TestLogThatWasReplacedUnseen(t *testing.T) {
	bubble(t, false, func(t *testing.T, s *scripted, m *memory, _ running) {
		s.change(func() { s.fail = terminal.ErrUnreachable })
		time.Sleep(time.Hour)
		s.change(func() { s.fail, s.log = nil, days(9000, 500) })
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if n := len(m.kept()); n != 1000 {
			t.Errorf("%d punches kept, want the old 500 and the new ones", n)
		}
	})
}

func TestTerminalThatIsBackIsReadAtOnce(t *testing.T) {
	bubble(t, true, func(t *testing.T, s *scripted, m *memory, _ running) {
		s.change(func() { s.fail = terminal.ErrUnreachable })
		time.Sleep(time.Hour)
		s.change(func() { s.fail, s.log = nil, days(0, 501) }) // the listener is connected again
		time.Sleep(2 * time.Second)                            // it may have been tried a moment ago
		synctest.Wait()
		if n := len(m.kept()); n != 501 {
			t.Errorf("%d punches kept when it came back, want 501", n)
		}
	})
}

func TestFullBufferStopsReading(t *testing.T) {
	bubble(t, true, func(t *testing.T, s *scripted, m *memory, r running) {
		m.refusing(func(f buffer.Flush) error {
			if len(f.Entries) > 0 {
				return fmt.Errorf("append: %w", buffer.ErrFull)
			}
			return nil
		})
		time.Sleep(10 * time.Second)
		s.change(func() { s.log = days(0, 600) })
		synctest.Wait()
		from := time.Now()
		for i := range 60 { // people go on punching
			time.Sleep(time.Second)
			s.change(func() { s.log = days(0, 601+i) })
		}
		synctest.Wait()
		if reads := s.since(from.Add(time.Millisecond)); len(reads) > 0 {
			t.Errorf("%d reads in a minute with a full buffer", len(reads))
		}
		if c := r.Conditions(); len(c) != 1 || c[0].Code != "buffer-full" || c[0].Subject != "" {
			t.Errorf("conditions %+v, want buffer-full", c)
		}
		m.refusing(nil)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if n := len(m.kept()); n != 660 {
			t.Errorf("%d punches kept once there was room, want 660", n)
		}
		if c := r.Conditions(); len(c) > 0 {
			t.Errorf("conditions %+v once there was room", c)
		}
	})
}

func TestRereadIsOwedUntilItSucceeds(t *testing.T) {
	bubble(t, false, func(t *testing.T, s *scripted, _ *memory, r running) {
		s.change(func() { s.fail = terminal.ErrIncomplete })
		r.Reread("")
		synctest.Wait()
		s.change(func() { s.fail = nil })
		from := time.Now()
		time.Sleep(time.Hour)
		synctest.Wait()
		var modes []terminal.Mode
		for _, r := range s.since(from.Add(time.Millisecond)) {
			modes = append(modes, r.mode)
		}
		whole := slices.Index(modes, terminal.Whole)
		if whole < 2 || slices.Contains(modes[whole+1:], terminal.Whole) {
			t.Errorf("after a reread that failed the reads are %v, want short ones and then one whole", modes)
		}
	})
}

// TestReadThatIsGivenUpChangesNothing: what is owed stays owed.
func TestReadThatIsGivenUpChangesNothing(t *testing.T) {
	bubble(t, false, func(t *testing.T, s *scripted, _ *memory, r running) {
		s.change(func() { s.fail = terminal.ErrIncomplete })
		r.Reread("")
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		s.change(func() { s.fail, s.shape = nil, func(*terminal.Reading) { cancel(); time.Sleep(time.Second) } })
		if _, err := r.ReadNow(ctx, "S1", nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("ReadNow = %v, want the end of its context", err)
		}
		s.change(func() { s.shape = nil })
		from := time.Now()
		time.Sleep(time.Hour)
		synctest.Wait()
		if !slices.ContainsFunc(s.since(from), func(r readAt) bool { return r.mode == terminal.Whole }) {
			t.Error("the whole read that was owed never came")
		}
	})
}

// TestForgottenCursorReadsTheWholeLog: after a gap the buffer forgets the cursor and
// what it no longer keeps.
func TestForgottenCursorReadsTheWholeLog(t *testing.T) {
	bubble(t, false, func(t *testing.T, _ *scripted, m *memory, r running) {
		m.mu.Lock()
		clear(m.cursors)
		clear(m.marks)
		m.records = nil
		m.mu.Unlock()
		r.Reread("S1")
		synctest.Wait()
		if n := len(m.kept()); n != 500 {
			t.Errorf("%d punches kept, want all 500 again", n)
		}
	})
}

// TestMarksAreForgotten when the terminal has dropped their rows, but not when it
// shows an empty log: that may be a setting, and the rows come back.
func TestMarksAreForgotten(t *testing.T) {
	for _, c := range []struct {
		name      string
		log       []terminal.Row
		reads     int
		forgotten int
	}{
		{"of rows that were dropped", days(100, 450), 1, 100},
		{"none of an empty log", nil, 2, -1},
		{"none of a log that does not go on", days(9000, 600), 1, -1},
		{"of a log that was followed by another", days(9000, 600), 2, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, false, func(t *testing.T, s *scripted, m *memory, r running) {
				m.forgotten = -1
				s.change(func() { s.log = c.log })
				for range c.reads {
					r.Reread("")
					synctest.Wait()
					time.Sleep(time.Minute)
				}
				if m.forgotten != c.forgotten {
					t.Errorf("%d marks could be forgotten, want %d", m.forgotten, c.forgotten)
				}
			})
		})
	}
}

func TestDamagedCursorRepeatsNothing(t *testing.T) {
	for name, cursor := range map[string][]byte{
		"unknown version": {9, 9, 9}, "cut off": {1, 0, 5}, "too long": append(make([]byte, 1), 1),
		"marks cut off": {1, 0, 5, 2, 0, 0, 0, 2, 1, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, false, func(t *testing.T, s *scripted, m *memory, _ running) {
				m.mu.Lock()
				m.cursors["S1"] = cursor
				m.mu.Unlock()
				s.change(func() { s.log = days(0, 501) })
				time.Sleep(6 * time.Minute)
				synctest.Wait()
				if n := len(m.kept()); n != 501 {
					t.Errorf("%d punches kept, want 501", n)
				}
			})
		})
	}
}

func TestConditionsOfTheTerminal(t *testing.T) {
	full := func(used int) func(*terminal.Reading) {
		return func(r *terminal.Reading) { r.Logs = protocol.Fill{Used: used, Capacity: 1000} }
	}
	for _, c := range []struct {
		name     string
		shape    func(*terminal.Reading)
		log      []terminal.Row
		code     string
		severity protocol.Severity
		args     map[string]string
	}{
		{"clock ahead", func(r *terminal.Reading) { r.Offset = 61 }, days(0, 501), "terminal-clock", protocol.SeverityWarning, map[string]string{"seconds": "61"}},
		{"clock behind", func(r *terminal.Reading) { r.Offset = -3600 }, days(0, 501), "terminal-clock", protocol.SeverityWarning, map[string]string{"seconds": "-3600"}},
		{"clock a little off", func(r *terminal.Reading) { r.Offset = 60 }, days(0, 501), "", "", nil},
		{"clock unknown", func(r *terminal.Reading) { r.Offset = protocol.OffsetUnknown }, days(0, 501), "", "", nil},
		{"log at 79 %", full(799), days(0, 501), "", "", nil},
		{"log at 80 %", full(800), days(0, 501), "terminal-log-nearly-full", protocol.SeverityWarning, map[string]string{"percent": "80", "used": "800", "capacity": "1000"}},
		{"log at 90 %", full(900), days(0, 501), "terminal-log-nearly-full", protocol.SeverityError, map[string]string{"percent": "90", "used": "900", "capacity": "1000"}},
		{"log cleared", nil, nil, "terminal-log-cleared", protocol.SeverityInfo, nil},
		{"impossible times", nil, append(days(0, 500), terminal.Row{PIN: "1001", Time: "zk:1"}), "terminal-impossible-times", protocol.SeverityInfo, map[string]string{"count": "1"}},
		{"unknown slots", nil, append(days(0, 500), slots("slot:7", 2)...), "terminal-unknown-slots", protocol.SeverityWarning, map[string]string{"count": "2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, false, func(t *testing.T, s *scripted, _ *memory, r running) {
				s.change(func() { s.shape, s.log = c.shape, c.log })
				time.Sleep(6 * time.Minute)
				synctest.Wait()
				conditions := r.Conditions()
				if c.code == "" {
					if len(conditions) > 0 {
						t.Errorf("conditions %+v, want none", conditions)
					}
					return
				}
				if len(conditions) != 1 || conditions[0].Code != c.code || conditions[0].Severity != c.severity || conditions[0].Since == nil {
					t.Fatalf("conditions %+v, want one %s of %s", conditions, c.severity, c.code)
				}
				for name, want := range c.args {
					if got := conditions[0].Args[name]; got != want {
						t.Errorf("%s is %q, want %q", name, got, want)
					}
				}
			})
		})
	}
}

func TestClearedLogIsShownForADay(t *testing.T) {
	bubble(t, false, func(t *testing.T, s *scripted, _ *memory, r running) {
		s.change(func() { s.log = nil })
		time.Sleep(23 * time.Hour)
		if c := r.Conditions(); len(c) != 1 {
			t.Errorf("conditions %+v after 23 hours", c)
		}
		time.Sleep(2 * time.Hour)
		if c := r.Conditions(); len(c) != 0 {
			t.Errorf("conditions %+v after 25 hours", c)
		}
	})
}

func TestClockIsNotJudgedByAnUntrustedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trusted := false
		s := &scripted{log: days(0, 5), shape: func(r *terminal.Reading) { r.Offset = 9999 }}
		r := start(t, collect.Config{Terminals: []collect.Terminal{{Serial: "S1", Source: s}}, Buffer: newMemory(), ClockTrusted: func() bool { return trusted }})
		synctest.Wait()
		if c := r.Conditions(); len(c) > 0 {
			t.Errorf("conditions %+v by a clock that is not trusted", c)
		}
		trusted = true
		if c := r.Conditions(); len(c) != 1 {
			t.Errorf("conditions %+v by a clock that is trusted", c)
		}
	})
}

func TestChangedTellsOfEveryRead(t *testing.T) {
	bubble(t, false, func(t *testing.T, s *scripted, _ *memory, r running) {
		<-r.Changed()
		s.change(func() { s.fail = errors.New("no") })
		time.Sleep(6 * time.Minute)
		select {
		case <-r.Changed():
		default:
			t.Error("a failed read is not told")
		}
	})
}
