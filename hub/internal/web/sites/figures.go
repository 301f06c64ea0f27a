package sites

import (
	"context"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/metrics"
)

// Figures reads for a scrape what the overview shows.
func (s *Pages) Figures(ctx context.Context) (metrics.Figures, error) {
	f := metrics.Figures{Standings: map[string]int{}}
	for _, standing := range []Standing{Ready, Starting, Sleeping, Stopped, Interrupted, Missing, Unheard, Unknown, Absent} {
		f.Standings[string(standing)] = 0
	}
	sites, _, err := s.sites(ctx, account.Everything(), s.Live(), s.Now())
	if err != nil {
		return f, err
	}
	for _, v := range sites {
		f.Standings[string(v.Standing)]++
		f.Sites = append(f.Sites, metrics.Site{ID: string(v.Agent.Site), Backlog: v.State.Backlog.Punches, Heard: v.Heard})
	}
	totals, err := s.store.Totals(ctx)
	if err != nil {
		return f, err
	}
	f.Terminals, f.Unregistered, f.Epochs, f.Sightings = totals.Terminals, totals.Unregistered, totals.Epochs, totals.Sightings
	attempts, err := s.store.Attempts(ctx)
	for _, a := range attempts {
		f.Attempts += a.Count
	}
	return f, err
}
