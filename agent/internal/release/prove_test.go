package release_test

import (
	"crypto/sha256"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/launch"
	"github.com/bkpsdmd-babel/sidik/agent/internal/release"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// A trial that does not show what the version before could do goes back, by the time that
// counts: that in which the hub could be reached, or a day.
func TestTrialThatProvesNothingGoesBack(t *testing.T) {
	for _, row := range []struct {
		name   string
		needs  launch.Needs
		change func(s *site)
		reason launch.Reason // empty: it proves itself
		after  time.Duration
	}{
		{"hub and terminal as before", launch.Needs{Terminal: true, Hub: true}, func(*site) {}, "", 0},
		{"no hub", launch.Needs{Terminal: true, Hub: true}, func(s *site) { s.heard = false }, launch.Hub, launch.Limit},
		{"no hub, and no network either", launch.Needs{Terminal: true, Hub: true}, func(s *site) { s.heard, s.reach = false, false }, launch.Hub, launch.TotalLimit},
		{"no terminal", launch.Needs{Terminal: true, Hub: true}, func(s *site) { s.read = false }, launch.Terminal, launch.Limit},
		{"no terminal, and there was none before", launch.Needs{Hub: true}, func(s *site) { s.read = false }, "", 0},
		{"no hub, and there was none before", launch.Needs{Terminal: true}, func(s *site) { s.heard = false }, "", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t)
			s.server.Close()
			row.change(s)
			s.o.Every, s.o.Version, s.o.Launched = 5*time.Second, "v1.2.0", protocol.Hash{1}
			p := launch.Program{SHA256: protocol.Hash{1}, Version: edition(t, "v1.2.0"), Order: protocol.Seq{Life: 1, Counter: 5}}
			plan, _ := launch.Plan{}.Try(p, row.needs).Launch("v1.1.0", func(launch.Program) error { return nil })
			if err := launch.In(s.o.Data).Keep(plan); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				r, begun := s.begin(t), time.Now()
				ended := make(chan error, 1)
				go func() { ended <- r.Run(t.Context()) }()
				if row.reason == "" {
					time.Sleep(time.Minute)
					synctest.Wait()
					if p := s.plan(t); p.Trying != nil || p.Current == nil {
						t.Errorf("the plan is %+v", p)
					}
					return
				}
				if err := <-ended; !errors.Is(err, release.ErrReplace) {
					t.Errorf("Run = %v, want ErrReplace", err)
				}
				if took := time.Since(begun); took < row.after || took > row.after+2*time.Minute {
					t.Errorf("it went back after %s, want %s", took, row.after)
				}
				if p := s.plan(t); p.Trying != nil || p.Current != nil || p.Why(protocol.Seq{Life: 1, Counter: 5}) != row.reason {
					t.Errorf("the plan is %+v", p)
				}
			})
		})
	}
}

// A version that nobody could take back from afar is not tried: where the line is down,
// the program that is here already waits until the hub is heard.
func TestNothingIsTriedWhileTheHubIsNotHeard(t *testing.T) {
	s, text := newSite(t), program()
	s.server.Close()
	s.heard, s.read, s.o.Every, s.o.Settle = false, false, time.Hour, 0
	e := s.offer(t, "v1.2.0", 5, text)
	synctest.Test(t, func(t *testing.T) {
		r := s.begin(t)
		if err := r.TakeRelease(e); err != nil {
			t.Fatal(err)
		}
		sum := protocol.Hash(sha256.Sum256(text))
		if err := os.WriteFile(launch.In(s.o.Data).Program(sum), text, 0o700); err != nil { // by a start before
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- r.Run(t.Context()) }()
		time.Sleep(30 * 24 * time.Hour)
		synctest.Wait()
		if p := s.plan(t); p.Trying != nil {
			t.Fatalf("without a line the plan is %+v", p)
		}
		s.set(func(s *site) { s.heard = true })
		if err := <-ended; !errors.Is(err, release.ErrReplace) {
			t.Errorf("Run = %v, want ErrReplace", err)
		}
		if p := s.plan(t); p.Trying == nil || p.Needs != (launch.Needs{Hub: true}) {
			t.Errorf("the plan is %+v", p)
		}
	})
}
