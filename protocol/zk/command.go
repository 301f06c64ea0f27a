package zk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Option asks for a setting by its name, for example ~SerialNumber. A name the terminal
// does not know is a Refusal.
func (c *Conn) Option(ctx context.Context, name string) (string, error) {
	var value string
	err := c.do(ctx, func(ctx context.Context) error {
		body, err := c.query(ctx, CmdOptionRead, append([]byte(name), 0))
		_, value = ParseOption(body)
		return err
	})
	return value, wrap(err, "read option %s", name)
}

// Version asks for the name of the firmware. It does not tell which rows the terminal
// uses.
func (c *Conn) Version(ctx context.Context) (string, error) {
	var version string
	err := c.do(ctx, func(ctx context.Context) error {
		body, err := c.query(ctx, CmdVersion, nil)
		version = string(cutText(body))
		return err
	})
	return version, wrap(err, "read firmware version")
}

// Sizes asks what the terminal holds and can hold.
func (c *Conn) Sizes(ctx context.Context) (Sizes, error) {
	var sizes Sizes
	err := c.do(ctx, func(ctx context.Context) (err error) {
		sizes, err = c.sizes(ctx)
		return err
	})
	return sizes, wrap(err, "read sizes")
}

func (c *Conn) sizes(ctx context.Context) (Sizes, error) {
	body, err := c.query(ctx, CmdFreeSizes, nil)
	return ParseSizes(body), err
}

// Time asks for the terminal's clock.
func (c *Conn) Time(ctx context.Context) (Time, error) {
	var clock Time
	err := c.do(ctx, func(ctx context.Context) (err error) {
		clock, err = c.clock(ctx)
		return err
	})
	return clock, wrap(err, "read clock")
}

func (c *Conn) clock(ctx context.Context) (Time, error) {
	body, err := c.query(ctx, CmdGetTime, nil)
	if err != nil {
		return 0, err
	}
	if len(body) < 4 {
		return 0, fmt.Errorf("%d bytes: %w", len(body), ErrGarbled)
	}
	return Time(binary.LittleEndian.Uint32(body)), nil
}

// SetTime sets the terminal's clock.
func (c *Conn) SetTime(ctx context.Context, clock Time) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		return c.command(ctx, CmdSetTime, binary.LittleEndian.AppendUint32(nil, uint32(clock)))
	}), "set clock")
}

// Ping asks for the clock, to learn whether the terminal is there and to keep the line
// open.
func (c *Conn) Ping(ctx context.Context) error {
	_, err := c.Time(ctx)
	return err
}

// Enable lets people use the terminal again.
func (c *Conn) Enable(ctx context.Context) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		if err := c.command(ctx, CmdEnable, nil); err != nil {
			return err
		}
		c.disabled = false
		return nil
	}), "enable")
}

// Disable takes the terminal from people for the given time, a few seconds; where the
// terminal does not know about the time, until Enable or Close. Reading never needs it.
func (c *Conn) Disable(ctx context.Context, d time.Duration) error {
	seconds := uint32(max(1, d/time.Second))
	return wrap(c.do(ctx, func(ctx context.Context) error {
		c.disabled = true // even if the answer is lost
		return c.command(ctx, CmdDisable, binary.LittleEndian.AppendUint32(nil, seconds))
	}), "disable")
}

// RegisterEvents asks for live events, a sum of EventCodes; 0 ends them. It holds for
// this session only.
func (c *Conn) RegisterEvents(ctx context.Context, mask EventCode) error {
	return wrap(c.do(ctx, func(ctx context.Context) error {
		return c.command(ctx, RegEvent, binary.LittleEndian.AppendUint32(nil, uint32(mask)))
	}), "register events")
}

// maxEvents is how many events are kept for NextEvent; older ones are forgotten, since
// the log has them.
const maxEvents = 256

// keepEvent acknowledges an event, wherever it came in between, and keeps it.
func (c *Conn) keepEvent(ctx context.Context, p Packet) error {
	e := ParseEvent(p)
	e.Raw = append([]byte(nil), e.Raw...)
	if len(c.events) == maxEvents {
		c.events = append(c.events[:0], c.events[1:]...)
	}
	c.events = append(c.events, e)
	return c.send(ctx, Packet{Code: AckOK, Session: c.session})
}

// NextEvent gives the oldest event not yet given, and waits for one until ctx ends. A
// line that died silently gives none for ever: end ctx now and then, and Ping.
// While it waits, other methods wait for it.
func (c *Conn) NextEvent(ctx context.Context) (Event, error) {
	var e Event
	err := c.do(ctx, func(ctx context.Context) error {
		for len(c.events) == 0 {
			p, err := c.next(ctx, time.Time{})
			switch {
			case errors.Is(err, ErrChecksum):
			case err != nil:
				return err
			case p.Code == RegEvent:
				if err := c.keepEvent(ctx, p); err != nil {
					return err
				}
			}
		}
		e = c.events[0]
		c.events = c.events[1:]
		return nil
	})
	return e, wrap(err, "wait for event")
}

// wrap says in an error what was being done.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
