package zk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Enrolment is who is asked for which finger.
type Enrolment struct {
	Layout UserLayout    // of the terminal's users
	PIN    string        // of a user who must exist
	Finger uint8         // which they must not have
	Quiet  time.Duration // longest silence until it is given up
	Asked  func()        // called when the terminal waits for the finger
	Told   func(Event)   // called with what it tells meanwhile: EventFinger, EventQuality
}

// Enroll lets the terminal ask a user for a finger. It ends with the terminal's own word,
// or with ErrSilent when it said nothing for too long. However it ends, the terminal is
// back at recognising people, and events are no longer registered for.
//
// Beware: only ReadTemplate proves that a finger was stored. The word can be lost, and
// some terminals say it in their own way.
func (c *Conn) Enroll(ctx context.Context, e Enrolment) (Enrolled, error) {
	if err := unrefused(c.CancelCapture(ctx)); err != nil {
		return Enrolled{}, err
	}
	defer c.endEnroll(ctx)
	if err := unrefused(c.RegisterEvents(ctx, EventsAll)); err != nil {
		return Enrolled{}, err
	}
	if err := c.StartEnroll(ctx, e.Layout, e.PIN, e.Finger); err != nil {
		return Enrolled{}, err
	}
	e.Asked()
	for {
		waiting, end := context.WithTimeout(ctx, e.Quiet)
		event, err := c.NextEvent(waiting)
		late := waiting.Err() != nil && ctx.Err() == nil
		end()
		if err != nil && late {
			return Enrolled{}, fmt.Errorf("enrol finger %d: %w", e.Finger, ErrSilent)
		}
		if err != nil {
			return Enrolled{}, err
		}
		if ended, done := event.Enrolled(); done {
			return ended, nil
		}
		e.Told(event)
	}
}

// endEnroll cleans up, also when ctx has ended.
func (c *Conn) endEnroll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*c.options.Timeout)
	defer cancel()
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return c.RegisterEvents(ctx, 0) },
		c.CancelCapture, c.StartVerify, c.Refresh,
	} {
		if unrefused(step(ctx)) != nil {
			return // whoever comes next will notice
		}
	}
}

// unrefused is err unless the terminal does not do what was asked.
func unrefused(err error) error {
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) && refusal.Code != AckUnauth {
		return nil
	}
	return err
}

// StartEnroll lets the terminal ask a user for a finger, and does not wait. What happens
// then comes as events for who registered; older ones are forgotten. The terminal must be enabled, and should not
// be asked for anything else meanwhile.
func (c *Conn) StartEnroll(ctx context.Context, layout UserLayout, pin string, finger uint8) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		body, err := enrollRequest(layout, pin, finger)
		if err != nil {
			return err
		}
		if err := c.command(ctx, CmdStartEnroll, body); err != nil {
			return err
		}
		c.events = nil // of before; the end of another enrolment may be among them
		return nil
	}), "start enrolment of finger %d", finger)
}

// enrollRequest is char[24] PIN, u8 finger, u8 1 (valid); of terminals with 28-byte users
// u32 PIN, u8 finger.
func enrollRequest(layout UserLayout, pin string, finger uint8) ([]byte, error) {
	if layout == User28 {
		n, err := strconv.ParseUint(pin, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("pin that is no 32-bit number: %w", ErrTooLong)
		}
		return append(binary.LittleEndian.AppendUint32(nil, uint32(n)), finger), nil
	}
	body, field := growRow(nil, pinSize, nil)
	if err := putText(field, pin); err != nil {
		return nil, err
	}
	return append(body, finger, 1), nil
}

// CancelCapture ends an enrolment that is under way; none is no fault.
func (c *Conn) CancelCapture(ctx context.Context) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		return c.command(ctx, CmdCancelCapture, nil)
	}), "cancel capture")
}

// StartVerify brings the terminal back to recognising people.
func (c *Conn) StartVerify(ctx context.Context) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		return c.command(ctx, CmdStartVerify, nil)
	}), "start verification")
}
