// Package service makes a program a service of this machine, starts and stops it, says
// how it is and removes it, by way of kardianos/service with the texts of package systemd.
//
// It knows no agent and no hub. Beware: kardianos knows other service managers too, and
// its own unit is weak. It is let near a machine only where systemd runs, and only with
// our text; and what a package has installed is the package's to change.
package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/kardianos/service"

	"github.com/bkpsdmd-babel/sidik/systemd"
)

// What stands in the way, where a person can do something about it.
var (
	ErrNoSystemd    = errors.New("systemd does not run on this machine")
	ErrRoot         = errors.New("only root may change services")
	ErrPackaged     = errors.New("the service belongs to a Debian package")
	ErrNotInstalled = errors.New("the service is not installed")
)

// Verb is what can be done with a service.
type Verb string

// The verbs.
const (
	Install Verb = "install"
	Start   Verb = "start"
	Stop    Verb = "stop"
	Restart Verb = "restart"
	Status  Verb = "status"
	Remove  Verb = "remove"
)

// Verbs returns all verbs, in the order in which one needs them.
func Verbs() []Verb { return []Verb{Install, Start, Stop, Restart, Status, Remove} }

// State is how a service is.
type State string

// The states of a service. A failing one is started again and again by systemd.
const (
	Absent  State = "absent"
	Stopped State = "stopped"
	Running State = "running"
	Failing State = "failing"
)

// Report is how a service is after something was done with it.
type Report struct {
	Service string `json:"service"`
	State   State  `json:"state"`
	Said    string `json:"said"` // what the running program says of itself, one line; may be empty
}

// running is where systemd says that it manages this machine.
const running = "/run/systemd/system"

// Do does something with the service of a program, sidik-agent or sidik-hub. executable
// is the file of this very program, which is installed.
func Do(ctx context.Context, verb Verb, program, executable string) (Report, error) {
	texts, err := systemd.TextsOf(program)
	if err != nil {
		return Report{}, err
	}
	if info, err := os.Stat(running); err != nil || !info.IsDir() || service.Platform() != "linux-systemd" {
		return Report{}, fmt.Errorf("%s service %s: %w", verb, program, ErrNoSystemd)
	}
	control, err := service.New(nil, &service.Config{
		Name: program, Executable: place(program),
		Option: service.KeyValue{"SystemdScript": texts.Unit},
	})
	if err == nil {
		s := files{program: program, executable: executable, texts: texts}
		err = act(ctx, verb, s, control)
	}
	if err != nil {
		return Report{}, fmt.Errorf("%s service %s: %w", verb, program, err)
	}
	return report(ctx, program, control)
}

func act(ctx context.Context, verb Verb, f files, control service.Service) error {
	if verb == Status {
		return nil
	}
	if os.Geteuid() != 0 {
		return ErrRoot
	}
	own, packaged := exists(f.unit()), exists(f.packaged())
	switch {
	case packaged && (verb == Install || verb == Remove):
		return ErrPackaged
	case !packaged && !own && verb != Install:
		return ErrNotInstalled
	}
	switch verb {
	case Install:
		if err := f.place(ctx); err != nil {
			return err
		}
		return control.Install()
	case Start, Restart:
		// Somebody may have written the configuration since, as root.
		if err := tmpfiles(ctx, f.program); err != nil {
			return err
		}
		if verb == Start {
			return control.Start()
		}
		return control.Restart()
	case Stop:
		return control.Stop()
	case Remove:
		if err := errors.Join(control.Stop(), control.Uninstall()); err != nil {
			return err
		}
		return f.remove()
	}
	return fmt.Errorf("there is no %q", verb)
}

// report asks how a service is. kardianos has no word for one that fails and is tried
// again, so systemd is asked itself.
func report(ctx context.Context, program string, control service.Service) (Report, error) {
	r := Report{Service: program, State: Absent}
	status, err := control.Status()
	if errors.Is(err, service.ErrNotInstalled) {
		return r, nil
	}
	out, shown := exec.CommandContext(ctx, "systemctl", "show", "--property=ActiveState,SubState,StatusText", program+".service").Output()
	if shown != nil {
		return Report{}, fmt.Errorf("ask for the state of service %s: %w", program, errors.Join(err, shown))
	}
	properties := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		properties[name] = value
	}
	switch {
	case properties["ActiveState"] == "failed" || properties["SubState"] == "auto-restart":
		r.State = Failing
	case err != nil:
		return Report{}, fmt.Errorf("ask for the state of service %s: %w", program, err)
	case status == service.StatusRunning:
		r.State, r.Said = Running, properties["StatusText"]
	default:
		r.State = Stopped
	}
	return r, nil
}
