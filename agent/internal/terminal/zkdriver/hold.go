package zkdriver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// disabledFor is for how long a terminal that knows about times is disabled at once: if
// we die in the middle of writing, it wakes up by itself.
const disabledFor = 30 * time.Second

// session is a terminal.Session.
type session struct {
	d *Driver

	able   *roster.Capabilities        // nil: not asked yet
	layout zk.UserLayout               // of its users; 0 while unknown
	held   *holding                    // of the last Inventory; nil: none
	wrote  map[place][sha256.Size]byte // digests of what was written in this session
	noSave bool                        // it does not know the writing of many at once
	since  time.Time                   // when it was disabled
}

// Hold begins a session; see terminal.Keeper.
func (d *Driver) Hold(ctx context.Context, do func(ctx context.Context, s terminal.Session) error) error {
	release, err := d.line.read(ctx)
	if err != nil {
		return err
	}
	defer release()
	s := &session{d: d, wrote: map[place][sha256.Size]byte{}}
	defer s.forget()
	if d.conn != nil && d.conn.Ping(ctx) != nil {
		_ = d.hangUp() // it was dead before we came
	}
	if err = d.connect(ctx); err == nil {
		err = do(ctx, s)
	}
	if err != nil || !d.config.Live {
		_ = d.hangUp()
	}
	return err
}

// on calls f with a session that is alive. After a failure it is over: the next one
// begins by enabling the terminal and asking who it is.
func (s *session) on(ctx context.Context, otherwise error, f func(ctx context.Context) error) error {
	if err := s.d.connect(ctx); err != nil {
		return err
	}
	err := f(ctx)
	if err != nil && !plainlyRefused(err) {
		_ = s.d.hangUp()
	}
	return explain(err, otherwise)
}

// changing is on for what is to be written: the terminal is disabled meanwhile and
// enabled again on every way out. Where the session breaks, a new one enables it; where
// there is none to be had, the terminal does by itself, or the next session that is.
func (s *session) changing(ctx context.Context, f func(ctx context.Context) error) error {
	return s.on(ctx, terminal.ErrUnreachable, func(ctx context.Context) error {
		err := s.disable(ctx)
		if err == nil {
			err = f(ctx)
			if err == nil || plainlyRefused(err) {
				err = errors.Join(err, unrefused(s.d.conn.Refresh(ctx)))
			}
		}
		return errors.Join(err, s.enable(ctx))
	})
}

func (s *session) disable(ctx context.Context) error {
	s.since = time.Now()
	return unrefused(s.d.conn.Disable(ctx, disabledFor)) // some cannot be disabled
}

// stay keeps the terminal disabled while much is written.
func (s *session) stay(ctx context.Context) error {
	if time.Since(s.since) < disabledFor/2 {
		return nil
	}
	return s.disable(ctx)
}

// enable works when ctx has ended too.
func (s *session) enable(ctx context.Context) error {
	patience := 2 * s.d.config.Timeout
	enabling, end := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer end()
	err := unrefused(s.d.conn.Enable(enabling))
	if err == nil {
		return nil
	}
	_ = s.d.hangUp()
	again, end := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer end()
	if s.d.connect(again) == nil {
		// It is enabled, but the session in which f wrote did not end well.
		return fmt.Errorf("enabled by a new session: %w", err)
	}
	return err
}

// forget clears the templates that were read.
func (s *session) forget() {
	if s.held != nil {
		s.held.forget()
	}
}

// unrefused is err unless the terminal plainly refused.
func unrefused(err error) error {
	if plainlyRefused(err) {
		return nil
	}
	return err
}

// plainlyRefused tells that the terminal, or we for it, did nothing of what was asked.
func plainlyRefused(err error) bool {
	return errors.Is(err, terminal.ErrRefused) || refused(err) && !errors.Is(err, zk.ErrUnknownOutcome)
}

// explain adds the cause. What may have been done or not was not refused.
func explain(err, otherwise error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, terminal.ErrRefused):
		return err
	case errors.Is(err, zk.ErrUnknownOutcome) && !errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", otherwise, err)
	}
	return because(err, otherwise)
}
