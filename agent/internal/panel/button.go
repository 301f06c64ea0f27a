package panel

import (
	"context"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// Press is how the button was pressed.
type Press int

// A short press asks to read now, a long one to export and let go of the stick.
const (
	Short Press = iota
	Long
)

// Times of the button. Contacts bounce for some milliseconds; a finger stays for fifty at
// least.
const (
	settle   = 30 * time.Millisecond
	longFrom = 3 * time.Second
	look     = 500 * time.Millisecond // at most between two looks at the pin
	bounces  = 100                    // edges in a row; more is a broken wire, not a finger
)

// button is a contact between pin and ground.
type button struct {
	pin   gpio.PinIn
	held  bool
	since time.Time
	told  bool // the press that is under way counts no more
}

// watch tells presses until ctx ends: a short one when the button is let go, a long one
// as soon as it is long. A button that was held when watching began (a wire that touches
// ground) says nothing until it is let go.
func (b *button) watch(ctx context.Context, pressed func(Press)) {
	if b.held = b.down(); b.held {
		b.told = true
	}
	for ctx.Err() == nil {
		wait := look
		if b.held && !b.told {
			wait = max(min(wait, time.Until(b.since.Add(longFrom))), time.Millisecond)
		}
		if b.edge(ctx, wait) {
			for range bounces {
				if !b.edge(ctx, settle) {
					break
				}
			}
		}
		if press, done := b.step(b.down(), time.Now()); done {
			pressed(press)
		}
	}
}

// step takes in the level that the contact has settled on. An edge that got lost is made
// good by the next look.
func (b *button) step(down bool, now time.Time) (press Press, done bool) {
	switch {
	case down && !b.held:
		b.held, b.since, b.told = true, now, false
	case down && !b.told && now.Sub(b.since) >= longFrom:
		b.told = true
		return Long, true
	case !down && b.held:
		b.held = false
		return Short, !b.told
	}
	return 0, false
}

func (b *button) down() bool { return b.pin.Read() == gpio.Low }

// edge waits for an edge. The timeout is always finite, because to some drivers none
// means for ever and to others not at all. A driver that returns early without an edge
// is waited out, or this would be a busy loop.
func (b *button) edge(ctx context.Context, timeout time.Duration) bool {
	end := time.Now().Add(timeout)
	if b.pin.WaitForEdge(timeout) {
		return true
	}
	rest := time.NewTimer(time.Until(end))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
	}
	return false
}
