package systemd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/systemd"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager is the other end of the socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// listen becomes the service manager of this process, on a socket of the file system or
// on an abstract one, and returns what the program finds of it.
func listen(t *testing.T, name string, watchdog time.Duration) (manager, systemd.Manager) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	if watchdog > 0 {
		t.Setenv("WATCHDOG_USEC", strconv.FormatInt(watchdog.Microseconds(), 10))
		t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	}
	m, err := systemd.FromEnvironment(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	return manager{t, conn}, m
}

// next is the next datagram, which may be long in coming on a busy machine.
func (m manager) next() string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := m.conn.Read(buf)
	if err != nil {
		m.t.Fatalf("the manager was told nothing: %v", err)
	}
	return string(buf[:n])
}

// waiting reports whether something was said that nobody read yet.
func (m manager) waiting() string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, _ := m.conn.Read(buf) // a deadline that is over: nothing was there
	return string(buf[:n])
}

var errProgram = errors.New("the program's own")

// keep runs a program that waits until the test ends it.
func keep(t *testing.T, m systemd.Manager, l systemd.Life) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx, l, func(ctx context.Context) error { <-ctx.Done(); return errProgram }); !errors.Is(err, errProgram) {
			t.Errorf("Run = %v, want what the program returned", err)
		}
	})
	end = func() { cancel(); running.Wait() }
	t.Cleanup(end)
	return end
}

func TestManagerHearsOfALifeInOrder(t *testing.T) {
	for name, address := range map[string]string{
		"on a socket of the file system": filepath.Join(t.TempDir(), "notify"),
		"on an abstract socket":          "@sidik-test-" + strconv.Itoa(os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			other, m := listen(t, address, 0)
			p, ready := pulse.New(), make(chan struct{})
			end := keep(t, m, systemd.Life{Ready: ready, Pulse: p, Logger: slog.New(slog.DiscardHandler),
				Status: func() string { return "two terminals\nMAINPID=1" }})
			if said := other.waiting(); said != "" {
				t.Fatalf("said before it was ready: %q", said)
			}
			close(ready)
			if said, want := other.next(), "READY=1\nSTATUS=two terminals MAINPID=1"; said != want {
				t.Errorf("said %q, want %q", said, want)
			}
			end()
			if said := other.next(); said != "STOPPING=1" {
				t.Errorf("said %q at the end, want STOPPING=1", said)
			}
		})
	}
}

func TestStuckLoopSilencesTheWatchdog(t *testing.T) {
	other, m := listen(t, filepath.Join(t.TempDir(), "notify"), 20*time.Millisecond)
	p, ready := pulse.New(), make(chan struct{})
	moving, stuck := p.Loop("moving"), p.Loop("stuck")
	moving.Within(time.Hour)
	stuck.Within(time.Hour)
	close(ready)
	var log safeBuffer
	looked := make(chan struct{}, 1)
	keep(t, m, systemd.Life{Ready: ready, Pulse: p, Logger: slog.New(slog.NewTextHandler(&log, nil)), Status: func() string {
		select {
		case looked <- struct{}{}:
		default:
		}
		return ""
	}})
	if said := other.next(); said != "READY=1\nWATCHDOG=1" {
		t.Fatalf("said %q first", said)
	}
	for range 3 {
		if said := other.next(); said != "WATCHDOG=1" {
			t.Fatalf("said %q of a program whose loops move", said)
		}
	}
	stuck.Within(-time.Second) // its promise is broken from here on
	for range 2 {              // the look that was under way, and one more
		<-looked
	}
	for other.waiting() != "" { // what was said before
	}
	for range 5 { // rounds in which a living program would have spoken
		<-looked
	}
	if said := other.waiting(); said != "" {
		t.Errorf("said %q of a program with a loop that stands still", said)
	}
	if text := log.String(); strings.Count(text, "loops=stuck") != 1 {
		t.Errorf("log = %q, want the loop named once", text)
	}
	stuck.Within(time.Hour)
	if said := other.next(); said != "WATCHDOG=1" {
		t.Errorf("said %q of a program that moves again", said)
	}
}

func TestEnvironmentIsReadOnce(t *testing.T) {
	_, m := listen(t, filepath.Join(t.TempDir(), "notify"), time.Minute)
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if value, set := os.LookupEnv(name); set {
			t.Errorf("%s=%s is left for processes that we start", name, value)
		}
	}
	again, err := systemd.FromEnvironment(os.Getenv)
	if err != nil || again != (systemd.Manager{}) || m == again {
		t.Errorf("second reading: %+v, %v", again, err)
	}
}

func TestProgramStartedByHandHasNoManager(t *testing.T) {
	for name, env := range map[string][3]string{
		"nothing in the environment":  {},
		"a watchdog without a socket": {"", "1000000", ""},
	} {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, env)
			m, err := systemd.FromEnvironment(os.Getenv)
			if err != nil || m != (systemd.Manager{}) {
				t.Fatalf("FromEnvironment = %+v, %v", m, err)
			}
			err = m.Run(t.Context(), systemd.Life{}, func(context.Context) error { return errProgram })
			if !errors.Is(err, errProgram) {
				t.Errorf("Run = %v, want what the program returned", err)
			}
		})
	}
	t.Run("the watchdog of another process is not ours", func(t *testing.T) {
		unwatched := manage(t, [3]string{"/nowhere", "", ""})
		if m := manage(t, [3]string{"/nowhere", "1000000", "1"}); m != unwatched {
			t.Errorf("%+v, want %+v", m, unwatched)
		}
		if m := manage(t, [3]string{"/nowhere", "1000000", ""}); m == unwatched {
			t.Error("a watchdog that names no process is not kept")
		}
	})
	t.Run("a manager that is gone does not end the program", func(t *testing.T) {
		m := manage(t, [3]string{filepath.Join(t.TempDir(), "gone"), "", ""})
		var log safeBuffer
		end := keep(t, m, systemd.Life{Ready: make(chan struct{}), Logger: slog.New(slog.NewTextHandler(&log, nil))})
		end()
		if !strings.Contains(log.String(), "cannot be told") {
			t.Errorf("log = %q", log.String())
		}
	})
	t.Run("a period that is no number", func(t *testing.T) {
		setEnvironment(t, [3]string{"/nowhere", "soon", ""})
		if _, err := systemd.FromEnvironment(os.Getenv); err == nil {
			t.Error("no error")
		}
	})
}

func manage(t *testing.T, env [3]string) systemd.Manager {
	t.Helper()
	setEnvironment(t, env)
	m, err := systemd.FromEnvironment(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func setEnvironment(t *testing.T, env [3]string) {
	for i, key := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		t.Setenv(key, env[i]) // puts back what was there, at the end
	}
}

// safeBuffer is written by one goroutine and read by another.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A program that starts anew in its own place never told that it stops: the manager would
// wait for its end, and then end it. What it needs to speak again is kept for it.
func TestProgramThatStartsAnewDoesNotStop(t *testing.T) {
	other, m := listen(t, filepath.Join(t.TempDir(), "notify"), time.Minute)
	ready := make(chan struct{})
	close(ready)
	l := systemd.Life{Ready: ready, Pulse: pulse.New(), Logger: slog.New(slog.DiscardHandler), Again: errProgram}
	run := func(err error) {
		t.Helper()
		if got := m.Run(t.Context(), l, func(context.Context) error { other.next(); return fmt.Errorf("ended: %w", err) }); !errors.Is(got, err) {
			t.Errorf("Run = %v, want %v", got, err)
		}
	}
	run(errProgram)
	if said := other.waiting(); said != "" {
		t.Errorf("said %q on the way to a new start", said)
	}
	run(errors.New("another"))
	if said := other.next(); said != "STOPPING=1" {
		t.Errorf("said %q at the end, want STOPPING=1", said)
	}
	for _, line := range m.Environ() {
		name, value, _ := strings.Cut(line, "=")
		t.Setenv(name, value)
	}
	if again, err := systemd.FromEnvironment(os.Getenv); err != nil || !reflect.DeepEqual(again, m) {
		t.Errorf("the next start reads %+v (%v), want %+v", again, err, m)
	}
}
