package errand

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// known finds the errand of a site and a number.
const known = "site = $1 AND generation = $2 AND number = $3"

// Tell takes what a site's agent says of an errand. ErrNone where the site has no such
// one.
func (e *Errands) Tell(ctx context.Context, site protocol.SiteID, p protocol.Progress, at time.Time) error {
	err := e.db.Update(ctx, func(tx *sql.Tx) error {
		errand, err := one(ctx, e.db.Within(tx), known, string(site), int64(p.Job.Life), int64(p.Job.Counter))
		if err == nil && (errand.Kind != p.Kind || errand.Serial != p.Serial) {
			err = ErrNone
		}
		if err != nil || !errand.hear(p, at) {
			return err
		}
		if err := errand.update(ctx, tx); err != nil || errand.State != Done {
			return err
		}
		switch {
		case errand.Kind == protocol.JobKeyMake && p.Result != nil && p.Result.Key != nil:
			return errand.keep(ctx, tx, *p.Result.Key, at)
		case errand.Kind == protocol.JobKeyWrite:
			return errand.prove(ctx, tx, at)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take progress of errand %s of site %s: %w", p.Job, site, err)
	}
	return nil
}

// hear is what a word of the agent makes of an errand; changed is false where it is no
// news. What has ended stays ended, but that nothing was heard of it is no end: then the
// agent knows better. Messages may overtake each other: begun after the end is no news.
func (e *Errand) hear(p protocol.Progress, at time.Time) (changed bool) {
	if !e.State.Open() && e.Ended != Unanswered {
		return false
	}
	if p.Ended == "" || p.Ended == protocol.EndedDone && e.Kind == protocol.JobDiagnose { // done it is when the diagnosis is here
		changed = e.State == Waiting && p.Step != ""
		if changed {
			e.State = Begun
		}
		return changed
	}
	switch p.Ended {
	case protocol.EndedDone:
		e.State = Done
	case protocol.EndedExpired:
		e.State = Expired
	default:
		e.State = Failed
	}
	e.Ended, e.Reason, e.Result, e.EndedAt = p.Ended, p.Reason, p.Result, at
	if e.Kind == protocol.JobKeyMake { // it is kept elsewhere, and nothing else was brought
		e.Result = nil
	}
	return true
}

// update writes what changes of an errand.
func (e Errand) update(ctx context.Context, tx *sql.Tx) error {
	result, heard, ended := []byte(nil), 1, int64(0)
	if e.State.Open() {
		heard = 0 // it is asked what became of it
	} else {
		ended = e.EndedAt.UnixMilli()
	}
	if e.Result != nil {
		var err error
		if result, err = json.Marshal(e.Result); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE errand SET state = $1, ended = $2, reason = $3, ended_at = $4, result = $5, heard = $6 WHERE id = $7`,
		string(e.State), string(e.Ended), e.Reason, ended, string(result), heard, e.ID)
	return err
}

// Landed keeps the diagnosis that answers an errand, sealed as it came, and lets go of the
// oldest of the site. ErrNone where the site was not asked for it.
func (e *Errands) Landed(ctx context.Context, site protocol.SiteID, d protocol.Diagnosis, at time.Time) error {
	text, err := json.Marshal(d.Doc)
	if err == nil {
		err = e.db.Update(ctx, func(tx *sql.Tx) error {
			errand, err := one(ctx, e.db.Within(tx), known, string(site), int64(d.Job.Life), int64(d.Job.Counter))
			if err == nil && errand.Kind != protocol.JobDiagnose {
				err = ErrNone
			}
			if err != nil || errand.State == Done {
				return err
			}
			errand.State, errand.Ended, errand.Reason, errand.EndedAt = Done, protocol.EndedDone, "", at
			if err := errand.update(ctx, tx); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO diagnosis (errand, site, at, document) VALUES ($1, $2, $3, $4)`,
				errand.ID, string(site), at.UnixMilli(), string(text)); err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `DELETE FROM diagnosis WHERE site = $1 AND errand NOT IN
				(SELECT errand FROM diagnosis WHERE site = $1 ORDER BY errand DESC LIMIT $2)`, string(site), keeps)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("keep diagnosis %s of site %s: %w", d.Job, site, err)
	}
	return nil
}

// mostReport bounds what a diagnosis may unpack to.
const mostReport = 4 << 20

// Open opens the diagnosis of an errand with the hub's key; ErrNone where there is none,
// or none any more.
func (e *Errands) Open(ctx context.Context, site protocol.SiteID, id int64, key protocol.Opener) (report protocol.DiagnosisReport, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("open diagnosis of errand %d of site %s: %w", id, site, err)
		}
	}()
	errand, err := one(ctx, e.db.Query, "site = $1 AND id = $2", string(site), id)
	if err != nil {
		return report, err
	}
	var document string
	err = e.db.Query(ctx, func(rows *sql.Rows) error { return rows.Scan(&document) }, "SELECT document FROM diagnosis WHERE errand = $1", id)
	if err == nil && document == "" {
		err = ErrNone
	}
	if err != nil {
		return report, err
	}
	var d protocol.Document
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		return report, err
	}
	packed, err := d.Open(key, protocol.DiagnosisPurpose(site, errand.Number))
	if err != nil {
		return report, err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return report, err
	}
	text, err := io.ReadAll(io.LimitReader(z, mostReport))
	if err != nil {
		return report, err
	}
	return report, protocol.Decode(text, &report)
}
