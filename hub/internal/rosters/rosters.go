// Package rosters reckons what every terminal should hold, from the register, the
// vault and what people accepted as it is, and issues it when it has changed.
//
// It knows the rule (placement), where the rule's facts are, and where its answers
// go; it decides nothing itself. Beware: the day changes what people are where, so
// rosters change at midnight though nobody touched the register.
package rosters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Directory is what is needed of the register.
type Directory interface {
	Register(ctx context.Context) (*directory.Register, error)
	Changes(ctx context.Context, limit int) ([]directory.Change, error)
}

// Vault is what is needed of the vault: whose fingers there are.
type Vault interface {
	Best(ctx context.Context) ([]vault.Held, error)
	Audit(ctx context.Context, n, employee int64, line func(vault.Line) error) error
}

// Holding is where rosters are issued.
type Holding interface {
	SetRoster(ctx context.Context, site protocol.SiteID, serial protocol.Serial, r roster.Roster,
		generation uint64, at time.Time) (order protocol.Seq, fresh bool, err error)
}

// Decisions is what people decided about findings.
type Decisions interface {
	Version(ctx context.Context) (int64, error) // rises when Accepted may be another
	Accepted(ctx context.Context, day roster.Date) (map[placement.TerminalID][]validate.Finding, error)
}

// Options are the parts of a Rosters. All but the intervals are needed.
type Options struct {
	Directory  Directory
	Vault      Vault
	Holding    Holding
	Decisions  Decisions
	Settings   placement.Settings
	Generation func(ctx context.Context) (protocol.Generation, error)
	Changed    func(site protocol.SiteID) // a terminal of the site has another roster
	Now        func() time.Time
	Logger     *slog.Logger

	Every time.Duration // between two looks for changes; default 500 ms
	Whole time.Duration // between two reckonings when nothing seems to have changed; default 1 min
}

// Rosters reckons and issues. Make it with New, run it once.
type Rosters struct {
	o    Options
	seen version
	at   time.Time // of the last reckoning
	line int64     // of the vault's audit, read so far
}

// version is what rosters depend on, as far as it is cheap to ask.
type version struct {
	change   int64 // of the register
	line     int64 // of the vault's audit, the last that changes a finger
	accepted int64 // version of what people accepted
	day      roster.Date
}

// New returns what has not reckoned yet.
func New(o Options) *Rosters {
	if o.Every == 0 {
		o.Every = 500 * time.Millisecond
	}
	if o.Whole == 0 {
		o.Whole = time.Minute
	}
	return &Rosters{o: o}
}

// Run follows register, vault and calendar until ctx ends. The register is changed by
// other processes too, so it is asked and does not tell.
func (r *Rosters) Run(ctx context.Context) error {
	tick := time.NewTicker(r.o.Every)
	defer tick.Stop()
	for {
		if err := r.look(ctx); err != nil && ctx.Err() == nil {
			r.o.Logger.Error("cannot reckon rosters", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look reckons when something may have changed.
func (r *Rosters) look(ctx context.Context) error {
	now := r.o.Now()
	seen, err := r.version(ctx, now)
	if err != nil {
		return err
	}
	if seen == r.seen && now.Sub(r.at) < r.o.Whole && !now.Before(r.at) {
		return nil
	}
	if err := r.Reckon(ctx, now); err != nil {
		return err
	}
	r.seen, r.at = seen, now
	return nil
}

func (r *Rosters) version(ctx context.Context, now time.Time) (version, error) {
	v := version{line: r.seen.line, day: roster.DateOf(now)}
	last, err := r.o.Directory.Changes(ctx, 1)
	if err != nil {
		return v, fmt.Errorf("look for changes of the register: %w", err)
	}
	if len(last) > 0 {
		v.change = last[0].N
	}
	if v.accepted, err = r.o.Decisions.Version(ctx); err != nil {
		return v, err
	}
	err = r.o.Vault.Audit(ctx, r.line, 0, func(l vault.Line) error {
		r.line = l.N
		if l.Act != vault.ActGet { // looking at a template changes no roster
			v.line = l.N
		}
		return nil
	})
	if err != nil {
		return v, fmt.Errorf("look for changes of the vault: %w", err)
	}
	return v, nil
}

// Reckon issues the roster of every terminal as of a moment. One terminal that cannot
// be issued does not keep the others from it.
func (r *Rosters) Reckon(ctx context.Context, now time.Time) error {
	register, err := r.o.Directory.Register(ctx)
	if err != nil {
		return fmt.Errorf("read register: %w", err)
	}
	generation, err := r.o.Generation(ctx)
	if err != nil {
		return fmt.Errorf("read generation: %w", err)
	}
	best, err := r.o.Vault.Best(ctx)
	if err != nil {
		return fmt.Errorf("read what the vault holds: %w", err)
	}
	snapshot := Snapshot(register, r.o.Settings, best)
	accepted, err := r.o.Decisions.Accepted(ctx, roster.DateOf(now))
	if err != nil {
		return fmt.Errorf("read what was accepted: %w", err)
	}
	var failed []error
	for id, want := range placement.On(snapshot, roster.DateOf(now)).Rosters() {
		t := register.Terminals[id]
		for _, f := range accepted[id] {
			want = f.Accept(want)
		}
		_, fresh, err := r.o.Holding.SetRoster(ctx, t.Site, t.Serial, want, generation.Number, now)
		switch {
		case err != nil:
			failed = append(failed, fmt.Errorf("issue roster of terminal %s: %w", t.Serial, err))
		case fresh:
			r.o.Changed(t.Site)
		}
	}
	return errors.Join(failed...)
}

// Snapshot is a register as the rule needs it, with the best templates of its employees,
// by what they are. Whoever foretells rosters asks the rule with the same.
func Snapshot(reg *directory.Register, settings placement.Settings, best []vault.Held) placement.Snapshot {
	s := reg.Snapshot(settings)
	of := map[placement.EmployeeID][]roster.Finger{}
	for _, h := range best {
		id := placement.EmployeeID(h.Employee)
		of[id] = append(of[id], roster.Finger{Number: h.Finger, Algorithm: h.Algorithm, Digest: h.Digest})
	}
	for i := range s.Employees {
		list := of[s.Employees[i].ID]
		slices.SortFunc(list, func(a, b roster.Finger) int {
			return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Algorithm, b.Algorithm))
		})
		s.Employees[i].Fingers = list
	}
	return s
}
