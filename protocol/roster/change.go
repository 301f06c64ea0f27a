package roster

import (
	"cmp"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Act is what a change does to a terminal.
type Act string

// The acts. Each is one step that a terminal carries out or refuses.
const (
	AddUser       Act = "add-user"
	SetUser       Act = "set-user"
	AddFinger     Act = "add-finger"
	ReplaceFinger Act = "replace-finger"
	DropFinger    Act = "drop-finger"
	DropUser      Act = "drop-user"
)

// Change is one difference between roster and inventory, and the step that ends it.
type Change struct {
	Act Act    `json:"act"`
	PIN string `json:"pin"`
	// Slot is the user's in the inventory; 0 is the user that an AddUser before made.
	Slot uint16 `json:"slot,omitempty"`
	// Name, Privilege and Card are the fields that AddUser and SetUser write; what is
	// null stays.
	Name      []byte    `json:"name,omitempty"`
	Privilege Privilege `json:"privilege,omitempty"`
	Card      *uint32   `json:"card,omitempty"`
	// Finger is what AddFinger and ReplaceFinger write; of DropFinger its number counts.
	Finger Finger `json:"finger,omitzero"`
	// Was is the digest of what ReplaceFinger and DropFinger take away: a copy is
	// kept first.
	Was protocol.Hash `json:"was,omitzero"`
}

// Deletes tells whether the step takes something away that the terminal holds.
func (c Change) Deletes() bool {
	return c.Act == DropUser || c.Act == DropFinger || c.Act == ReplaceFinger
}

// Reason is why a difference stays.
type Reason string

// The reasons: the roster's mode, the terminal's limits, and what must not happen.
const (
	ReasonMode        Reason = "mode"
	ReasonPINWidth    Reason = "pin-width"
	ReasonPINLetters  Reason = "pin-letters"
	ReasonUsersFull   Reason = "users-full"
	ReasonFingersFull Reason = "fingers-full"
	ReasonAlgorithm   Reason = "algorithm"
	ReasonReadOnly    Reason = "read-only"
	ReasonShared      Reason = "shared-finger"
	ReasonLastAdmin   Reason = "last-administrator"
	ReasonOnlyFinger  Reason = "only-finger" // somebody who is rightly there can punch with nothing else now
	ReasonAccepted    Reason = "accepted"    // a person wants it to stay
)

// Blocked is a difference that this plan leaves.
type Blocked struct {
	Change Change `json:"change"`
	Reason Reason `json:"reason"`
}

// Apply is what the terminal holds after a change; slot is the one that AddUser
// takes. A change of a user who is not there changes nothing.
func (inv Inventory) Apply(c Change, slot uint16) Inventory {
	inv.Users = slices.Clone(inv.Users)
	if c.Act == AddUser {
		h := Held{Slot: slot, PIN: c.PIN, Name: c.Name, Privilege: c.Privilege}
		if c.Card != nil {
			h.Card = *c.Card
		}
		i, _ := slices.BinarySearchFunc(inv.Users, slot, bySlot)
		inv.Users = slices.Insert(inv.Users, i, h)
		return inv
	}
	i := inv.find(c)
	if i < 0 {
		return inv
	}
	u := &inv.Users[i]
	switch c.Act {
	case SetUser:
		if c.Name != nil {
			u.Name = c.Name
		}
		if c.Privilege != "" {
			u.Privilege = c.Privilege
		}
		if c.Card != nil {
			u.Card = *c.Card
		}
	case AddFinger, ReplaceFinger:
		u.Fingers = slices.DeleteFunc(slices.Clone(u.Fingers), func(f HeldFinger) bool { return f.Number == c.Finger.Number })
		u.Fingers = append(u.Fingers, HeldFinger{Number: c.Finger.Number, Algorithm: c.Finger.Algorithm, Digest: c.Finger.Digest})
		slices.SortFunc(u.Fingers, func(a, b HeldFinger) int { return cmp.Compare(a.Number, b.Number) })
	case DropFinger:
		u.Fingers = slices.DeleteFunc(slices.Clone(u.Fingers), func(f HeldFinger) bool { return f.Number == c.Finger.Number })
	case DropUser:
		inv.Users = slices.Delete(inv.Users, i, i+1)
	}
	return inv
}

// find is the index of the user whom a change is for, or -1.
func (inv Inventory) find(c Change) int {
	return slices.IndexFunc(inv.Users, func(u Held) bool {
		if c.Slot != 0 {
			return u.Slot == c.Slot
		}
		return protocol.NormalPIN(u.PIN) == protocol.NormalPIN(c.PIN)
	})
}

func bySlot(u Held, slot uint16) int { return cmp.Compare(u.Slot, slot) }
