package whereabouts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Holding is what is needed of rosters and inventories.
type Holding interface {
	Terminals(ctx context.Context) ([]holding.Terminal, error)
	Roster(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Revision, roster.Roster, error)
	Inventory(ctx context.Context, site protocol.SiteID, serial protocol.Serial) (holding.Inventory, error)
	Outcomes(ctx context.Context, site protocol.SiteID, serial protocol.Serial, pin string) ([]holding.Outcome, error)
}

// Vault is whose fingers there are: every copy, because a terminal may still have one
// that is not the best any more.
type Vault interface {
	All(ctx context.Context) ([]vault.Held, error)
}

// Options are the parts of a Whereabouts; all are needed.
type Options struct {
	Register func(ctx context.Context) (*directory.Register, error)
	Vault    Vault
	State    func(ctx context.Context, site protocol.SiteID) (st store.State, found bool, err error)
	Holding  Holding
	Settings placement.Settings
}

// Whereabouts gathers what the rule needs. It is safe for concurrent use.
type Whereabouts struct{ o Options }

// New returns what asks these parts.
func New(o Options) *Whereabouts { return &Whereabouts{o} }

// Of says on which terminals an employee should be, is, or was, by site and serial.
func (w *Whereabouts) Of(ctx context.Context, e placement.EmployeeID, now time.Time) ([]Place, error) {
	g, err := w.gather(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("find where an employee is: %w", err)
	}
	var all []Place
	for _, t := range g.terminals {
		places, err := g.places(ctx, t, e)
		if err != nil {
			return nil, fmt.Errorf("find where an employee is: %w", err)
		}
		all = append(all, places...)
	}
	g.date(all)
	return all, nil
}

// Tasks says what is open, at one site or for "" everywhere: what is due longest comes
// first, what has no date last.
func (w *Whereabouts) Tasks(ctx context.Context, site protocol.SiteID, now time.Time) ([]Task, error) {
	g, err := w.gather(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("find what is open: %w", err)
	}
	var open []Place
	modes := map[placement.TerminalID]roster.Mode{}
	for _, t := range g.terminals {
		if site != "" && t.Site != site {
			continue
		}
		places, err := g.places(ctx, t, 0)
		if err != nil {
			return nil, fmt.Errorf("find what is open: %w", err)
		}
		for _, p := range places {
			if p.Open != nil {
				open, modes[p.Terminal] = append(open, p), t.Mode
			}
		}
	}
	g.date(open)
	return tasks(open, modes), nil
}

// tasks puts together what is the same at one terminal.
func tasks(open []Place, modes map[placement.TerminalID]roster.Mode) []Task {
	type same struct {
		terminal placement.TerminalID
		act      Act
		why      Why
		reason   roster.Reason
	}
	var all []*Task
	of := map[same]*Task{}
	for _, p := range open {
		key := same{p.Terminal, p.Open.Act, p.Open.Why, p.Open.Reason}
		t := of[key]
		if t == nil {
			t = &Task{Terminal: p.Terminal, Site: p.Site, Serial: p.Serial, Mode: modes[p.Terminal], Open: *p.Open}
			of[key], all = t, append(all, t)
		}
		if p.Open.Since != "" && (t.Since == "" || p.Open.Since < t.Since) {
			t.Since = p.Open.Since
		}
		t.Employees = append(t.Employees, p.Employee)
	}
	list := make([]Task, len(all))
	for i, t := range all {
		slices.Sort(t.Employees)
		list[i] = *t
	}
	last := func(day roster.Date) roster.Date { return cmp.Or(day, roster.Forever) }
	slices.SortStableFunc(list, func(a, b Task) int { return cmp.Compare(last(a.Since), last(b.Since)) })
	return list
}

// gathered is what is read once for all terminals.
type gathered struct {
	*Whereabouts
	reg       *directory.Register
	people    People
	terminals []holding.Terminal
	states    map[protocol.SiteID]state
	now       time.Time
}

// state is what a site said last, and when.
type state struct {
	protocol.State
	received time.Time
}

func (w *Whereabouts) gather(ctx context.Context, now time.Time) (*gathered, error) {
	reg, err := w.o.Register(ctx)
	if err != nil {
		return nil, err
	}
	fingers, err := w.o.Vault.All(ctx)
	if err != nil {
		return nil, err
	}
	g := &gathered{Whereabouts: w, reg: reg, now: now, states: map[protocol.SiteID]state{}}
	matcher := reg.Matcher(w.o.Settings)
	g.people = People{Owner: make(map[protocol.Hash]placement.EmployeeID, len(fingers)),
		Means: func(t placement.TerminalID, pin string, day roster.Date) placement.EmployeeID {
			return matcher.Whose(t, pin, day)
		},
		Works: func(e placement.EmployeeID) bool {
			employee := reg.Employees[e]
			return employee != nil && employee.Active(roster.DateOf(now))
		}}
	for _, h := range fingers {
		g.people.Owner[h.Digest] = placement.EmployeeID(h.Employee)
	}
	g.terminals, err = w.o.Holding.Terminals(ctx)
	return g, err
}

// places reads one terminal and applies the rule to it.
func (g *gathered) places(ctx context.Context, h holding.Terminal, only placement.EmployeeID) ([]Place, error) {
	registered, found := g.reg.TerminalBy(h.Site, h.Serial)
	if !found {
		return nil, nil // no longer, since the list was read
	}
	t := Terminal{ID: registered.ID, Terminal: h, Enrolment: registered.On(directory.TerminalEnrolment, roster.DateOf(g.now)) == "yes"}
	revision, want, err := g.o.Holding.Roster(ctx, h.Site, h.Serial)
	if err != nil && !errors.Is(err, holding.ErrNone) {
		return nil, err
	}
	// The roster may have been replaced since the list was read.
	t.Order, t.Issued, t.Approved, t.Roster = revision.Order, revision.At, revision.Approved, want
	if t.Inventory, err = g.o.Holding.Inventory(ctx, h.Site, h.Serial); err != nil && !errors.Is(err, holding.ErrNone) {
		return nil, err
	}
	if t.Outcomes, err = g.o.Holding.Outcomes(ctx, h.Site, h.Serial, ""); err != nil {
		return nil, err
	}
	if t.Reached, t.Down, err = g.reached(ctx, h); err != nil {
		return nil, err
	}
	return t.Places(g.people, only, g.now), nil
}

// reached is when a terminal was last on the line: it told something, or its agent
// says that it read it. down tells that it is not now.
func (g *gathered) reached(ctx context.Context, h holding.Terminal) (at time.Time, down bool, err error) {
	said, err := g.state(ctx, h.Site)
	if err != nil {
		return at, false, err
	}
	if at = h.Read; h.Reported.After(at) {
		at = h.Reported
	}
	down = said.Status == protocol.StatusLost || said.Status == protocol.StatusDisconnected
	for _, t := range said.Terminals {
		if t.Serial != h.Serial {
			continue
		}
		down = down || t.LastError != ""
		if t.LastRead == nil {
			continue
		}
		read := *t.LastRead
		if read.After(said.received) { // its clock runs ahead
			read = said.received
		}
		if read.After(at) {
			at = read
		}
	}
	return at, down, nil
}

// state is what a site said last; of one that was never heard nothing.
func (g *gathered) state(ctx context.Context, site protocol.SiteID) (state, error) {
	said, known := g.states[site]
	if known {
		return said, nil
	}
	st, found, err := g.o.State(ctx, site)
	if err != nil {
		return said, err
	}
	if found {
		e, err := protocol.Parse("", st.Message)
		if err == nil {
			err = e.Into(&said.State)
		}
		if err != nil {
			return said, fmt.Errorf("read state of site %s: %w", site, err)
		}
		said.received = st.Received
	}
	g.states[site] = said
	return said, nil
}
