package kit_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/provision/internal/kit"
)

// card is the root folder of a machine's card, with packages installed on it by dpkg.
type card struct {
	t     *testing.T
	root  string
	tools string // comes before this machine's own commands
}

func newCard(t *testing.T) card {
	t.Helper()
	c := card{t, filepath.Join(t.TempDir(), "kartu SD"), t.TempDir()}
	status := "Package: dpkg\nStatus: install ok installed\nMaintainer: x\nArchitecture: arm64\nVersion: 1.22.0\nDescription: x\n\n"
	for path, text := range map[string]string{
		"var/lib/dpkg/status": status, "var/lib/dpkg/info/format": "1\n", "var/lib/dpkg/updates/.keep": "", "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
	} {
		put(t, filepath.Join(c.root, path), text, 0o644)
	}
	if err := os.Remove(filepath.Join(c.root, "var/lib/dpkg/updates/.keep")); err != nil {
		t.Fatal(err)
	}
	// It would speak to this very machine.
	put(t, filepath.Join(c.tools, "systemctl"), "#!/bin/sh\necho \"$*\" >>\"$(dirname \"$0\")/called\"\n", 0o755)
	return c
}

func put(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), mode)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// deb makes a package of the agent's name, whose script makes its user as the real one's.
func deb(t testing.TB, architecture, version string) string {
	t.Helper()
	return debThat(t, architecture, version, "")
}

// debThat is deb with a script that does something before.
func debThat(t testing.TB, architecture, version, does string) string {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "DEBIAN/control"), "Package: sidik-agent\nVersion: "+version+"\nArchitecture: "+architecture+"\nMaintainer: x\nDescription: x\n", 0o644)
	put(t, filepath.Join(dir, "DEBIAN/postinst"), "#!/bin/sh\n"+does+`
grep -q ^sidik-agent: "$DPKG_ROOT/etc/passwd" || echo "sidik-agent:x:991:992::/:/usr/sbin/nologin" >>"$DPKG_ROOT/etc/passwd"
`, 0o755)
	put(t, filepath.Join(dir, "usr/bin/sidik-agent"), "version "+version+"\n", 0o755)
	made := filepath.Join(t.TempDir(), "sidik-agent_"+version+"_"+architecture+".deb")
	if said, err := exec.Command("dpkg-deb", "--root-owner-group", "--build", dir, made).CombinedOutput(); err != nil {
		t.Fatalf("make package: %v: %s", err, said)
	}
	return made
}

// boots runs a kit's script for the card, and returns what it says.
func (c card) boots(folder string) (said string, err error) {
	name, args := "sh", []string{filepath.Join(folder, "first-boot.sh"), c.root}
	if os.Getuid() != 0 { // it gives files to other users
		name, args = "fakeroot", append([]string{name}, args...)
	}
	command := exec.Command(name, args...)
	command.Env = append(os.Environ(), "LC_ALL=C", "PATH="+c.tools+":/usr/sbin:/usr/bin:/sbin:/bin")
	text, err := command.CombinedOutput()
	return string(text), err
}

// must is boots for a kit that has to come up.
func (c card) must(folder string) (said string) {
	c.t.Helper()
	said, err := c.boots(folder)
	if err != nil {
		c.t.Fatalf("first boot: %v\n%s", err, said)
	}
	return said
}

// tree is every file of the card that is not dpkg's, and what is in it.
func (c card) tree() map[string]string {
	c.t.Helper()
	all := map[string]string{}
	for _, folder := range []string{"etc", "usr", "var/lib/sidik-agent"} {
		err := filepath.WalkDir(filepath.Join(c.root, folder), func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				all[path] = read(c.t, path)
			}
			if os.IsNotExist(err) {
				return nil
			}
			return err
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	return all
}

const data = "var/lib/sidik-agent"

// Repeating the script, as after a power cut or out of doubt, changes nothing; the code
// that the agent has used in between does not come back.
func TestFirstBootPutsTheKitInPlaceOnce(t *testing.T) {
	c := newCard(t)
	k := sample(t)
	k.Packages = []string{deb(t, "amd64", "1.2.0"), deb(t, "arm64", "1.2.0")}
	folder := write(t, t.TempDir(), k)
	c.must(folder)
	for name, mode := range map[string]os.FileMode{data: 0o700, data + "/claim": 0o600, data + "/keys.json": 0o600, "etc/sidik/agent.toml": 0o640} {
		info, err := os.Stat(filepath.Join(c.root, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Fatalf("%s: %v, %v", name, info, err)
		}
		if owner := info.Sys().(*syscall.Stat_t); os.Getuid() == 0 && (owner.Gid != 992 || strings.HasPrefix(name, data) != (owner.Uid == 991)) {
			t.Errorf("%s belongs to %d:%d", name, owner.Uid, owner.Gid)
		}
	}
	if strings.TrimSpace(read(t, c.root, data, "claim")) != k.Code.Text() || read(t, c.root, data, "keys.json") != string(k.Keys) ||
		read(t, c.root, "etc/sidik/agent.toml") != read(t, folder, "agent.toml") {
		t.Error("what was put in place is not the kit's")
	}
	if err := os.Remove(filepath.Join(c.root, data, "claim")); err != nil {
		t.Fatal(err)
	}
	before := c.tree()
	c.must(folder)
	c.must(folder)
	if !maps.Equal(before, c.tree()) {
		t.Errorf("repeating changed the card")
	}
	for said := range strings.Lines(read(t, c.tools, "called")) {
		if said != "--root="+c.root+" enable --quiet sidik-agent\n" {
			t.Errorf("this machine was spoken to: %s", said)
		}
	}
}

// A kit for the machine in its place: a newer program stays, newer keys stay, and who had
// put a terminal's key into the configuration finds it again.
func TestFirstBootOfTheNextKit(t *testing.T) {
	c := newCard(t)
	first, second := sample(t), sample(t)
	first.Packages = []string{deb(t, "arm64", "1.10.0")}
	second.Packages, second.Keys = []string{deb(t, "arm64", "1.9.0")}, []byte("older keys")
	c.must(write(t, t.TempDir(), first))
	mine := read(t, c.root, "etc/sidik/agent.toml") + "comm_key = 7\n"
	put(t, filepath.Join(c.root, "etc/sidik/agent.toml"), mine, 0o640)
	said := c.must(write(t, t.TempDir(), second))
	if strings.TrimSpace(read(t, c.root, data, "claim")) != second.Code.Text() {
		t.Error("the second kit's code is not there")
	}
	if read(t, c.root, data, "keys.json") != string(first.Keys) || read(t, c.root, "usr/bin/sidik-agent") != "version 1.10.0\n" {
		t.Error("the second kit took newer keys, or a newer program")
	}
	if read(t, c.root, "etc/sidik/agent.toml.lama") != mine || !strings.Contains(said, "agent.toml.lama") {
		t.Errorf("the former configuration is lost:\n%s", said)
	}
	third := sample(t)
	third.Packages = []string{deb(t, "arm64", "1.11.0")}
	c.must(write(t, t.TempDir(), third))
	if got := read(t, c.root, "usr/bin/sidik-agent"); got != "version 1.11.0\n" {
		t.Errorf("the newer program is not installed: %s", got)
	}
}

// What cannot come up says so in plain words, and changes nothing.
func TestFirstBootRefuses(t *testing.T) {
	package64 := deb(t, "arm64", "1.2.0")
	for name, test := range map[string]struct {
		spoil func(c card, k *kit.Kit)
		says  string
	}{
		"an expired kit": {func(_ card, k *kit.Kit) { k.Until = time.Now().Add(-time.Minute) }, "kedaluwarsa"},
		"another office's machine": {func(c card, _ *kit.Kit) {
			put(c.t, filepath.Join(c.root, "etc/sidik/agent.toml"), "site = \"samsat-belitung\"\n", 0o640)
		}, "lokasi lain"},
		"a package for another machine": {func(c card, k *kit.Kit) { k.Packages = []string{deb(c.t, "amd64", "1.2.0")} }, "jenis arm64"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCard(t)
			k := sample(t)
			k.Packages = []string{package64}
			test.spoil(c, &k)
			folder := write(t, t.TempDir(), k)
			before := c.tree()
			said, err := c.boots(folder)
			if err == nil || !strings.Contains(said, test.says) {
				t.Errorf("%v, and nothing of %q in: %s", err, test.says, said)
			}
			if !maps.Equal(before, c.tree()) {
				t.Error("the card was changed")
			}
		})
	}
}
