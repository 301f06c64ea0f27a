package people

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// employeeView is the data of employee.html.
type employeeView struct {
	Speech
	*directory.Employee
	Title      string
	Placements []placementRow
	Aliases    []aliasRow
	Fingers    []vault.Held
}

// placementRow is one placement with how it stands to today.
type placementRow struct {
	directory.Placement
	When string // now, soon or over
}

// aliasRow is another number, and where it is one.
type aliasRow struct {
	directory.Alias
	Site   protocol.SiteID
	Serial protocol.Serial // empty: everywhere
}

// placesView is the data of places.html.
type placesView struct {
	Speech
	Places []placeRow
}

// placeRow is one terminal as it stands to the employee.
type placeRow struct {
	whereabouts.Place
	State string // equal, must-come, must-go, gone, accepted or no-roster
	Badge string // the class of the light that goes with it
	Text  string // what is to be done, or proven; empty where all is well
	Due   string // since when something is due, in words; empty: nobody knows
	Since string // when the agent last wrote something of theirs, where all is well; empty: it never did
}

func (p *Pages) employee(w http.ResponseWriter, r *http.Request) error {
	v, err := Read(p.Group, p.Directory, r)
	if err != nil {
		return err
	}
	e, err := v.Find(r)
	if err != nil {
		return err
	}
	title := v.FullName(e)
	return p.Show(w, r, shell.Frame{Title: title, Section: "employees"},
		shell.Part{Name: "employee", Data: func() (any, error) {
			fingers, err := p.Vault.Have(r.Context(), int64(e.ID))
			return employeeView{Speech: v, Employee: e, Title: title, Placements: v.placements(e), Aliases: v.aliases(e), Fingers: fingers}, err
		}},
		shell.Part{Name: "places", Every: 10 * time.Second, Data: func() (any, error) {
			places, err := p.places(r.Context(), v, e)
			return placesView{v, places}, err
		}})
}

// placements are an employee's, the newest first.
func (v Speech) placements(e *directory.Employee) (rows []placementRow) {
	all := v.Register.PlacementsOf(e.ID)
	for i := len(all) - 1; i >= 0; i-- {
		rows = append(rows, placementRow{all[i], current(all[i].Period, v.Today)})
	}
	return rows
}

func (v Speech) aliases(e *directory.Employee) (rows []aliasRow) {
	for _, a := range directory.Sorted(v.Register.Aliases) {
		if a.Employee != e.ID {
			continue
		}
		row := aliasRow{Alias: a}
		if t := v.Register.Terminals[a.Terminal]; t != nil {
			row.Site, row.Serial = t.Site, t.Serial
		}
		rows = append(rows, row)
	}
	return rows
}

// places are the terminals where the employee should be, is, or was, with when the agent
// last wrote there.
func (p *Pages) places(ctx context.Context, v Speech, e *directory.Employee) ([]placeRow, error) {
	places, err := p.Whereabouts(ctx, e.ID, p.Now())
	if err != nil {
		return nil, err
	}
	rows := v.places(places)
	for i, at := range rows {
		if !at.Is || at.Open != nil {
			continue
		}
		outcomes, err := p.Holding.Outcomes(ctx, at.Site, at.Serial, e.PINText())
		if err != nil {
			return nil, err
		}
		if done := slices.IndexFunc(outcomes, func(o holding.Outcome) bool { return o.Reason == "" }); done >= 0 {
			rows[i].Since = v.Moment(outcomes[done].At)
		}
	}
	return rows, nil
}

func (v Speech) places(places []whereabouts.Place) (rows []placeRow) {
	for _, at := range places {
		row := placeRow{Place: at, State: "equal", Badge: "ready"}
		switch {
		case at.Open != nil:
			row.State, row.Badge = string(at.Open.Act), "missing"
			if at.Open.Why == whereabouts.Sent || at.Open.Why == whereabouts.Working || at.Open.Why == whereabouts.Template {
				row.Badge = "starting" // nobody needs to act
			}
			row.Text = v.Words().WhatToDo(at.Site, at.Serial, *at.Open, v.Moment)
			if at.Open.Why == whereabouts.Braked {
				row.Text = v.Text("braked") // a page has a button where a command has a line
			}
			if at.Open.Since != "" {
				row.Due = v.Day(at.Open.Since)
			}
		case at.Gone != nil:
			row.State, row.Badge, row.Text = "gone", "", v.Words().Place(at, v.Moment)
		case at.Revision == (protocol.Seq{}):
			row.State, row.Badge = "no-roster", ""
		case at.Should != at.Is:
			row.State = "accepted"
		}
		rows = append(rows, row)
	}
	return rows
}

// NIPs is the history of the number by which the state knows the employee.
func (v employeeView) NIPs() []directory.Fact { return v.Facts[directory.EmployeeNIP] }

// Statuses is the history of whether the employee works.
func (v employeeView) Statuses() []directory.Fact { return v.Facts[directory.EmployeeStatus] }

// Status is today's.
func (v employeeView) Status() placement.Status { return v.Employee.Status(v.Today) }

// Fact is what an attribute says today; empty for nothing.
func (v employeeView) Fact(a string) string { return v.At(directory.Attribute(a), v.Today) }

// Fingerless tells that somebody at work has no finger in the vault.
func (v employeeView) Fingerless() bool { return len(v.Fingers) == 0 && v.Active(v.Today) }

// Open tells that a placement can still be ended.
func (r placementRow) Open() bool { return r.To == roster.Forever || r.When != "over" }
