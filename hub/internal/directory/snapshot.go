package directory

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Snapshot reads everything that placement needs, but the fingers of employees and
// the algorithms of terminals: those are the vault's and the terminals' own.
func (d *Directory) Snapshot(ctx context.Context) (placement.Snapshot, error) {
	reg, err := d.Register(ctx)
	if err != nil {
		return placement.Snapshot{}, err
	}
	return reg.Snapshot(d.settings), nil
}

// Snapshot is the register as placement needs it on a day; on another day the modes
// of terminals may be others.
func (r *Register) Snapshot(settings placement.Settings) placement.Snapshot {
	s := r.offices(settings)
	aliases := map[placement.EmployeeID][]placement.Alias{}
	for _, a := range Sorted(r.Aliases) {
		aliases[a.Employee] = append(aliases[a.Employee], placement.Alias{Terminal: a.Terminal, PIN: a.PIN, Period: a.Period})
	}
	for _, e := range Sorted(r.Employees) {
		s.Employees = append(s.Employees, placement.Employee{
			ID: e.ID, PIN: e.PINText(), Aliases: aliases[e.ID],
			Name:   history(e.Facts[EmployeeName], func(v string) string { return v }),
			Status: history(e.Facts[EmployeeStatus], func(v string) placement.Status { return placement.Status(v) }),
			Card:   history(e.Facts[EmployeeCard], func(v string) uint32 { return uint32(number(v)) }),
		})
	}
	for _, p := range Sorted(r.Placements) {
		s.Placements = append(s.Placements, p.Placement)
	}
	s.Grants = Sorted(r.Grants)
	return s
}

// offices is the snapshot without people.
func (r *Register) offices(settings placement.Settings) placement.Snapshot {
	s := placement.Snapshot{Settings: settings}
	for _, u := range Sorted(r.Units) {
		s.Units = append(s.Units, placement.Unit{
			ID:      u.ID,
			Kind:    history(u.Facts[UnitKind], func(v string) placement.UnitKind { return placement.UnitKind(v) }),
			Parent:  history(u.Facts[UnitParent], unitID),
			Merged:  history(u.Facts[UnitMerged], unitID),
			Prepare: history(u.Facts[UnitPrepare], days),
			Grace:   history(u.Facts[UnitGrace], days),
		})
	}
	serves := map[placement.TerminalID][]placement.Serving{}
	for _, v := range Sorted(r.Servings) {
		serves[v.Terminal] = append(serves[v.Terminal], v.Serving)
	}
	for _, t := range Sorted(r.Terminals) {
		s.Terminals = append(s.Terminals, placement.Terminal{
			ID: t.ID, Serial: t.Serial, Serves: serves[t.ID],
			Mode:      history(t.Facts[TerminalMode], func(v string) roster.Mode { return roster.Mode(v) }),
			MaxAdmins: history(t.Facts[TerminalMaxAdmins], number),
		})
	}
	return s
}

func unitID(v string) placement.UnitID { return placement.UnitID(number(v)) }

// days reads a number of days; nothing is -1, as the unit above has it.
func days(v string) int {
	n, err := strconv.Atoi(v)
	if err != nil {
		return -1
	}
	return n
}

// StatusesRecorded tells on which day the register last learned of a status of each
// employee, whatever day the status itself begins on; undone changes count too.
func (d *Directory) StatusesRecorded(ctx context.Context) (map[placement.EmployeeID]roster.Date, error) {
	days := map[placement.EmployeeID]roster.Date{}
	err := d.db.Query(ctx, func(rows *sql.Rows) error {
		var e placement.EmployeeID
		var at int64
		err := rows.Scan(&e, &at)
		days[e] = roster.DateOf(time.UnixMilli(at))
		return err
	}, `SELECT f.subject, MAX(c.at) FROM fact f JOIN register_change c ON c.n = f.made
		WHERE f.about = 'employee' AND f.attribute = $1 GROUP BY f.subject`, string(EmployeeStatus))
	if err != nil {
		return nil, fmt.Errorf("read when statuses were recorded: %w", err)
	}
	return days, nil
}

// Resolve tells whom a PIN of a terminal meant on a day: by an alias at that
// terminal, then by one at all, then by the hub's own number. It is false for one
// that meant nobody.
func (d *Directory) Resolve(ctx context.Context, terminal placement.TerminalID, pin string, day roster.Date) (e placement.EmployeeID, found bool, err error) {
	pin = protocol.NormalPIN(pin)
	issued, err := strconv.ParseInt(pin, 10, 64)
	if err != nil || issued < firstPIN {
		issued = 0
	}
	err = d.db.Query(ctx, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(&e)
	}, `SELECT who FROM (
			SELECT employee AS who, CASE WHEN terminal = $1 THEN 1 ELSE 2 END AS nearness FROM alias
			WHERE pin = $2 AND (terminal = $1 OR terminal = 0) AND since <= $3 AND $3 < until AND `+holding+`
			UNION ALL
			SELECT id, 3 FROM employee WHERE pin = $4 AND `+holding+`
		) AS meant ORDER BY nearness LIMIT 1`, int64(terminal), pin, string(day), issued)
	if err != nil {
		return 0, false, fmt.Errorf("resolve a PIN of terminal %d: %w", terminal, err)
	}
	return e, found, nil
}

// holding is true of rows that load would take.
const holding = `made NOT IN (SELECT undoes FROM register_change)
	AND voided IN (SELECT 0 UNION SELECT undoes FROM register_change WHERE undoes > 0)`
