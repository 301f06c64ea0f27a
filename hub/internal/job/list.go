package job

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Filter says which jobs List returns; the zero value is all of them.
type Filter struct {
	Employee placement.EmployeeID
	Site     protocol.SiteID
	Serial   protocol.Serial
	Open     bool // those that may still go on only
	Limit    int  // 0: all
}

// List returns jobs, the newest first.
func (j *Jobs) List(ctx context.Context, f Filter) ([]Job, error) {
	where, args := []string{"1 = 1"}, []any(nil)
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if f.Employee != 0 {
		add("j.employee = $%d", int64(f.Employee))
	}
	if f.Site != "" {
		add("j.site = $%d", string(f.Site))
	}
	if f.Serial != "" {
		add("j.serial = $%d", string(f.Serial))
	}
	if f.Open {
		where = append(where, "j.state IN ('waiting', 'begun')")
	}
	limit := ""
	if f.Limit > 0 {
		limit = fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	all, err := read(ctx, j.db.Query, strings.Join(where, " AND ")+" ORDER BY j.id DESC"+limit, args...)
	if err != nil {
		return nil, fmt.Errorf("list captures: %w", err)
	}
	return all, nil
}

// Get returns one job; ErrNone where there is none.
func (j *Jobs) Get(ctx context.Context, id int64) (Job, error) {
	job, err := one(ctx, j.db.Query, "j.id = $1", id)
	if err != nil {
		return Job{}, fmt.Errorf("read capture %d: %w", id, err)
	}
	return job, nil
}

// Open returns the jobs that agents are to hear of: those that wait, those that were
// begun and of which nobody has said what became of them, and those that were
// cancelled without their agent knowing. It ends those whose time is over.
func (j *Jobs) Open(ctx context.Context, at time.Time) (open []Job, err error) {
	all, err := read(ctx, j.db.Query, "j.heard = 0 ORDER BY j.id")
	if err != nil {
		return nil, fmt.Errorf("read open captures: %w", err)
	}
	over := false
	for _, job := range all {
		if job.over(at) {
			over = true
		} else {
			open = append(open, job)
		}
	}
	if !over {
		return open, nil
	}
	err = j.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE job SET heard = 1, state = 'expired', ended = 'expired', ended_at = $1
			WHERE heard = 0 AND state = 'waiting' AND expires <= $1`, at.UnixMilli()); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE job SET heard = 1 WHERE heard = 0 AND state = 'cancelled' AND expires <= $1`, at.UnixMilli()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE job SET heard = 1, state = 'failed', ended = $1, ended_at = $2
			WHERE heard = 0 AND state = 'begun' AND expires <= $3`, string(Unanswered), at.UnixMilli(), at.Add(-unanswered).UnixMilli())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("end captures whose time is over: %w", err)
	}
	return open, nil
}

// over tells that nothing more is to be expected of a job.
func (j Job) over(at time.Time) bool {
	until := j.Expires
	if j.State == Begun {
		until = until.Add(unanswered)
	}
	return !at.Before(until)
}

// Message is what the site's agent is told of the job.
func (j Job) Message() protocol.Job {
	kind := protocol.JobCapture
	if !j.CancelledAt.IsZero() {
		kind = protocol.JobCancel
	}
	return protocol.Job{Kind: kind, NotBefore: j.NotBefore, Expires: j.Expires, Serial: j.Serial, PIN: j.PIN, Finger: j.Finger}
}

// reader runs a query and calls row for every row of the answer.
type reader func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error

// one reads the job of a condition; ErrNone where there is none.
func one(ctx context.Context, query reader, where string, args ...any) (Job, error) {
	all, err := read(ctx, query, where, args...)
	if err == nil && len(all) == 0 {
		err = ErrNone
	}
	if err != nil {
		return Job{}, err
	}
	return all[0], nil
}

func read(ctx context.Context, query reader, where string, args ...any) (all []Job, err error) {
	err = query(ctx, func(rows *sql.Rows) error {
		var j Job
		var life, counter, ordered, notBefore, expires, said, ended, cancelled, shown int64
		var digest []byte
		err := rows.Scan(&j.ID, &j.Site, &j.Serial, &life, &counter, &j.Employee, &j.PIN, &j.Finger, &j.OrderedBy, &ordered, &notBefore, &expires,
			&j.State, &j.Step, &j.Good, &j.Bad, &said, &j.Ended, &j.Reason, &ended, &digest, &j.CancelledBy, &cancelled,
			&j.Notice.Wording, &j.Notice.By, &shown)
		if err != nil {
			return err
		}
		if len(digest) != 0 && len(digest) != len(j.Digest) {
			return fmt.Errorf("a digest column holds %d bytes", len(digest))
		}
		copy(j.Digest[:], digest)
		j.Number = protocol.Seq{Life: uint64(life), Counter: uint64(counter)}
		j.OrderedAt, j.NotBefore, j.Expires, j.SaidAt = instant(ordered), instant(notBefore), instant(expires), instant(said)
		j.EndedAt, j.CancelledAt, j.Notice.At = instant(ended), instant(cancelled), instant(shown)
		all = append(all, j)
		return nil
	}, `SELECT j.id, j.site, j.serial, j.generation, j.number, j.employee, j.pin, j.finger, j.ordered_by, j.ordered_at, j.not_before, j.expires,
			j.state, j.step, j.good, j.bad, j.said_at, j.ended, j.reason, j.ended_at, j.digest, j.cancelled_by, j.cancelled_at,
			n.wording, n.shown_by, n.shown_at
		FROM job j JOIN notice n ON n.id = j.notice WHERE `+where, args...)
	return all, err
}

// millis is how a time is kept: Unix milliseconds, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// instant reads what millis wrote, in UTC.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
