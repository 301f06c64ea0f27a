// Package retention lets go of templates that were kept long enough: of employees who
// have left, of persons whom nobody knows, and copies that were taken before something
// was deleted at a terminal.
//
// It knows the register's statuses and what the vault says about what it holds. It must
// not know what is in a template, terminals, pages or SQL; the vault destroys, for good,
// and writes down who and why.
//
// Beware: what is destroyed nobody brings back, no backup either. Therefore only so many
// people go in one day of themselves, and who has a status of return ahead is spared.
package retention

import (
	"cmp"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Days say how long what is kept; 0 is for ever.
type Days struct {
	Left   int `json:"left"`   // after the day on which an employee left
	Found  int `json:"found"`  // of persons whom nobody knows
	Copies int `json:"copies"` // taken before something was deleted or overwritten at a terminal
}

// Usual are the periods of a hub of which nobody asked for others.
func Usual() Days { return Days{Left: 365, Found: 90, Copies: 90} }

func (d Days) periods() vault.Periods {
	return vault.Periods{Found: time.Duration(d.Found) * 24 * time.Hour, Copy: time.Duration(d.Copies) * 24 * time.Hour}
}

// Leaver is an employee whose templates were kept long enough.
type Leaver struct {
	Employee  placement.EmployeeID
	Status    placement.Status // as of the day that is asked about
	Since     roster.Date      // when they left
	Templates int              // in the vault, best copies
}

// Leavers are those of whom the vault holds templates and who left at least so many
// days before a day, the longest gone first. recorded is when the register last learned
// of a status of theirs: the days count from then at the earliest, because a date that
// was typed wrong must not destroy fingers the next night. Whoever is on leave or sent to study has
// not left; who will be back, by what the register says today, is spared.
func Leavers(reg *directory.Register, best []vault.Held, recorded map[placement.EmployeeID]roster.Date, days int, day roster.Date) (due []Leaver) {
	if days <= 0 {
		return nil
	}
	held := map[placement.EmployeeID]int{}
	for _, h := range best {
		held[placement.EmployeeID(h.Employee)]++
	}
	for id, templates := range held {
		e := reg.Employees[id]
		if e == nil {
			continue // the change that made them was undone, and may be made again
		}
		since, gone := left(e.Facts[directory.EmployeeStatus], day)
		if gone && max(since, recorded[id]).Add(days) <= day {
			due = append(due, Leaver{id, e.Status(day), since, templates})
		}
	}
	slices.SortFunc(due, func(a, b Leaver) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.Employee, b.Employee))
	})
	return due
}

// left tells since when somebody has left and not come back, and will not.
func left(statuses []directory.Fact, day roster.Date) (since roster.Date, gone bool) {
	for _, f := range statuses {
		switch placement.Status(f.Value) {
		case placement.Retired, placement.Died, placement.Moved:
			if f.Since <= day && !gone {
				since, gone = f.Since, true
			}
		default: // at work, or to return to it; also on a day to come
			gone = false
		}
	}
	return since, gone
}

// Due is what a day's run would destroy.
type Due struct {
	Leavers []Leaver
	Found   []vault.Found // of persons whom nobody knows, and copies
}
