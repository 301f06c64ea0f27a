package collect_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/collect"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// mute is a terminal whose driver never comes back, also when it is told to.
type mute struct {
	scripted
	released chan struct{}
}

func (m *mute) Read(ctx context.Context, ask terminal.Ask) (terminal.Reading, error) {
	<-m.released
	return m.scripted.Read(ctx, ask)
}

func TestStuckReaderStandsStillAndAWaitingOneDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		well, stuck := &scripted{log: days(0, 5)}, &mute{released: make(chan struct{})}
		p := pulse.New()
		r := start(t, collect.Config{Pulse: p, Buffer: newMemory(), Terminals: []collect.Terminal{
			{Serial: "WELL", Source: well, Every: 48 * time.Hour}, {Serial: "STUCK", Source: stuck},
		}})
		synctest.Wait()
		select {
		case <-p.Begun():
		default:
			t.Error("the readers run, and the program has not begun")
		}
		time.Sleep(59 * time.Minute) // somebody else may be writing to the terminal
		if still := p.Still(time.Now()); len(still) != 0 {
			t.Errorf("standing still within the hour that a read may wait: %q", still)
		}
		time.Sleep(2 * time.Minute)
		if still := p.Still(time.Now()); !slices.Equal(still, []string{"collect STUCK"}) {
			t.Errorf("standing still: %q, want the stuck reader alone", still)
		}
		close(stuck.released)
		synctest.Wait()
		if still := p.Still(time.Now()); len(still) != 0 {
			t.Errorf("standing still after the read came back: %q", still)
		}
		r.stop()
		time.Sleep(24 * time.Hour)
		if still := p.Still(time.Now()); len(still) != 0 {
			t.Errorf("readers that have ended stand still: %q", still)
		}
	})
}
