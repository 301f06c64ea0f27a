// Package adopt says which found fingers may be accepted together as those of the
// employees under whose PINs terminals held them, and which a person has to look at
// one by one.
//
// It is a rule over values: no SQL, no clock. It accepts nothing; a named person does.
//
// Beware: a PIN is a claim. Where anything speaks against it, another finger that is
// kept for the same person or the same finger under two people, the rule leaves it.
package adopt

import (
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Finger is a found one with the employee whose it would be.
type Finger struct {
	vault.Found
	Employee int64
}

// Why a finger is left to be looked at.
type Why string

// The reasons, in the order in which they are looked for.
const (
	Copy     Why = "copy"     // it was taken off a terminal, where it did not belong
	Unknown  Why = "unknown"  // its PIN is nobody's
	Foreign  Why = "foreign"  // the same bytes are, or would be, somebody else's
	Occupied Why = "occupied" // other bytes are, or would be, kept for this finger of the employee
)

// Left is a finger that the rule does not touch.
type Left struct {
	vault.Found
	Why Why
}

// Sort divides what was found. whose tells the employee of a finger by its terminal,
// PIN and day, 0 for nobody; held is all that the vault has.
func Sort(found []vault.Found, held []vault.Held, whose func(vault.Found) int64) (take []Finger, left []Left) {
	type place struct {
		employee          int64
		finger, algorithm uint8
	}
	owners, kept := map[protocol.Hash]map[int64]bool{}, map[place]map[protocol.Hash]bool{}
	claim := func(employee int64, finger, algorithm uint8, digest protocol.Hash) {
		p := place{employee, finger, algorithm}
		if owners[digest] == nil {
			owners[digest] = map[int64]bool{}
		}
		if kept[p] == nil {
			kept[p] = map[protocol.Hash]bool{}
		}
		owners[digest][employee], kept[p][digest] = true, true
	}
	for _, h := range held {
		claim(h.Employee, h.Finger, h.Algorithm, h.Digest)
	}
	by := make([]int64, len(found))
	for i, f := range found {
		if f.Kind != vault.KindFound {
			continue
		}
		if by[i] = whose(f); by[i] != 0 {
			claim(by[i], f.Finger, f.Algorithm, f.Digest)
		}
	}
	for i, f := range found {
		switch {
		case f.Kind != vault.KindFound:
			left = append(left, Left{f, Copy})
		case by[i] == 0:
			left = append(left, Left{f, Unknown})
		case len(owners[f.Digest]) > 1:
			left = append(left, Left{f, Foreign})
		case len(kept[place{by[i], f.Finger, f.Algorithm}]) > 1:
			left = append(left, Left{f, Occupied})
		default:
			take = append(take, Finger{f, by[i]})
		}
	}
	return take, left
}
