package job

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Tell takes what a site's agent says of a job, in the order in which it said it.
// ErrNone where the site has no such job at that terminal.
func (j *Jobs) Tell(ctx context.Context, site protocol.SiteID, p protocol.Progress, at time.Time) error {
	err := j.db.Update(ctx, func(tx *sql.Tx) error {
		job, err := one(ctx, j.db.Within(tx), known, string(site), int64(p.Job.Life), int64(p.Job.Counter), string(p.Serial))
		if err != nil {
			return err
		}
		job.hear(p, at)
		heard := 1
		if job.State.Open() || job.State == Cancelled && p.Ended == "" {
			heard = 0 // it is asked what became of it, or told to stop
		}
		_, err = tx.ExecContext(ctx, `UPDATE job SET state = $1, step = $2, good = $3, bad = $4, said_at = $5, ended = $6, reason = $7, ended_at = $8,
heard = $9 WHERE id = $10`,
			string(job.State), string(job.Step), job.Good, job.Bad, at.UnixMilli(), string(job.Ended), job.Reason, millis(job.EndedAt), heard, job.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("take progress of job %s of site %s: %w", p.Job, site, err)
	}
	return nil
}

// known finds the job of a site, a number and a terminal.
const known = "j.site = $1 AND j.generation = $2 AND j.number = $3 AND j.serial = $4"

// hear is what a word of the agent makes of a job. What has ended stays ended, but that
// nothing was heard of it is no end: then the agent knows better. Done it is by the
// vault's word only.
func (j *Job) hear(p protocol.Progress, at time.Time) {
	if j.State == Done || j.State == Failed && j.Ended != Unanswered || j.State == Cancelled {
		return
	}
	if p.Step != "" || p.Ended != "" {
		j.State, j.Ended, j.EndedAt = Begun, "", time.Time{}
	}
	j.Step, j.Good, j.Bad, j.Reason = p.Step, p.Good, p.Bad, p.Reason
	switch p.Ended {
	case "", protocol.EndedDone:
		return
	case protocol.EndedCancelled:
		j.State = Cancelled
	case protocol.EndedExpired:
		j.State = Expired
	default:
		j.State = Failed
	}
	j.Ended, j.EndedAt = p.Ended, at
}

// Cancel ends a job that has not ended, in the name of a person. Whoever is at the
// terminal may still be faster: what they then left is found, and nobody's.
func (j *Jobs) Cancel(ctx context.Context, id int64, who string, at time.Time) error {
	err := j.db.Update(ctx, func(tx *sql.Tx) error {
		job, err := one(ctx, j.db.Within(tx), "j.id = $1", id)
		switch {
		case err != nil:
			return err
		case who == "":
			return ErrWho
		case !job.State.Open():
			return ErrOver
		}
		_, err = tx.ExecContext(ctx, `UPDATE job SET state = 'cancelled', cancelled_by = $1, cancelled_at = $2, ended_at = $2 WHERE id = $3`,
			who, at.UnixMilli(), id)
		return err
	})
	if err != nil {
		return fmt.Errorf("cancel capture %d: %w", id, err)
	}
	return nil
}

// Capture is what a template that came up says about where it is from.
type Capture struct {
	Site   protocol.SiteID
	Serial protocol.Serial
	Number protocol.Seq
	PIN    string
	Finger uint8
	Digest protocol.Hash
}

// Whose returns the job that a template belongs to: site, terminal, PIN and finger are
// the job's, the terminal is one of enrolment, the job was not cancelled, and it has
// no other template. ours is false for every other template.
func (j *Jobs) Whose(ctx context.Context, c Capture, at time.Time) (job Job, ours bool, err error) {
	all, err := read(ctx, j.db.Query, known, string(c.Site), int64(c.Number.Life), int64(c.Number.Counter), string(c.Serial))
	if err != nil {
		return Job{}, false, fmt.Errorf("find job %s of site %s: %w", c.Number, c.Site, err)
	}
	reg, err := j.register.Register(ctx)
	if err != nil {
		return Job{}, false, err
	}
	t, found := reg.TerminalBy(c.Site, c.Serial)
	if len(all) == 0 || !found || !enrols(t, roster.DateOf(at)) {
		return Job{}, false, nil
	}
	job = all[0]
	ours = job.PIN == protocol.NormalPIN(c.PIN) && job.Finger == c.Finger && job.State != Cancelled &&
		(job.Digest.IsZero() || job.Digest == c.Digest)
	return job, ours, nil
}

// Landed says that the template of a job is in the vault: the job is done.
func (j *Jobs) Landed(ctx context.Context, id int64, digest protocol.Hash, at time.Time) error {
	err := j.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE job SET state = 'done', step = $1, ended = $2, ended_at = $3, digest = $4, heard = 1
			WHERE id = $5 AND state <> 'done'`, string(protocol.StepStored), string(protocol.EndedDone), at.UnixMilli(), digest[:], id)
		return err
	})
	if err != nil {
		return fmt.Errorf("end capture %d: %w", id, err)
	}
	return nil
}
