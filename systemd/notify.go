package systemd

import (
	"context"
	"errors"
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
	Again  error // nil or what the program ends with when it starts anew in its own place, and does not stop
}

// Environ is what the program needs in its environment to start anew in its own place.
func (m Manager) Environ() (list []string) {
	if m.socket != "" {
		list = append(list, "NOTIFY_SOCKET="+m.socket)
	}
	if m.watchdog > 0 {
		list = append(list, fmt.Sprintf("WATCHDOG_USEC=%d", m.watchdog.Microseconds()), fmt.Sprintf("WATCHDOG_PID=%d", os.Getpid()))
	}
	return list
}

// Run runs a program and returns what it returns. Meanwhile it tells the manager that
// the program is ready, then again and again how it is and that it is alive, and at last
// that it stops, unless it starts anew. A loop that stands still silences it: ending us is the manager's part.
func (m Manager) Run(ctx context.Context, l Life, program func(context.Context) error) error {
	ended := make(chan struct{})
	var keeping sync.WaitGroup
	keeping.Go(func() { m.keep(ctx, l, ended) })
	err := program(ctx)
	close(ended)
	keeping.Wait()
	if ctx.Err() == nil && (l.Again == nil || !errors.Is(err, l.Again)) {
		m.stopping(l)
	}
	return err
}

// keep speaks to the manager until the program ended, and says at once when it is asked
// to stop.
func (m Manager) keep(ctx context.Context, l Life, ended <-chan struct{}) {
	if m.socket == "" {
		return
	}
	select {
	case <-ended:
	case <-ctx.Done():
	case <-l.Ready:
		m.follow(ctx, l, ended)
	}
	if ctx.Err() != nil {
		m.stopping(l)
	}
}

func (m Manager) stopping(l Life) {
	if m.socket != "" {
		m.tell(l.Logger, "STOPPING=1")
	}
}

// follow lives from readiness to the end, or to the wish that it ends.
func (m Manager) follow(ctx context.Context, l Life, ended <-chan struct{}) {
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
		case <-ended:
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
