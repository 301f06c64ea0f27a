package errand

import (
	"context"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// nearMidnight is how far from midnight no clock is set: which day a punch is of must not
// hang on seconds.
const nearMidnight = 5 * time.Minute

// slack is how far a clock may be off right after it was set: it shows whole seconds.
const slack = 2

// situation is all that decides whether a terminal's clock may be set.
type situation struct {
	now    time.Time          // of the agent,
	sure   bool               // whose clock is synchronised
	offset protocol.Offset    // of the terminal's clock
	newest protocol.LocalTime // punch of the terminal; empty: none
	calm   bool               // people neither come nor go
	off    time.Duration      // how far the terminal's clock may be off
	force  bool               // a person wants it set back over punches
}

// judge returns the rule that forbids to set the clock; empty where none does.
func (s situation) judge() string {
	off := time.Duration(s.offset) * time.Second
	wall := protocol.Wall(s.now)
	newest, dated := s.newest.Wall()
	switch {
	case !s.sure:
		return protocol.ClockUnsure
	case s.offset == protocol.OffsetUnknown:
		return protocol.ClockSilent
	case off.Abs() <= s.off:
		return protocol.ClockRight
	case aroundMidnight(wall), aroundMidnight(wall.Add(off)):
		return protocol.ClockMidnight
	case !s.calm:
		return protocol.ClockRush
	case dated && newest.After(wall) && !s.force:
		return protocol.ClockBackwards
	}
	return ""
}

func aroundMidnight(wall time.Time) bool {
	today := time.Duration(wall.Hour())*time.Hour + time.Duration(wall.Minute())*time.Minute + time.Duration(wall.Second())*time.Second
	return min(today, 24*time.Hour-today) < nearMidnight
}

// setClock reads all punches, so that none is left that was made by the wrong time, sets
// the clock and reads it back.
func (e *Errands) setClock(ctx context.Context, t Terminal, force bool) (*protocol.ErrandResult, error) {
	if _, sure := e.o.Now(); !sure {
		return nil, blockedError(protocol.ClockUnsure)
	}
	result, err := e.o.Read(ctx, t.Serial)
	if err != nil {
		return nil, err
	}
	err = t.Keeper.Hold(ctx, func(ctx context.Context, s terminal.Session) error {
		clock, can := s.(terminal.Timekeeper)
		if !can {
			return blockedError(protocol.ClockSilent)
		}
		if result.Before, err = clock.Offset(ctx); err != nil {
			return err
		}
		result.After = result.Before
		now, sure := e.o.Now()
		is := situation{now: now, sure: sure, offset: result.Before, newest: e.o.Newest(t.Serial), calm: e.o.Calm(now), off: e.o.Off, force: force}
		if rule := is.judge(); rule != "" {
			return blockedError(rule)
		}
		if err := clock.SetClock(ctx); err != nil {
			return err
		}
		if result.After, err = clock.Offset(ctx); err != nil {
			return err
		}
		if result.After == protocol.OffsetUnknown || result.After > slack || result.After < -slack {
			return fmt.Errorf("%w: the clock of terminal %s is off by %d s after it was set", errFailed, t.Serial, result.After)
		}
		return nil
	})
	return &result, err
}
