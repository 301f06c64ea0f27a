package zkdriver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// Waits between attempts to reach a terminal for listening.
const (
	firstPause = time.Second
	longPause  = time.Minute
)

// Watch listens for punches; see terminal.Hinter.
func (d *Driver) Watch(ctx context.Context, hint func()) error {
	pause := firstPause
	since := time.Now() // of the present session
	for ctx.Err() == nil {
		err := d.listen(ctx, hint)
		if err == nil {
			continue
		}
		if time.Since(since) > longPause {
			// It went well for a while. Otherwise somebody else may want the terminal, and
			// the two must not throw each other out every second.
			pause = firstPause
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
		}
		if pause = min(2*pause, longPause); terminal.Cause(err) == "stranger" || terminal.Cause(err) == "key" {
			pause = longPause // a person has to do something first
		}
		since = time.Now()
	}
	return ctx.Err()
}

// listen has the line until a reader wants it, the session breaks or ctx ends.
func (d *Driver) listen(ctx context.Context, hint func()) (err error) {
	listening, release, err := d.line.listen(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer func() {
		if listening.Err() != nil {
			err = nil // gave way
		} else if err != nil {
			_ = d.hangUp()
		}
	}()
	if err := d.connect(listening); err != nil {
		return err
	}
	if !d.registered {
		// A terminal that refuses has no events; its session is kept all the same.
		if err := d.conn.RegisterEvents(listening, zk.EventAttLog); err != nil && !refused(err) {
			return because(err, terminal.ErrIncomplete)
		}
		d.registered = true
		hint() // whoever punched before this was not heard
	}
	for {
		if err := d.next(listening, hint); err != nil {
			return fmt.Errorf("%w: %w", terminal.ErrUnreachable, err)
		}
	}
}

// next waits for one event, and when none comes asks whether the terminal is there.
func (d *Driver) next(listening context.Context, hint func()) error {
	quiet, end := context.WithTimeout(listening, d.config.KeepAlive)
	defer end()
	_, err := d.conn.NextEvent(quiet)
	switch {
	case err == nil:
		hint()
		return nil
	case quiet.Err() != nil && listening.Err() == nil:
		return d.conn.Ping(listening)
	}
	return err
}
