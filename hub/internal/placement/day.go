package placement

import (
	"cmp"
	"iter"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Day is the rule applied to a snapshot on one day. It is read-only and safe for
// concurrent use; the snapshot must not change while it is used.
type Day struct {
	day        roster.Date
	settings   Settings
	units      map[UnitID]*Unit
	terminals  []*Terminal // by id
	placements []Placement
	grants     []Grant
	people     []person                        // by PIN
	places     map[EmployeeID]int32            // of each in people
	at         map[UnitID][]int32              // who is carried at a home
	granted    map[TerminalID][]grant          // 0: everywhere
	known      map[TerminalID]map[string]int32 // who is known by another PIN; 0: everywhere
}

// person is an employee on the day.
type person struct {
	*Employee
	works bool // is or will soon be active
}

// grant is a right that holds on the day.
type grant struct {
	place     int32
	privilege roster.Privilege
}

// On applies the rule to a day.
func On(s Snapshot, day roster.Date) *Day {
	d := &Day{
		day: day, settings: s.Settings,
		placements: s.Placements,
		grants:     s.Grants,
		units:      make(map[UnitID]*Unit, len(s.Units)),
		terminals:  make([]*Terminal, len(s.Terminals)),
		people:     make([]person, len(s.Employees)),
		places:     make(map[EmployeeID]int32, len(s.Employees)),
		at:         map[UnitID][]int32{},
		granted:    map[TerminalID][]grant{},
		known:      map[TerminalID]map[string]int32{},
	}
	for i := range s.Units {
		d.units[s.Units[i].ID] = &s.Units[i]
	}
	for i := range s.Terminals {
		d.terminals[i] = &s.Terminals[i]
	}
	slices.SortFunc(d.terminals, func(a, b *Terminal) int { return cmp.Compare(a.ID, b.ID) })
	for i := range s.Employees {
		d.people[i] = person{&s.Employees[i], d.works(&s.Employees[i])}
	}
	slices.SortFunc(d.people, func(a, b person) int { return cmp.Compare(a.PIN, b.PIN) })
	for i, p := range d.people {
		d.places[p.ID] = int32(i)
	}
	for i, p := range d.people {
		for _, a := range p.Aliases {
			if !a.Holds(d.day) {
				continue
			}
			if d.known[a.Terminal] == nil {
				d.known[a.Terminal] = map[string]int32{}
			}
			d.known[a.Terminal][a.PIN] = int32(i)
		}
	}
	for _, p := range s.Placements {
		d.place(p)
	}
	for _, g := range s.Grants {
		if i, known := d.places[g.Employee]; known && d.people[i].works && g.Holds(d.day) {
			d.granted[g.Terminal] = append(d.granted[g.Terminal], grant{i, g.Privilege})
		}
	}
	return d
}

// works tells whether somebody is or will soon be active: who comes back from leave
// is there in time, who retires goes at once.
func (d *Day) works(e *Employee) bool {
	active := func(day roster.Date) bool {
		status, known := e.Status.At(day)
		return !known || status == Active
	}
	return active(d.day) || active(d.day.Add(d.settings.PrepareDays))
}

func (d *Day) place(p Placement) {
	i, known := d.places[p.Employee]
	if !known || !d.people[i].works || !p.Holds(d.day) && !d.window(p.Unit, p.Period).Holds(d.day) {
		return
	}
	for _, home := range d.homes(p.Unit) {
		d.at[home] = append(d.at[home], i)
	}
}

// fingersFor leaves out templates of the other algorithm where a finger has one of
// the terminal's own. What is left in the other one is a difference that a person
// has to see.
func fingersFor(all []roster.Finger, algorithm uint8) []roster.Finger {
	if algorithm == 0 {
		return all
	}
	needless := func(f roster.Finger) bool {
		return f.Algorithm != algorithm && slices.ContainsFunc(all, func(o roster.Finger) bool {
			return o.Number == f.Number && o.Algorithm == algorithm
		})
	}
	if !slices.ContainsFunc(all, needless) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), needless)
}

// Rosters yields the roster of every terminal, by terminal.
func (d *Day) Rosters() iter.Seq2[TerminalID, roster.Roster] {
	return func(yield func(TerminalID, roster.Roster) bool) {
		for _, t := range d.terminals {
			if !yield(t.ID, d.roster(t)) {
				return
			}
		}
	}
}

// Roster is what one terminal should hold; false for one that is not in the
// register.
func (d *Day) Roster(id TerminalID) (roster.Roster, bool) {
	t := d.terminal(id)
	if t == nil {
		return roster.Roster{}, false
	}
	return d.roster(t), true
}

func (d *Day) terminal(id TerminalID) *Terminal {
	i, found := slices.BinarySearchFunc(d.terminals, id, func(t *Terminal, id TerminalID) int { return cmp.Compare(t.ID, id) })
	if !found {
		return nil
	}
	return d.terminals[i]
}

func (d *Day) roster(t *Terminal) roster.Roster {
	var places []int32
	for _, home := range d.served(t) {
		places = append(places, d.at[home]...)
	}
	rights := map[int32]roster.Privilege{}
	for _, grants := range [][]grant{d.granted[0], d.granted[t.ID]} {
		for _, g := range grants {
			places = append(places, g.place)
			rights[g.place] = higher(rights[g.place], g.privilege)
		}
	}
	slices.Sort(places)
	places = slices.Compact(places)
	mode, _ := t.Mode.At(d.day)
	admins, _ := t.MaxAdmins.At(d.day)
	r := roster.Roster{
		Serial: t.Serial, AsOf: d.day,
		Mode:      cmp.Or(mode, roster.Observe),
		MaxAdmins: cmp.Or(admins, DefaultMaxAdmins),
		Entries:   make([]roster.Entry, len(places)),
	}
	for i, place := range places {
		p := d.people[place]
		r.Entries[i] = roster.Entry{
			PIN: p.PIN, Name: p.Name.Near(d.day), Privilege: higher(rights[place], roster.User),
			Fingers: fingersFor(p.Fingers, t.Algorithm), Also: d.also(t.ID, place),
		}
		if card := p.Card.Near(d.day); card != 0 {
			r.Entries[i].Card = &card
		}
	}
	for i := range r.Entries { // a number that the hub issued to somebody else here is theirs
		e := &r.Entries[i]
		e.Also = slices.DeleteFunc(e.Also, func(pin string) bool {
			_, named := slices.BinarySearchFunc(r.Entries, pin, func(e roster.Entry, pin string) int { return cmp.Compare(e.PIN, pin) })
			return named
		})
	}
	return r
}

// also are the other PINs by which a terminal knows a person, rising: an alias at the
// terminal itself outweighs somebody else's that holds everywhere.
func (d *Day) also(t TerminalID, place int32) (pins []string) {
	for _, a := range d.people[place].Aliases {
		if !a.Holds(d.day) || a.Terminal != 0 && a.Terminal != t {
			continue
		}
		owner, here := d.known[t][a.PIN]
		if !here {
			owner = d.known[0][a.PIN]
		}
		if owner == place {
			pins = append(pins, a.PIN)
		}
	}
	slices.Sort(pins)
	return slices.Compact(pins)
}

// higher is the greater of two privileges.
func higher(a, b roster.Privilege) roster.Privilege {
	order := []roster.Privilege{"", roster.User, roster.Enroller, roster.Manager, roster.Administrator}
	if slices.Index(order, a) > slices.Index(order, b) {
		return a
	}
	return b
}

// Unserved are the placements of the day that no terminal serves, by id.
func (d *Day) Unserved() (list []PlacementID) {
	served := map[UnitID]bool{}
	for _, t := range d.terminals {
		for _, home := range d.served(t) {
			served[home] = true
		}
	}
	for _, p := range d.placements {
		i, known := d.places[p.Employee]
		here := func(home UnitID) bool { return served[home] }
		if known && d.people[i].works && p.Holds(d.day) && !slices.ContainsFunc(d.homes(p.Unit), here) {
			list = append(list, p.ID)
		}
	}
	slices.Sort(list)
	return list
}
