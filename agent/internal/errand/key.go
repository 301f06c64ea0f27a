package errand

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Keys keeps the communication keys that the agent made.
type Keys interface {
	Make(serial protocol.Serial) (uint32, error)
	Sealed(serial protocol.Serial, box protocol.Hash) error
	Kept(serial protocol.Serial, box protocol.Hash) uint32 // 0: not that box
	Written(serial protocol.Serial) error
	Drop(serial protocol.Serial) error
}

// Lock is a terminal's communication key.
type Lock interface {
	SetKey(ctx context.Context, key uint32) error // and connects again
	Present() uint32                              // that opened last
}

// makeKey makes the key that a terminal is to have next, and tells it to nobody but the
// hub.
func (e *Errands) makeKey(serial protocol.Serial) (*protocol.ErrandResult, error) {
	key, err := e.o.Keys.Make(serial)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFailed, err)
	}
	box, err := e.o.Seal(serial, strconv.FormatUint(uint64(key), 10))
	if err == nil {
		err = e.o.Keys.Sealed(serial, sha256.Sum256(box.Data))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFailed, err)
	}
	return &protocol.ErrandResult{Key: &box}, nil
}

// writeKey writes it, once the hub has said that it has it. Where the terminal goes on
// with the former one, the new one is forgotten; where nobody can tell, both are kept.
func (e *Errands) writeKey(ctx context.Context, t Terminal, kept protocol.Hash) error {
	next := e.o.Keys.Kept(t.Serial, kept)
	if next == 0 {
		return blockedError(protocol.KeyOther)
	}
	if err := e.o.Keys.Written(t.Serial); err != nil {
		return fmt.Errorf("%w: %w", errFailed, err)
	}
	if err := t.Lock.SetKey(ctx, next); err != nil {
		return err
	}
	if t.Lock.Present() == next {
		return nil
	}
	if err := e.o.Keys.Drop(t.Serial); err != nil {
		return fmt.Errorf("%w: %w", errFailed, err)
	}
	return fmt.Errorf("%w: terminal %s does not take a communication key", errFailed, t.Serial)
}
