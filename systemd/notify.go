package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// Manager is the service manager that started this program; the zero value is none, as
// when somebody started it by hand.
type Manager struct {
	socket   string
	watchdog time.Duration // without a sign for so long it ends us; 0: it does not watch
}

// restate is how often a manager that does not watch hears how we are.
const restate = time.Minute

// FromEnvironment reads what the manager left in the environment, and takes it out of
// there: no process that we start may speak for us.
func FromEnvironment(getenv func(name string) string) (Manager, error) {
	m := Manager{socket: getenv("NOTIFY_SOCKET")}
	period, watched := getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if err := os.Unsetenv(name); err != nil {
			return Manager{}, fmt.Errorf("take %s out of the environment: %w", name, err)
		}
	}
	if m.socket == "" || period == "" || watched != "" && watched != strconv.Itoa(os.Getpid()) {
		return m, nil
	}
	micros, err := strconv.ParseInt(period, 10, 64)
	if err != nil || micros <= 0 {
		return Manager{}, fmt.Errorf("WATCHDOG_USEC is %q, no number of microseconds", period)
	}
	m.watchdog = time.Duration(micros) * time.Microsecond
	return m, nil
}

// Life is what a manager is told about.
type Life struct {
	Ready  <-chan struct{} // closed when the program is ready
	Pulse  *pulse.Pulse    // the program is alive while none of its loops stands still
	Status func() string   // one line for people; nil: none
	Logger *slog.Logger
}

// Run runs a program and returns what it returns. Meanwhile it tells the manager that
// the program is ready, then again and again how it is and that it is alive, and at last
// that it stops. A loop that stands still silences it: ending us is the manager's part.
func (m Manager) Run(ctx context.Context, l Life, program func(context.Context) error) error {
	ctx, end := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() { m.keep(ctx, l) })
	defer keeping.Wait()
	defer end()
	return program(ctx)
}

// keep speaks to the manager until ctx ends.
func (m Manager) keep(ctx context.Context, l Life) {
	if m.socket == "" {
		return
	}
	select {
	case <-ctx.Done():
	case <-l.Ready:
		m.follow(ctx, l)
	}
	m.tell(l.Logger, "STOPPING=1")
}

// follow lives from readiness to the end.
func (m Manager) follow(ctx context.Context, l Life) {
	every := restate
	if m.watchdog > 0 {
		every = m.watchdog / 2
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	said, silent := "", false
	for lines := []string{"READY=1"}; ; lines = nil {
		if l.Status != nil {
			if status := oneLine(l.Status()); status != said {
				said, lines = status, append(lines, "STATUS="+status)
			}
		}
		still := l.Pulse.Still(time.Now())
		if stands := len(still) > 0; stands != silent {
			silent = stands
			if stands {
				l.Logger.Error("stands still; the service manager will start us anew", "loops", strings.Join(still, ", "))
			} else {
				l.Logger.Warn("moves again")
			}
		}
		if m.watchdog > 0 && !silent {
			lines = append(lines, "WATCHDOG=1")
		}
		if len(lines) > 0 {
			m.tell(l.Logger, lines...)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// oneLine keeps a sentence from being read as assignments of the manager's protocol.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// tell sends one datagram. A manager that cannot be reached is no reason to stop
// collecting; it will act by itself.
func (m Manager) tell(log *slog.Logger, lines ...string) {
	conn, err := net.Dial("unixgram", m.socket) // "@" begins an abstract name there as here
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(lines, "\n")))
		conn.Close()
	}
	if err != nil {
		log.Warn("the service manager cannot be told", "error", err)
	}
}
