package zk

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
)

// StartEnroll lets the terminal ask a user, who must exist, for a finger. It answers at
// once; what happens then comes as events for who registered: EventFinger and
// EventQuality for each sample, and EventEnroll at the end, see Event.Enrolled. The
// terminal must be enabled, and must not be asked for anything else meanwhile.
func (c *Conn) StartEnroll(ctx context.Context, layout UserLayout, pin string, finger uint8) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		body, err := enrollRequest(layout, pin, finger)
		if err != nil {
			return err
		}
		return c.command(ctx, CmdStartEnroll, body)
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

// StartVerify brings the terminal back to recognising people, after an enrolment.
func (c *Conn) StartVerify(ctx context.Context) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		return c.command(ctx, CmdStartVerify, nil)
	}), "start verification")
}
