package job

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Order is what Start is asked for.
type Order struct {
	Site      protocol.SiteID // may be empty where the serial is at one site only
	Serial    protocol.Serial
	Employee  placement.EmployeeID
	Fingers   []uint8       // 0 to 9, in the order in which they are asked for; two are recommended
	NotBefore time.Time     // zero: at once
	For       time.Duration // until the order expires; 0: Lasts
	Notice    bool          // the present Wording was shown to the employee, by Who
	Who       string        // the person who orders
}

// Start orders a capture: one job for each finger, in their order. A Refusal changes
// nothing.
func (j *Jobs) Start(ctx context.Context, o Order, at time.Time) (jobs []Job, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("start capture at terminal %s: %w", o.Serial, err)
		}
	}()
	reg, err := j.register.Register(ctx)
	if err != nil {
		return nil, err
	}
	generation, err := j.db.Generation(ctx)
	if err != nil {
		return nil, err
	}
	pattern, err := o.check(reg, at)
	if err != nil {
		return nil, err
	}
	pattern.Number.Life = generation.Number
	err = j.db.Update(ctx, func(tx *sql.Tx) error {
		jobs = nil
		notice, err := pattern.Notice.insert(ctx, tx, pattern.Employee)
		if err != nil {
			return err
		}
		for _, finger := range o.Fingers {
			job := pattern
			job.Finger = finger
			if err := job.insert(ctx, tx, notice); err != nil {
				return err
			}
			jobs = append(jobs, job)
		}
		return nil
	})
	return jobs, err
}

// check is the rules; it returns what all jobs of the order have in common.
func (o Order) check(reg *directory.Register, at time.Time) (Job, error) {
	today := roster.DateOf(at)
	t, found := reg.TerminalBy(o.Site, o.Serial)
	if !found {
		return Job{}, ErrTerminal
	}
	if !enrols(t, today) {
		return Job{}, ErrEnrolment
	}
	e := reg.Employees[o.Employee]
	if e == nil {
		return Job{}, ErrEmployee
	}
	// At: somebody whose first day is to come is captured before it.
	if placement.Status(e.At(directory.EmployeeStatus, today)) != placement.Active {
		return Job{}, ErrInactive
	}
	fingers := slices.Clone(o.Fingers)
	slices.Sort(fingers)
	if len(fingers) == 0 || fingers[len(fingers)-1] > 9 || len(slices.Compact(fingers)) != len(o.Fingers) {
		return Job{}, ErrFinger
	}
	if o.Who == "" {
		return Job{}, ErrWho
	}
	if !o.Notice {
		return Job{}, ErrNotice
	}
	lasts := o.For
	if lasts == 0 {
		lasts = Lasts
	}
	at = at.UTC().Truncate(time.Millisecond)
	expires := at.Add(lasts).Truncate(time.Second)
	if !at.Before(expires) || !o.NotBefore.Before(expires) {
		return Job{}, ErrTime
	}
	return Job{Site: t.Site, Serial: t.Serial, Employee: e.ID, PIN: e.PINText(), State: Waiting,
		Notice: Notice{Wording: Wording, By: o.Who, At: at}, OrderedBy: o.Who, OrderedAt: at, NotBefore: o.NotBefore.UTC().Truncate(time.Millisecond), Expires: expires}, nil
}

func enrols(t *directory.Terminal, day roster.Date) bool {
	return t.On(directory.TerminalEnrolment, day) == "yes"
}

func (n Notice) insert(ctx context.Context, tx *sql.Tx, e placement.EmployeeID) (id int64, err error) {
	err = tx.QueryRowContext(ctx, `INSERT INTO notice (id, employee, wording, shown_by, shown_at)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM notice), $1, $2, $3, $4) RETURNING id`,
		int64(e), n.Wording, n.By, n.At.UnixMilli()).Scan(&id)
	return id, err
}

// insert gives the job its id and its number at the site, which counts errands too.
func (j *Job) insert(ctx context.Context, tx *sql.Tx, notice int64) error {
	var n int64
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM job WHERE site = $1 AND employee = $2 AND finger = $3 AND state IN ('waiting', 'begun') AND expires > $4`,
		string(j.Site), int64(j.Employee), int64(j.Finger), j.OrderedAt.UnixMilli()).Scan(&n)
	if err != nil {
		return err
	}
	if n > 0 {
		return ErrBusy
	}
	var number int64
	err = tx.QueryRowContext(ctx, `INSERT INTO job (id, site, generation, number, kind, serial, employee, pin, finger, notice, ordered_by, ordered_at,
			not_before, expires, state, step, good, bad, said_at, ended, reason, ended_at, digest, cancelled_by, cancelled_at, heard)
		VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM job), $1, $2, 
			(SELECT COALESCE(MAX(n), 0) + 1 FROM (SELECT number AS n FROM job WHERE site = $1 UNION ALL SELECT number AS n FROM errand WHERE site = $1) AS jobs), $3, $4, $5, $6, $7, $8,
			$9, $10, $11, $12, 'waiting', '', 0, 0, 0, '', '', 0, $13, '', 0, 0) RETURNING id, number`,
		string(j.Site), int64(j.Number.Life), string(protocol.JobCapture), string(j.Serial), int64(j.Employee), j.PIN, int64(j.Finger), notice,
		j.OrderedBy, j.OrderedAt.UnixMilli(), millis(j.NotBefore), j.Expires.UnixMilli(), []byte{}).Scan(&j.ID, &number)
	j.Number.Counter = uint64(number)
	return err
}
