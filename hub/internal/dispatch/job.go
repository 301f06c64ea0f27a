package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// Jobs is what dispatch needs to know of what sites are asked to do once.
type Jobs interface {
	Open(ctx context.Context, at time.Time) ([]job.Job, error)
}

// everyJob is how often open jobs are looked for: an operator's command or a page has
// ordered one. againJob is how often one is said anew until the agent has said what
// became of it: it may have been away, or the message lost.
const (
	everyJob = 500 * time.Millisecond
	againJob = 5 * time.Second
)

// saidJob is what was said of a job.
type saidJob struct {
	id   int64
	kind protocol.JobKind
}

// followJobs says open jobs until ctx ends.
func (d *Dispatch) followJobs(ctx context.Context, conn *mqtt.Conn) error {
	if d.o.Jobs == nil {
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
	open, err := d.o.Jobs.Open(ctx, now)
	if err != nil || len(open) == 0 {
		return nil, err
	}
	doubtful, err := d.doubtful(ctx)
	if err != nil {
		return nil, err
	}
	said := map[saidJob]time.Time{}
	for _, j := range open {
		message := j.Message()
		key := saidJob{j.ID, message.Kind}
		if at, found := before[key]; found && now.Sub(at) < againJob {
			said[key] = at
			continue
		}
		if doubtful[j.Site] {
			continue
		}
		if err := d.sayJob(ctx, conn, j, message); err != nil {
			return nil, err
		}
		said[key] = now
	}
	return said, nil
}

func (d *Dispatch) sayJob(ctx context.Context, conn *mqtt.Conn, j job.Job, body protocol.Job) error {
	agent, err := d.o.Store.Agent(ctx, j.Site)
	if errors.Is(err, store.ErrNoSite) {
		return nil // withdrawn in between
	}
	if err != nil {
		return fmt.Errorf("find agent of site %s: %w", j.Site, err)
	}
	m, err := d.message(protocol.Topic{Site: j.Site, Kind: protocol.KindJobs}, agent.Fingerprint.KeyID(), j.Number, body)
	if err == nil {
		err = conn.Publish(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("publish job %s of site %s: %w", j.Number, j.Site, err)
	}
	return nil
}
