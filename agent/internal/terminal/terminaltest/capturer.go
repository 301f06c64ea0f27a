package terminaltest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
)

// Booth is a Desk in front of which somebody stands.
type Booth interface {
	Desk
	// Await waits until the terminal asks for a finger.
	Await(ctx context.Context) error
	// Place puts a finger on it; the third good image is stored.
	Place(template string, good bool) error
	// Leave ends it without: nobody, duplicate or something else that failed.
	Leave(why error) error
	Asks() bool
	// HangUp breaks the session; the terminal goes on asking.
	HangUp()
}

// errAny stands for an error that only has to be one.
var errAny = errors.New("any error")

// RunCapturer runs the suite of terminal.Capturer.
func RunCapturer(t *testing.T, open func(t *testing.T) Booth) {
	images := func(good ...bool) func(Booth) error {
		return func(b Booth) error {
			for _, g := range good {
				if err := b.Place(template(5, 3), g); err != nil {
					return err
				}
			}
			return nil
		}
	}
	leave := func(why error) func(Booth) error { return func(b Booth) error { return b.Leave(why) } }
	const asked, placed, good, bad, stored = terminal.StepAsked, terminal.StepPlaced, terminal.StepGood, terminal.StepBad, terminal.StepStored
	for _, part := range []struct {
		name  string
		act   func(Booth) error
		want  error
		steps []terminal.Step
	}{
		{"three good images are a finger", images(true, false, true, true), nil,
			[]terminal.Step{asked, placed, good, placed, bad, placed, good, placed, good, stored}},
		{"nobody comes", leave(terminal.ErrNobody), terminal.ErrNobody, []terminal.Step{asked}},
		{"nobody comes and the terminal does not say so", images(), terminal.ErrNobody, []terminal.Step{asked}},
		{"somebody goes away in the middle", images(true, false), terminal.ErrNobody, []terminal.Step{asked, placed, good, placed, bad}},
		{"the finger is somebody else's", leave(terminal.ErrDuplicate), terminal.ErrDuplicate, []terminal.Step{asked}},
		{"the terminal fails", leave(terminal.ErrCapture), terminal.ErrCapture, []terminal.Step{asked}},
		{"the line drops", func(b Booth) error { b.HangUp(); return nil }, errAny, []terminal.Step{asked}},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			capture(t, open(t), part.act, part.want, part.steps)
		})
	}
	t.Run("what a session left asking is ended by the next", func(t *testing.T) {
		t.Parallel()
		leftAsking(t, open(t))
	})
}

// leftAsking has a session ask that is in nobody's hands any more, as after the death of
// a program; another one ends that.
func leftAsking(t *testing.T, b Booth) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	held := b.Held()
	ended := make(chan error, 1)
	go func() {
		ended <- b.Keeper().Hold(ctx, func(ctx context.Context, s terminal.Session) error {
			if _, err := s.Inventory(ctx); err != nil {
				return err
			}
			_, err := s.(terminal.Capturer).Capture(ctx, 5, 3, func(terminal.Step) {})
			return err
		})
	}()
	if err := b.Await(ctx); err != nil {
		t.Fatal(err)
	}
	for _, asks := range []bool{true, false} { // a second time there is nothing to end
		if b.Asks() != asks {
			t.Errorf("the terminal asks %t, want %t", !asks, asks)
		}
		err := session(t, ctx, b, func(s terminal.Session) error { return s.(terminal.Capturer).AskNoMore(ctx) })
		if err != nil {
			t.Errorf("AskNoMore: %v", err)
		}
	}
	if b.Asks() {
		t.Error("the terminal still asks")
	}
	if err := <-ended; err == nil {
		t.Error("the first session captured a finger")
	}
	check(t, b, held)
}

func capture(t *testing.T, b Booth, act func(Booth) error, want error, steps []terminal.Step) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	played := make(chan error, 1)
	go func() {
		err := b.Await(ctx)
		if err == nil {
			err = act(b)
		}
		played <- err
	}()
	held := b.Held()
	var seen []terminal.Step
	var got []byte
	var err error
	holding := session(t, ctx, b, func(s terminal.Session) error {
		c, ok := s.(terminal.Capturer)
		if !ok {
			t.Fatal("a Session is no Capturer")
		}
		got, err = c.Capture(ctx, 5, 3, func(step terminal.Step) { seen = append(seen, step) })
		if err == nil { // the same session knows it
			if again, err := s.Template(ctx, 5, 3); err != nil || string(again) != string(got) {
				t.Errorf("Template = %d bytes, %v", len(again), err)
			}
		}
		return nil
	})
	if holding != nil {
		t.Errorf("Hold: %v", holding)
	}
	if err := <-played; err != nil {
		t.Error(err)
	}
	if want == errAny && err != nil {
		err = errAny
	}
	if !errors.Is(err, want) || !slices.Equal(seen, steps) {
		t.Errorf("Capture = %v after %q, want %v after %q", err, seen, want, steps)
	}
	if want == nil {
		held[4].Fingers[3] = template(5, 3)
		if string(got) != template(5, 3) {
			t.Errorf("template of %d bytes", len(got))
		}
	}
	check(t, b, held)
	if b.Asks() || !b.Enabled() {
		t.Errorf("asks %v, enabled %v, in the end", b.Asks(), b.Enabled())
	}
}
