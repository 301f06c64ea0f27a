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
	people     []*person   // by PIN
	byEmployee map[EmployeeID]*person
	at         map[UnitID][]int       // who is carried at a home, as places in people
	granted    map[TerminalID][]grant // 0: everywhere
}

// person is an employee with what every roster says of them alike.
type person struct {
	*Employee
	place      int
	works      bool // is or will soon be active
	card       *uint32
	fingers    [3][]roster.Finger // for a terminal of unknown algorithm, of 9, of 10
	placements []*Placement
	grants     []*Grant
}

// grant is a right that holds on the day.
type grant struct {
	place     int
	privilege roster.Privilege
}

// On applies the rule to a day.
func On(s Snapshot, day roster.Date) *Day {
	d := &Day{
		day: day, settings: s.Settings,
		units:      make(map[UnitID]*Unit, len(s.Units)),
		terminals:  make([]*Terminal, len(s.Terminals)),
		people:     make([]*person, len(s.Employees)),
		byEmployee: make(map[EmployeeID]*person, len(s.Employees)),
		at:         map[UnitID][]int{},
		granted:    map[TerminalID][]grant{},
	}
	for i := range s.Units {
		d.units[s.Units[i].ID] = &s.Units[i]
	}
	for i := range s.Terminals {
		d.terminals[i] = &s.Terminals[i]
	}
	slices.SortFunc(d.terminals, func(a, b *Terminal) int { return cmp.Compare(a.ID, b.ID) })
	for i := range s.Employees {
		d.people[i] = d.person(&s.Employees[i])
		d.byEmployee[s.Employees[i].ID] = d.people[i]
	}
	slices.SortFunc(d.people, func(a, b *person) int { return cmp.Compare(a.PIN, b.PIN) })
	for i, p := range d.people {
		p.place = i
	}
	for i := range s.Placements {
		d.place(&s.Placements[i])
	}
	for i := range s.Grants {
		d.grant(&s.Grants[i])
	}
	return d
}

func (d *Day) person(e *Employee) *person {
	p := &person{Employee: e}
	active := func(day roster.Date) bool {
		status, known := e.Status.At(day)
		return !known || status == Active
	}
	// Who comes back from leave is there in time; who retires goes at once.
	p.works = active(d.day) || active(d.day.Add(d.settings.PrepareDays))
	if card := e.Card.Near(d.day); card != 0 {
		p.card = &card
	}
	for i, algorithm := range []uint8{0, 9, 10} {
		p.fingers[i] = fingersFor(e.Fingers, algorithm)
	}
	return p
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

func (d *Day) place(p *Placement) {
	who := d.byEmployee[p.Employee]
	if who == nil {
		return
	}
	who.placements = append(who.placements, p)
	if !who.works || !d.window(p.Unit, p.Period).Holds(d.day) {
		return
	}
	for _, home := range d.homes(p.Unit) {
		d.at[home] = append(d.at[home], who.place)
	}
}

func (d *Day) grant(g *Grant) {
	who := d.byEmployee[g.Employee]
	if who == nil {
		return
	}
	who.grants = append(who.grants, g)
	if who.works && g.Holds(d.day) {
		d.granted[g.Terminal] = append(d.granted[g.Terminal], grant{who.place, g.Privilege})
	}
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
	var places []int
	for _, home := range d.served(t) {
		places = append(places, d.at[home]...)
	}
	rights := map[int]roster.Privilege{}
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
			PIN: p.PIN, Name: p.Name.Near(d.day), Privilege: higher(rights[place], roster.User), Card: p.card,
			Fingers: p.fingers[kindOf(t.Algorithm)],
		}
	}
	return r
}

// kindOf is where a person's fingers for an algorithm are.
func kindOf(algorithm uint8) int {
	switch algorithm {
	case 9:
		return 1
	case 10:
		return 2
	}
	return 0
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
	for _, who := range d.people {
		for _, p := range who.placements {
			here := func(home UnitID) bool { return served[home] }
			if who.works && p.Holds(d.day) && !slices.ContainsFunc(d.homes(p.Unit), here) {
				list = append(list, p.ID)
			}
		}
	}
	slices.Sort(list)
	return list
}
