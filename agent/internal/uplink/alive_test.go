package uplink_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// promise is for how long the uplink may be silent.
const promise = 15 * time.Minute

// jammed is a health that does not come back once it is jammed.
type jammed struct {
	health
	jam  chan struct{} // closed: the next call stays
	in   chan struct{} // has something while a call stays
	free chan struct{} // closed: it comes back
}

func (j jammed) State() protocol.State {
	select {
	case <-j.jam:
		select {
		case j.in <- struct{}{}:
		default:
		}
		<-j.free
	default:
	}
	return j.health.State()
}

func TestStuckUplinkStandsStillAndOneWithNothingToSayDoesNot(t *testing.T) {
	w := newWorld(t)
	w.sayKeys(w.hub)
	p := pulse.New()
	o := w.options()
	h := jammed{w.health, make(chan struct{}), make(chan struct{}, 1), make(chan struct{})}
	o.Health, o.Pulse, o.StateEvery = h, p, 20*time.Millisecond
	stop := w.start(o)
	<-p.Begun()
	standsStill := func(at time.Time) bool { return slices.Equal(p.Still(at), []string{"uplink"}) }
	for range 3 { // it renews its promise
		from := time.Now()
		until(t, "a sign of life", func() bool { return !standsStill(from.Add(promise)) })
	}
	close(h.jam)
	<-h.in
	if from := time.Now(); !standsStill(from.Add(promise)) {
		t.Error("the uplink is stuck, and nobody sees it")
	}
	close(h.free)
	from := time.Now()
	until(t, "a sign of life", func() bool { return !standsStill(from.Add(promise)) })
	stop()
	if standsStill(time.Now().Add(24 * time.Hour)) {
		t.Error("an uplink that has ended stands still")
	}
}
