package validate

import (
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// user is a user of the terminal with whom the register takes them for.
type user struct {
	*roster.Held
	person string         // the hub's PIN; "" nobody
	entry  *roster.Entry  // for which they stand; nil: none
	double *user          // who stands for the entry instead
	named  map[uint8]bool // fingers about which something was found
	told   bool           // what was found says all about the user but their right
}

// finder is one Find at work.
type finder struct {
	Case
	algorithm uint8 // of the terminal; 0: not known
	users     []*user
	holds     map[string]*user // by the person of the entry for which they stand
	found     map[string]bool  // people who are here under a PIN that a finding names
	findings  []Finding
}

// Find returns where a terminal and the register disagree, each difference once, in
// the order of class and PIN. Roster and inventory must have passed their Check; the
// roster's mode does not count.
func Find(c Case) []Finding {
	f := &finder{Case: c, algorithm: algorithm(c.Inventory), holds: map[string]*user{}, found: map[string]bool{}}
	f.meet()
	f.twice()
	for _, u := range f.users {
		f.foreign(u)
	}
	for _, u := range f.users {
		if u.entry == nil {
			f.stranger(u)
		} else {
			f.fingers(u)
			f.record(u)
		}
	}
	f.missing()
	f.administrators()
	for i := range f.findings {
		f.prove(&f.findings[i])
	}
	return sorted(f.findings)
}

// algorithm is the terminal's, or the one of what it holds.
func algorithm(inv roster.Inventory) uint8 {
	for _, u := range inv.Users {
		if inv.Capabilities.Algorithm != 0 {
			break
		}
		for _, h := range u.Fingers {
			return h.Algorithm
		}
	}
	return inv.Capabilities.Algorithm
}

// meet finds for each entry the user who stands for it: of several users of one
// person the one with most of the fingers, then the one under the hub's PIN.
func (f *finder) meet() {
	entries := make(map[string]*roster.Entry, len(f.Roster.Entries))
	for i := range f.Roster.Entries {
		entries[f.Roster.Entries[i].PIN] = &f.Roster.Entries[i]
	}
	standing := func(u *user, e *roster.Entry) (n int) {
		for _, h := range u.Fingers {
			if slices.ContainsFunc(e.Fingers, func(want roster.Finger) bool { return stands(h, want) }) {
				n += 2
			}
		}
		if protocol.NormalPIN(u.PIN) == e.PIN {
			n++
		}
		return n
	}
	f.users = make([]*user, len(f.Inventory.Users))
	for i := range f.Inventory.Users {
		u := &user{Held: &f.Inventory.Users[i]}
		f.users[i], u.person = u, f.person(u.Held.PIN)
		e := entries[u.person]
		if e == nil {
			continue
		}
		if before := f.holds[u.person]; before == nil {
			u.entry, f.holds[u.person] = e, u
		} else if standing(u, e) > standing(before, e) {
			u.entry, f.holds[u.person] = e, u
			before.entry, before.double = nil, u
		} else {
			u.double = before
		}
	}
	for _, u := range f.users { // a third user may have taken the place of the second
		if u.double != nil {
			u.double = f.holds[u.person]
		}
	}
}

// add notes a finding about a user.
func (f *finder) add(u *user, class Class, n Finding) {
	n.Class, n.PIN, n.Slot, n.Person = class, u.Held.PIN, u.Slot, u.person
	n.Administrator = n.Administrator || u.entry == nil && administrates(u.Held)
	slices.Sort(n.Fingers)
	f.findings = append(f.findings, n)
}

func (u *user) name(number uint8) {
	if u.named == nil {
		u.named = map[uint8]bool{}
	}
	u.named[number] = true
}

// stranger finds a user who stands for no entry: nobody's PIN (a), or somebody who
// does not belong here (c).
func (f *finder) stranger(u *user) {
	switch {
	case u.told:
	case u.person != "" && u.double != nil:
		f.add(u, Misplaced, Finding{Code: SecondPIN, Other: u.double.Held.PIN, Acts: []Act{ActDelete, ActAccept}})
	case u.person != "":
		f.add(u, Misplaced, f.Known.absence(u.person))
	default:
		n := Finding{Code: UnknownPIN, Acts: []Act{ActDelete, ActMap, ActAccept}}
		for _, h := range u.Fingers {
			owners := f.owners(h)
			if len(owners) == 0 {
				continue
			}
			if n.Other == "" {
				n.Code, n.Other, n.Acts = UnknownPINOf, owners[0], []Act{ActMap, ActDelete, ActAccept}
			}
			if slices.Contains(owners, n.Other) {
				n.Fingers = append(n.Fingers, int(h.Number))
			}
		}
		if n.Other != "" {
			f.found[n.Other] = true
		}
		f.add(u, Unknown, n)
	}
}

// record finds a name (d) and a right (i) that are not the entry's.
func (f *finder) record(u *user) {
	if can := f.Inventory.Capabilities; can.NameBytes > 0 && u.entry.Name != "" && !u.told {
		if want := string(can.Name(u.entry.Name)); want != string(u.Name) {
			f.add(u, Name, Finding{Code: NameDiffers, Held: string(u.Name), Want: want, Acts: []Act{ActRename, ActAccept}})
		}
	}
	if held, want := u.Privilege, u.entry.Privilege; held != want {
		n := Finding{Code: PrivilegeMore, Held: string(held), Want: string(want), Acts: []Act{ActGrant, ActAccept}}
		if level(held) < level(want) {
			n.Code = PrivilegeLess
		}
		f.add(u, Privilege, n)
	}
}

func level(p roster.Privilege) int {
	return slices.Index([]roster.Privilege{roster.User, roster.Enroller, roster.Manager, roster.Administrator}, p)
}

func administrates(h *roster.Held) bool { return h.Privilege == roster.Administrator && !h.Disabled }

// missing finds whom the terminal lacks (b).
func (f *finder) missing() {
	for _, e := range f.Roster.Entries {
		if f.holds[e.PIN] == nil && !f.found[e.PIN] {
			f.findings = append(f.findings, Finding{Class: Missing, Code: NotOnTerminal, PIN: e.PIN, Person: e.PIN,
				Acts: []Act{ActAdd, ActMove, ActAccept}})
		}
	}
}

// administrators finds that nobody administers the terminal, or too many do who
// were granted it (i). Those without a grant are named one by one.
func (f *finder) administrators() {
	somebody, granted, lacking := false, 0, false
	for _, u := range f.users {
		may := u.entry != nil && u.entry.Privilege == roster.Administrator
		switch {
		case administrates(u.Held):
			somebody = true
			if may {
				granted++
			}
		case may && u.Privilege != roster.Administrator:
			lacking = true // and found as such
		}
	}
	n := Finding{Class: Privilege, Code: NoAdministrator, Acts: []Act{ActGrant, ActAccept}}
	switch most := f.Roster.MaxAdmins; {
	case !somebody && !lacking:
	case most > 0 && granted > most:
		n.Code, n.Held, n.Want = TooManyAdmins, count(granted), count(most)
	default:
		return
	}
	f.findings = append(f.findings, n)
}
