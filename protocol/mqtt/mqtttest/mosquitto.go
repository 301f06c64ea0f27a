package mqtttest

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Mosquitto is a Mosquitto process.
type Mosquitto struct {
	t             testing.TB
	program, conf string
	ready         func() error
	log           *os.File
	command       *exec.Cmd
	leash         io.Closer
}

// StartMosquittoAs starts a Mosquitto with these settings. ready returns when it accepts
// clients, or what is wrong. It ends with the test, also when the test's process is killed.
func StartMosquittoAs(t testing.TB, settings string, ready func() error) *Mosquitto {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/mosquitto") // not in everybody's PATH
	}
	if err != nil {
		t.Fatal("the tests with a Mosquitto broker need Debian's package mosquitto: apt-get install mosquitto")
	}
	dir := t.TempDir()
	m := &Mosquitto{t: t, program: program, conf: filepath.Join(dir, "mosquitto.conf"), ready: ready}
	write(t, m.conf, "user root\nlog_dest stderr\n"+settings)
	if m.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Stop(); m.log.Close() })
	m.Start()
	return m
}

// Start starts it again after Stop.
func (m *Mosquitto) Start() {
	m.t.Helper()
	// The shell keeps the broker on a leash: when our end of the pipe is closed, for
	// whatever reason, it kills it.
	m.command = exec.Command("sh", "-c", `"$0" -c "$1" & echo $! >"$1.pid"; cat >/dev/null; kill -9 $!; wait $!`, m.program, m.conf)
	m.command.Stdout, m.command.Stderr = m.log, m.log
	leash, err := m.command.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.command.Start(); err != nil {
		m.t.Fatalf("start mosquitto: %v", err)
	}
	m.leash = leash
	if err := m.ready(); err != nil {
		m.t.Fatalf("start mosquitto: %v; it says:\n%s", err, m.Log())
	}
}

// Stop kills it.
func (m *Mosquitto) Stop() {
	if m.leash == nil {
		return
	}
	m.leash.Close()
	m.leash = nil
	m.command.Wait() // the shell's exit code is that of the killed broker
}

// Reload makes it read again what it reads again on SIGHUP: its lists, not its listeners.
func (m *Mosquitto) Reload() {
	m.t.Helper()
	text, err := os.ReadFile(m.conf + ".pid")
	if err != nil {
		m.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		m.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		m.t.Fatalf("reload mosquitto: %v", err)
	}
}

// Log is what it has said so far.
func (m *Mosquitto) Log() string {
	text, err := os.ReadFile(m.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}
