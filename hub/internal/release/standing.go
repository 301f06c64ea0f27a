package release

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Stage is how far a site is with its order.
type Stage string

// The stages, beside those that agents tell. A site that has begun and is not heard of
// any more is silent, which counts as a failure; one that never heard of it only waits.
const (
	Waiting  Stage = "waiting"
	Fetching Stage = Stage(protocol.ReleaseFetching)
	Trying   Stage = Stage(protocol.ReleaseTrying)
	Running  Stage = Stage(protocol.ReleaseRunning)
	Refused  Stage = Stage(protocol.ReleaseRefused)
	Silent   Stage = "silent"
)

// silentAfter is how long a site that has begun may say nothing: over a night and more.
const silentAfter = 26 * time.Hour

// Standing is how far one site is.
type Standing struct {
	Order   Order
	Stage   Stage
	Reason  string // of a refusal, and of what keeps it from fetching
	Version string // that the site runs; empty: not known
}

// failed reports whether the version is the reason that the site does not run it.
func (s Standing) failed() bool {
	switch s.Reason {
	case "lower", "no-door": // the order was none for this site
		return false
	}
	return s.Stage == Refused || s.Stage == Silent
}

// Standings returns how far each site with an order is, by site.
func (r *Releases) Standings(ctx context.Context, now time.Time) (all []Standing, err error) {
	orders, err := r.Orders(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range orders {
		held, found, err := r.db.State(ctx, o.Site)
		if err != nil {
			return nil, err
		}
		s := Standing{Order: o, Stage: Waiting}
		if found {
			s.judge(held, now)
		}
		all = append(all, s)
	}
	return all, nil
}

// judge reads the site's newest word.
func (s *Standing) judge(held store.State, now time.Time) {
	var state protocol.State
	e, err := protocol.Parse("", held.Message)
	if err != nil || e.Into(&state) != nil {
		return // of another version: it says nothing that is understood here
	}
	s.Version = state.Version
	switch told := state.Release; {
	case told == nil || told.Order != s.Order.Seq:
		if state.Version == s.Order.Version && told == nil {
			s.Stage = Running // by hand, or before an agent of today was there
		}
	default:
		s.Stage, s.Reason = Stage(told.Stage), told.Reason
	}
	if (s.Stage == Fetching || s.Stage == Trying) && now.Sub(held.Received) > silentAfter {
		s.Stage = Silent
	}
}

// ConditionPaused says that a roll-out has stopped by itself.
const ConditionPaused = "release-paused"

// itself is who pauses a roll-out when no person does.
const itself = "hub"

// Allowed is how many of so many sites may fail.
func (r Release) Allowed(sites int) int {
	if r.Failures > 0 {
		return r.Failures
	}
	return (sites + 19) / 20
}

// Judge pauses each roll-out of which more sites failed than may.
func (r *Releases) Judge(ctx context.Context, now time.Time, log *slog.Logger) error {
	releases, err := r.All(ctx)
	if err != nil || len(releases) == 0 {
		return err
	}
	standings, err := r.Standings(ctx, now)
	if err != nil {
		return err
	}
	for _, release := range releases {
		version := release.Manifest.Version.String()
		sites, failed := 0, 0
		for _, s := range standings {
			if s.Order.Version == version {
				sites++
				if s.failed() {
					failed++
				}
			}
		}
		if release.Paused != "" || failed <= release.Allowed(sites) {
			continue
		}
		why := fmt.Sprintf("%d/%d", failed, sites)
		if err := r.Pause(ctx, version, why, itself, now); err != nil {
			return err
		}
		if _, err := r.db.Raise(ctx, store.Condition{Code: ConditionPaused, Subject: version, Args: map[string]string{
			"version": version, "failed": fmt.Sprint(failed), "sites": fmt.Sprint(sites)}}, now); err != nil {
			return err
		}
		log.Error("the roll-out of a release paused itself", "version", version, "failed", failed, "sites", sites)
	}
	return nil
}

// judgeEvery is how often roll-outs are looked at.
const judgeEvery = 5 * time.Second

// Run looks at the roll-outs until ctx ends. A database that fails is told by those who
// store punches.
func (r *Releases) Run(ctx context.Context, now func() time.Time, log *slog.Logger) error {
	tick := time.NewTicker(judgeEvery)
	defer tick.Stop()
	for {
		if err := r.Judge(ctx, now(), log); err != nil && ctx.Err() == nil {
			log.Warn("roll-outs could not be judged", "error", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
