// Package doctor examines an office's installation and says what is wrong and
// what to do, in the order in which a person would look: files, disk, clock,
// terminals, line, hub.
//
// It changes nothing. Beware: most terminals serve one client at a time, so a
// terminal is only asked directly when no agent is running.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/clock"
	"github.com/bkpsdmd-babel/sidik/agent/internal/commkey"
	"github.com/bkpsdmd-babel/sidik/agent/internal/control"
	"github.com/bkpsdmd-babel/sidik/agent/internal/finder"
	"github.com/bkpsdmd-babel/sidik/agent/internal/uplink"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// Finding is the outcome of one examination. Its sentence is in the catalogue
// under "doctor." + Code.
type Finding struct {
	Code  string            `json:"code"`
	OK    bool              `json:"ok"`
	Level protocol.Severity `json:"level"` // of a finding that is not OK
	Args  map[string]string `json:"args,omitempty"`
}

// Options say what is examined.
type Options struct {
	Config config.Config
	Check  func(ctx context.Context, path string) error // examines a buffer file in a child process
	// The panel's pins that this machine has and has not; both empty where none is configured.
	PinsFound, PinsMissing []string
}

const (
	dialTimeout = 5 * time.Second
	leastFree   = 512 << 20 // bytes of disk below which a person should look
	patience    = 5 * time.Minute
)

// Examine runs all examinations and tells each finding as it is made.
func Examine(ctx context.Context, o Options, tell func(Finding)) {
	e := examiner{o, tell}
	e.folder()
	status, err := control.Connect(o.Config.Data).Status(ctx)
	running, stopped := err == nil, errors.Is(err, control.ErrNotRunning)
	switch {
	case running:
		e.tell(Finding{Code: "agent-running", OK: true, Args: args("process", status.Process)})
	case stopped:
		e.tell(Finding{Code: "agent-stopped", Level: protocol.SeverityError})
		e.buffer(ctx)
	default: // it may run: its buffer and its terminals are left alone
		e.tell(Finding{Code: "agent-refuses", Level: protocol.SeverityError, Args: args("cause", err)})
	}
	e.panel()
	synchronised := clock.Kernel() == protocol.ClockSynchronised
	e.tell(Finding{Code: choose(synchronised, "clock-synchronised", "clock-held"), OK: synchronised, Level: protocol.SeverityWarning})
	if running {
		e.conditions(status)
	}
	if stopped {
		for _, t := range o.Config.Terminals {
			e.terminal(ctx, t)
		}
	}
	e.broker(ctx)
	if running {
		e.line(status)
	}
}

type examiner struct {
	o    Options
	tell func(Finding)
}

// folder looks at the data folder: there, writable, room left.
func (e examiner) folder() {
	data := e.o.Config.Data
	probe, err := os.CreateTemp(data, ".doctor-*")
	if err != nil {
		e.tell(Finding{Code: "data-refuses", Level: protocol.SeverityError, Args: args("data", data, "cause", err)})
		return
	}
	probe.Close()
	os.Remove(probe.Name())
	var disk unix.Statfs_t
	if err := unix.Statfs(data, &disk); err != nil {
		e.tell(Finding{Code: "data-refuses", Level: protocol.SeverityError, Args: args("data", data, "cause", err)})
		return
	}
	free := int64(disk.Bavail) * int64(disk.Bsize)
	ok := free >= leastFree
	e.tell(Finding{Code: choose(ok, "data-ready", "disk-low"), OK: ok, Level: protocol.SeverityWarning,
		Args: args("data", data, "megabytes", free>>20)})
}

// panel tells which pins of lights and button are there.
func (e examiner) panel() {
	if pins := e.o.PinsFound; len(pins) > 0 {
		e.tell(Finding{Code: "panel-found", OK: true, Args: args("pins", strings.Join(pins, ", "))})
	}
	if pins := e.o.PinsMissing; len(pins) > 0 {
		e.tell(Finding{Code: "panel-missing", Level: protocol.SeverityWarning, Args: args("pins", strings.Join(pins, ", "))})
	}
}

// buffer examines the buffer's file while no agent has it open.
func (e examiner) buffer(ctx context.Context) {
	path := filepath.Join(e.o.Config.Data, "buffer.db")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return
	}
	err := e.o.Check(ctx, path)
	e.tell(Finding{Code: choose(err == nil, "buffer-whole", "buffer-damaged"), OK: err == nil, Level: protocol.SeverityError,
		Args: args("cause", err)})
}

// terminal asks a terminal who it is, where it should be, or where the agent found it
// where nobody said.
func (e examiner) terminal(ctx context.Context, t config.Terminal) {
	found, _ := finder.Remembered(e.o.Config.Data) // a damaged file is nothing to go by
	if at := found[protocol.Serial(t.Serial)]; t.Address == "" {
		t.Address, t.Network = at.Address, at.Network
	}
	if t.Address == "" {
		e.tell(Finding{Code: "terminal-nowhere", Level: protocol.SeverityWarning, Args: args("serial", t.Serial)})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 4*dialTimeout)
	defer cancel()
	about := args("serial", t.Serial, "address", t.Address)
	var conn *zk.Conn
	err := zk.ErrKey
	for _, key := range commkey.Tried(e.o.Config.Data, protocol.Serial(t.Serial), t.CommKey) {
		if errors.Is(err, zk.ErrKey) {
			conn, err = zk.Dial(ctx, zk.Options{Address: t.Address, Network: t.Network, CommKey: key, Timeout: dialTimeout})
		}
	}
	if err == nil {
		defer conn.Close()
		about["got"], err = conn.Option(ctx, "~SerialNumber")
	}
	switch {
	case errors.Is(err, zk.ErrKey):
		e.tell(Finding{Code: "terminal-key", Level: protocol.SeverityError, Args: about})
	case err != nil:
		about["cause"] = err.Error()
		e.tell(Finding{Code: "terminal-silent", Level: protocol.SeverityError, Args: about})
	case about["got"] != t.Serial:
		e.tell(Finding{Code: "terminal-stranger", Level: protocol.SeverityError, Args: about})
	default:
		e.tell(Finding{Code: "terminal-answers", OK: true, Args: about})
	}
}

// conditions passes on what the running agent already knows.
func (e examiner) conditions(s control.Status) {
	for _, t := range s.State.Terminals {
		if t.LastError == "" && t.LastRead != nil {
			e.tell(Finding{Code: "terminal-answers", OK: true, Args: args("serial", t.Serial, "address", t.Address)})
		}
	}
	for _, c := range s.State.Conditions {
		if c.Code == "clock-held" {
			continue // examined by itself
		}
		told := map[string]string{"subject": c.Subject, "condition": c.Code}
		for name, value := range c.Args {
			told[name] = value
		}
		e.tell(Finding{Code: "condition", Level: c.Severity, Args: told})
	}
}

// broker looks for the broker's name and door.
func (e examiner) broker(ctx context.Context) {
	address := e.o.Config.Hub.Address
	if address == "" {
		address = e.o.Config.Hub.Broker
	}
	u, err := url.Parse(address)
	if err != nil {
		return // config.Load has refused it
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	about := args("broker", u.Host)
	if _, err := net.DefaultResolver.LookupHost(ctx, u.Hostname()); err != nil {
		about["cause"] = err.Error()
		e.tell(Finding{Code: "broker-unnamed", Level: protocol.SeverityError, Args: about})
		return
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		about["cause"] = err.Error()
		e.tell(Finding{Code: "broker-closed", Level: protocol.SeverityError, Args: about})
		return
	}
	conn.Close()
	e.tell(Finding{Code: "broker-open", OK: true, Args: about})
}

// line looks at what the uplink of the running agent says.
func (e examiner) line(s control.Status) {
	up := s.Uplink
	switch {
	case !up.Connected:
		e.tell(Finding{Code: "line-down", Level: protocol.SeverityError, Args: args("cause", up.LastError, "waiting", s.State.Backlog.Punches)})
	case !up.HubPresent:
		e.tell(Finding{Code: "hub-absent", Level: protocol.SeverityError, Args: args("waiting", s.State.Backlog.Punches)})
	case s.State.Backlog.Punches > 0 && silent(up):
		e.tell(Finding{Code: "hub-silent", Level: protocol.SeverityError, Args: args("key", s.State.Key.Fingerprint(), "site", s.Site)})
	default:
		e.tell(Finding{Code: "line-up", OK: true, Args: args("waiting", s.State.Backlog.Punches)})
	}
}

// silent reports whether what was sent is not answered: never, or not for longer
// than a window is on its way over a slow line.
func silent(up uplink.Status) bool {
	return up.LastReceipt == nil || up.LastSent != nil && up.LastSent.Sub(*up.LastReceipt) > patience
}

// args makes arguments from names and values in turn; a nil error is left out.
func args(pairs ...any) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != nil {
			m[pairs[i].(string)] = fmt.Sprint(pairs[i+1])
		}
	}
	return m
}

func choose(ok bool, good, bad string) string {
	if ok {
		return good
	}
	return bad
}
