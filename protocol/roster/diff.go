package roster

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Plan is what lies between a roster and an inventory.
type Plan struct {
	Changes  []Change  `json:"changes"`  // to be done in this order
	Blocked  []Blocked `json:"blocked"`  // what stays different, and why
	Findings []Finding `json:"findings"` // what a person should look at
}

// Finding is something about the terminal's administrators that no change ends.
type Finding struct {
	Code string `json:"code"`
	PIN  string `json:"pin,omitempty"`
}

// The codes of findings.
const (
	NoAdministrator         = "no-administrator"
	TooManyAdministrators   = "too-many-administrators"
	UnexpectedAdministrator = "unexpected-administrator" // has the right without a grant, and nobody accepted it
)

// Diff returns the changes that make a terminal hold what its roster says.
//
// Done in order, they never pass through a state in which somebody who is rightly
// there and could punch cannot, or in which nobody administers the terminal; so
// they may be interrupted after any step, and a new Diff goes on. What the mode or
// the terminal does not let through is Blocked. The answer depends on nothing else,
// and after its changes Diff has none.
//
// The roster must have passed Check, the inventory too.
func Diff(r Roster, inv Inventory) Plan {
	d := newDiffer(r, inv)
	d.judge()
	// What is blocked now may be free after what is dropped: until nothing moves.
	for range len(r.Entries) + len(inv.Users) + 1 {
		before := len(d.plan.Changes)
		d.plan.Blocked = nil
		for _, p := range d.people {
			d.bring(p)
		}
		for _, p := range d.people {
			d.trim(p)
		}
		for _, u := range d.strangers {
			d.dismiss(u)
		}
		if len(d.plan.Changes) == before {
			break
		}
	}
	return d.plan
}

// person is an entry with the user that stands for it.
type person struct {
	entry Entry
	user  *user // nil: not there yet
}

// user is a user of the terminal as the changes so far leave it.
type user struct {
	held Held
	of   *person // whose PIN it bears, the entry's or another that it names; nil: nobody's
	gone bool
}

// differ is one Diff at work.
type differ struct {
	mode      Mode
	maxAdmins int
	can       Capabilities
	kept      map[string]Keep // by PIN
	people    []*person       // administrators first, then by PIN: who comes first gets the room
	strangers []*user         // users who stand for no entry, by slot
	wanted    map[protocol.Hash][]*person
	holders   map[protocol.Hash][]*user // who has a finger that somebody wants
	users     int
	fingers   int
	plan      Plan
}

func newDiffer(r Roster, inv Inventory) *differ {
	d := &differ{
		mode: r.Mode, maxAdmins: r.MaxAdmins, can: inv.Capabilities, users: len(inv.Users),
		people: make([]*person, len(r.Entries)),
		wanted: map[protocol.Hash][]*person{}, holders: map[protocol.Hash][]*user{}, kept: make(map[string]Keep, len(r.Keep)),
	}
	for _, k := range r.Keep {
		d.kept[k.PIN] = k
	}
	byPIN := make(map[string]*person, len(r.Entries))
	for i, e := range r.Entries {
		p := &person{entry: e}
		d.people[i], byPIN[e.PIN] = p, p
		for _, pin := range e.Also {
			byPIN[pin] = p
		}
		for _, f := range e.Fingers {
			d.wanted[f.Digest] = append(d.wanted[f.Digest], p)
		}
	}
	for _, h := range inv.Users {
		p := byPIN[protocol.NormalPIN(h.PIN)]
		u := &user{held: h, of: p}
		u.held.Fingers = slices.Clone(h.Fingers)
		d.fingers += len(h.Fingers)
		if p != nil && (p.user == nil || p.before(u, p.user)) {
			u, p.user = p.user, u
		}
		if u != nil {
			d.strangers = append(d.strangers, u)
		}
	}
	slices.SortFunc(d.strangers, func(a, b *user) int { return cmp.Compare(a.held.Slot, b.held.Slot) })
	for _, u := range d.strangers {
		d.note(u)
	}
	for _, p := range d.people {
		if p.user != nil {
			d.note(p.user)
		}
	}
	slices.SortStableFunc(d.people, func(a, b *person) int {
		return cmp.Compare(b.entry.Privilege.rank()/Administrator.rank(), a.entry.Privilege.rank()/Administrator.rank())
	})
	return d
}

// is is what a finger stands for: the template that was written, where the
// terminal gives back other bytes.
func (h HeldFinger) is() protocol.Hash {
	if !h.For.IsZero() {
		return h.For
	}
	return h.Digest
}

// standing counts the wanted fingers that a user has.
func (p *person) standing(u *user) (n int) {
	for _, want := range p.entry.Fingers {
		if f, ok := u.held.finger(want.Number); ok && f.stands(want) {
			n++
		}
	}
	return n
}

// before tells whether of two users of one person the first stays: the one with more of
// the fingers, then the one under the entry's own PIN.
func (p *person) before(u, o *user) bool {
	if a, b := p.standing(u), p.standing(o); a != b {
		return a > b
	}
	own := func(u *user) bool { return protocol.NormalPIN(u.held.PIN) == p.entry.PIN }
	return own(u) && !own(o)
}

// judge names what is wrong with the administrators now.
func (d *differ) judge() {
	admins := 0
	find := func(u *user, right bool) {
		if u == nil || !u.held.administrates() {
			return
		}
		admins++
		if !right {
			d.plan.Findings = append(d.plan.Findings, Finding{UnexpectedAdministrator, u.held.PIN})
		}
	}
	for _, p := range d.people {
		find(p.user, p.entry.Privilege == Administrator || d.keepsOf(p).Privilege)
	}
	for _, u := range d.strangers {
		find(u, d.keeps(u.held.PIN).User)
	}
	if admins == 0 {
		d.plan.Findings = append(d.plan.Findings, Finding{Code: NoAdministrator})
	}
	if d.maxAdmins > 0 && admins > d.maxAdmins {
		d.plan.Findings = append(d.plan.Findings, Finding{Code: TooManyAdministrators})
	}
}

// rightful tells whether somebody administers the terminal who may, by a grant or
// because a person accepted it.
func (d *differ) rightful() bool {
	return slices.ContainsFunc(d.people, func(p *person) bool {
		may := p.entry.Privilege == Administrator || d.keepsOf(p).Privilege
		return may && p.user != nil && p.user.held.administrates()
	}) || slices.ContainsFunc(d.strangers, func(u *user) bool {
		return d.keeps(u.held.PIN).User && u.held.administrates()
	})
}

// allow adds a change to the plan, or says why it is blocked. lowers is true for a
// change that takes a right away.
func (d *differ) allow(c Change, lowers bool) bool {
	reason := Reason("")
	switch {
	case d.mode == Observe, d.mode == Add && (c.Deletes() || lowers):
		reason = ReasonMode
	case d.can.ReadOnly:
		reason = ReasonReadOnly
	}
	if reason != "" {
		return d.block(c, reason)
	}
	d.plan.Changes = append(d.plan.Changes, c)
	return true
}

// block notes why a change is not made; it returns false, for its callers to return.
func (d *differ) block(c Change, reason Reason) bool {
	d.plan.Blocked = append(d.plan.Blocked, Blocked{c, reason})
	return false
}

// bring makes everything be there that an entry names.
func (d *differ) bring(p *person) {
	if p.user == nil && !d.addUser(p) {
		return
	}
	d.setUser(p)
	for _, want := range p.entry.Fingers {
		if want.Algorithm != d.can.Algorithm {
			// Only worth a word where the number has no template of the right kind.
			same := func(f Finger) bool { return f.Number == want.Number && f.Algorithm == d.can.Algorithm }
			if !slices.ContainsFunc(p.entry.Fingers, same) {
				reason := ReasonAlgorithm
				if d.keepsOf(p).finger(want.Number) {
					reason = ReasonAccepted
				}
				d.block(Change{Act: AddFinger, PIN: p.entry.PIN, Slot: p.user.held.Slot, Finger: want}, reason)
			}
			continue
		}
		d.bringFinger(p, want)
	}
}

func (d *differ) addUser(p *person) bool {
	e := p.entry
	c := Change{Act: AddUser, PIN: e.PIN, Privilege: e.Privilege, Card: e.Card}
	if d.can.NameBytes > 0 && e.Name != "" {
		c.Name = d.can.Name(e.Name)
	}
	if d.keeps(e.PIN).User {
		return d.block(c, ReasonAccepted)
	}
	if reason := d.can.takesPIN(e.PIN); reason != "" {
		return d.block(c, reason)
	}
	for d.can.Users > 0 && d.users >= d.can.Users {
		if !d.makeRoom(0) {
			return d.block(c, ReasonUsersFull)
		}
	}
	if !d.allow(c, false) {
		return false
	}
	p.user = &user{of: p, held: Held{PIN: e.PIN, Name: c.Name, Privilege: e.Privilege}}
	if e.Card != nil {
		p.user.held.Card = *e.Card
	}
	d.users++
	return true
}

// setUser corrects name and card, and gives rights; it takes none away.
func (d *differ) setUser(p *person) {
	h, e := &p.user.held, p.entry
	c := Change{Act: SetUser, PIN: e.PIN, Slot: h.Slot}
	if d.can.NameBytes > 0 && e.Name != "" {
		if name := d.can.Name(e.Name); !bytes.Equal(name, h.Name) {
			c.Name = name
		}
	}
	if e.Card != nil && *e.Card != h.Card {
		c.Card = e.Card
	}
	if e.Privilege.rank() > h.Privilege.rank() {
		c.Privilege = e.Privilege
	}
	stays, kept := Change{Act: SetUser, PIN: e.PIN, Slot: h.Slot}, d.keepsOf(p)
	if kept.Name {
		c.Name, stays.Name = nil, c.Name
	}
	if kept.Privilege {
		c.Privilege, stays.Privilege = "", c.Privilege
	}
	if stays.Name != nil || stays.Privilege != "" {
		d.block(stays, ReasonAccepted)
	}
	if c.Name == nil && c.Card == nil && c.Privilege == "" || !d.allow(c, false) {
		return
	}
	if c.Name != nil {
		h.Name = c.Name
	}
	if c.Card != nil {
		h.Card = *c.Card
	}
	if c.Privilege != "" {
		h.Privilege = c.Privilege
	}
}

func (d *differ) bringFinger(p *person, want Finger) {
	h := &p.user.held
	held, there := h.finger(want.Number)
	if there && held.stands(want) {
		return
	}
	c := Change{Act: AddFinger, PIN: p.entry.PIN, Slot: h.Slot, Finger: want}
	if there {
		c.Act, c.Was = ReplaceFinger, held.Digest
	}
	if d.keepsOf(p).finger(want.Number) {
		d.block(c, ReasonAccepted)
		return
	}
	if d.can.UniqueFinger && len(d.wanted[want.Digest]) > 1 {
		d.block(c, ReasonShared) // whose it is, a person has to say
		return
	}
	for !there && d.can.Fingers > 0 && d.fingers >= d.can.Fingers {
		if !d.makeRoom(1) {
			d.block(c, ReasonFingersFull)
			return
		}
	}
	if d.can.UniqueFinger && !d.release(p, want, c) || !d.allow(c, false) {
		return
	}
	d.take(p.user, want.Number)
	d.holders[want.Digest] = append(d.holders[want.Digest], p.user)
	h.Fingers = append(h.Fingers, HeldFinger{Number: want.Number, Algorithm: want.Algorithm, Digest: want.Digest})
	slices.SortFunc(h.Fingers, func(a, b HeldFinger) int { return cmp.Compare(a.Number, b.Number) })
	d.fingers++
}

// take removes a finger from what a user has.
func (d *differ) take(u *user, number uint8) {
	for i, f := range u.held.Fingers {
		if f.Number == number {
			u.held.Fingers = slices.Delete(u.held.Fingers, i, i+1)
			d.fingers--
			d.forget(u, f)
			return
		}
	}
}

// release takes a wanted finger away from everybody else on a terminal that
// refuses one finger under two PINs; false, with c blocked, where that may not be.
func (d *differ) release(p *person, want Finger, c Change) bool {
	for _, u := range slices.Clone(d.holders[want.Digest]) {
		for _, f := range slices.Clone(u.held.Fingers) {
			if f.is() != want.Digest || u == p.user && f.Number == want.Number {
				continue
			}
			if d.mode != Enforce || d.rightly(u, f) {
				return d.block(c, ReasonShared)
			}
			if d.stays(u, f) {
				return d.block(c, ReasonAccepted)
			}
			if !d.spared(u, f) {
				return d.block(c, ReasonOnlyFinger)
			}
			if !d.allow(dropFinger(u, f), false) {
				return d.block(c, ReasonShared)
			}
			d.take(u, f.Number)
		}
	}
	return true
}

func dropFinger(u *user, f HeldFinger) Change {
	return Change{
		Act: DropFinger, PIN: u.held.PIN, Slot: u.held.Slot, Was: f.Digest,
		Finger: Finger{Number: f.Number, Algorithm: f.Algorithm, Digest: f.is()},
	}
}

// rightly tells whether a finger is where a roster entry wants it.
func (d *differ) rightly(u *user, f HeldFinger) bool {
	return slices.ContainsFunc(d.wanted[f.is()], func(p *person) bool {
		return p.user == u && slices.ContainsFunc(p.entry.Fingers, f.stands)
	})
}

// makeRoom drops a stranger with at least so many fingers whom nobody needs.
func (d *differ) makeRoom(fingers int) bool {
	if d.mode != Enforce || d.can.ReadOnly {
		return false
	}
	for _, u := range d.strangers {
		if !u.gone && !d.keeps(u.held.PIN).User && len(u.held.Fingers) >= fingers && !u.held.administrates() && d.spared(u, u.held.Fingers...) {
			return d.drop(u)
		}
	}
	return false
}

func (d *differ) drop(u *user) bool {
	if !d.allow(Change{Act: DropUser, PIN: u.held.PIN, Slot: u.held.Slot}, false) {
		return false
	}
	u.gone = true
	d.users--
	d.fingers -= len(u.held.Fingers)
	for _, f := range u.held.Fingers {
		d.forget(u, f)
	}
	return true
}

// trim takes away what an entry does not give: rights, and fingers that are not
// the person's, once one that is stands.
func (d *differ) trim(p *person) {
	if p.user == nil {
		return
	}
	h := &p.user.held
	if p.entry.Privilege.rank() < h.Privilege.rank() {
		c := Change{Act: SetUser, PIN: p.entry.PIN, Slot: h.Slot, Privilege: p.entry.Privilege}
		if d.keepsOf(p).Privilege {
			d.block(c, ReasonAccepted)
		} else if h.administrates() && !d.rightful() {
			d.block(c, ReasonLastAdmin)
		} else if d.allow(c, true) {
			h.Privilege = p.entry.Privilege
		}
	}
	if p.standing(p.user) == 0 {
		return
	}
	for _, f := range slices.Clone(h.Fingers) {
		named := func(want Finger) bool { return want.Number == f.Number }
		if slices.ContainsFunc(p.entry.Fingers, named) {
			continue
		}
		if d.stays(p.user, f) {
			d.block(dropFinger(p.user, f), ReasonAccepted)
		} else if d.allow(dropFinger(p.user, f), false) {
			d.take(p.user, f.Number)
		}
	}
}

// dismiss drops a user of no entry.
func (d *differ) dismiss(u *user) {
	if u.gone {
		return
	}
	c := Change{Act: DropUser, PIN: u.held.PIN, Slot: u.held.Slot}
	switch {
	case d.keeps(u.held.PIN).User:
		d.block(c, ReasonAccepted)
	case u.held.administrates() && !d.rightful():
		d.block(c, ReasonLastAdmin)
	case !d.spared(u, u.held.Fingers...):
		d.block(c, ReasonOnlyFinger)
	default:
		d.drop(u)
	}
}
