package agent

import (
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/commkey"
	"github.com/bkpsdmd-babel/sidik/agent/internal/doctor"
	"github.com/bkpsdmd-babel/sidik/agent/internal/errand"
	"github.com/bkpsdmd-babel/sidik/agent/internal/job"
	"github.com/bkpsdmd-babel/sidik/agent/internal/outbox"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// hands gives each job to the part that does its kind.
type hands struct {
	captures *job.Jobs
	errands  *errand.Errands
}

// TakeJob takes a jobs message whose envelope has been checked.
func (h hands) TakeJob(e protocol.Envelope) error {
	var asked protocol.Job
	if err := e.IntoUnchecked(&asked); err != nil {
		return err
	}
	if asked.Kind == protocol.JobCapture || asked.Kind == protocol.JobCancel {
		return h.captures.TakeJob(e)
	}
	return h.errands.TakeJob(e)
}

// newErrands opens what is kept of errands. They share drivers and outbox with the rosters.
func (a *Agent) newErrands(drivers []*zkdriver.Driver, out *outbox.Outbox) (*errand.Errands, error) {
	list := make([]errand.Terminal, len(drivers))
	for i, t := range a.o.Config.Terminals {
		serial := protocol.Serial(t.Serial)
		list[i] = errand.Terminal{Serial: serial, Keeper: drivers[i], Lock: lock{drivers[i], a.comm.Of(serial, t.CommKey)}}
	}
	return errand.New(errand.Options{
		Dir: filepath.Join(a.o.Config.Data, errandFolder), Terminals: list, Out: out,
		Read: a.readFor, Newest: a.newest, Report: a.report, Restart: ErrRestart,
		Keys: a.comm, Seal: a.sealKey,
		Now: a.clock.Now, Calm: a.o.Config.Apply.Calm, Logger: a.o.Logger,
	})
}

// lock is a terminal's communication key.
type lock struct {
	*zkdriver.Driver
	commkey.Terminal
}

// sealKey seals a communication key to the hub.
func (a *Agent) sealKey(serial protocol.Serial, key string) (seal.Box, error) {
	hub := a.keys.Trust()
	if hub.IsZero() {
		return seal.Box{}, outbox.ErrNoKey
	}
	return hub.Sealing().Seal(protocol.CommKeyPurpose(a.site, serial), []byte(key))
}

func (a *Agent) readFor(ctx context.Context, serial protocol.Serial) (protocol.ErrandResult, error) {
	r, err := a.collect.ReadNow(ctx, serial, nil)
	return protocol.ErrandResult{Rows: r.Rows, New: r.New, Before: r.Offset, After: r.Offset}, err
}

// newest is the time of the newest punch that was read from a terminal.
func (a *Agent) newest(serial protocol.Serial) protocol.LocalTime {
	all := a.collect.Terminals()
	if i := slices.IndexFunc(all, func(t protocol.Terminal) bool { return t.Serial == serial }); i >= 0 {
		return all[i].Watermark
	}
	return ""
}

// report is what a diagnosis says.
func (a *Agent) report(ctx context.Context) protocol.DiagnosisReport {
	state := a.health.State()
	r := protocol.DiagnosisReport{
		At: time.Now().UTC().Truncate(time.Second), Clock: a.clock.State(), Version: a.o.Version, Uptime: int64(time.Since(a.started) / time.Second),
		Goroutines: runtime.NumGoroutine(), DiskFree: -1, Backlog: state.Backlog, Capacity: state.Capacity, Terminals: state.Terminals,
	}
	var disk unix.Statfs_t
	if unix.Statfs(a.o.Config.Data, &disk) == nil {
		r.DiskFree = int64(disk.Bavail) * int64(disk.Bsize)
	}
	doctor.Examine(ctx, doctor.Options{Config: a.o.Config, Check: a.o.Check}, func(f doctor.Finding) {
		r.Findings = append(r.Findings, protocol.DiagnosisFinding{Code: f.Code, OK: f.OK, Level: f.Level, Args: f.Args})
	})
	r.Log = a.journal.Text() // last: it shows what the doctor came upon
	return r
}

// secrets are what the log of this configuration must not show.
func secrets(c config.Config) (all []string) {
	for _, t := range c.Terminals {
		if t.CommKey > 9999 { // a shorter one is in too many other numbers
			all = append(all, strconv.FormatUint(uint64(t.CommKey), 10))
		}
	}
	return all
}
