package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// ConditionHeld says that more people are due than go in one day of themselves.
const ConditionHeld = "retention-held"

// ErrMany says that more people are due than go without a person's word.
var ErrMany = errors.New("more people than may lose their templates at once without a person's approval")

// Vault is what is needed of the vault.
type Vault interface {
	Best(ctx context.Context) ([]vault.Held, error)
	Overdue(ctx context.Context, p vault.Periods) ([]vault.Found, error)
	Destroy(ctx context.Context, by vault.By, employee int64) (vault.Destruction, error)
	Expire(ctx context.Context, by vault.By, p vault.Periods) (days int, err error)
}

// Conditions are what the hub tells about itself.
type Conditions interface {
	Raise(ctx context.Context, c store.Condition, at time.Time) (fresh bool, err error)
	Clear(ctx context.Context, site protocol.SiteID, code, subject string) (was bool, err error)
}

// Options are the parts of a Retention. All but the last two are needed.
type Options struct {
	Register   func(ctx context.Context) (*directory.Register, error)
	Recorded   func(ctx context.Context) (map[placement.EmployeeID]roster.Date, error) // when each last got a status
	Vault      Vault
	Conditions Conditions
	Days       Days
	Now        func() time.Time
	Logger     *slog.Logger

	Most  int           // people in one run without a person's approval; default 20
	Every time.Duration // between two looks at the calendar; default 1 min
}

// Retention is made by New and run once.
type Retention struct {
	o    Options
	done roster.Date // the last day that was served
}

// New returns what has served no day yet.
func New(o Options) *Retention {
	if o.Most == 0 {
		o.Most = 20
	}
	if o.Every == 0 {
		o.Every = time.Minute
	}
	return &Retention{o: o}
}

// Run serves each day once, the present one at once, until ctx ends.
func (r *Retention) Run(ctx context.Context) error {
	tick := time.NewTicker(r.o.Every)
	defer tick.Stop()
	said := ""
	for {
		err := r.day(ctx)
		switch {
		case err == nil:
			said = ""
		case ctx.Err() == nil && err.Error() != said: // once, not every minute
			said = err.Error()
			r.o.Logger.Error("cannot let go of templates", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// day does what is due today, unless it was done.
func (r *Retention) day(ctx context.Context) error {
	today := roster.DateOf(r.o.Now())
	if today == r.done {
		return nil
	}
	gone, err := r.Expire(ctx, "retention", 0)
	if errors.Is(err, ErrMany) {
		r.o.Logger.Warn("templates of people who left are kept until a person approves", "people", gone.Held, "most", r.o.Most)
		_, err = r.o.Conditions.Raise(ctx, store.Condition{Code: ConditionHeld, Args: map[string]string{"people": strconv.Itoa(gone.Held)}}, r.o.Now())
	}
	if gone.People+gone.Days > 0 {
		r.o.Logger.Info("templates destroyed", "people", gone.People, "days_of_finds", gone.Days)
	}
	if err == nil {
		r.done = today
	}
	return err
}

// Due is what is due now.
func (r *Retention) Due(ctx context.Context) (due Due, err error) {
	reg, err := r.o.Register(ctx)
	if err != nil {
		return due, fmt.Errorf("read register: %w", err)
	}
	recorded, err := r.o.Recorded(ctx)
	if err != nil {
		return due, err
	}
	best, err := r.o.Vault.Best(ctx)
	if err != nil {
		return due, fmt.Errorf("read what the vault holds: %w", err)
	}
	due.Leavers = Leavers(reg, best, recorded, r.o.Days.Left, roster.DateOf(r.o.Now()))
	due.Found, err = r.o.Vault.Overdue(ctx, r.o.Days.periods())
	return due, err
}

// Gone is what Expire has destroyed, and what it left.
type Gone struct {
	People int // who left
	Days   int // of which found templates or copies were kept
	Held   int // people who wait for an approval
}

// Expire destroys what is due, in the name of somebody. Found templates and copies go
// in any case. Leavers go when they are no more than go of themselves, or than a person
// has approved; otherwise it is ErrMany and all of them stay.
func (r *Retention) Expire(ctx context.Context, who string, approved int) (gone Gone, err error) {
	by := vault.By{Who: who, Why: fmt.Sprintf("kept %d days as found, %d days as a copy", r.o.Days.Found, r.o.Days.Copies)}
	if gone.Days, err = r.o.Vault.Expire(ctx, by, r.o.Days.periods()); err != nil {
		return gone, err
	}
	due, err := r.Due(ctx)
	if err != nil {
		return gone, err
	}
	if n := len(due.Leavers); n > max(r.o.Most, approved) {
		gone.Held = n
		return gone, fmt.Errorf("%w: %d are due", ErrMany, n)
	}
	for _, l := range due.Leavers {
		by.Why = fmt.Sprintf("%s since %s, kept %d days after", l.Status, l.Since, r.o.Days.Left)
		destroyed, err := r.destroy(ctx, by, l.Employee)
		if err != nil {
			return gone, err
		}
		if destroyed {
			gone.People++
		}
	}
	_, err = r.o.Conditions.Clear(ctx, "", ConditionHeld, "")
	return gone, err
}

// destroy asks the register once more: somebody may have come back a moment ago.
func (r *Retention) destroy(ctx context.Context, by vault.By, e placement.EmployeeID) (destroyed bool, err error) {
	reg, err := r.o.Register(ctx)
	if err != nil {
		return false, fmt.Errorf("read register: %w", err)
	}
	still := reg.Employees[e]
	if still == nil {
		return false, nil
	}
	if _, gone := left(still.Facts[directory.EmployeeStatus], roster.DateOf(r.o.Now())); !gone {
		return false, nil
	}
	_, err = r.o.Vault.Destroy(ctx, by, int64(e))
	return err == nil, err
}
