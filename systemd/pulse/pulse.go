// Package pulse tells whether the loops of a program still move. Each loop says within
// which time it will be heard of again; one that does not keep its word stands still.
//
// It knows no service manager and no loop. Beware: a promise has to cover all that a
// loop may rightly wait for, also a terminal that somebody else is writing to. One that
// is too short ends a healthy program in the middle of its work.
package pulse

import (
	"slices"
	"sync"
	"time"
)

// Pulse is the pulse of one program; make it with New. It and its loops may be used by
// several goroutines at once. A nil Pulse is that of a program that nobody watches.
type Pulse struct {
	begun chan struct{} // closed when all loops have given a sign

	mu    sync.Mutex // guards what follows, and the fields of the loops
	loops []*Loop
}

// Loop is one loop of a program. A nil Loop is not watched.
type Loop struct {
	pulse *Pulse
	name  string
	began bool
	until time.Time // when the next sign is due; zero: none is expected
}

// New returns a pulse without loops.
func New() *Pulse { return &Pulse{begun: make(chan struct{})} }

// Loop adds a loop of which nothing is expected before its first sign. All are added
// before the first of them runs.
func (p *Pulse) Loop(name string) *Loop {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &Loop{pulse: p, name: name}
	p.loops = append(p.loops, l)
	return l
}

// Within is a sign, and the promise that the next one comes within d.
func (l *Loop) Within(d time.Duration) { l.sign(time.Now().Add(d)) }

// Rest is a sign, and says that no other is to be expected: the loop is about to end,
// or waits for somebody who need not come.
func (l *Loop) Rest() { l.sign(time.Time{}) }

func (l *Loop) sign(until time.Time) {
	if l == nil {
		return
	}
	l.pulse.mu.Lock()
	defer l.pulse.mu.Unlock()
	l.until = until
	if l.began {
		return
	}
	l.began = true
	if !slices.ContainsFunc(l.pulse.loops, func(l *Loop) bool { return !l.began }) {
		close(l.pulse.begun)
	}
}

// Begun is closed when each loop has given its first sign.
func (p *Pulse) Begun() <-chan struct{} { return p.begun }

// Still returns the names of the loops whose promise is broken at now.
func (p *Pulse) Still(now time.Time) (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.loops {
		if !l.until.IsZero() && now.After(l.until) {
			names = append(names, l.name)
		}
	}
	return names
}
