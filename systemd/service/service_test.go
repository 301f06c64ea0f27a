package service_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/systemd"
	"github.com/bkpsdmd-babel/sidik/systemd/service"
)

func TestLifeOfAService(t *testing.T) {
	for _, program := range []string{"sidik-agent", "sidik-hub"} {
		t.Run(program, func(t *testing.T) {
			m := newMachine(t, program)
			m.want(service.Status, service.Absent)
			m.refused(service.Start, service.ErrNotInstalled)
			m.want(service.Install, service.Stopped)
			m.want(service.Start, service.Running)
			if r := m.do(service.Status); r.Said != "all is well = yes" {
				t.Errorf("the program says %q of itself", r.Said)
			}
			m.want(service.Restart, service.Running)
			m.want(service.Stop, service.Stopped)
			m.write("state", "failed")
			m.want(service.Status, service.Failing)
			m.write("state", "activating") // that is how one that crashes again and again looks
			m.want(service.Status, service.Failing)
			m.want(service.Remove, service.Absent)
			if left := m.files(); len(left) != 0 {
				t.Errorf("left behind: %q", left)
			}
			m.refused(service.Remove, service.ErrNotInstalled)
		})
	}
}

func TestWhatIsWrittenIsWhatPackagesShip(t *testing.T) {
	for _, program := range []string{"sidik-agent", "sidik-hub"} {
		t.Run(program, func(t *testing.T) {
			m := newMachine(t, program)
			m.do(service.Install)
			for file, shipped := range map[string]string{
				"etc/systemd/system/" + program + ".service": program + ".service",
				"etc/sysusers.d/" + program + ".conf":        program + ".sysusers",
				"etc/tmpfiles.d/" + program + ".conf":        program + ".tmpfiles",
			} {
				text, err := os.ReadFile(filepath.Join("..", shipped))
				if err != nil {
					t.Fatal(err)
				}
				if written := m.read(file); written != string(text) {
					t.Errorf("%s is not the file %s:\n%s", file, shipped, written)
				}
			}
			info, err := os.Stat(m.path("usr/bin/" + program))
			if err != nil || info.Mode().Perm() != 0o755 || m.read("usr/bin/"+program) != m.read("opt/program") {
				t.Errorf("the program is not where the unit expects it, or not whole: %v", err)
			}
			calls := m.calls()
			for _, call := range []string{"systemd-sysusers " + program + ".conf", "systemd-tmpfiles --create " + program + ".conf",
				"systemctl enable " + program + ".service", "systemctl daemon-reload"} {
				if !slices.Contains(calls, call) {
					t.Errorf("nobody called %q: %q", call, calls)
				}
			}
		})
	}
}

func TestInstallingAgainBringsTheNewerOne(t *testing.T) {
	m := newMachine(t, "sidik-agent")
	m.do(service.Install)
	m.write("etc/systemd/system/sidik-agent.service", "an older text, and a much longer one"+strings.Repeat("\n# old", 2000))
	m.write("usr/bin/sidik-agent", "an older program")
	m.do(service.Install)
	texts, err := systemd.TextsOf("sidik-agent")
	if err != nil {
		t.Fatal(err)
	}
	if m.read("etc/systemd/system/sidik-agent.service") != texts.Unit || m.read("usr/bin/sidik-agent") != m.read("opt/program") {
		t.Error("something of the older one is left")
	}
}

func TestServiceOfAPackageIsThePackages(t *testing.T) {
	m := newMachine(t, "sidik-agent")
	m.write("usr/lib/systemd/system/sidik-agent.service", "the package's")
	m.write("usr/bin/sidik-agent", "the package's")
	before := m.files()
	m.refused(service.Install, service.ErrPackaged)
	m.refused(service.Remove, service.ErrPackaged)
	if after := m.files(); !slices.Equal(before, after) || m.read("usr/bin/sidik-agent") != "the package's" {
		t.Errorf("files %q, before %q", after, before)
	}
	m.want(service.Start, service.Running)
	m.want(service.Stop, service.Stopped)
}

func TestMachineWithoutSystemdIsLeftAlone(t *testing.T) {
	m := newMachine(t, "sidik-agent")
	if err := os.RemoveAll(m.path("run/systemd")); err != nil {
		t.Fatal(err)
	}
	for _, verb := range service.Verbs() {
		m.refused(verb, service.ErrNoSystemd)
	}
	if files, calls := m.files(), m.calls(); len(files) != 0 || len(calls) != 0 {
		t.Errorf("written %q, called %q", files, calls)
	}
}

func TestProgramThatIsNoServiceIsNotInstalled(t *testing.T) {
	m := newMachine(t, "sidik-provision")
	if _, said := m.try(service.Install); said == "" {
		t.Error("installed")
	}
	if files := m.files(); len(files) != 0 {
		t.Errorf("written: %q", files)
	}
}

func TestReportHasNoLanguage(t *testing.T) {
	text, err := json.Marshal(service.Report{Service: "sidik-hub", State: service.Absent})
	if want := `{"service":"sidik-hub","state":"absent","said":""}`; err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
}
