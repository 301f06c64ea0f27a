package roster

import (
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Who is rightly at a terminal must be able to punch at every step. A person
// punches as the user of their entry, or, until that one has a finger, as a user
// whom no entry names: that is how a PIN is changed for another.

// note remembers where the fingers of a user are that somebody wants.
func (d *differ) note(u *user) {
	for _, f := range u.held.Fingers {
		if _, wanted := d.wanted[f.is()]; wanted {
			d.holders[f.is()] = append(d.holders[f.is()], u)
		}
	}
}

// forget undoes note for one finger.
func (d *differ) forget(u *user, f HeldFinger) {
	if i := slices.Index(d.holders[f.is()], u); i >= 0 {
		d.holders[f.is()] = slices.Delete(d.holders[f.is()], i, i+1)
	}
}

// spared tells whether everybody who may punch with one of these fingers still can
// when their holder has lost them all.
func (d *differ) spared(holder *user, lost ...HeldFinger) bool {
	for _, f := range lost {
		for _, p := range d.wanted[f.is()] {
			if holder.of != nil && holder.of != p {
				continue // never theirs
			}
			gone := 0
			for _, g := range lost {
				if p.wants(g.is()) {
					gone++
				}
			}
			if d.ways(p) <= gone {
				return false
			}
		}
	}
	return true
}

// ways counts the fingers with which a person can punch now.
func (d *differ) ways(p *person) (n int) {
	for _, f := range p.entry.Fingers {
		for _, u := range d.holders[f.Digest] {
			if u.of == nil || u.of == p {
				n++
			}
		}
	}
	return n
}

func (p *person) wants(digest protocol.Hash) bool {
	return slices.ContainsFunc(p.entry.Fingers, func(f Finger) bool { return f.Digest == digest })
}
