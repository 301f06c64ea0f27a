package decision

import (
	"context"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Choice is an act with what it needs to be done.
type Choice struct {
	Act       validate.Act     // empty: the proposed one
	Reason    string           // of accept
	Employee  string           // NIP or PIN: whom a PIN means, who administers; empty: whom the finding names
	Unit      string           // of move, a code; empty: the terminal's own, for somebody who is on it
	From      roster.Date      // of what changes in the register; empty: today
	SK        string           // of move
	Privilege roster.Privilege // of grant: what the register shall say; empty: as it does
}

// Effect is what a decision leads to, for the person who made it.
type Effect string

// The effects, each with a sentence effect-… in the catalogue's area campaign.
const (
	AtOnce       Effect = "at-once"       // the agent does it at its next look
	AfterAdd     Effect = "after-add"     // the terminal's mode must be add, or enforce
	AfterEnforce Effect = "after-enforce" // the terminal's mode must be enforce
	InRegister   Effect = "in-register"   // the register was changed
	ByCapture    Effect = "by-capture"    // somebody has to come and put a finger on
	Stays        Effect = "stays"         // it was accepted
)

// Decide keeps what somebody decided about a finding of a terminal, and changes the
// register where the act is a change of it. The finding must come from a look.
func (ds *Decisions) Decide(ctx context.Context, by directory.By, t survey.Terminal, f report.Named, ch Choice) (Effect, error) {
	ch.Reason, ch.SK = Text(ch.Reason), Text(ch.SK)
	if ch.Act == "" {
		ch.Act = f.Acts[0]
	}
	if ch.From == "" {
		ch.From = roster.DateOf(by.At)
	}
	switch {
	case by.Who == "":
		return "", Refuse("nobody")
	case !slices.Contains(f.Acts, ch.Act):
		return "", Refuse("not-proposed", "id", f.ID(), "act", ch.Act)
	case ch.Act == validate.ActAccept && ch.Reason == "":
		return "", Refuse("no-reason")
	}
	effect, err := ds.carryOut(ctx, by, t, f, ch)
	if err != nil {
		return "", err
	}
	return effect, ds.record(ctx, by, t, f, ch.Act, ch.Reason)
}

// Foresee says what a choice would lead to at a terminal in a mode.
func Foresee(mode roster.Mode, f validate.Finding, ch Choice) Effect {
	switch {
	case ch.Act == validate.ActAccept:
		return Stays
	case ch.Act == validate.ActEnrol:
		return ByCapture
	case ch.Act == validate.ActMap, ch.Act == validate.ActMove, ch.Act == validate.ActGrant && (f.PIN == "" || ch.Privilege != ""):
		return InRegister
	}
	return waits(mode, f.Needs(ch.Act))
}

// carryOut does what is to be done in the register, and says what follows.
func (ds *Decisions) carryOut(ctx context.Context, by directory.By, t survey.Terminal, f report.Named, ch Choice) (Effect, error) {
	effect := Foresee(t.Mode, f.Finding, ch)
	if effect != InRegister {
		return effect, nil
	}
	_, err := ds.o.Directory.Edit(ctx, by, func(d *directory.Draft) error {
		switch ch.Act {
		case validate.ActMap:
			return mapPIN(d, t, f, ch)
		case validate.ActMove:
			return move(d, t, f, ch)
		}
		return grant(d, t, f, ch)
	})
	return effect, err
}

// waits is when a terminal's mode lets the roster do what needs a mode.
func waits(mode, needs roster.Mode) Effect {
	order := []roster.Mode{roster.Observe, roster.Add, roster.Enforce}
	switch {
	case slices.Index(order, mode) >= slices.Index(order, needs):
		return AtOnce
	case needs == roster.Add:
		return AfterAdd
	}
	return AfterEnforce
}

func who(d *directory.Draft, chosen, otherwise string) (*directory.Employee, error) {
	if chosen == "" {
		chosen = otherwise
	}
	if chosen == "" {
		return nil, Refuse("no-employee")
	}
	e, found := d.EmployeeBy(chosen)
	if !found {
		return nil, directory.Problem{Code: "employee-unknown"}
	}
	return e, nil
}

// mapPIN lets the PIN of a finding mean an employee at this terminal.
func mapPIN(d *directory.Draft, t survey.Terminal, f report.Named, ch Choice) error {
	e, err := who(d, ch.Employee, f.Other)
	if err != nil {
		return err
	}
	return d.AddAlias(directory.Alias{Employee: e.ID, Terminal: t.ID, PIN: f.PIN, Period: placement.Period{From: ch.From}})
}

// move places somebody where they are: at the terminal's unit, or at the one that is
// named.
func move(d *directory.Draft, t survey.Terminal, f report.Named, ch Choice) error {
	e, err := who(d, ch.Employee, f.Person)
	if err != nil {
		return err
	}
	u := survey.Responsible(d.Register, t.ID, ch.From)
	if ch.Unit != "" {
		named, found := d.UnitByCode(ch.Unit, ch.From)
		if !found {
			return directory.Problem{Code: "unit-unknown", Args: map[string]any{"code": ch.Unit}}
		}
		u = named
	} else if f.Class == validate.Missing || u == nil {
		return Refuse("no-unit")
	}
	if ch.SK == "" {
		return Refuse("no-sk")
	}
	_, err = d.Place(directory.Placement{
		Placement: placement.Placement{Employee: e.ID, Unit: u.ID, Kind: placement.Definitive, Period: placement.Period{From: ch.From}},
		SK:        ch.SK, TMT: ch.From,
	}, true)
	return err
}

// grant makes the register give a right at the terminal, or take it: to whom the
// finding names, or where it names nobody to whom is chosen.
func grant(d *directory.Draft, t survey.Terminal, f report.Named, ch Choice) error {
	e, err := who(d, ch.Employee, f.Person)
	if err != nil {
		return err
	}
	if ch.Privilege == "" {
		ch.Privilege = roster.Administrator
		if f.Code == validate.TooManyAdmins {
			ch.Privilege = roster.User
		}
	}
	for _, g := range directory.Sorted(d.Grants) {
		if g.Employee == e.ID && g.Terminal == t.ID && g.Holds(ch.From) {
			if err := d.EndGrant(g.ID, ch.From); err != nil {
				return err
			}
		}
	}
	if ch.Privilege != roster.User {
		d.Grant(placement.Grant{Employee: e.ID, Terminal: t.ID, Privilege: ch.Privilege, Period: placement.Period{From: ch.From}})
	}
	return nil
}
