package enrol

import (
	"sync"
	"time"
)

// How many refusals one address may earn before it has to wait. Many offices may stand
// behind one address: those that are let in cost nothing.
const (
	refusals = 20
	window   = time.Minute
	maxKnown = 4096 // addresses; more are a flood, and the oldest are forgotten
)

// limits bounds what strangers can make the hub do and write.
type limits struct {
	mu   sync.Mutex // guards what follows
	seen map[string]*attempts
}

// attempts are those of one address in its present window.
type attempts struct {
	since   time.Time
	refused int
	told    map[string]bool // reasons that the log has
}

func newLimits() *limits { return &limits{seen: map[string]*attempts{}} }

// of finds an address in its present window. The caller holds mu.
func (l *limits) of(address string, now time.Time) *attempts {
	a := l.seen[address]
	if a == nil || now.Sub(a.since) >= window {
		if a == nil && len(l.seen) >= maxKnown {
			l.forget(now)
		}
		a = &attempts{since: now, told: map[string]bool{}}
		l.seen[address] = a
	}
	return a
}

// forget makes room: what is over goes, or else everything.
func (l *limits) forget(now time.Time) {
	for address, a := range l.seen {
		if now.Sub(a.since) >= window {
			delete(l.seen, address)
		}
	}
	if len(l.seen) >= maxKnown {
		clear(l.seen)
	}
}

// allow reports whether an address may ask.
func (l *limits) allow(address string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(address, now).refused < refusals
}

// refused counts a refusal.
func (l *limits) refused(address string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(address, now).refused++
}

// tell reports whether the log should have a reason: once for each in a window.
func (l *limits) tell(address, reason string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(address, now)
	before := a.told[reason]
	a.told[reason] = true
	return !before
}
