package zk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrUnknownOutcome says that a change was sent and that no answer tells whether it was
// made. Only reading back does. A change that fails without it was not made.
var ErrUnknownOutcome = errors.New("outcome unknown")

// change asks for something that alters what the terminal holds. All such requests can
// be sent twice. A refusal of the second proves nothing: the first may have been carried
// out, and what is deleted cannot be deleted again.
func (c *Conn) change(ctx context.Context, command Code, body []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, sent, err := c.askSeveral(ctx, command, body)
	if err == nil && p.Code != AckOK {
		err = &Refusal{command, p.Code}
		if sent == 1 {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return nil
}

// WriteUser stores a user in the slot, over whoever was there. Their fingers stay. The
// layout must be the terminal's own.
func (c *Conn) WriteUser(ctx context.Context, layout UserLayout, u User) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		row, err := layout.Append(nil, u)
		if err != nil {
			return err
		}
		return c.change(ctx, CmdUserWrite, row)
	}), "write user in slot %d", u.UID)
}

// DeleteUser deletes a user with all fingers. That the slot is free is a Refusal.
func (c *Conn) DeleteUser(ctx context.Context, uid uint16) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		return c.change(ctx, CmdDeleteUser, binary.LittleEndian.AppendUint16(nil, uid))
	}), "delete user in slot %d", uid)
}

// DeleteTemplate deletes a finger by its slot. That there is none is a Refusal.
//
// Beware: terminals with 72-byte users take finger 0 for all fingers of the user; for
// them there is DeleteTemplateOf.
func (c *Conn) DeleteTemplate(ctx context.Context, uid uint16, finger uint8) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		return c.change(ctx, CmdDeleteUserTemp, fingerOf(uid, finger))
	}), "delete finger %d of slot %d", finger, uid)
}

// DeleteTemplateOf deletes a finger by the user's PIN. That there is none is a Refusal.
func (c *Conn) DeleteTemplateOf(ctx context.Context, pin string, finger uint8) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		body, field := growRow(nil, pinSize, nil)
		if err := putText(field, pin); err != nil {
			return err
		}
		return c.change(ctx, CmdDeleteTemp, append(body, finger))
	}), "delete finger %d of a PIN", finger)
}

// Refresh lets the terminal take users and fingers into use that were written; without
// it some know them only after a restart.
func (c *Conn) Refresh(ctx context.Context) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		return c.command(ctx, CmdRefreshData, nil)
	}), "refresh data")
}

// WriteOption sets a setting by its name, and lets the terminal take it into use.
func (c *Conn) WriteOption(ctx context.Context, name, value string) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		if err := c.change(ctx, CmdOptionWrite, AppendOption(nil, name, value)); err != nil {
			return err
		}
		// Some do so by themselves and do not know the command.
		if err := c.command(ctx, CmdRefreshOption, nil); err != nil && !errors.As(err, new(*Refusal)) {
			return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		}
		return nil
	}), "write option %s", name)
}

// OptionCommKey is the setting with the communication key, in decimal digits: 0 for none,
// at most MaxCommKey. It is asked of whoever connects from then on.
const OptionCommKey = "COMKey"

// MaxCommKey is the greatest that can be typed at a terminal.
const MaxCommKey = 999_999

// fingerOf is u16 slot, u8 finger.
func fingerOf(uid uint16, finger uint8) []byte {
	return append(binary.LittleEndian.AppendUint16(nil, uid), finger)
}
