package whereabouts

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Terminal is what is known of one terminal.
type Terminal struct {
	ID placement.TerminalID
	holding.Terminal
	Enrolment bool          // fingers are recorded there: who works elsewhere may stay on it
	Issued    time.Time     // when the current roster was
	Approved  protocol.Hash // the plan that a person lets pass the brake
	Roster    roster.Roster
	Inventory holding.Inventory
	Outcomes  []holding.Outcome // of changes tried there
	Reached   time.Time         // when the agent last had it on the line; zero: never
	Down      bool              // the site is gone, or its agent could not read the terminal the last time
}

// People tells whom a terminal's PINs and fingers mean.
type People struct {
	Means func(t placement.TerminalID, pin string, day roster.Date) placement.EmployeeID // 0: nobody
	Owner map[protocol.Hash]placement.EmployeeID                                         // by digest, of what the vault has
	Works func(placement.EmployeeID) bool                                                // now
}

// Patience: within the first an agent may simply not have answered yet, after the
// second a terminal that said nothing is called silent, whatever it said before.
const (
	answering = 15 * time.Minute
	silence   = 24 * time.Hour
)

// Places says how a terminal stands to each employee who should be on it, is, or was
// taken away; of one employee alone unless only is 0. Open.Since is left to others.
func (t Terminal) Places(people People, only placement.EmployeeID, now time.Time) []Place {
	v := view{t: t, people: people, only: only, now: now, places: map[placement.EmployeeID]*Place{}}
	v.should()
	v.is()
	v.gone()
	v.open()
	list := make([]Place, 0, len(v.places))
	for _, id := range slices.Sorted(maps.Keys(v.places)) {
		list = append(list, *v.places[id])
	}
	return list
}

// view is one terminal while its places are made.
type view struct {
	t      Terminal
	people People
	only   placement.EmployeeID
	now    time.Time
	places map[placement.EmployeeID]*Place
}

// at is an employee's place; nil where nobody asks for it.
func (v *view) at(e placement.EmployeeID) *Place {
	if e == 0 || v.only != 0 && e != v.only {
		return nil
	}
	if v.places[e] == nil {
		v.places[e] = &Place{Employee: e, Terminal: v.t.ID, Site: v.t.Site, Serial: v.t.Serial, Revision: v.t.Order, Read: v.t.Inventory.At}
	}
	return v.places[e]
}

func (v *view) means(pin string, at time.Time) placement.EmployeeID {
	return v.people.Means(v.t.ID, pin, roster.DateOf(at))
}

// owner is whose finger a template is; 0 where the vault does not know.
func (v *view) owner(digests ...protocol.Hash) (e placement.EmployeeID) {
	for _, d := range digests {
		e = cmp.Or(e, v.people.Owner[d])
	}
	return e
}

func (v *view) should() {
	algorithm := v.t.Inventory.Capabilities.Algorithm
	for _, entry := range v.t.Roster.Entries {
		p := v.at(v.means(entry.PIN, v.now))
		if p == nil {
			continue
		}
		p.Should = true
		for _, f := range entry.Fingers {
			if algorithm == 0 || f.Algorithm == algorithm {
				p.Want = append(p.Want, f.Number)
			}
		}
		p.Want = slices.Compact(p.Want)
	}
}

func (v *view) is() {
	there := func(p *Place, pin string, fingers ...uint8) {
		p.Is, p.PINs, p.Held = true, append(p.PINs, pin), append(p.Held, fingers...)
		slices.Sort(p.PINs)
		slices.Sort(p.Held)
		p.PINs, p.Held = slices.Compact(p.PINs), slices.Compact(p.Held)
	}
	for _, u := range v.t.Inventory.Users {
		user := v.means(u.PIN, v.now)
		if p := v.at(user); p != nil {
			there(p, u.PIN)
		}
		for _, f := range u.Fingers {
			// A finger is its owner's, under whatever PIN; one that the vault does not know
			// is of whoever has the PIN.
			if p := v.at(cmp.Or(v.owner(f.For, f.Digest), user)); p != nil {
				there(p, u.PIN, f.Number)
			}
		}
	}
}

// gone finds who was taken away, with the proof.
func (v *view) gone() {
	inv := v.t.Inventory
	for _, o := range v.t.Outcomes {
		if o.Act != string(roster.DropUser) || o.Reason != "" {
			continue
		}
		e := v.means(o.PIN, o.At)
		read := inv.At
		if v.t.Results.Inventory == inv.Digest && v.t.Reported.After(read) {
			read = v.t.Reported // the results say that it is still this one
		}
		if inv.At.IsZero() || read.Before(o.At) {
			continue // nobody has looked since
		}
		if p := v.at(e); p != nil && !p.Is && (p.Gone == nil || p.Gone.Done.Before(o.At)) {
			p.Gone = &Removal{Done: o.At, Revision: o.Order, Read: read}
		}
	}
}

// open finds what is still to be done: where there is something, the difference of
// roster and inventory says what, and the agent's words why it is not done.
func (v *view) open() {
	switch {
	case len(v.places) == 0, v.t.Order == (protocol.Seq{}):
		return // nobody is concerned, or nobody has said what should be there
	case v.t.Inventory.At.IsZero():
		for _, p := range v.places {
			if p.Should {
				p.Open = &Open{Act: MustCome, Why: v.unread(), Reached: v.t.Reached}
			}
		}
		return
	}
	plan := roster.Diff(v.t.Roster, v.t.Inventory.Inventory)
	for _, b := range plan.Blocked {
		switch b.Reason {
		case roster.ReasonAccepted: // a person has decided that it stays so
		case roster.ReasonMode:
			v.due(b.Change, Open{Why: Mode, Reason: b.Reason})
		default:
			v.due(b.Change, Open{Why: Blocked, Reason: b.Reason})
		}
	}
	blocked := map[placement.EmployeeID]*Open{}
	for e, p := range v.places { // what may be done counts more than what may not
		blocked[e], p.Open = p.Open, nil
	}
	for _, c := range plan.Changes {
		v.due(c, v.pending(c))
	}
	for e, p := range v.places {
		p.Open = cmp.Or(p.Open, blocked[e])
	}
}

// due puts a change to whom it is about, unless another came first.
func (v *view) due(c roster.Change, o Open) {
	e := v.means(c.PIN, v.now)
	owners := []placement.EmployeeID{e}
	switch c.Act {
	case roster.AddUser, roster.AddFinger, roster.ReplaceFinger:
		o.Act = MustCome
	case roster.DropUser:
		o.Act = MustGo
		for _, u := range v.t.Inventory.Users {
			if u.Slot == c.Slot {
				for _, f := range u.Fingers {
					owners = append(owners, v.owner(f.For, f.Digest))
				}
			}
		}
	case roster.DropFinger:
		o.Act = MustGo
		owners = []placement.EmployeeID{cmp.Or(v.owner(c.Finger.Digest, c.Was), e)}
	default:
		return // names, cards and rights are not where somebody is
	}
	o.Reached = v.t.Reached
	for _, e := range owners {
		if o.Act == MustGo && v.t.Enrolment && v.t.Roster.Mode != roster.Enforce && v.people.Works(e) {
			continue // recorded there; nobody should take the whole of them off for it
		}
		if p := v.at(e); p != nil && p.Open == nil {
			open := o // each has its own day
			p.Open = &open
		}
	}
}

func (v *view) unread() Why {
	if !v.t.Sealed {
		return Unheard
	}
	return Unread
}

// pending is why a change that may be done is not done yet.
func (v *view) pending(c roster.Change) Open {
	t := v.t
	silent := t.Down || v.now.Sub(t.Reached) > silence
	waits := slices.Contains(t.Results.Wants, c.Finger.Digest) && !c.Finger.Digest.IsZero()
	switch {
	case !t.Sealed:
		return Open{Why: Unheard}
	case t.Ahead():
		return Open{Why: Ahead}
	case silent, t.Standing() == "" && !t.Reached.After(t.Issued) && v.now.Sub(t.Issued) >= answering:
		return Open{Why: Unreached}
	case t.Standing() == "":
		return Open{Why: Sent}
	case t.Standing() == protocol.StandingBraked && t.Results.Plan != t.Approved:
		return Open{Why: Braked, Plan: t.Results.Plan}
	case t.Standing() == protocol.StandingBraked:
		return Open{Why: Sent}
	case waits:
		return Open{Why: Template}
	}
	for _, o := range t.Outcomes {
		if o.Reason != "" && o.Order == t.Order && o.Act == string(c.Act) && o.PIN == protocol.NormalPIN(c.PIN) && o.Finger == c.Finger.Number {
			return Open{Why: Failed, Reason: roster.Reason(o.Reason)}
		}
	}
	return Open{Why: Working}
}
