package validate

import (
	"crypto/sha256"
	"encoding/json"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// evidence is all that a finding rests on: what the terminal holds there and what the
// register wants there. Slots do not count: a terminal gives them out as it likes.
type evidence struct {
	Finding Finding
	Held    *roster.Held
	Want    *roster.Entry
}

// prove fills in what a finding rests on, and what must stay where it is accepted.
func (f *finder) prove(n *Finding) {
	e := evidence{Finding: *n}
	e.Finding.Slot, e.Finding.Acts, e.Finding.PIN = 0, nil, protocol.NormalPIN(n.PIN)
	var u *user
	if i := slices.IndexFunc(f.users, func(u *user) bool { return n.Slot != 0 && u.Slot == n.Slot }); i >= 0 {
		u = f.users[i]
	}
	switch {
	case u == nil: // nobody is there, or it is about the whole terminal
	case u.entry == nil:
		e.Held = &roster.Held{PIN: e.Finding.PIN, Name: u.Name, Privilege: u.Privilege, Disabled: u.Disabled, Fingers: plain(u.Fingers)}
	case n.Code == NameDiffers:
		e.Held = &roster.Held{Name: u.Name} // byte for byte: it may be in a code page
	case len(n.Fingers) > 0:
		e.Held, e.Want = &roster.Held{Fingers: plain(named(u, *n))}, &roster.Entry{}
		for _, want := range u.entry.Fingers {
			if slices.Contains(n.Fingers, int(want.Number)) {
				e.Want.Fingers = append(e.Want.Fingers, want)
			}
		}
	}
	text, err := json.Marshal(e)
	if err != nil {
		panic("validate: a finding is not JSON: " + err.Error()) // all its fields are
	}
	n.Evidence = sha256.Sum256(text)
	n.keep = f.keep(u, *n)
}

// named are the terminal's fingers that a finding names.
func named(u *user, n Finding) (fingers []roster.HeldFinger) {
	for _, h := range u.Fingers {
		if slices.Contains(n.Fingers, int(h.Number)) {
			fingers = append(fingers, h)
		}
	}
	return fingers
}

// plain are fingers as the terminal holds them, without what its agent thinks of them.
func plain(fingers []roster.HeldFinger) []roster.HeldFinger {
	fingers = slices.Clone(fingers)
	for i := range fingers {
		fingers[i].For = protocol.Hash{}
	}
	return fingers
}

// keep is what a roster must not change for a finding to stay as it is.
func (f *finder) keep(u *user, n Finding) []roster.Keep {
	pin := protocol.NormalPIN(n.PIN)
	k := roster.Keep{PIN: pin}
	switch {
	case n.Code == NoAdministrator || n.Code == TooManyAdmins:
		return nil
	case u == nil, u.entry == nil:
		k.User = true
	case u.entry.PIN != pin:
		// Known by an alias: the roster would write them under the hub's PIN instead.
		return []roster.Keep{{PIN: pin, User: true}, {PIN: u.entry.PIN, User: true}}
	case n.Code == NameDiffers:
		k.Name = true
	case n.Class == Privilege:
		k.Privilege = true
	case u.told: // it says all about the user
		k.Name = true
		for _, want := range u.entry.Fingers {
			k.Fingers = append(k.Fingers, want.Number)
		}
	}
	for _, number := range n.Fingers {
		k.Fingers = append(k.Fingers, uint8(number))
	}
	if n.Code == TemplateMoved { // nor may it be written under its own number again
		for _, want := range u.entry.Fingers {
			if slices.ContainsFunc(named(u, n), func(h roster.HeldFinger) bool { return h.Digest == want.Digest || h.For == want.Digest }) {
				k.Fingers = append(k.Fingers, want.Number)
			}
		}
	}
	kept := roster.Roster{}.Keeping(k)
	if u != nil && u.double != nil { // one person twice: the roster must leave both alone
		both := roster.Keep{PIN: u.double.entry.PIN, User: true}
		for _, want := range u.double.entry.Fingers {
			both.Fingers = append(both.Fingers, want.Number)
		}
		kept = kept.Keeping(both, roster.Keep{PIN: protocol.NormalPIN(u.double.Held.PIN), User: true})
	}
	if f.found[n.Other] && f.holds[n.Other] == nil { // somebody is here under this PIN, and so under no other
		kept = kept.Keeping(roster.Keep{PIN: n.Other, User: true})
	}
	return kept.Keep
}
