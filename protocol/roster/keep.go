package roster

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Keep is what a person has accepted of one PIN at a terminal as it is, though the
// roster says otherwise: it is left alone in every mode, whether it is there or not.
type Keep struct {
	PIN       string  `json:"pin"` // in normal form; empty: a user without a PIN
	User      bool    `json:"user,omitempty"`
	Name      bool    `json:"name,omitempty"`
	Privilege bool    `json:"privilege,omitempty"`
	Fingers   []uint8 `json:"fingers,omitempty"` // numbers, rising
}

func (k Keep) check() error {
	if len(k.PIN) > maxPIN || k.PIN != protocol.NormalPIN(k.PIN) {
		return errors.New("a PIN that is too long or padded")
	}
	for i, number := range k.Fingers {
		if number > 9 || i > 0 && k.Fingers[i-1] >= number {
			return fmt.Errorf("finger %d does not follow in order", number)
		}
	}
	return nil
}

// Keeping returns the roster with more to keep, in order and each PIN once. What keeps
// nothing is left out.
func (r Roster) Keeping(more ...Keep) Roster {
	byPIN := map[string]Keep{}
	for _, k := range append(slices.Clone(r.Keep), more...) {
		all := byPIN[k.PIN]
		all.PIN = k.PIN
		all.User, all.Name, all.Privilege = all.User || k.User, all.Name || k.Name, all.Privilege || k.Privilege
		all.Fingers = append(slices.Clone(all.Fingers), k.Fingers...)
		slices.Sort(all.Fingers)
		all.Fingers = slices.Compact(all.Fingers)
		byPIN[k.PIN] = all
	}
	r.Keep = nil
	for _, pin := range slices.Sorted(maps.Keys(byPIN)) {
		if k := byPIN[pin]; k.User || k.Name || k.Privilege || len(k.Fingers) > 0 {
			r.Keep = append(r.Keep, k)
		}
	}
	return r
}

// keeps is what was accepted of a PIN.
func (d *differ) keeps(pin string) Keep { return d.kept[protocol.NormalPIN(pin)] }

// keepsOf is what was accepted of a person, under the entry's PIN or the one by which the
// terminal knows them.
func (d *differ) keepsOf(p *person) Keep {
	k := d.keeps(p.entry.PIN)
	if p.user == nil {
		return k
	}
	o := d.keeps(p.user.held.PIN)
	return Keep{PIN: k.PIN, User: k.User || o.User, Name: k.Name || o.Name, Privilege: k.Privilege || o.Privilege,
		Fingers: slices.Concat(k.Fingers, o.Fingers)}
}

// finger tells whether a finger, there or not, is left as it is.
func (k Keep) finger(number uint8) bool { return slices.Contains(k.Fingers, number) }

// stays tells whether a finger that is there was accepted, by itself or with its user.
func (d *differ) stays(u *user, f HeldFinger) bool {
	k := d.keeps(u.held.PIN)
	if u.of != nil && u.of.user == u {
		k = d.keepsOf(u.of)
	}
	return k.User || k.finger(f.Number)
}
