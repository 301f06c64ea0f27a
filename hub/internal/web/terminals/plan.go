package terminals

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// planView is what lies between roster and inventory, in words.
type planView struct {
	Steps, Blocked, Findings []stepView
	Deletes                  int // steps that take something away
	MoreSteps, MoreBlocked   int // that are not listed
	Braked                   bool
	Approved                 bool

	byPIN map[string][]stepView
}

// stepView is one step, or one that is not made.
type stepView struct {
	Number  int
	What    string
	Why     string // why it is not made; empty for one that is
	PIN     string
	Name    string
	Deletes bool
}

// person is whom a PIN of a terminal means.
type person struct {
	ID   placement.EmployeeID // 0: nobody
	Name string
}

// people answers whom PINs of a terminal mean today.
func (p *Pages) people(v terminalView) func(pin string) person {
	matcher := v.Register.Matcher(p.Settings)
	return func(pin string) person {
		id := matcher.Whose(v.Known.ID, pin, v.Today)
		if e := v.Register.Employees[id]; e != nil {
			return person{id, e.At(directory.EmployeeName, v.Today)}
		}
		return person{}
	}
}

// plan reckons what the agent will do, as the agent does.
func (v terminalView) plan(means func(string) person) planView {
	plan := roster.Diff(v.Roster, v.Inventory.Inventory)
	held := map[string]string{}
	for _, u := range v.Inventory.Users {
		held[protocol.NormalPIN(u.PIN)] = heldName(u)
	}
	out := planView{byPIN: map[string][]stepView{}}
	step := func(pin, what, why string) stepView {
		pin = protocol.NormalPIN(pin)
		s := stepView{What: what, Why: why, PIN: pin, Name: cmp.Or(means(pin).Name, held[pin])}
		return s
	}
	for i, c := range plan.Changes {
		s := step(c.PIN, v.Words().Change(c), "")
		s.Number, s.Deletes = i+1, c.Deletes()
		if s.Deletes {
			out.Deletes++
		}
		out.Steps, out.byPIN[s.PIN] = append(out.Steps, s), append(out.byPIN[s.PIN], s)
	}
	for _, b := range plan.Blocked {
		s := step(b.Change.PIN, v.Words().Change(b.Change), v.Words().Reason(string(b.Reason)))
		out.Blocked, out.byPIN[s.PIN] = append(out.Blocked, s), append(out.byPIN[s.PIN], s)
	}
	for _, f := range plan.Findings {
		out.Findings = append(out.Findings, step(f.PIN, v.Words().Finding(f.Code), ""))
	}
	out.MoreSteps, out.MoreBlocked = max(0, len(out.Steps)-stepsShown), max(0, len(out.Blocked)-stepsShown)
	out.Braked = v.Terminal.Standing() == protocol.StandingBraked
	out.Approved = out.Braked && v.Results.Plan == v.Revision.Approved
	return out
}

// First are the steps that are listed.
func (p planView) First() []stepView { return p.Steps[:min(stepsShown, len(p.Steps))] }

// FirstBlocked are those that are listed of what is not made.
func (p planView) FirstBlocked() []stepView { return p.Blocked[:min(stepsShown, len(p.Blocked))] }

// Count is how many steps the plan has.
func (p planView) Count() int { return len(p.Steps) }

// Nothing tells that roster and inventory agree.
func (p planView) Nothing() bool { return len(p.Steps)+len(p.Blocked)+len(p.Findings) == 0 }

// side is one PIN: what the roster says of it, and what the terminal has.
type side struct {
	PIN    string
	Person person
	Entry  *roster.Entry
	Held   []roster.Held // one, or several under equal PINs, or none
	Steps  []stepView
	Kept   bool // a person accepted that it differs
}

// Kind is how the sides stand to each other: equal, differs, lacking or stranger.
func (s side) Kind() string {
	switch {
	case s.Entry == nil:
		return "stranger"
	case len(s.Held) == 0:
		return "lacking"
	case len(s.Steps) > 0:
		return "differs"
	}
	return "equal"
}

// KnownAs are the other PINs under which the terminal has the person.
func (s side) KnownAs() string {
	var pins []string
	for _, u := range s.Held {
		if pin := protocol.NormalPIN(u.PIN); pin != s.PIN {
			pins = append(pins, pin)
		}
	}
	return strings.Join(pins, ", ")
}

// HeldName is a name as the terminal has it.
func (side) HeldName(u roster.Held) string { return heldName(u) }

func heldName(u roster.Held) string { return strings.ToValidUTF8(string(u.Name), "�") }

// compare puts roster and inventory side by side: what differs first, then by PIN.
func (v *terminalView) compare(means func(string) person, page int) {
	sides, known := map[string]*side{}, map[string]string{}
	for _, e := range v.Roster.Entries {
		for _, pin := range e.Also {
			known[pin] = e.PIN
		}
	}
	at := func(pin string) *side {
		pin = protocol.NormalPIN(pin)
		pin = cmp.Or(known[pin], pin)
		if sides[pin] == nil {
			sides[pin] = &side{PIN: pin, Person: means(pin), Steps: v.Plan.byPIN[pin]}
		}
		return sides[pin]
	}
	for i := range v.Roster.Entries {
		at(v.Roster.Entries[i].PIN).Entry = &v.Roster.Entries[i]
	}
	for _, u := range v.Inventory.Users {
		s := at(u.PIN)
		s.Held = append(s.Held, u)
	}
	for _, k := range v.Roster.Keep {
		if s := sides[cmp.Or(known[k.PIN], k.PIN)]; s != nil {
			s.Kept = true
		}
	}
	all := make([]side, 0, len(sides))
	for _, s := range sides {
		if s.Kind() != "equal" {
			v.Different++
		}
		all = append(all, *s)
	}
	rank := func(s side) int {
		if s.Kind() == "equal" {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b side) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.PIN, b.PIN)) })
	v.All = len(all)
	from := min(len(all), (page-1)*sideSize)
	v.Sides = all[from:min(len(all), from+sideSize)]
	if page > 1 {
		v.Prev = v.pageOf(page - 1)
	}
	if from+sideSize < len(all) {
		v.Next = v.pageOf(page + 1)
	}
}

// Wanted are the numbers of the fingers that a roster names, each once.
func (terminalView) Wanted(fingers []roster.Finger) string {
	var texts []string
	for i, f := range fingers {
		if i == 0 || fingers[i-1].Number != f.Number {
			texts = append(texts, strconv.Itoa(int(f.Number)))
		}
	}
	return strings.Join(texts, ", ")
}

// Held are the numbers of the fingers that a terminal has.
func (terminalView) Held(fingers []roster.HeldFinger) string {
	texts := make([]string, len(fingers))
	for i, f := range fingers {
		texts[i] = strconv.Itoa(int(f.Number))
	}
	return strings.Join(texts, ", ")
}
