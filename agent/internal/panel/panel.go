// Package panel is what an office sees and presses: one or two lights, a button, a
// buzzer at will, on the pins of a Raspberry Pi.
//
// It knows pins, patterns and the situations that they tell. It must not know terminals,
// the buffer or the line; it asks how the site is, and calls what a press asks for.
//
// Beware: a panel is never what an agent is for. Pins that are missing or that refuse are
// told in the log and by doctor, and stop nothing.
package panel

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Options are the parts of a Panel.
type Options struct {
	Pins  Pins
	Site  func() Site                     // how the site is; asked every other second
	Read  func(ctx context.Context) error // a short press: read the terminals now
	Eject func(ctx context.Context) error // a long press: nil once the stick may be taken out. nil: cannot be done here
	Log   *slog.Logger
}

// Times of the panel.
const (
	judgeEvery = 2 * time.Second
	shortest   = 2 * time.Second  // a press that was taken is shown so long at least
	again      = 10 * time.Second // a second press within this time asks for the same
	cannotFor  = 5 * time.Second
	removeFor  = time.Minute
)

// Panel shows how the site is and hears the button. Run it once.
type Panel struct {
	o       Options
	lamps   map[Lamp]*out
	buzzer  *out
	presses chan Press

	// What follows belongs to the goroutine in Run.
	judged   Situation
	judgedAt time.Time
	shown    Situation
	began    time.Time // of shown
	note     Situation // what became of a press; empty: nothing is told
	until    time.Time // of note
	running  bool      // a press is carried out
	last     Press     // that was taken, and when
	accepted time.Time
	beeps    int
	beepFrom time.Time
}

// New makes a panel that shows nothing yet.
func New(o Options) *Panel { return &Panel{o: o, presses: make(chan Press)} }

// Run shows and hears until ctx ends, and leaves the pins dark. It returns when nothing
// that a press began runs any more.
func (p *Panel) Run(ctx context.Context) error {
	if p.o.Pins == (Pins{}) {
		<-ctx.Done()
		return nil
	}
	p.lamps = map[Lamp]*out{Ready: newOut(p.o.Pins.Ready), Trouble: newOut(p.o.Pins.Trouble)}
	p.buzzer = newOut(p.o.Pins.Buzzer)
	var parts sync.WaitGroup
	if b := p.o.Pins.Button; b != nil {
		if err := b.In(gpio.PullUp, gpio.BothEdges); err != nil {
			p.o.Log.Warn("the panel's button cannot be used", "error", err)
		} else {
			parts.Go(func() { p.hear(ctx, b) })
		}
	}
	done := make(chan outcome)
	p.show(ctx, done, &parts)
	parts.Wait()
	return errors.Join(p.lamps[Ready].end(), p.lamps[Trouble].end(), p.buzzer.end())
}

// hear hands presses over until ctx ends.
func (p *Panel) hear(ctx context.Context, pin gpio.PinIn) {
	b := button{pin: pin}
	b.watch(ctx, func(press Press) {
		select {
		case p.presses <- press:
		case <-ctx.Done():
		}
	})
	if err := pin.Halt(); err != nil {
		p.o.Log.Debug("let go of the panel's button", "error", err)
	}
}

// outcome is what became of a press.
type outcome struct {
	press Press
	err   error
}

// show owns lamps and buzzer.
func (p *Panel) show(ctx context.Context, done chan outcome, parts *sync.WaitGroup) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	told := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case press := <-p.presses:
			p.press(ctx, press, done, parts)
		case o := <-done:
			p.finish(o)
		}
		tick.Reset(p.play(time.Now()))
		if err := errors.Join(p.lamps[Ready].err, p.lamps[Trouble].err, p.buzzer.err); err != nil && !told {
			told = true
			p.o.Log.Warn("the panel's pins refuse; they stay dark", "error", err)
		}
	}
}

// press takes a press and begins what it asks for, unless the same is under way or has
// just been: two presses in haste are one.
func (p *Panel) press(ctx context.Context, press Press, done chan outcome, parts *sync.WaitGroup) {
	now := time.Now()
	if p.running || press == p.last && !p.accepted.IsZero() && now.Sub(p.accepted) < again {
		return
	}
	do := p.o.Read
	if press == Long {
		do = p.o.Eject
	}
	if do == nil {
		p.tell(Cannot, cannotFor, now)
		return
	}
	p.running, p.last, p.accepted = true, press, now
	p.tell(Busy, shortest, now)
	p.sound(1, now)
	parts.Go(func() {
		err := do(ctx)
		select {
		case done <- outcome{press, err}:
		case <-ctx.Done():
		}
	})
}

// finish tells what became of a press. A read that failed is told by the situation that
// follows: it says why.
func (p *Panel) finish(o outcome) {
	now := time.Now()
	p.running = false
	p.judgedAt = time.Time{}
	if o.press == Long {
		if o.err != nil {
			p.tell(Cannot, cannotFor, now)
		} else {
			p.tell(Removable, removeFor, now)
		}
	}
	if o.err != nil {
		p.o.Log.Warn("what the panel's button asked for could not be done", "error", o.err)
	}
}

// tell shows a note for a while.
func (p *Panel) tell(note Situation, long time.Duration, now time.Time) {
	p.note, p.until = note, now.Add(long)
}

// situation is what is to be shown at a moment.
func (p *Panel) situation(now time.Time) Situation {
	switch {
	case now.Before(p.until):
		return p.note
	case p.running:
		return Busy
	}
	if p.judgedAt.IsZero() || now.Sub(p.judgedAt) >= judgeEvery {
		p.judged, p.judgedAt = Judge(p.o.Site()), now
	}
	return p.judged
}

// play sets the pins as they are to be at a moment, and says how long they may stay so.
func (p *Panel) play(now time.Time) time.Duration {
	if s := p.situation(now); s != p.shown {
		p.shown, p.began = s, now
		if beeps := of(s).Beeps; beeps > 0 {
			p.sound(beeps, now)
		}
	}
	pattern := of(p.shown)
	on, rest := pattern.at(now.Sub(p.began))
	lamp, other := p.lamps[pattern.Lamp], p.lamps[Trouble]
	if pattern.Lamp == Trouble {
		other = p.lamps[Ready]
	}
	if lamp.pin == nil {
		lamp, other = other, lamp
	}
	lamp.set(on)
	other.set(false)
	sounds, left := beeping(p.beeps, now.Sub(p.beepFrom))
	p.buzzer.set(sounds)
	if left > 0 {
		rest = min(rest, left)
	}
	if now.Before(p.until) {
		rest = min(rest, p.until.Sub(now))
	}
	return max(rest, time.Millisecond)
}

func (p *Panel) sound(beeps int, now time.Time) { p.beeps, p.beepFrom = beeps, now }
