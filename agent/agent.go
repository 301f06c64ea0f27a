// Package agent puts the parts of the agent of one office together: the key,
// the buffer, the terminals, the collector, the uplink and the control socket.
//
// It opens, starts, waits and closes in reverse order, and decides nothing.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/apply"
	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/clock"
	"github.com/bkpsdmd-babel/sidik/agent/internal/collect"
	"github.com/bkpsdmd-babel/sidik/agent/internal/commkey"
	"github.com/bkpsdmd-babel/sidik/agent/internal/control"
	"github.com/bkpsdmd-babel/sidik/agent/internal/enrol"
	"github.com/bkpsdmd-babel/sidik/agent/internal/errand"
	"github.com/bkpsdmd-babel/sidik/agent/internal/finder"
	"github.com/bkpsdmd-babel/sidik/agent/internal/health"
	"github.com/bkpsdmd-babel/sidik/agent/internal/job"
	"github.com/bkpsdmd-babel/sidik/agent/internal/journal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/agent/internal/outbox"
	"github.com/bkpsdmd-babel/sidik/agent/internal/panel"
	"github.com/bkpsdmd-babel/sidik/agent/internal/release"
	"github.com/bkpsdmd-babel/sidik/agent/internal/settings"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/agent/internal/uplink"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/systemd/owner"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// Options are what an agent is made of.
type Options struct {
	Config  config.Config
	Version string
	Built   time.Time // when the program was; zero: not known
	Logger  *slog.Logger
	// Check examines a buffer file before it is opened, in another process,
	// because a damaged one can end the process that maps it.
	Check func(ctx context.Context, path string) error
	Pins  func(config.Panel) panel.Pins // of this machine; nil: none
	// Kernel says whether the system's clock is synchronised; nil: ask it.
	Kernel func() protocol.ClockState
	// Lines may be empty: intervals of the uplink for tests.
	StateEvery, ResendAfter, RetryMin, BackoffMax time.Duration
	TrySettings                                   time.Duration // in which settings have to reach the hub; zero: 10 minutes
	// Launched says how this program was started; nil: not by the launcher, so that it is
	// replaced by hand.
	Launched *Launched
	// Pulse hears from the loops that read terminals and talk to the hub; may be nil.
	Pulse *pulse.Pulse
}

// Files of the data folder, beside the buffer's.
const (
	keyFile      = "agent.key"
	rosterFolder = "rosters"
	jobFolder    = "jobs"
	errandFolder = "errands"
)

// pruneEvery is how often the buffer is asked to let receipted punches go.
const pruneEvery = 10 * time.Second

// endWithin is how long all parts may take to end, before it is a matter for the service
// manager's watchdog.
const endWithin = time.Minute

// LoadKey reads the agent's signing key, or makes it on first use.
func LoadKey(data string) (key seal.SigningKey, created bool, err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return seal.SigningKey{}, false, fmt.Errorf("make data folder: %w", err)
	}
	key, created, err = seal.LoadOrCreate(filepath.Join(data, keyFile))
	if created {
		err = owner.HandOver(data)
	}
	return key, created, err
}

// PutClaim gives the agent of a data folder the code that lets it in. A running agent
// finds it within seconds.
func PutClaim(data string, code protocol.ClaimCode) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	if _, err := enrol.PutCode(data, code); err != nil {
		return err
	}
	return owner.HandOver(data)
}

// Agent is one office's agent. Open it, run it once, close it.
type Agent struct {
	o       Options
	site    protocol.SiteID
	started time.Time
	clock   *clock.Clock
	keys    *keyring.Keyring
	enrol   *enrol.Enrolment // nil: admitted by hand
	buffer  *buffer.Buffer
	comm    *commkey.Keys
	finder  *finder.Finder
	collect *collect.Collector
	health  *health.Health
	uplink  *uplink.Uplink
	set     *settings.Settings
	apply   *apply.Applier
	jobs    *job.Jobs
	errands *errand.Errands
	journal *journal.Journal
	panel   *panel.Panel
	release *release.Release // nil: replaced by hand
}

// Open makes the key on first use and opens the buffer. Nothing runs yet, and
// nothing of it needs a network.
func Open(ctx context.Context, o Options) (*Agent, error) {
	kept := journal.New()
	o.Logger = slog.New(kept.Beside(o.Logger.Handler()))
	if err := os.MkdirAll(o.Config.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	set, err := openSettings(&o)
	if err != nil {
		return nil, err
	}
	kept.Hide(secrets(o.Config)...)
	clock, err := clock.Open(clock.Options{Dir: o.Config.Data, Built: o.Built, Kernel: o.Kernel, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	keys, err := keyring.Open(keyring.Options{Dir: o.Config.Data, Root: seal.Fingerprint(o.Config.Hub.Root), Now: clock.Now})
	if err != nil {
		return nil, err
	}
	if keys.Created() {
		o.Logger.Info("agent key made", "fingerprint", string(keys.Identity().Public().Fingerprint()))
	}
	b, opening, err := buffer.Open(ctx, buffer.Options{
		Dir:           o.Config.Data,
		MaxBytes:      o.Config.Buffer.MaxMB << 20,
		Retention:     time.Duration(o.Config.Buffer.RetentionDays) * 24 * time.Hour,
		RetainPunches: uint64(o.Config.Buffer.RetainPunches),
		Check:         o.Check,
		Logger:        o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("open buffer: %w", err)
	}
	if opening.Quarantined != "" {
		o.Logger.Error("the buffer was damaged; every terminal is read again from the start",
			"moved_to", opening.Quarantined, "salvaged", opening.Salvaged)
	}
	a := &Agent{o: o, site: protocol.SiteID(o.Config.Site), started: time.Now(), clock: clock, keys: keys, set: set, buffer: b, journal: kept}
	a.comm, err = commkey.Open(o.Config.Data)
	if errors.Is(err, commkey.ErrDamaged) {
		o.Logger.Error("terminals are asked with their configured keys; the hub has a copy of the others", "error", err)
		err = nil
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	a.finder = a.newFinder()
	drivers := a.drivers()
	out, err := outbox.Open(outbox.Options{Site: a.site, Dir: filepath.Join(o.Config.Data, rosterFolder), Changed: func() { a.jobs.Wake() }})
	if err == nil && out.Damaged() > 0 {
		o.Logger.Error("templates that waited for the hub were damaged, and are set aside", "count", out.Damaged())
	}
	if err == nil {
		a.apply, err = a.newApplier(drivers, out)
	}
	if err == nil {
		a.jobs, err = a.newJobs(drivers, out)
	}
	if err == nil {
		a.errands, err = a.newErrands(drivers, out)
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	a.collect = collect.New(collect.Config{
		Terminals:    terminals(o.Config.Terminals, drivers, a.finder),
		Buffer:       b,
		Log:          o.Logger,
		ClockTrusted: func() bool { return clock.State() == protocol.ClockSynchronised },
		Pulse:        o.Pulse,
	})
	a.enrol = a.newEnrolment(o.Config.Hub)
	if a.release, err = a.newRelease(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	about := health.Options{
		Key: keys.Identity().Public(), Version: o.Version, Buffer: b, Terminals: a.collect, Finder: a.finder, Rosters: a.apply, Settings: set, Enrolled: a.enrolled, Clock: clock.State,
	}
	if a.release != nil {
		about.Release = a.release
	}
	a.health = health.New(about)
	up := uplink.Options{
		Site: a.site, Key: keys.Identity(), Hub: keys, Line: line{keys, o.Config.Hub.Broker},
		Buffer: b, Health: a.health, Holdings: a.apply, Jobs: hands{a.jobs, a.errands}, Outbox: out, Settings: set, Now: a.now, Receipt: a.receipt, Logger: o.Logger,
		StateEvery: o.StateEvery, ResendAfter: o.ResendAfter, BackoffMax: o.BackoffMax, Pulse: o.Pulse,
	}
	if a.release != nil {
		up.Releases = a.release
	}
	a.uplink = uplink.New(up)
	var pins panel.Pins
	if o.Pins != nil {
		pins = o.Pins(o.Config.Panel)
	}
	a.panel = panel.New(panel.Options{Pins: pins, Site: a.office, Read: a.readAll, Log: o.Logger})
	return a, nil
}

// newFinder opens what is known of where terminals are. A terminal that is found is read
// at once.
func (a *Agent) newFinder() *finder.Finder {
	c := a.o.Config
	o := finder.Options{
		Dir: c.Data, Look: c.Finder.Scan != nil && *c.Finder.Scan, Ports: []uint16{uint16(c.Finder.Port)}, Log: a.o.Logger,
		Found:   func(serial protocol.Serial) { a.collect.Hint(serial) },
		Changed: func() { a.health.Signal() },
	}
	for _, s := range c.Finder.Subnets {
		o.Subnets = append(o.Subnets, s.Prefix)
	}
	for _, t := range c.Terminals {
		o.Terminals = append(o.Terminals, finder.Terminal{
			Serial: protocol.Serial(t.Serial), Place: terminal.Place{Address: t.Address, Network: t.Network}, Keys: a.comm.Of(protocol.Serial(t.Serial), t.CommKey).Keys,
		})
	}
	return finder.Open(o)
}

// drivers makes a driver for each configured terminal. Collecting and keeping share
// it, because most terminals serve one client at a time.
func (a *Agent) drivers() []*zkdriver.Driver {
	configured := a.o.Config.Terminals
	list := make([]*zkdriver.Driver, len(configured))
	for i, t := range configured {
		serial := protocol.Serial(t.Serial)
		list[i] = zkdriver.New(zkdriver.Config{
			Serial: serial, Locator: a.finder.Sought(serial), Keys: a.comm.Of(serial, t.CommKey), Live: *t.Live,
			ReadOnly: t.ReadOnly, UniqueFinger: t.UniqueFinger,
		})
	}
	return list
}

func terminals(configured []config.Terminal, drivers []*zkdriver.Driver, found *finder.Finder) []collect.Terminal {
	list := make([]collect.Terminal, len(configured))
	for i, t := range configured {
		list[i] = collect.Terminal{
			Serial: protocol.Serial(t.Serial), Address: found.Sought(protocol.Serial(t.Serial)).Address, Every: time.Duration(t.Every), Live: *t.Live, Source: drivers[i],
		}
	}
	return list
}

// newApplier opens what is kept of rosters.
func (a *Agent) newApplier(drivers []*zkdriver.Driver, out *outbox.Outbox) (*apply.Applier, error) {
	o := a.o
	list := make([]apply.Terminal, len(drivers))
	for i, t := range o.Config.Terminals {
		list[i] = apply.Terminal{Serial: protocol.Serial(t.Serial), Keeper: drivers[i]}
	}
	return apply.New(apply.Options{
		Site: protocol.SiteID(o.Config.Site), Dir: filepath.Join(o.Config.Data, rosterFolder), Keys: a.keys, Out: out, Terminals: list,
		Brake: apply.Brake{Users: o.Config.Apply.MaxDeletedUsers, Percent: o.Config.Apply.MaxDeletedPercent},
		Calm:  o.Config.Apply.Calm, Changed: func() { a.health.Signal() }, Logger: o.Logger,
	})
}

// newJobs opens what is kept of jobs. They share drivers and outbox with the rosters.
func (a *Agent) newJobs(drivers []*zkdriver.Driver, out *outbox.Outbox) (*job.Jobs, error) {
	o := a.o
	list := make([]job.Terminal, len(drivers))
	for i, t := range o.Config.Terminals {
		list[i] = job.Terminal{Serial: protocol.Serial(t.Serial), Keeper: drivers[i]}
	}
	return job.New(job.Options{
		Dir: filepath.Join(o.Config.Data, jobFolder), Terminals: list, Out: out, Holdings: a.apply,
		Now: a.now, Calm: o.Config.Apply.Calm, Logger: o.Logger,
	})
}

// receipt hears what the buffer made of a receipt.
func (a *Agent) receipt(o buffer.Outcome) {
	if o.Missing > 0 {
		a.o.Logger.Error("punches are neither at the hub nor here; every terminal is read again", "missing", o.Missing)
		a.collect.Reread("")
	}
	if o.NewEpoch || o.Restored || o.Elsewhere {
		a.o.Logger.Warn("the hub's receipt changed our course", "verdict", string(o.Verdict),
			"new_epoch", o.NewEpoch, "restored", o.Restored, "elsewhere", o.Elsewhere)
		a.health.Signal()
	}
}

// Close lets go of the buffer. Run must have returned.
func (a *Agent) Close() error { return a.buffer.Close() }

// Run collects and sends until ctx ends, and returns when nothing of the agent
// runs any more. Neither a terminal nor a line that is down is an error. ErrRestart asks
// for another start, with another configuration.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	trial, ending := a.o.Pulse.Loop("settings"), a.o.Pulse.Loop("ending")
	ending.Rest()
	defer context.AfterFunc(ctx, func() { ending.Within(endWithin) })() // also for another start, which nobody else awaits
	var parts sync.WaitGroup
	start := func(name string, run func(context.Context) error) {
		parts.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	if a.enrol != nil {
		start("enrolment", a.enrol.Run)
	}
	start("clock", a.clock.Run)
	start("collect", a.collect.Run)
	start("finder", a.finder.Run)
	start("apply", a.apply.Run)
	start("jobs", a.jobs.Run)
	start("errands", a.errands.Run)
	start("uplink", a.uplink.Run)
	start("settings", func(ctx context.Context) error { return a.trySettings(ctx, trial) })
	start("panel", a.panel.Run)
	start("control", func(ctx context.Context) error { return control.Serve(ctx, a.o.Config.Data, a) })
	start("prune", a.prune)
	start("health", a.follow)
	if a.release != nil {
		start("release", a.runRelease)
	}
	parts.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// prune lets receipted punches go when retention no longer wants them. A disk
// that refuses is told as a condition by the buffer; trying again is all there is.
func (a *Agent) prune(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if _, err := a.buffer.Prune(); err != nil {
				a.o.Logger.Error("prune buffer", "error", err)
			}
		}
	}
}

// follow passes on that a terminal's health changed.
func (a *Agent) follow(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.collect.Changed():
			a.health.Signal()
		}
	}
}

// Status is what `sidik-agent status` shows.
func (a *Agent) Status() control.Status {
	state := a.health.State()
	up := a.uplink.Status()
	state.Status = protocol.StatusDisconnected
	if up.Connected {
		state.Status = protocol.StatusReady
	}
	return control.Status{Site: a.site, Process: os.Getpid(), Started: a.started, State: state, Uplink: up}
}

// office is the status as the panel shows it.
func (a *Agent) office() panel.Site {
	s := a.Status()
	return panel.Site{State: s.State, Online: s.Uplink.Connected && s.Uplink.HubPresent}
}

// readAll reads the whole log of every terminal now, for the panel's button.
func (a *Agent) readAll(ctx context.Context) error {
	failed := make([]error, len(a.o.Config.Terminals))
	var reads sync.WaitGroup
	for i, t := range a.o.Config.Terminals {
		reads.Go(func() { _, failed[i] = a.collect.ReadNow(ctx, protocol.Serial(t.Serial), nil) })
	}
	reads.Wait()
	return errors.Join(failed...)
}

// ReadNow reads one terminal's whole log now.
func (a *Agent) ReadNow(ctx context.Context, serial protocol.Serial, progress func(collect.Progress)) (collect.Result, error) {
	return a.collect.ReadNow(ctx, serial, progress)
}

// ReadOnce reads one terminal while no agent runs: the collector runs for just
// this read, without a line. Result.New counts what its own first read found too.
func (a *Agent) ReadOnce(ctx context.Context, serial protocol.Serial, progress func(collect.Progress)) (collect.Result, error) {
	a.finder.Ensure(ctx, serial)
	before := a.buffer.Place().Last
	running, stop := context.WithCancel(ctx)
	var collector sync.WaitGroup
	collector.Go(func() { _ = a.collect.Run(running) }) // returns running's own error
	defer collector.Wait()
	defer stop()
	result, err := a.collect.ReadNow(ctx, serial, progress)
	result.New = int(a.buffer.Place().Last - before)
	return result, err
}
