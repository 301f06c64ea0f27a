package validate

import (
	"cmp"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Class is one of the ten kinds of findings, by the letter that the agency uses.
type Class string

// The classes.
const (
	Unknown   Class = "a" // on the terminal, not in the register
	Missing   Class = "b" // placed here, not on the terminal
	Misplaced Class = "c" // on the terminal, does not belong here
	Name      Class = "d" // another name
	Foreign   Class = "e" // the PIN is used by another person
	Fingers   Class = "f" // no finger, or fewer than are stored
	Template  Class = "g" // another template than the stored one
	Twice     Class = "h" // the same template under two PINs
	Privilege Class = "i" // another right than was granted
	Algorithm Class = "j" // stored in an algorithm that the terminal does not read
)

// Code says what was seen; each belongs to one class.
type Code string

// The codes, by class.
const (
	UnknownPIN        Code = "unknown-pin"
	UnknownPINOf      Code = "unknown-pin-of" // Other's fingers are under it
	NotOnTerminal     Code = "not-on-terminal"
	NotActive         Code = "not-active"   // Status says why
	Elsewhere         Code = "elsewhere"    // is placed at Unit
	Over              Code = "over"         // the placement at Unit has ended
	NotYet            Code = "not-yet"      // the placement at Unit has not begun
	Unplaced          Code = "unplaced"     // is in the register, and placed nowhere
	SecondPIN         Code = "second-pin"   // is here under Other already
	NameDiffers       Code = "name-differs" // Held and Want
	FingerOfOther     Code = "finger-of-other"
	NoFinger          Code = "no-finger"       // neither here nor stored
	FingersMissing    Code = "fingers-missing" // stored, not here
	TemplateDiffers   Code = "template-differs"
	TemplateOlder     Code = "template-older"  // stored too, but not as the best copy
	TemplateMoved     Code = "template-moved"  // the stored one, under another number
	TemplateExtra     Code = "template-extra"  // nothing is stored for the finger
	SameTemplate      Code = "same-template"   // as under PIN Other
	PrivilegeMore     Code = "privilege-more"  // Held and Want
	PrivilegeLess     Code = "privilege-less"  // Held and Want
	NoAdministrator   Code = "no-admin"        // of the whole terminal
	TooManyAdmins     Code = "too-many-admins" // though each was granted: Held and Want are numbers
	AlgorithmMismatch Code = "algorithm"
)

// Act is a way to end a finding, for a person to choose.
type Act string

// The acts. Add, Delete, Rename and Grant are carried out by the roster, the others
// are changes of the register, of the vault, or words.
const (
	ActAdd    Act = "add"      // write what the roster names
	ActDelete Act = "delete"   // take off what it does not name
	ActMove   Act = "move"     // correct the placement in the register
	ActRename Act = "rename"   // write the register's name
	ActMap    Act = "map-pin"  // let the PIN mean Other here: an alias
	ActGrant  Act = "grant"    // give or take the right
	ActEnrol  Act = "re-enrol" // capture the fingers again
	ActAccept Act = "accept"   // leave it, with a reason
)

// Finding is one difference between a terminal and the register. It names people by
// PIN only, but for Held and Want of NameDiffers: those never belong in a log.
type Finding struct {
	Class         Class            `json:"class"`
	Code          Code             `json:"code"`
	PIN           string           `json:"pin,omitempty"`           // as the terminal has it, the hub's for who is not there; empty: the whole terminal
	Slot          uint16           `json:"slot,omitempty"`          // 0: not there
	Person        string           `json:"person,omitempty"`        // the hub's PIN of whom PIN means here; empty: nobody
	Other         string           `json:"other,omitempty"`         // a second PIN, see the codes
	Fingers       []int            `json:"fingers,omitempty"`       // numbers, rising
	Administrator bool             `json:"administrator,omitempty"` // of a, c, e, h: can open the terminal's menu
	Status        placement.Status `json:"status,omitempty"`
	Unit          placement.UnitID `json:"unit,omitempty"`
	Held          string           `json:"held,omitempty"`
	Want          string           `json:"want,omitempty"`
	Acts          []Act            `json:"acts"`     // the proposed one first
	Evidence      protocol.Hash    `json:"evidence"` // of all that was seen but the slot: another template or name makes another finding

	keep []roster.Keep
}

// ID names a finding among those of its terminal, as long as its evidence stays.
func (f Finding) ID() string { return f.Evidence.String()[:8] }

// Accept returns a roster that leaves the finding as it is. The finding must come from
// Find itself: one that was kept as JSON has forgotten how.
func (f Finding) Accept(r roster.Roster) roster.Roster {
	if f.Code == TooManyAdmins {
		r.MaxAdmins = 0
	}
	return r.Keeping(f.keep...)
}

// Needs is the mode under which agents carry out an act of the roster; Observe where
// the act is none, and is done by a change of the register or by people.
func (f Finding) Needs(a Act) roster.Mode {
	switch {
	case a == ActDelete, a == ActAdd && f.Class == Template, a == ActGrant && f.Code == PrivilegeMore:
		return roster.Enforce
	case a == ActAdd, a == ActRename, a == ActGrant && f.Code == PrivilegeLess:
		return roster.Add
	}
	return roster.Observe
}

// sorted brings findings into their order: by class, PIN, slot, code and finger.
func sorted(all []Finding) []Finding {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(protocol.NormalPIN(a.PIN), protocol.NormalPIN(b.PIN)),
			cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Other, b.Other), slices.Compare(a.Fingers, b.Fingers))
	})
	return all
}
