package stick

import (
	"cmp"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/usbfile"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// held is what a terminal holds by its files, in the form of an inventory.
type held struct {
	users     []roster.Held // by slot
	templates []vault.Find  // without the place
}

// hold makes it, and counts it. Templates of nobody, and those that the terminal marks as
// invalid, let nobody in: they are not held.
func hold(p usbfile.Pair, r *Report) held {
	var h held
	at := make(map[uint16]int, len(p.Users.Users)) // slot → place in the list
	for _, u := range p.Users.Users {
		rights := zk.Privilege(u.Privilege)
		h.users = append(h.users, roster.Held{Slot: u.Slot, PIN: u.PIN, Name: u.Name, Privilege: privilege(rights), Disabled: rights.Disabled(),
			Password: !u.Password.IsZero(), Card: u.Card, Fingers: []roster.HeldFinger{}})
	}
	slices.SortFunc(h.users, func(a, b roster.Held) int { return cmp.Compare(a.Slot, b.Slot) })
	for i, u := range h.users {
		at[u.Slot] = i
	}
	for _, t := range p.Templates.Templates {
		i, found := at[t.Slot]
		if !found {
			continue
		}
		if t.Flag == 0 {
			r.Invalid++
			continue
		}
		data := t.Bytes()
		data = data[:zk.TemplateLength(data)] // over a network it has the same digest
		digest, user := protocol.Hash(zk.Template{Data: data}.Digest()), &h.users[i]
		algorithm := uint8(p.Templates.Algorithm)
		user.Fingers = append(user.Fingers, roster.HeldFinger{Number: t.Finger, Algorithm: algorithm, Digest: digest})
		h.templates = append(h.templates, vault.Find{
			Found: vault.Found{Kind: vault.KindFound, PIN: protocol.NormalPIN(user.PIN), Finger: t.Finger, Algorithm: algorithm, Digest: digest},
			Plain: vault.NewPlain(data),
		})
	}
	for i := range h.users {
		slices.SortFunc(h.users[i].Fingers, func(a, b roster.HeldFinger) int { return cmp.Compare(a.Number, b.Number) })
	}
	r.Users, r.Fingers = len(h.users), len(h.templates)
	return h
}

// privilege names the level of a rights byte; an unknown one is that below it.
func privilege(p zk.Privilege) roster.Privilege {
	switch level := p & zk.PrivilegeAdmin; {
	case level >= zk.PrivilegeAdmin:
		return roster.Administrator
	case level >= zk.PrivilegeManager:
		return roster.Manager
	case level >= zk.PrivilegeEnroller:
		return roster.Enroller
	}
	return roster.User
}

// What files tell of what a terminal can hold, by their layout.
const (
	name28, name72 = 8, 23 // bytes of a name; a record of 72 ends it with a NUL
	pin28          = 9     // digits of a PIN that always fit
)

// capabilities are what an agent has asked the terminal; without one, no more than the
// files show.
func capabilities(p usbfile.Pair, own *roster.Inventory) roster.Capabilities {
	if own != nil {
		able := own.Capabilities
		able.Algorithm = uint8(p.Templates.Algorithm)
		return able
	}
	able := roster.Capabilities{Algorithm: uint8(p.Templates.Algorithm), NameASCII: p.Users.CodePage() != usbfile.PageUTF8}
	if p.Users.Layout == usbfile.User28 {
		able.NameBytes, able.PINWidth = name28, pin28
	} else {
		able.NameBytes = name72
	}
	return able
}
