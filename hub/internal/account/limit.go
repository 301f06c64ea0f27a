package account

import (
	"sync"
	"time"
)

// How often one address may fail to log in, whatever the names: an office has one address
// for many people.
const (
	addressFailures = 30
	addressWindow   = 10 * time.Minute
)

// limiterSize bounds what a limiter remembers; who comes when it is full is refused.
const limiterSize = 10_000

// limiter lets each key through so many times within a window that begins with the first.
type limiter struct {
	most   int
	window time.Duration

	mu   sync.Mutex // guards seen
	seen map[string]*count
}

type count struct {
	n     int
	begun time.Time
}

func newLimiter(most int, window time.Duration) *limiter {
	return &limiter{most: most, window: window, seen: map[string]*count{}}
}

// take lets a key through, and counts it.
func (l *limiter) take(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.seen[key]
	if c == nil || now.Sub(c.begun) >= l.window {
		if len(l.seen) >= limiterSize {
			for k, old := range l.seen {
				if now.Sub(old.begun) >= l.window {
					delete(l.seen, k)
				}
			}
		}
		if c == nil && len(l.seen) >= limiterSize {
			return false
		}
		c = &count{begun: now}
		l.seen[key] = c
	}
	if c.n >= l.most {
		return false
	}
	c.n++
	return true
}

// forgive takes a count back.
func (l *limiter) forgive(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.seen[key]; c != nil && c.n > 0 {
		c.n--
	}
}
