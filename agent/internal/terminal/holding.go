package terminal

import (
	"context"

	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Keeper is a Source whose users and fingers can be read and changed.
type Keeper interface {
	// Hold begins a session with the terminal, calls do, and ends it. Reads of the
	// log by the same Source wait meanwhile. However it ends, the terminal is
	// enabled; do's error is returned.
	Hold(ctx context.Context, do func(ctx context.Context, s Session) error) error
}

// Session reads and changes what a terminal holds. It lives as long as the call of
// do that it was given to, and is used by one goroutine.
//
// Beware: when Put or Drop fails, some of it may have been done. Only a new
// Inventory tells.
type Session interface {
	// Inventory reads all users and fingers. It is proven complete by the counts
	// before and after, or it is an error.
	Inventory(ctx context.Context) (roster.Inventory, error)
	// Template is the bytes of a finger that the last Inventory showed.
	Template(ctx context.Context, slot uint16, finger uint8) ([]byte, error)
	// Put writes users with their fingers, in this order. The terminal is disabled
	// while it takes them, and only then.
	Put(ctx context.Context, users ...Put) error
	// Drop deletes fingers or whole users, in this order. That something is not
	// there is no error.
	Drop(ctx context.Context, drops ...Drop) error
}

// Put is what is written of one user. Every byte of the user's row that is not
// named here stays as the last Inventory read it.
type Put struct {
	Slot      uint16
	New       bool   // the slot is free; else the user is of the last Inventory, or was put since
	PIN       string // of a new user
	Name      []byte // as Capabilities.Name cut it; nil: stays
	Privilege roster.Privilege
	Card      *uint32 // nil: stays
	Fingers   []PutFinger
}

// PutFinger is one template to write; what stands under its number is overwritten.
type PutFinger struct {
	Number   uint8
	Template []byte
}

// Drop is one finger of a user, or the user with all fingers.
type Drop struct {
	Slot   uint16
	Finger uint8
	User   bool // the whole user; Finger does not count
}
