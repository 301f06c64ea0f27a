package zkdriver

import (
	"context"
	"errors"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// Keys knows which communication keys a terminal may have, and hears which one it had.
type Keys interface {
	Keys() []uint32 // tried in this order; never empty
	// Opened says that a key let us in, to the terminal that was meant.
	Opened(key uint32) error
}

// oneKey is the Keys of a terminal whose key nobody changes.
type oneKey uint32

func (k oneKey) Keys() []uint32      { return []uint32{uint32(k)} }
func (oneKey) Opened(_ uint32) error { return nil }

// unlock opens a session with the first key that the terminal takes. Only a key that it
// refuses is a reason to try another one. A terminal that asks for none has key 0.
func (d *Driver) unlock(ctx context.Context, at terminal.Place) (conn *zk.Conn, key uint32, err error) {
	for _, key = range d.config.Keys.Keys() {
		conn, err = zk.Dial(ctx, zk.Options{Address: at.Address, Network: at.Network, CommKey: key, Timeout: d.config.Timeout})
		if !errors.Is(err, zk.ErrKey) {
			break
		}
	}
	if err == nil && !conn.Keyed() {
		key = 0
	}
	return conn, key, err
}

// SetKey writes a communication key, and connects again with whichever of Keys opens.
// Nobody at the terminal notices: it is not disabled. On an error the terminal may have
// the new key or the former one.
func (d *Driver) SetKey(ctx context.Context, key uint32) error {
	release, err := d.line.read(ctx)
	if err != nil {
		return err
	}
	defer release()
	if d.conn != nil && d.conn.Ping(ctx) != nil {
		_ = d.hangUp()
	}
	if err := d.connect(ctx); err != nil {
		return err
	}
	err = d.conn.WriteOption(ctx, zk.OptionCommKey, strconv.FormatUint(uint64(key), 10))
	_ = d.hangUp() // only a new session asks for the key
	if err != nil {
		return because(err, terminal.ErrIncomplete)
	}
	return d.connect(ctx)
}
