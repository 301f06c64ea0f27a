package kit_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/provision/internal/kit"
)

// What the files of Raspberry Pi OS say, before and since Debian 12.
const (
	newer = "# Additional overlays and parameters are documented\n# /boot/firmware/overlays/README\nauto_initramfs=1\n"
	older = "# Additional overlays and parameters are documented /boot/overlays/README\narm_64bit=1\n"
	line  = "console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot"
)

// partition is a boot partition as a writer of cards leaves it.
func partition(t testing.TB, line, config string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	put(t, filepath.Join(dir, "cmdline.txt"), line, 0o755)
	put(t, filepath.Join(dir, "config.txt"), config, 0o755)
	return dir
}

// onto writes a kit with one package on a card.
func onto(t testing.TB, dir string, k kit.Kit) (folder string) {
	t.Helper()
	c, err := kit.OpenCard(dir, "")
	if err == nil {
		folder, err = c.Write(k)
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// bootable is a kit of an invented office with a package for the card's machine.
func bootable(t testing.TB) kit.Kit {
	t.Helper()
	k := sample(t)
	k.Packages = []string{deb(t, "arm64", "1.2.0")}
	return k
}

// The words name the script where the Raspberry Pi will see it, once, however often a kit is
// written; the newest kit is the one on the card.
func TestACardAsksForItsKit(t *testing.T) {
	for config, at := range map[string]string{newer: "/boot/firmware", older: "/boot"} {
		t.Run(at, func(t *testing.T) {
			dir := partition(t, line+"\r\n", config)
			want := line + " systemd.run=" + at + "/sidik/boot.sh systemd.run_success_action=reboot" +
				" systemd.run_failure_action=poweroff systemd.unit=kernel-command-line.target\n"
			first, second := bootable(t), bootable(t)
			for _, k := range []kit.Kit{first, second} {
				folder := onto(t, dir, k)
				if folder != filepath.Join(dir, "sidik") || strings.TrimSpace(read(t, folder, "claim")) != k.Code.Text() {
					t.Errorf("the kit in %s is another one", folder)
				}
				if got := read(t, dir, "cmdline.txt"); got != want {
					t.Errorf("cmdline.txt is\n%swant\n%s", got, want)
				}
				if got := read(t, dir, "cmdline.txt.asli"); got != line+"\n" {
					t.Errorf("the line that is kept is %s", got)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "sidik", "boot.sh")); err != nil {
				t.Error(err)
			}
			for _, text := range []string{read(t, dir, "sidik/BACA-SAYA.txt"), read(t, dir, "sidik/BACA-SAYA.html")} {
				if !strings.Contains(text, "sidik/HASIL.txt") || strings.Contains(text, "sh first-boot.sh") {
					t.Errorf("the instructions are those of another way:\n%s", text)
				}
			}
		})
	}
}

// systemd itself reads the words, and makes of them what the script counts on.
func TestTheWordsAreSystemds(t *testing.T) {
	dir, units := partition(t, line, newer), t.TempDir()
	onto(t, dir, bootable(t))
	generator := exec.Command("/usr/lib/systemd/system-generators/systemd-run-generator", units, units, units)
	generator.Env = append(os.Environ(), "SYSTEMD_PROC_CMDLINE="+strings.TrimSpace(read(t, dir, "cmdline.txt")))
	if said, err := generator.CombinedOutput(); err != nil {
		t.Fatalf("systemd-run-generator: %v: %s; without it, run make deps", err, said)
	}
	unit := read(t, units, "kernel-command-line.service")
	for _, want := range []string{"ExecStart=/boot/firmware/sidik/boot.sh\n", "SuccessAction=reboot\n", "FailureAction=poweroff\n"} {
		if !strings.Contains(unit, want) {
			t.Errorf("nothing of %s in:\n%s", want, unit)
		}
	}
	if to, err := os.Readlink(filepath.Join(units, "default.target")); err != nil || to != "kernel-command-line.target" {
		t.Errorf("the machine boots into %q, %v", to, err)
	}
}

// What is not such a card, or has another's words, stays as it is.
func TestACardIsRefused(t *testing.T) {
	others := " systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot systemd.unit=kernel-command-line.target"
	for name, test := range map[string]struct {
		line, config, at string
		want             error
	}{
		"a stick with nothing on it":     {"", "", "", kit.ErrNoCard},
		"settings without a line":        {"", newer, "", kit.ErrNoCard},
		"a line without settings":        {line, "", "", kit.ErrNoCard},
		"another system's settings":      {line, "dtparam=audio=on\n", "", kit.ErrMount},
		"settings of two systems":        {line, newer + older, "", kit.ErrMount},
		"a place that there never was":   {line, newer, "/mnt", kit.ErrMount},
		"two lines":                      {line + "\nquiet\n", newer, "", kit.ErrLine},
		"an empty line":                  {"\n", newer, "", kit.ErrLine},
		"the words of a writer of cards": {line + others, newer, "", kit.ErrOthers},
		"another target":                 {line + " systemd.unit=rescue.target", newer, "", kit.ErrOthers},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"cmdline.txt": test.line, "config.txt": test.config} {
				if text != "" {
					put(t, filepath.Join(dir, file), text, 0o600)
				}
			}
			before := names(t, dir)
			if _, err := kit.OpenCard(dir, test.at); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if len(names(t, dir)) != len(before) || test.line != "" && read(t, dir, "cmdline.txt") != test.line {
				t.Error("the card was changed")
			}
		})
	}
	if c, err := kit.OpenCard(partition(t, line, "dtparam=audio=on\n"), "/boot"); err != nil || c.At != "/boot" {
		t.Errorf("somebody said where it is mounted: %v, %v", c.At, err)
	}
	dir := partition(t, line, newer)
	c, err := kit.OpenCard(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(sample(t)); !errors.Is(err, kit.ErrNoPackage) {
		t.Errorf("a kit without a package: %v", err)
	}
	broken := bootable(t)
	broken.Agents = "http://hub.example.go.id"
	if _, err := c.Write(broken); err == nil || read(t, dir, "cmdline.txt") != line {
		t.Errorf("%v, and the line is %s", err, read(t, dir, "cmdline.txt"))
	}
}
