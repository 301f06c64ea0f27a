package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Jobs is where it is kept how far jobs are.
type Jobs interface {
	Tell(ctx context.Context, site protocol.SiteID, p protocol.Progress, at time.Time) error
}

// Errands is where it is kept what became of service that sites were asked for.
type Errands interface {
	Tell(ctx context.Context, site protocol.SiteID, p protocol.Progress, at time.Time) error
	Landed(ctx context.Context, site protocol.SiteID, d protocol.Diagnosis, at time.Time) error
}

// takeErrand keeps what became of an errand. In which order words about it come does not
// matter: what has ended stays ended.
func (i *Ingest) takeErrand(ctx context.Context, c checked) error {
	if i.o.Errands == nil {
		return &protocol.Refusal{Reason: protocol.ReasonReceiver, Cause: errors.New("this hub asks for no service")}
	}
	var err error
	if c.envelope.Kind == protocol.KindDiagnosis {
		err = i.o.Errands.Landed(ctx, c.envelope.Site, c.diagnosis, c.received)
	} else {
		err = i.o.Errands.Tell(ctx, c.envelope.Site, c.progress, c.received)
	}
	if errors.Is(err, errand.ErrNone) {
		return &protocol.Refusal{Reason: protocol.ReasonBody, Cause: err}
	}
	return err
}

// takeProgress keeps how far a job is, if it is the newest word about the terminal's.
func (i *Ingest) takeProgress(ctx context.Context, said holding.Said, p protocol.Progress) error {
	if i.o.Jobs == nil {
		return &protocol.Refusal{Reason: protocol.ReasonReceiver, Cause: errors.New("this hub orders no jobs")}
	}
	err := i.o.Holding.Take(ctx, said, protocol.KindProgress, func() error {
		return i.o.Jobs.Tell(ctx, said.Site, p, said.At)
	})
	if errors.Is(err, job.ErrNone) {
		return &protocol.Refusal{Reason: protocol.ReasonBody, Cause: err}
	}
	return err
}
