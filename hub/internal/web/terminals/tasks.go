package terminals

import (
	"net/http"
	"slices"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/shell"
	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
)

// Of many tasks the oldest are shown, and of a task so many names.
const (
	tasksShown = 200
	namesShown = 5
)

// tasksView is the data of tasks.html.
type tasksView struct {
	speech
	Tasks []taskRow
	Count int
}

// taskRow is one task in words.
type taskRow struct {
	whereabouts.Task
	People []personLink
	More   int // who are not named
	Due    string
	What   string // who should do what
	Calm   bool   // nobody needs to act
}

// personLink leads to an employee.
type personLink struct {
	ID   placement.EmployeeID
	Name string
}

// tasks shows what is still to be done at terminals, what is due longest first.
func (p *Pages) tasks(w http.ResponseWriter, r *http.Request) error {
	return p.Show(w, r, shell.Frame{Title: p.Speech(r).Text("title-tasks"), Section: "terminals"},
		shell.Part{Name: "tasks", Data: func() (any, error) { return p.tasksView(r) }})
}

func (p *Pages) tasksView(r *http.Request) (tasksView, error) {
	var v tasksView
	var err error
	if v.speech, err = p.read(r); err != nil {
		return v, err
	}
	all, err := p.Tasks(r.Context(), "", p.Now())
	if err != nil {
		return v, err
	}
	all = slices.DeleteFunc(all, func(t whereabouts.Task) bool { return !v.Scope.Terminal(t.Site, t.Serial) })
	v.Count = len(all)
	for _, t := range all[:min(tasksShown, len(all))] {
		row := taskRow{Task: t, More: max(0, len(t.Employees)-namesShown), Due: v.Words().Due(t.Act, len(t.Employees)),
			What: v.Words().WhatToDo(t.Site, t.Serial, t.Open, v.Moment),
			Calm: t.Why == whereabouts.Sent || t.Why == whereabouts.Working || t.Why == whereabouts.Template}
		if t.Why == whereabouts.Braked {
			row.What = v.Text("braked") // a page has a link where a command has a line
		}
		for _, id := range t.Employees[:min(namesShown, len(t.Employees))] {
			if e := v.Register.Employees[id]; e != nil {
				row.People = append(row.People, personLink{id, e.At(directory.EmployeeName, v.Today)})
			}
		}
		v.Tasks = append(v.Tasks, row)
	}
	return v, nil
}
