package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// Jobs is what dispatch needs to know of what sites are asked to do once.
type Jobs interface {
	Open(ctx context.Context, at time.Time) ([]job.Job, error)
}

// Errands is what dispatch needs to know of the service that sites are asked for.
type Errands interface {
	Due(ctx context.Context, at time.Time) ([]errand.Errand, error)
}

// everyJob is how often open jobs are looked for: an operator's command or a page has
// ordered one. againJob is how often one is said anew until the agent has said what
// became of it: it may have been away, or the message lost.
const (
	everyJob = 500 * time.Millisecond
	againJob = 5 * time.Second
)

// saidJob is what was said of a job, by the number that the site knows it by.
type saidJob struct {
	site   protocol.SiteID
	number protocol.Seq
	kind   protocol.JobKind
}

// openJob is a job that a site is to hear of.
type openJob struct {
	site   protocol.SiteID
	number protocol.Seq
	body   protocol.Job
}

// openJobs are all captures and errands that sites are to hear of.
func (d *Dispatch) openJobs(ctx context.Context, at time.Time) (open []openJob, err error) {
	if d.o.Jobs != nil {
		captures, err := d.o.Jobs.Open(ctx, at)
		if err != nil {
			return nil, err
		}
		for _, j := range captures {
			open = append(open, openJob{j.Site, j.Number, j.Message()})
		}
	}
	if d.o.Errands != nil {
		errands, err := d.o.Errands.Due(ctx, at)
		if err != nil {
			return nil, err
		}
		for _, e := range errands {
			open = append(open, openJob{e.Site, e.Number, e.Message()})
		}
	}
	return open, nil
}

// followJobs says open jobs until ctx ends.
func (d *Dispatch) followJobs(ctx context.Context, conn *mqtt.Conn) error {
	if d.o.Jobs == nil && d.o.Errands == nil {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	tick := time.NewTicker(everyJob)
	defer tick.Stop()
	var said map[saidJob]time.Time
	for {
		var err error
		if said, err = d.sayJobs(ctx, conn, said); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// sayJobs says the jobs that are due, and returns when each open one was last said.
func (d *Dispatch) sayJobs(ctx context.Context, conn *mqtt.Conn, before map[saidJob]time.Time) (map[saidJob]time.Time, error) {
	now := time.Now()
	open, err := d.openJobs(ctx, now)
	if err != nil || len(open) == 0 {
		return nil, err
	}
	doubtful, err := d.doubtful(ctx)
	if err != nil {
		return nil, err
	}
	said := map[saidJob]time.Time{}
	for _, j := range open {
		key := saidJob{j.site, j.number, j.body.Kind}
		if at, found := before[key]; found && now.Sub(at) < againJob {
			said[key] = at
			continue
		}
		if doubtful[j.site] {
			continue
		}
		if err := d.sayJob(ctx, conn, j); err != nil {
			return nil, err
		}
		said[key] = now
	}
	return said, nil
}

func (d *Dispatch) sayJob(ctx context.Context, conn *mqtt.Conn, j openJob) error {
	agent, err := d.o.Store.Agent(ctx, j.site)
	if errors.Is(err, store.ErrNoSite) {
		return nil // withdrawn in between
	}
	if err != nil {
		return fmt.Errorf("find agent of site %s: %w", j.site, err)
	}
	m, err := d.message(protocol.Topic{Site: j.site, Kind: protocol.KindJobs}, agent.Fingerprint.KeyID(), j.number, j.body)
	if err == nil {
		err = conn.Publish(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("publish job %s of site %s: %w", j.number, j.site, err)
	}
	return nil
}
