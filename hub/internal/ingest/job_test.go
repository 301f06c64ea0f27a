package ingest_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/job"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// jobs remembers what it was told of job 1.12, the only one.
type jobs struct {
	told []protocol.Progress
	at   time.Time
}

func (j *jobs) Tell(_ context.Context, site protocol.SiteID, p protocol.Progress, at time.Time) error {
	if site != demo || p.Job != (protocol.Seq{Life: 1, Counter: 12}) {
		return fmt.Errorf("tell: %w", job.ErrNone)
	}
	j.told, j.at = append(j.told, p), at
	return nil
}

// progress is a word about job 1.12 at the terminal DEMO1.
func (w *world) progress(counter uint64, change ...func(p *protocol.Progress, e *protocol.Envelope, key *seal.SigningKey)) mqtt.Message {
	w.t.Helper()
	p := protocol.Progress{Job: protocol.Seq{Life: 1, Counter: 12}, Serial: serial, Step: protocol.StepAsked}
	e := protocol.Envelope{Kind: protocol.KindProgress, To: w.hub.Public().KeyID(), Seq: protocol.Seq{Life: 1, Counter: counter}}
	key := w.agent.Key
	for _, c := range change {
		c(&p, &e, &key)
	}
	return w.seal(key, e, p)
}

func TestProgressReachesTheJobs(t *testing.T) {
	w, j := ready(t), &jobs{}
	w.jobs = j
	ok(t, w.take(w.store, w.progress(1), w.progress(2, func(p *protocol.Progress, _ *protocol.Envelope, _ *seal.SigningKey) {
		p.Ended = protocol.EndedNobody
	})))
	w.want(nil)
	if len(j.told) != 2 || j.told[1].Ended != protocol.EndedNobody || j.at.IsZero() {
		t.Errorf("told %+v at %s", j.told, j.at)
	}
}

func TestProgressThatCannotBeChangesNothing(t *testing.T) {
	type change = func(p *protocol.Progress, e *protocol.Envelope, key *seal.SigningKey)
	for _, c := range []struct {
		name   string
		change change
		want   protocol.Reason
	}{
		{"replayed", func(_ *protocol.Progress, e *protocol.Envelope, _ *seal.SigningKey) { e.Seq.Counter = 1 }, protocol.ReasonReplay},
		{"of an earlier life of the agent", func(_ *protocol.Progress, e *protocol.Envelope, _ *seal.SigningKey) { e.Seq.Life = 0 }, protocol.ReasonReplay},
		{"of a job that is none", func(p *protocol.Progress, _ *protocol.Envelope, _ *seal.SigningKey) { p.Job.Counter++ }, protocol.ReasonBody},
		{"of a terminal that nobody registered", func(p *protocol.Progress, _ *protocol.Envelope, _ *seal.SigningKey) { p.Serial = "DEMO9" }, protocol.ReasonTopic},
		{"with an unknown step", func(p *protocol.Progress, _ *protocol.Envelope, _ *seal.SigningKey) { p.Step = "danced" }, protocol.ReasonBody},
		{"for another hub", func(_ *protocol.Progress, e *protocol.Envelope, _ *seal.SigningKey) {
			e.To = "0011223344556677"
		}, protocol.ReasonReceiver},
		{"signed by a stranger", func(_ *protocol.Progress, _ *protocol.Envelope, key *seal.SigningKey) {
			*key = storetest.NewAgent(t, demo).Key
		}, protocol.ReasonKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, j := ready(t), &jobs{}
			w.jobs = j
			ok(t, w.take(w.store, w.progress(5), w.progress(6, c.change)))
			w.want(nil, c.want)
			if len(j.told) != 1 {
				t.Errorf("told %+v", j.told)
			}
		})
	}
	t.Run("at a hub without jobs", func(t *testing.T) {
		w := ready(t)
		ok(t, w.take(w.store, w.progress(1)))
		w.want(nil, protocol.ReasonReceiver)
	})
}

func TestCapturedTemplateNamesItsJob(t *testing.T) {
	w, v := ready(t), &vault{}
	w.vault = v
	item := protocol.SealedTemplate{PIN: "100001", Finger: 1, Algorithm: 10, Digest: sha256.Sum256([]byte("one")), Job: protocol.Seq{Life: 1, Counter: 12}}
	var err error
	item.Box, err = w.sealing.Public().Seal(templatePurpose(item), []byte("one"))
	ok(t, err)
	ok(t, w.take(w.store, w.say(1, protocol.Templates{Serial: serial, Items: []protocol.SealedTemplate{item}})...))
	w.want(nil)
	if len(v.found) != 1 || v.found[0].Job != item.Job || len(w.kept[serial]) != 1 {
		t.Errorf("found %+v, confirmed %v", v.found, w.kept)
	}
}
