package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/systemd"
)

// programs are those that run as services, with the highest exposure that systemd may
// find in their units, of 10. What is left is what they live on: the network, and at the
// agent the panel's devices and the question whether the clock is synchronised.
var programs = map[string]float64{"sidik-agent": 2.0, "sidik-hub": 1.2}

func TestUnitsAreUnderstoodWithoutAWarning(t *testing.T) {
	for program := range programs {
		t.Run(program, func(t *testing.T) {
			root := install(t, program, nil)
			if said := analyze(t, "verify", "--root="+root, program+".service"); said != "" {
				t.Errorf("systemd says:\n%s", said)
			}
			root = install(t, program, func(unit string) string { return strings.Replace(unit, "MemoryMax=", "MemoryMaximum=", 1) })
			if said := analyze(t, "verify", "--root="+root, program+".service"); !strings.Contains(said, "MemoryMaximum") {
				t.Errorf("systemd says nothing of a mistyped line: %q", said)
			}
		})
	}
}

func TestUnitsExposeLittle(t *testing.T) {
	overall := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)
	for program, bound := range programs {
		t.Run(program, func(t *testing.T) {
			root := install(t, program, nil)
			said := analyze(t, "security", "--offline=yes", "--no-pager", "--root="+root, program+".service")
			found := overall.FindStringSubmatch(said)
			if found == nil {
				t.Fatalf("systemd names no exposure:\n%s", said)
			}
			exposure, err := strconv.ParseFloat(found[1], 64)
			if err != nil || exposure > bound {
				t.Errorf("exposure %s (%v), want at most %.1f:\n%s", found[1], err, bound, said)
			}
			t.Logf("exposure %.1f", exposure)
		})
	}
}

func TestProgramWithoutAUnitHasNoTexts(t *testing.T) {
	if texts, err := systemd.TextsOf("sidik-provision"); err == nil {
		t.Errorf("texts = %+v", texts)
	}
}

// install makes the root of a system with a program, its unit and this machine's targets.
func install(t *testing.T, program string, change func(unit string) string) (root string) {
	t.Helper()
	root = t.TempDir()
	texts, err := systemd.TextsOf(program)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		texts.Unit = change(texts.Unit)
	}
	write(t, filepath.Join(root, "usr/bin", program), "", 0o755)
	units := filepath.Join(root, "usr/lib/systemd/system")
	write(t, filepath.Join(units, program+".service"), texts.Unit, 0o644)
	targets, err := filepath.Glob("/usr/lib/systemd/system/*.target")
	if err != nil || len(targets) == 0 {
		t.Fatalf("units were not verified: systemd's own are not in /usr/lib/systemd/system (%v); run make deps", err)
	}
	for _, target := range targets {
		text, err := os.ReadFile(target)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(units, filepath.Base(target)), string(text), 0o644)
	}
	return root
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// analyze returns what systemd-analyze says, of which nothing is good for verify.
func analyze(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.Command("systemd-analyze", args...)
	command.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze %s: %v: %s; without the command, run make deps", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// A release of the agent lies in its state folder, and is tried again when it ended.
func TestTheAgentsUnitLetsReleasesRun(t *testing.T) {
	texts, err := systemd.TextsOf("sidik-agent")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(texts.Unit, "\n")
	for _, line := range lines {
		if name, _, _ := strings.Cut(line, "="); name == "NoExecPaths" || name == "ExecPaths" || name == "InaccessiblePaths" || name == "TemporaryFileSystem" {
			t.Errorf("%s: releases may be out of reach", line)
		}
	}
	for _, want := range []string{"Restart=always", "StateDirectory=sidik-agent", "StartLimitIntervalSec=0"} {
		if !slices.Contains(lines, want) {
			t.Errorf("the unit lacks %s", want)
		}
	}
}
