package ingest_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/ingest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// jammed is a store whose commits do not come back before they are let go, not even
// when they are told to.
type jammed struct {
	ingest.Store
	free chan struct{}
}

func (j jammed) Accept(ctx context.Context, in []store.Incoming) ([]store.Verdict, error) {
	<-j.free
	return j.Store.Accept(ctx, in)
}

func TestStuckCommitStandsStillAndIdlingDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ok(t, w.store.LearnKey(t.Context(), demo, w.agent.Key.Public(), time.Now()))
		p, s := pulse.New(), jammed{w.store, make(chan struct{})}
		in := make(chan mqtt.Message)
		done := make(chan error, 1)
		part := ingest.New(ingest.Options{
			Store: s, Holding: w.holding, Dispatch: w, Meter: w, Keys: keys{w.sealing, []seal.SigningKey{w.hub}}, Workers: 2,
			Logger: slog.New(slog.DiscardHandler), Pulse: p,
		})
		go func() { done <- part.Run(t.Context(), in) }()
		<-p.Begun()
		time.Sleep(24 * time.Hour)
		if still := p.Still(time.Now()); len(still) != 0 {
			t.Errorf("standing still with nothing to do: %q", still)
		}
		in <- w.punches(w.segment("DEMO1", 1, 3))
		time.Sleep(6 * time.Minute)
		if still := p.Still(time.Now()); !slices.Equal(still, []string{"ingest: store"}) {
			t.Errorf("standing still: %q, want the one that stores", still)
		}
		close(s.free)
		synctest.Wait()
		time.Sleep(time.Minute)
		if still := p.Still(time.Now()); len(still) != 0 {
			t.Errorf("standing still after the commit: %q", still)
		}
		close(in)
		ok(t, <-done)
		time.Sleep(24 * time.Hour)
		if still := p.Still(time.Now()); len(still) != 0 {
			t.Errorf("loops that have ended stand still: %q", still)
		}
	})
}
