// Package zkdriver reads and changes terminals that serve port 4370, over package zk.
//
// It knows sessions: one at a time for each terminal, whose serial number is checked
// before anything else of it is read. It must not know the buffer or when to read.
//
// Beware: only Put and Drop disable a terminal, and no longer than they write. Each new
// session begins with ENABLEDEVICE, because whoever crashed before us, we ourselves
// among them, may have left people in front of a dead keypad.
package zkdriver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// Config is one terminal and the way to it.
type Config struct {
	Serial    protocol.Serial // the terminal must say so itself
	Address   string          // HOST:PORT; not looked at where there is a Locator
	Network   string          // tcp or udp; the same
	Locator   Locator         // nil: it is always at Address
	CommKey   uint32          // 0 for none; not looked at where there are Keys
	Keys      Keys            // nil: it always has CommKey
	Live      bool            // keep the session between reads; without it Watch is of little use
	Timeout   time.Duration   // longest silence while an answer is due; 0 is 5 s
	KeepAlive time.Duration   // longest silence of a session that is kept; 0 is 25 s
	Patience  time.Duration   // longest silence of a terminal that asks somebody for a finger; 0 is 60 s

	// What a terminal does not say about itself, and somebody found out.
	ReadOnly     bool // it refuses what is written
	UniqueFinger bool // it refuses one finger under two PINs
}

// Driver is a terminal.Source, a terminal.Hinter and a terminal.Keeper.
type Driver struct {
	config Config
	line   *line

	// What follows belongs to who has the line.
	conn       *zk.Conn
	registered bool              // for live events, in this session
	identity   terminal.Identity // the part that does not change
}

// New makes a driver; it connects when it is first used.
func New(c Config) *Driver {
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	if c.KeepAlive <= 0 {
		c.KeepAlive = 25 * time.Second
	}
	if c.Patience <= 0 {
		c.Patience = time.Minute
	}
	if c.Keys == nil {
		c.Keys = oneKey(c.CommKey)
	}
	if c.Locator == nil {
		c.Locator = fixed{Address: c.Address, Network: c.Network}
	}
	return &Driver{config: c, line: newLine()}
}

// Close ends the session.
func (d *Driver) Close() error {
	release, err := d.line.read(context.Background())
	if err != nil {
		return err
	}
	defer release()
	return d.hangUp()
}

// hangUp ends the session, politely if the terminal lets us.
func (d *Driver) hangUp() error {
	if d.conn == nil {
		return nil
	}
	conn := d.conn
	d.conn, d.registered = nil, false
	return conn.Close()
}

// connectTo opens a session at one place, and makes sure who is there.
func (d *Driver) connectTo(ctx context.Context, at terminal.Place) error {
	conn, key, err := d.unlock(ctx, at)
	if err != nil {
		return because(err, terminal.ErrUnreachable)
	}
	d.conn = conn
	serial, err := conn.Option(ctx, "~SerialNumber")
	if err != nil {
		_ = d.hangUp() // the reason is already known
		return because(err, terminal.ErrIncomplete)
	}
	if got := protocol.Serial(serial); got != d.config.Serial {
		_ = d.hangUp()
		return &terminal.StrangerError{Want: d.config.Serial, Got: got}
	}
	if err := d.config.Keys.Opened(key); err != nil {
		_ = d.hangUp()
		return err
	}
	return nil
}

// identify asks for what a terminal says about itself and does not change; a
// terminal that does not say is not asked why.
func (d *Driver) identify(ctx context.Context) error {
	id := terminal.Identity{Serial: d.config.Serial}
	for _, item := range []struct {
		into *string
		ask  func() (string, error)
	}{
		{&id.Model, func() (string, error) { return d.conn.Option(ctx, "~DeviceName") }},
		{&id.Firmware, func() (string, error) { return d.conn.Version(ctx) }},
		{&id.Algorithm, func() (string, error) { return d.conn.Option(ctx, "~ZKFPVersion") }},
	} {
		value, err := item.ask()
		if err != nil && !refused(err) {
			return err
		}
		*item.into = value
	}
	d.identity = id
	return nil
}

// clock measures the terminal's clock against ours.
func (d *Driver) clock(ctx context.Context) (protocol.LocalTime, protocol.Offset, error) {
	before := time.Now()
	packed, err := d.conn.Time(ctx)
	if refused(err) {
		return "", protocol.OffsetUnknown, nil
	}
	if err != nil {
		return "", protocol.OffsetUnknown, err
	}
	wall, exists := packed.Wall()
	if !exists {
		return "", protocol.OffsetUnknown, nil
	}
	// Half of the way there and back, and half of the second that the terminal cuts off.
	ours := protocol.Wall(before.Add(time.Since(before) / 2))
	offset := wall.Add(time.Second / 2).Sub(ours).Round(time.Second)
	return protocol.NewLocalTime(wall), protocol.Offset(offset / time.Second), nil
}

// refused tells whether the terminal does not do what was asked. That it does not
// know us any more is no such refusal: over UDP it is how the end of a session shows.
func refused(err error) bool {
	refusal, ok := errors.AsType[*zk.Refusal](err)
	return ok && refusal.Code != zk.AckUnauth
}

// because adds to a failure the cause by which people and the schedule decide;
// otherwise is the cause of a line that broke.
func because(err, otherwise error) error {
	cause := otherwise
	_, answered := errors.AsType[*zk.Refusal](err)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, zk.ErrKey), answered && !refused(err):
		cause = terminal.ErrKey
	case errors.Is(err, zk.ErrMagic), errors.Is(err, zk.ErrAccessPanel):
		cause = terminal.ErrNotTerminal
	case answered:
		cause = terminal.ErrRefused
	case errors.Is(err, zk.ErrLayout), errors.Is(err, zk.ErrCompressed):
		cause = terminal.ErrLayout
	}
	return fmt.Errorf("%w: %w", cause, err)
}
