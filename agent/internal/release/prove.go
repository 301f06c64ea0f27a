package release

import (
	"context"
	"net"
	"net/url"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/launch"
)

// countEvery is how often the time of a trial is put on disk.
const countEvery = time.Minute

// aliveWithin is how long a trial may go without a sign of life; a disk may be slow.
const aliveWithin = 5 * time.Minute

// dialTime is how long the hub's door may take to answer.
const dialTime = 5 * time.Second

// prove watches this program until it has shown what the one before could do; then it is
// the current one. It returns ErrReplace when it could not in time: the plan says so, and
// the launcher starts what was before.
func (r *Release) prove(ctx context.Context, tick *time.Ticker, begun time.Time) error {
	r.o.Log.Info("this version proves itself", "version", r.o.Version, "terminal", r.plan.Needs.Terminal, "hub", r.plan.Needs.Hub)
	defer r.o.Alive.Rest()
	for counted := begun; ; {
		r.o.Alive.Within(aliveWithin)
		plan := r.plan // nobody else changes it while this runs
		now := time.Now()
		switch {
		case r.lacking(plan.Needs) == "":
			if r.kept(plan.Proven()) {
				r.o.Log.Info("this version has proven itself", "version", r.o.Version)
				return nil
			}
		case now.Sub(counted) >= countEvery:
			plan = plan.Passed(now.Sub(counted), r.o.Heard() || r.o.Reach(ctx), now.Sub(begun))
			counted = now
			if plan.Overdue() {
				reason := r.lacking(plan.Needs)
				if r.kept(plan.Refuse(reason)) {
					r.o.Log.Error("this version could not prove itself", "version", r.o.Version, "reason", string(reason))
					return ErrReplace
				}
			}
			r.kept(plan)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// lacking is what this version has not shown yet; empty for nothing.
func (r *Release) lacking(n launch.Needs) launch.Reason {
	switch {
	case n.Hub && !r.o.Heard():
		return launch.Hub
	case n.Terminal && !r.o.Read():
		return launch.Terminal
	}
	return ""
}

// kept keeps a plan. A disk that refuses is no reason to end: collecting goes on, and it
// is tried again.
func (r *Release) kept(p launch.Plan) bool {
	err := r.keep(p)
	if err != nil {
		r.o.Log.Error("the trial of this version is not written down", "error", err)
	}
	return err == nil
}

// reach reports whether the hub's door takes a connection: then the network is up, and
// that the hub is not heard may be this program's fault.
func reach(hub string) func(ctx context.Context) bool {
	return func(ctx context.Context) bool {
		u, err := url.Parse(hub)
		if err != nil || u.Host == "" {
			return false
		}
		d := net.Dialer{Timeout: dialTime}
		conn, err := d.DialContext(ctx, "tcp", u.Host)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
}
