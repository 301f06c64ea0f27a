package zkdriver

import (
	"context"
	"errors"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// Offset measures the terminal's clock; see terminal.Timekeeper.
func (s *session) Offset(ctx context.Context) (offset protocol.Offset, err error) {
	err = s.on(ctx, terminal.ErrUnreachable, func(ctx context.Context) error {
		_, offset, err = s.d.clock(ctx)
		return err
	})
	return offset, err
}

// SetClock sets the terminal's clock; see terminal.Timekeeper.
func (s *session) SetClock(ctx context.Context) error {
	return s.on(ctx, terminal.ErrUnreachable, func(ctx context.Context) error {
		packed, fits := zk.PackTime(protocol.Wall(time.Now()))
		if !fits {
			return errors.New("this machine's clock shows a year that no terminal knows")
		}
		return s.d.conn.SetTime(ctx, packed)
	})
}
