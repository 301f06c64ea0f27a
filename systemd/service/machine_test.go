package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/systemd/service"
)

// machine is a root folder with nothing of a system but stand-ins for the commands of
// systemd, in which a child of this test does what it is told. systemd itself cannot be
// had here: it wants to be the first process of a machine.
type machine struct {
	t       *testing.T
	root    string
	program string
}

// The environment of a child: its root folder while it is outside of it, then what it does.
const (
	rootOf = "SIDIK_SERVICE_ROOT"
	doing  = "SIDIK_SERVICE_DO"
	hurry  = "GORACE=atexit_sleep_ms=0" // the race detector would wait a second in each of many processes
)

var commands = []string{"systemctl", "systemd-sysusers", "systemd-tmpfiles"}

func newMachine(t *testing.T, program string) *machine {
	t.Helper()
	m := &machine{t, t.TempDir(), program}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	m.write("opt/program", string(text))
	for _, folder := range []string{"run/systemd/system", "etc/systemd/system", "sbin", "dev", "proc", "lib", "lib64"} {
		if err := os.MkdirAll(m.path(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range commands {
		if err := os.Symlink("/opt/program", m.path("sbin/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *machine) path(name string) string { return filepath.Join(m.root, name) }

func (m *machine) write(name, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(m.path(name), []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) read(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(m.path(name))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text)
}

// files are those that somebody installed.
func (m *machine) files() (names []string) {
	m.t.Helper()
	for _, folder := range []string{"usr", "etc"} {
		err := filepath.WalkDir(m.path(folder), func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			if err == nil && !entry.IsDir() {
				names = append(names, strings.TrimPrefix(path, m.root))
			}
			return err
		})
		if err != nil {
			m.t.Fatal(err)
		}
	}
	return names
}

// calls are the commands of systemd that were called.
func (m *machine) calls() []string {
	text, err := os.ReadFile(m.path("calls"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// try does something in the machine; said is the error's text.
func (m *machine) try(verb service.Verb) (r service.Report, said string) {
	m.t.Helper()
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	command := exec.Command(self)
	command.Env = []string{rootOf + "=" + m.root, doing + "=" + string(verb) + " " + m.program, "PATH=/sbin", hurry}
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := command.Output()
	if err != nil {
		detail := ""
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			detail = string(exit.Stderr)
		}
		m.t.Fatalf("services were not tested: this machine refuses a root folder of their own: %v: %s%s", err, out, detail)
	}
	var answer struct {
		service.Report
		Error string
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
	return answer.Report, answer.Error
}

func (m *machine) do(verb service.Verb) service.Report {
	m.t.Helper()
	r, said := m.try(verb)
	if said != "" {
		m.t.Fatal(said)
	}
	return r
}

func (m *machine) want(verb service.Verb, state service.State) {
	m.t.Helper()
	if r := m.do(verb); r.State != state || r.Service != m.program {
		m.t.Errorf("after %s: %+v, want it %s", verb, r, state)
	}
}

func (m *machine) refused(verb service.Verb, why error) {
	m.t.Helper()
	if r, said := m.try(verb); !strings.Contains(said, why.Error()) {
		m.t.Errorf("%s: %+v, %q, want %q", verb, r, said, why)
	}
}

// TestMain is also the child, outside and inside of its root, and the stand-ins.
func TestMain(m *testing.M) {
	name := filepath.Base(os.Args[0])
	switch {
	case slices.Contains(commands, name):
		os.Exit(standIn(name, os.Args[1:]))
	case os.Getenv(rootOf) != "":
		if err := enter(os.Getenv(rootOf)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case os.Getenv(doing) != "":
		os.Exit(act())
	}
	os.Exit(m.Run())
}

// enter starts this program once more, inside: kardianos looks for a service manager
// before anything else runs. A program with the race detector needs libraries and more.
func enter(root string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, folder := range []string{"dev", "proc", "lib", "lib64"} {
		err := unix.Mount("/"+folder, filepath.Join(root, folder), "", unix.MS_BIND|unix.MS_REC, "")
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("mount %s: %w", folder, err)
		}
	}
	inside := exec.Command("/opt/program")
	inside.Dir, inside.SysProcAttr = "/", &syscall.SysProcAttr{Chroot: root}
	inside.Env = []string{doing + "=" + os.Getenv(doing), "PATH=/sbin", hurry}
	inside.Stdout, inside.Stderr = os.Stdout, os.Stderr
	return inside.Run()
}

func act() int {
	var verb, program string
	if _, err := fmt.Sscan(os.Getenv(doing), &verb, &program); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var answer struct {
		service.Report
		Error string
	}
	var err error
	if answer.Report, err = service.Do(context.Background(), service.Verb(verb), program, "/opt/program"); err != nil {
		answer.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		return 1
	}
	return 0
}

// standIn answers as the command of systemd would, and writes down that it was called.
// Whether the service runs stands in the file /state.
func standIn(name string, args []string) int {
	calls, err := os.OpenFile("/calls", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(calls, name, strings.Join(args, " "))
		err = errors.Join(err, calls.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if name != "systemctl" {
		return 0
	}
	text, err := os.ReadFile("/state")
	state := "inactive"
	if err == nil {
		state = string(text)
	}
	unit := args[len(args)-1]
	switch args[0] {
	case "start", "restart":
		state = "active"
	case "stop":
		state = "inactive"
	case "is-active":
		fmt.Println(state)
		if state != "active" {
			return 3
		}
	case "list-unit-files":
		for _, folder := range []string{"/etc/systemd/system", "/usr/lib/systemd/system"} {
			if _, err := os.Stat(filepath.Join(folder, unit)); err == nil {
				fmt.Println(unit, "enabled")
				return 0
			}
		}
		return 1
	case "show":
		sub := map[string]string{"active": "running", "activating": "auto-restart", "inactive": "dead", "failed": "failed"}[state]
		fmt.Printf("ActiveState=%s\nSubState=%s\nStatusText=all is well = yes\n", state, sub)
	}
	if err := os.WriteFile("/state", []byte(state), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
