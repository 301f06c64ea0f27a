// Package terminaltest is what every driver of a terminal must do, as tests.
//
// It knows terminal.Source and a Stand that lets things happen to a terminal. It
// must not know a driver.
//
// Beware: the suite leaves the terminal's log changed; each part gets a new Stand.
package terminaltest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Stand is a terminal under test that nobody else uses.
type Stand interface {
	// Source makes a driver that expects a terminal with this serial number.
	Source(serial protocol.Serial) terminal.Source
	Serial() protocol.Serial
	// Rows is what the log holds: what a perfect driver reads.
	Rows() []terminal.Row
	// Punch lets so many people punch, some of them twice in the same second.
	Punch(people int)
	// Clear empties the log.
	Clear()
	// HangUp breaks all sessions and Freeze lets the terminal answer no more until Thaw.
	HangUp()
	Freeze()
	Thaw()
	// Untouched says what is wrong with the terminal after reading: that people cannot
	// punch, or that somebody once disabled it or changed what it holds.
	Untouched() error
}

// patience is how long anything on a loopback may take.
const patience = 20 * time.Second

// Run runs the suite. open gives a new Stand with an empty log.
func Run(t *testing.T, open func(t *testing.T) Stand) {
	for _, part := range []struct {
		name string
		test func(*testing.T, context.Context, Stand)
	}{
		{"an empty log is proven empty", empty},
		{"a whole log is what the terminal holds", whole},
		{"an unchanged log is not read", unchanged},
		{"the tail begins with the overlap", tail},
		{"the tail of a log that shrank begins at its end", shrunk},
		{"progress ends with all bytes", progress},
		{"a stranger is not read", stranger},
		{"a context that ends interrupts", interrupt},
		{"a read after the line broke succeeds", broken},
		{"a frozen terminal is an error and read again after", frozen},
		{"reads wait for each other", together},
		{"a closed source opens again", reopened},
		{"a watcher hears of punches and gives way", watch},
	} {
		t.Run(part.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			s := open(t)
			part.test(t, ctx, s)
			if err := s.Untouched(); err != nil {
				t.Errorf("after reading: %v", err)
			}
		})
	}
}

// source opens the right driver and closes it at the end.
func source(t *testing.T, s Stand) terminal.Source {
	t.Helper()
	return closing(t, s.Source(s.Serial()))
}

func closing(t *testing.T, source terminal.Source) terminal.Source {
	t.Helper()
	t.Cleanup(func() {
		if err := source.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return source
}

// read reads and checks everything that must hold for every reading.
func read(t *testing.T, ctx context.Context, s Stand, from terminal.Source, ask terminal.Ask) terminal.Reading {
	t.Helper()
	held := s.Rows()
	r, err := from.Read(ctx, ask)
	if err != nil {
		t.Fatalf("Read(%s): %v", ask.Mode, err)
	}
	if r.Serial != s.Serial() || r.At.IsZero() || r.Source == "" {
		t.Errorf("Read(%s) = serial %q at %v by %q", ask.Mode, r.Serial, r.At, r.Source)
	}
	if r.Unchanged {
		if len(r.Rows) != 0 || r.Count != ask.Known || ask.Mode != terminal.IfChanged {
			t.Errorf("Read(%s) = unchanged with %d rows, %d counted, %d known", ask.Mode, len(r.Rows), r.Count, ask.Known)
		}
		return r
	}
	if r.Proof != terminal.ProofCount && r.Proof != terminal.ProofRepeat {
		t.Errorf("Read(%s) = proof %q", ask.Mode, r.Proof)
	}
	if r.Count != len(held) || r.First < 0 || r.First+len(r.Rows) != len(held) {
		t.Fatalf("Read(%s) = rows %d to %d of %d, the log has %d", ask.Mode, r.First, r.First+len(r.Rows), r.Count, len(held))
	}
	for i, got := range r.Rows {
		if want := held[r.First+i]; !reflect.DeepEqual(got, want) {
			t.Fatalf("Read(%s): row %d = %+v, want %+v", ask.Mode, r.First+i, got, want)
		}
		record := protocol.Record{Serial: r.Serial, PIN: got.PIN, Time: got.Time, Source: r.Source, Raw: got.Raw, Read: "r", Offset: r.Offset}
		if err := record.Check(); err != nil {
			t.Fatalf("row %d: %v", r.First+i, err)
		}
	}
	return r
}

// after is the scheduled read that follows a reading.
func after(r terminal.Reading) terminal.Ask {
	return terminal.Ask{Mode: terminal.IfChanged, Known: r.Count, Overlap: 40, Layout: r.Layout}
}

func empty(t *testing.T, ctx context.Context, s Stand) {
	for _, mode := range []terminal.Mode{terminal.Whole, terminal.Tail} {
		if r := read(t, ctx, s, source(t, s), terminal.Ask{Mode: mode}); r.Unchanged {
			t.Errorf("Read(%s) says unchanged", mode)
		}
	}
}

func whole(t *testing.T, ctx context.Context, s Stand) {
	from := source(t, s)
	for _, people := range []int{1, 2, 997} {
		s.Punch(people)
		if r := read(t, ctx, s, from, terminal.Ask{Mode: terminal.Whole}); r.First != 0 {
			t.Errorf("the whole log begins with row %d", r.First)
		}
	}
}

func unchanged(t *testing.T, ctx context.Context, s Stand) {
	s.Punch(100)
	from := source(t, s)
	first := read(t, ctx, s, from, terminal.Ask{Mode: terminal.Whole})
	second := read(t, ctx, s, from, after(first))
	if first.Proof == terminal.ProofCount && !second.Unchanged {
		t.Error("a terminal that counts was read though its count stood still")
	}
	s.Punch(1)
	if read(t, ctx, s, from, after(first)).Unchanged {
		t.Error("a new row is not noticed")
	}
}

func tail(t *testing.T, ctx context.Context, s Stand) {
	s.Punch(500)
	from := source(t, s)
	first := read(t, ctx, s, from, terminal.Ask{Mode: terminal.Whole})
	s.Punch(3)
	ask := after(first)
	if r := read(t, ctx, s, from, ask); r.First != ask.Known-ask.Overlap || r.Layout != first.Layout {
		t.Errorf("the tail begins with row %d in layout %q, want row %d in %q", r.First, r.Layout, ask.Known-ask.Overlap, first.Layout)
	}
}

func shrunk(t *testing.T, ctx context.Context, s Stand) {
	s.Punch(500)
	from := source(t, s)
	ask := after(read(t, ctx, s, from, terminal.Ask{Mode: terminal.Whole}))
	s.Clear()
	s.Punch(100)
	if r := read(t, ctx, s, from, ask); r.First > 100-ask.Overlap {
		t.Errorf("the tail begins with row %d, want the overlap before the end", r.First)
	}
	s.Clear()
	if r := read(t, ctx, s, from, ask); r.Count != 0 {
		t.Errorf("a cleared log has %d rows", r.Count)
	}
}

func progress(t *testing.T, ctx context.Context, s Stand) {
	s.Punch(5000)
	done, total := -1, 0
	read(t, ctx, s, source(t, s), terminal.Ask{Mode: terminal.Whole, Progress: func(d, all int) {
		if all != total {
			done, total = -1, all // a log that is read twice begins again
		}
		if d <= done && d != all && done != all || d > all {
			t.Errorf("progress went from %d to %d of %d", done, d, all)
		}
		done = d
	}})
	if done != total || total == 0 {
		t.Errorf("progress ended with %d of %d", done, total)
	}
}

func stranger(t *testing.T, ctx context.Context, s Stand) {
	s.Punch(5)
	from := closing(t, s.Source("SOMEBODYELSE1"))
	_, err := from.Read(ctx, terminal.Ask{Mode: terminal.Whole})
	strange, ok := errors.AsType[*terminal.StrangerError](err)
	if !ok || strange.Want != "SOMEBODYELSE1" || strange.Got != s.Serial() {
		t.Errorf("Read = %v, want a StrangerError that names %s", err, s.Serial())
	}
	if cause := terminal.Cause(err); cause != "stranger" {
		t.Errorf("cause %q, want stranger", cause)
	}
}

func interrupt(t *testing.T, ctx context.Context, s Stand) {
	s.Punch(50)
	from := source(t, s)
	read(t, ctx, s, from, terminal.Ask{Mode: terminal.Whole})
	s.Freeze()
	reading, end := context.WithCancel(ctx)
	time.AfterFunc(50*time.Millisecond, end)
	began := time.Now()
	_, err := from.Read(reading, terminal.Ask{Mode: terminal.Whole})
	if !errors.Is(err, context.Canceled) || terminal.Cause(err) != "" {
		t.Errorf("Read = %v with cause %q, want the end of the context and none", err, terminal.Cause(err))
	}
	if took := time.Since(began); took > patience/4 {
		t.Errorf("the end of the context was noticed after %v", took)
	}
	s.Thaw()
	read(t, ctx, s, from, terminal.Ask{Mode: terminal.Whole})
}

func broken(t *testing.T, ctx context.Context, s Stand) {
	s.Punch(50)
	from := source(t, s)
	ask := after(read(t, ctx, s, from, terminal.Ask{Mode: terminal.Whole}))
	s.HangUp()
	s.Punch(1)
	// The line broke while nobody read: that is no failed read.
	read(t, ctx, s, from, ask)
}

func frozen(t *testing.T, ctx context.Context, s Stand) {
	s.Punch(50)
	from := source(t, s)
	s.Freeze()
	if _, err := from.Read(ctx, terminal.Ask{Mode: terminal.Whole}); terminal.Cause(err) != "unreachable" {
		t.Errorf("Read = %v with cause %q, want unreachable", err, terminal.Cause(err))
	}
	s.Thaw()
	read(t, ctx, s, from, terminal.Ask{Mode: terminal.Whole})
}

func together(t *testing.T, ctx context.Context, s Stand) {
	s.Punch(300)
	from := source(t, s)
	results := make(chan error)
	for range 4 {
		go func() {
			r, err := from.Read(ctx, terminal.Ask{Mode: terminal.Whole})
			if err == nil && len(r.Rows) != len(s.Rows()) {
				err = errors.New("a read of several at once is not whole")
			}
			results <- err
		}()
	}
	for range 4 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func reopened(t *testing.T, ctx context.Context, s Stand) {
	s.Punch(3)
	from := source(t, s)
	read(t, ctx, s, from, terminal.Ask{Mode: terminal.Whole})
	if err := from.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	read(t, ctx, s, from, terminal.Ask{Mode: terminal.Whole})
}

func watch(t *testing.T, ctx context.Context, s Stand) {
	from := source(t, s)
	h, ok := from.(terminal.Hinter)
	if !ok {
		return // not every way can
	}
	hints := make(chan struct{}, 100)
	watching, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- h.Watch(watching, func() { hints <- struct{}{} }) }()
	hear := func(what string) {
		t.Helper()
		select {
		case <-hints:
		case <-ctx.Done():
			t.Fatalf("no hint %s", what)
		}
	}
	hear("of the connection")
	s.Punch(1)
	hear("of a punch")
	read(t, ctx, s, from, terminal.Ask{Mode: terminal.Whole})
	for len(hints) > 0 {
		<-hints
	}
	s.Punch(1)
	hear("of a punch after a read")
	s.HangUp()
	hear("of a new connection")
	end()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Watch = %v, want the end of its context", err)
		}
	case <-ctx.Done():
		t.Fatal("Watch does not end with its context")
	}
}
