package zkdriver

import (
	"context"
	"sync"
)

// line lets one at a time use the terminal. A listener gives way to readers: its
// context ends when one comes, and it gets the line back when none is left.
type line struct {
	turn chan struct{} // holds a token while the line is in use

	mu        sync.Mutex    // guards what follows
	readers   int           // that have or want the line
	calm      chan struct{} // closed while there are none
	interrupt context.CancelFunc
}

func newLine() *line {
	l := &line{turn: make(chan struct{}, 1), calm: make(chan struct{}), interrupt: func() {}}
	close(l.calm)
	return l
}

// read waits for the line.
func (l *line) read(ctx context.Context) (release func(), err error) {
	l.mu.Lock()
	if l.readers++; l.readers == 1 {
		l.calm = make(chan struct{})
	}
	l.interrupt()
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.readers--; l.readers == 0 {
			close(l.calm)
		}
	}
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// listen waits until nobody reads and gives a context that ends when somebody will.
func (l *line) listen(ctx context.Context) (listening context.Context, release func(), err error) {
	for {
		l.mu.Lock()
		calm := l.calm
		l.mu.Unlock()
		select {
		case <-calm:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		select {
		case l.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		l.mu.Lock()
		if l.readers == 0 {
			listening, cancel := context.WithCancel(ctx)
			l.interrupt = cancel
			l.mu.Unlock()
			return listening, func() { cancel(); <-l.turn }, nil
		}
		l.mu.Unlock()
		<-l.turn
	}
}
