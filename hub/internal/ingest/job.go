package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Jobs is where it is kept how far jobs are.
type Jobs interface {
	Tell(ctx context.Context, site protocol.SiteID, p protocol.Progress, at time.Time) error
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
