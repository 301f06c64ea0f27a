package dispatch_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// jobs are what is open; the test changes it as commands and agents would.
type jobs struct {
	mu   sync.Mutex
	open []job.Job
}

func (j *jobs) Open(context.Context, time.Time) ([]job.Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.open, nil
}

func (j *jobs) set(open ...job.Job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.open = open
}

func ordered(id int64, site protocol.SiteID) job.Job {
	return job.Job{ID: id, Site: site, Serial: serial, Number: protocol.Seq{Life: 1, Counter: uint64(id)}, PIN: "100001", Finger: 1,
		Expires: storetest.Morning().Add(time.Hour), State: job.Waiting}
}

// job is the next jobs message.
func (w *world) job() (protocol.Envelope, protocol.Job) {
	w.t.Helper()
	for {
		m := wait(w.t, w.heard)
		topic, err := protocol.ParseTopic(m.Topic)
		ok(w.t, err)
		if topic.Kind != protocol.KindJobs {
			continue
		}
		if m.Retained {
			w.t.Error("the broker keeps a job")
		}
		e, err := protocol.Open(m.Topic, m.Payload, func(protocol.SiteID, seal.KeyID) (seal.PublicKey, bool) { return w.key.Public(), true })
		ok(w.t, err)
		var j protocol.Job
		ok(w.t, e.Into(&j))
		return e, j
	}
}

func TestOpenJobIsSaidUntilItIsAnswered(t *testing.T) {
	w := newWorld(t)
	w.watch()
	stop := w.serve()
	w.jobs.set(ordered(7, demo))
	e, j := w.job()
	if e.Seq != (protocol.Seq{Life: 1, Counter: 7}) || e.Site != demo || e.To != w.agent.Key.Public().KeyID() || e.At == nil ||
		j.Kind != protocol.JobCapture || j.PIN != "100001" || j.Finger != 1 || j.Serial != serial {
		t.Errorf("said %+v: %+v", e, j)
	}
	began := time.Now()
	if e, _ := w.job(); e.Seq.Counter != 7 || time.Since(began) < 2*time.Second {
		t.Errorf("job %s after %s: it is to be said again, and not all the time", e.Seq, time.Since(began))
	}
	cancelled := ordered(7, demo)
	cancelled.State, cancelled.CancelledAt = job.Cancelled, storetest.Morning()
	w.jobs.set(cancelled)
	if e, j := w.job(); e.Seq.Counter != 7 || j.Kind != protocol.JobCancel {
		t.Errorf("after the cancel: job %s, %+v", e.Seq, j)
	}
	w.jobs.set(ordered(8, demo)) // the agent has said what became of 7
	if e, _ := w.job(); e.Seq.Counter != 8 {
		t.Errorf("job %s was said, want the next", e.Seq)
	}
	stop()
	w.serve() // a new connection: nobody knows what the one before carried
	if e, _ := w.job(); e.Seq.Counter != 8 {
		t.Errorf("over a new connection: job %s", e.Seq)
	}
}

func TestJobIsForTheRightAgentOnly(t *testing.T) {
	w := newWorld(t)
	w.watch()
	_, err := w.store.Raise(t.Context(), store.Condition{Site: demo, Code: "key-in-two-places"}, storetest.Morning())
	ok(t, err)
	w.serve()
	w.jobs.set(ordered(1, demo), ordered(2, "nowhere"), ordered(3, other))
	if e, _ := w.job(); e.Site != other || e.Seq.Counter != 3 {
		t.Errorf("job %s of site %s was said: one site has two agents, one none", e.Seq, e.Site)
	}
	cleared, err := w.store.Clear(t.Context(), demo, "key-in-two-places", "")
	ok(t, errors.Join(err, found(cleared)))
	if e, _ := w.job(); e.Site != demo {
		t.Errorf("after a person has decided: job of site %s", e.Site)
	}
}

func found(it bool) error {
	if !it {
		return errors.New("there was nothing to clear")
	}
	return nil
}
