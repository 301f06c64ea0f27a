package pulse_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

func begun(p *pulse.Pulse) bool {
	select {
	case <-p.Begun():
		return true
	default:
		return false
	}
}

func TestProgramHasBegunWhenEachLoopGaveASign(t *testing.T) {
	p := pulse.New()
	first, second := p.Loop("first"), p.Loop("second")
	first.Within(time.Second)
	first.Within(time.Second)
	if begun(p) {
		t.Error("begun with a loop that nobody has heard of")
	}
	second.Rest()
	if !begun(p) {
		t.Error("not begun although both loops gave a sign")
	}
	second.Within(time.Second) // closes nothing twice
}

func TestOnlyTheLoopThatBreaksItsPromiseStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pulse.New()
		moving, stuck, resting := p.Loop("moving"), p.Loop("stuck"), p.Loop("resting")
		p.Loop("never begun")
		stuck.Within(time.Minute)
		resting.Within(time.Second)
		resting.Rest()
		for range 3 {
			moving.Within(time.Minute)
			time.Sleep(50 * time.Second)
		}
		if still := p.Still(time.Now()); !slices.Equal(still, []string{"stuck"}) {
			t.Errorf("standing still: %q, want stuck alone", still)
		}
		stuck.Within(time.Hour)
		moving.Within(time.Second)
		if still := p.Still(time.Now().Add(time.Second)); len(still) != 0 {
			t.Errorf("standing still: %q, want none: a promise holds until it is over", still)
		}
	})
}

func TestNobodyWatches(t *testing.T) {
	var p *pulse.Pulse
	l := p.Loop("x")
	l.Within(time.Second)
	l.Rest()
}
