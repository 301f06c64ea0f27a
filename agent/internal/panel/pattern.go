package panel

import "time"

// Lamp is one of the two status lights. Where only one is wired it shows all patterns.
type Lamp string

// Green and red, where the office is given both.
const (
	Ready   Lamp = "ready"
	Trouble Lamp = "trouble"
)

// Look is how a light blinks, in a word of the catalogue.
type Look string

// The looks. They differ by rhythm alone, for offices with one light.
const (
	Steady     Look = "steady"     // on, dark for a moment: the agent lives
	Slow       Look = "slow"       // as long on as off, a second each
	Quick      Look = "quick"      // as long on as off, a fifth of a second each
	TwoFlash   Look = "flash-2"    // short flashes, then a pause
	ThreeFlash Look = "flash-3"    //
	FourFlash  Look = "flash-4"    //
	LongShort  Look = "long-short" // one long, one short
)

// Pattern is what the panel shows in one situation.
type Pattern struct {
	Situation Situation
	Lamp      Lamp
	Look      Look
	Steps     []time.Duration // on, off, on, off …, over and over
	Beeps     int             // once, when the situation begins
}

const (
	flash = 200 * time.Millisecond
	gap   = 250 * time.Millisecond
	pause = 1600 * time.Millisecond
)

// Patterns is the one place where the patterns are told: the panel plays them, the
// command prints them, and the office's page is compared with them. No light flashes more
// than three times in a second, which could harm people, and none is dark or lit for
// good: that is what a dead agent looks like.
func Patterns() []Pattern {
	return []Pattern{
		{Well, Ready, Steady, []time.Duration{2800 * time.Millisecond, flash}, 0},
		{Offline, Ready, Slow, []time.Duration{time.Second, time.Second}, 0},
		{Busy, Ready, Quick, []time.Duration{flash, flash}, 0},
		{Removable, Ready, LongShort, []time.Duration{time.Second, gap, flash, pause}, 2},
		{Unreachable, Trouble, TwoFlash, flashes(2), 0},
		{Person, Trouble, ThreeFlash, flashes(3), 0},
		{Cannot, Trouble, FourFlash, flashes(4), 4},
	}
}

func flashes(n int) (steps []time.Duration) {
	for range n {
		steps = append(steps, flash, gap)
	}
	steps[len(steps)-1] = pause
	return steps
}

// of is the pattern of a situation.
func of(s Situation) Pattern {
	for _, p := range Patterns() {
		if p.Situation == s {
			return p
		}
	}
	return of(Person) // a situation without a pattern would be a defect
}

// at tells whether the light is on so long after the pattern began, and how long that
// lasts.
func (p Pattern) at(since time.Duration) (on bool, rest time.Duration) {
	var period time.Duration
	for _, step := range p.Steps {
		period += step
	}
	since %= period
	for i, step := range p.Steps {
		if since < step {
			return i%2 == 0, step - since
		}
		since -= step
	}
	return false, 0 // not reached: the steps fill the period
}

// beep is how long the buzzer sounds, and is silent between two sounds.
const beep = 100 * time.Millisecond

// beeping tells the same for n sounds of the buzzer; rest is 0 when they are over.
func beeping(n int, since time.Duration) (on bool, rest time.Duration) {
	if since >= time.Duration(2*n-1)*beep {
		return false, 0
	}
	return since/beep%2 == 0, beep - since%beep
}
