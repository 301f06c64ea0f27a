package clock_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/clock"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

var built = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, state protocol.ClockState) *clock.Clock {
	t.Helper()
	c, err := clock.Open(clock.Options{Dir: dir, Built: built, Kernel: func() protocol.ClockState { return state }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// After each of these, the time is at least what is known, and what went by.
func TestHeldTimeIsALowerBoundThatRises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := open(t, dir, protocol.ClockHeld)
		expect := func(what string, want time.Time) {
			t.Helper()
			if got, synchronised := c.Now(); !got.Equal(want) || synchronised {
				t.Errorf("%s: %s (synchronised %v), want %s held", what, got, synchronised, want)
			}
		}
		expect("at the start", built)
		time.Sleep(90 * time.Minute)
		expect("90 minutes later", built.Add(90*time.Minute))
		signed := built.AddDate(3, 0, 0)
		c.Heard(signed)
		expect("after a signed time", signed)
		c.Heard(built)
		time.Sleep(time.Second)
		expect("an older signed time changes nothing", signed.Add(time.Second))

		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = c.Run(ctx) }()
		time.Sleep(time.Hour + time.Second)
		stop()
		<-done
		c = open(t, dir, protocol.ClockHeld)
		expect("after a restart", signed.Add(time.Hour+2*time.Second))
	})
}

func TestSynchronisedTimeIsTheSystemsAndIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := open(t, dir, protocol.ClockSynchronised)
		if got, synchronised := c.Now(); !synchronised || !got.Equal(time.Now()) {
			t.Errorf("Now = %s, %v", got, synchronised)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		_ = c.Run(ctx)
		if got, _ := open(t, dir, protocol.ClockHeld).Now(); got.Before(time.Now().Add(-time.Second)) {
			t.Errorf("after a restart without network: %s, which is before it was stopped", got)
		}
	})
}

func TestASpoiledFileIsNoTime(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "clock"), []byte{0, 0, 0}, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := open(t, dir, protocol.ClockHeld).Now(); got.Year() != built.Year() {
		t.Errorf("Now = %s", got)
	}
}
