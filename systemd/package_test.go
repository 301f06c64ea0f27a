package systemd_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// packages makes those of one architecture and returns them by the name of their program.
// What is in them are small files in place of the programs; their time is fixed.
func packages(t *testing.T, architecture, version string) map[string]string {
	t.Helper()
	built, out := t.TempDir(), t.TempDir()
	for _, program := range []string{"sidik-agent", "sidik-hub", "sidik-provision"} {
		write(t, filepath.Join(built, program), "#!/bin/sh\n# "+program+" "+version+"\n", 0o600)
	}
	command := exec.Command(filepath.Join("..", ".ci", "package"), built, architecture, version, out)
	command.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1790000000", "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make packages: %v: %s", err, said)
	}
	made := map[string]string{}
	for program := range programs {
		found, err := filepath.Glob(filepath.Join(out, program+"_*.deb"))
		if err != nil || len(found) != 1 {
			t.Fatalf("packages of %s: %q, %v", program, found, err)
		}
		made[program] = found[0]
	}
	return made
}

// field returns one field of a package's control file.
func field(t *testing.T, deb, name string) string {
	t.Helper()
	return strings.TrimSpace(run(t, nil, "dpkg-deb", "--field", deb, name))
}

func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	command := exec.Command(name, args...)
	command.Env = append(append(os.Environ(), "LC_ALL=C"), env...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestPackagesHoldWhatAServiceNeeds(t *testing.T) {
	const docs = "/usr/share/doc/"
	common := func(program string) []string {
		return []string{"/usr/bin/" + program, "/usr/lib/systemd/system/" + program + ".service", "/usr/lib/sysusers.d/" + program + ".conf",
			"/usr/lib/tmpfiles.d/" + program + ".conf", docs + program + "/README.md", docs + program + "/CHANGELOG.md", docs + program + "/copyright"}
	}
	want := map[string][]string{
		"sidik-agent": append(common("sidik-agent"), docs+"sidik-agent/examples/agent.toml"),
		"sidik-hub":   append(common("sidik-hub"), "/usr/bin/sidik-provision", "/etc/default/sidik-hub"),
	}
	for architecture, debian := range map[string]string{"amd64": "amd64", "arm64": "arm64", "arm": "armhf"} {
		for program, deb := range packages(t, architecture, "v1.2.0") {
			t.Run(program+" for "+debian, func(t *testing.T) {
				if a, v := field(t, deb, "Architecture"), field(t, deb, "Version"); a != debian || v != "1.2.0" {
					t.Errorf("architecture %s, version %s", a, v)
				}
				root := t.TempDir()
				run(t, nil, "dpkg-deb", "--extract", deb, root)
				if held := filesBelow(t, root); !slices.Equal(held, slices.Sorted(slices.Values(want[program]))) {
					t.Errorf("holds %q,\nwant  %q", held, want[program])
				}
				for file, source := range map[string]string{
					"/usr/lib/systemd/system/" + program + ".service": program + ".service",
					"/usr/lib/sysusers.d/" + program + ".conf":        program + ".sysusers",
					"/usr/lib/tmpfiles.d/" + program + ".conf":        program + ".tmpfiles",
				} {
					if shipped, text := contents(t, root+file), contents(t, source); shipped != text {
						t.Errorf("%s is not the file %s", file, source)
					}
				}
				if mode := modeOf(t, root+"/usr/bin/"+program); mode != 0o755 {
					t.Errorf("the program's mode is %o", mode)
				}
				listed := run(t, nil, "dpkg-deb", "--contents", deb)
				if strings.Count(listed, " root/root ") != strings.Count(listed, "\n") {
					t.Errorf("something belongs to somebody else than root:\n%s", listed)
				}
			})
		}
	}
}

func TestSameInputGivesTheSamePackage(t *testing.T) {
	first, second := packages(t, "arm", "v1.2.0-5-gabc1234"), packages(t, "arm", "v1.2.0-5-gabc1234")
	for program := range programs {
		if contents(t, first[program]) != contents(t, second[program]) {
			t.Errorf("two packages of %s differ", program)
		}
	}
}

func TestVersionsOfPackagesRiseWithThoseOfTheSource(t *testing.T) {
	var versions []string
	for _, described := range []string{"abc1234", "v0.9.0", "v1.2.0", "v1.2.0-5-gabc1234", "v1.2.0-12-gabc1234-dirty", "v1.10.0"} {
		versions = append(versions, field(t, packages(t, "amd64", described)["sidik-agent"], "Version"))
	}
	for i := range len(versions) - 1 {
		run(t, nil, "dpkg", "--compare-versions", versions[i], "lt", versions[i+1])
	}
}

// system is a root folder with a dpkg database, and nothing of a running machine.
type system struct {
	t     *testing.T
	root  string
	tools string // comes before the machine's own commands
}

func newSystem(t *testing.T) system {
	t.Helper()
	s := system{t, t.TempDir(), t.TempDir()}
	for _, folder := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "run"} {
		if err := os.MkdirAll(filepath.Join(s.root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(s.root, "var/lib/dpkg/status"), "", 0o644)
	write(t, filepath.Join(s.root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n", 0o644)
	write(t, filepath.Join(s.root, "etc/group"), "root:x:0:\n", 0o644)
	for _, command := range []string{"systemctl", "deb-systemd-invoke"} { // they would speak to this very machine
		write(t, filepath.Join(s.tools, command), "#!/bin/sh\necho \"$0 $*\" >>"+s.tools+"/called\nexit 1\n", 0o755)
	}
	return s
}

func (s system) dpkg(args ...string) string {
	s.t.Helper()
	args = append([]string{"--root=" + s.root, "--force-script-chrootless", "--force-depends", "--force-confold", "--log=" + s.tools + "/log"}, args...)
	name := "dpkg"
	if os.Getuid() != 0 { // it gives files to other users
		name, args = "fakeroot", append([]string{name}, args...)
	}
	return run(s.t, []string{"PATH=" + s.tools + ":/usr/sbin:/usr/bin:/sbin:/bin"}, name, args...)
}

func (s system) has(path string) bool {
	_, err := os.Lstat(filepath.Join(s.root, path))
	return err == nil
}

func TestPackagesAreInstalledUpdatedRemovedAndPurged(t *testing.T) {
	s := newSystem(t)
	old, newer := packages(t, "amd64", "v1.2.0"), packages(t, "amd64", "v1.3.0")
	for program := range programs {
		s.dpkg("--force-architecture", "--install", old[program])
	}
	passwd, group := contents(t, s.root+"/etc/passwd"), contents(t, s.root+"/etc/group")
	for program := range programs {
		if !strings.Contains(passwd, program+":x:") {
			t.Errorf("%s has no user", program)
		}
		if !s.has("etc/systemd/system/multi-user.target.wants/" + program + ".service") {
			t.Errorf("%s does not come up with the machine", program)
		}
		write(t, filepath.Join(s.root, "var/lib", program, "a.key"), "a key", 0o600)
	}
	if !strings.Contains(group, "gpio:x:") || !regexp.MustCompile(`(?m)^i2c:x:\d+:sidik-agent$`).MatchString(group) {
		t.Errorf("the agent may not use its panel:\n%s", group)
	}
	write(t, s.root+"/etc/sidik/agent.toml", "site = \"a\"", 0o600)
	write(t, s.root+"/etc/default/sidik-hub", "SIDIK_HUB_FLAGS=\"--mine\"", 0o600)
	// Somebody disables the hub, which an update respects.
	if err := os.Remove(filepath.Join(s.root, "etc/systemd/system/multi-user.target.wants/sidik-hub.service")); err != nil {
		t.Fatal(err)
	}

	for program := range programs {
		s.dpkg("--force-architecture", "--install", newer[program])
		s.dpkg("--force-architecture", "--install", newer[program]) // once more, as after a power cut
		if text := contents(t, s.root+"/usr/bin/"+program); !strings.Contains(text, "v1.3.0") {
			t.Errorf("the program of %s is %q", program, text)
		}
	}
	if s.has("etc/systemd/system/multi-user.target.wants/sidik-hub.service") {
		t.Error("an update enables what somebody disabled")
	}
	if after := contents(t, s.root+"/etc/passwd"); after != passwd {
		t.Errorf("users after the update:\n%s", after)
	}
	for file, want := range map[string]string{"/etc/sidik/agent.toml": `site = "a"`, "/etc/default/sidik-hub": `SIDIK_HUB_FLAGS="--mine"`} {
		if contents(t, s.root+file) != want || modeOf(t, s.root+file) != 0o640 {
			t.Errorf("%s: %q with mode %o", file, contents(t, s.root+file), modeOf(t, s.root+file))
		}
	}

	for program := range programs {
		s.dpkg("--remove", program)
		if s.has("usr/bin/"+program) || s.has("usr/lib/systemd/system/"+program+".service") {
			t.Errorf("%s is still there after it was removed", program)
		}
		if !s.has("var/lib/" + program + "/a.key") {
			t.Errorf("removing %s took its state", program)
		}
		s.dpkg("--force-architecture", "--install", newer[program]) // and back again
		s.dpkg("--purge", program)
		s.dpkg("--purge", program)
		if s.has("var/lib/" + program) {
			t.Errorf("purging %s left its state", program)
		}
	}
	for _, gone := range []string{"etc/sidik", "etc/default/sidik-hub", "etc/systemd/system/sidik-agent.service", "etc/systemd/system/multi-user.target.wants/sidik-agent.service"} {
		if s.has(gone) {
			t.Errorf("%s is left after everything was purged", gone)
		}
	}
	if called, err := os.ReadFile(s.tools + "/called"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the machine itself was spoken to: %s, %v", called, err)
	}
}

// A script of a package that is run once more changes nothing.
func TestScriptsOfPackagesMayBeRepeated(t *testing.T) {
	s := newSystem(t)
	deb := packages(t, "amd64", "v1.2.0")["sidik-agent"]
	s.dpkg("--force-architecture", "--install", deb)
	tree := func() map[string]string {
		all := map[string]string{}
		for _, path := range filesBelow(t, s.root) {
			if info, err := os.Lstat(s.root + path); err == nil && info.Mode().IsRegular() && !strings.HasPrefix(path, "/var/lib/dpkg/") {
				all[path] = contents(t, s.root+path)
			}
		}
		return all
	}
	before := tree()
	env := []string{"DPKG_MAINTSCRIPT_PACKAGE=sidik-agent", "DPKG_ROOT=" + s.root, "PATH=" + s.tools + ":/usr/sbin:/usr/bin:/sbin:/bin"}
	for range 3 {
		run(t, env, "fakeroot", "sh", "debian.postinst", "configure", "1.2.0")
		run(t, env, "sh", "debian.postinst", "triggered", "x")
		run(t, env, "sh", "debian.prerm", "upgrade", "1.3.0")
		run(t, env, "sh", "debian.postrm", "upgrade", "1.3.0")
	}
	if after := tree(); !maps.Equal(before, after) {
		t.Errorf("files %q,\nbefore %q", slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(before)))
	}
}

func filesBelow(t *testing.T, root string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			paths = append(paths, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	return paths
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
