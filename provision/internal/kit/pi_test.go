package kit_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/provision/internal/kit"
)

// pi is a machine with a card of two partitions, which boots until the words are gone.
type pi struct {
	card
	boot string // the boot partition
}

// booted are the commands that the scripts call. Each is counted, and before the one whose number is in
// the file cut the power fails: everything that runs is killed.
var booted = [...]string{"cat", "chmod", "chown", "cmp", "cp", "date", "dd", "dirname", "dpkg", "dpkg-deb", "dpkg-query",
	"grep", "id", "mkdir", "mv", "rm", "sed", "sh", "sync", "systemctl"}

func newPi(t *testing.T, k kit.Kit) pi {
	t.Helper()
	p := pi{newCard(t), partition(t, line+"\n", newer)}
	for _, name := range booted {
		does := "exec /usr/bin/" + name + ` "$@"`
		switch name { // they would be this very machine's
		case "sync":
			does = ":"
		case "systemctl":
			does = `echo "$* offline=${SYSTEMD_OFFLINE-}" >>"$tools/called"`
		}
		put(t, filepath.Join(p.tools, name), `#!/bin/sh
tools=`+p.tools+`
n=0
[ ! -e "$tools/count" ] || read -r n <"$tools/count"
echo $((n + 1)) >"$tools/count"
cut=0
[ ! -e "$tools/cut" ] || read -r cut <"$tools/cut"
[ $((n + 1)) != "$cut" ] || kill -9 0
`+does+"\n", 0o755)
	}
	onto(t, p.boot, k)
	// The first boot of the system changes the line for its own sake.
	asked := strings.NewReplacer("4e639091", "0ba17c55", " init=/usr/lib/raspberrypi-sys-mods/firstboot", "").Replace(read(t, p.boot, "cmdline.txt"))
	put(t, filepath.Join(p.boot, "cmdline.txt"), asked, 0o755)
	return p
}

// bootsOnce runs what the words ask for, and tells how many commands that took. Where the power fails
// before command cut, failed is set.
func (p pi) bootsOnce(cut int) (calls int, failed bool) {
	p.t.Helper()
	put(p.t, filepath.Join(p.tools, "cut"), strconv.Itoa(cut)+"\n", 0o600)
	put(p.t, filepath.Join(p.tools, "count"), "0\n", 0o600)
	// A session and commands of its own: what makes root of us is not killed with it, and tidies up.
	args := []string{"env", "PATH=" + p.tools + ":/usr/sbin:/usr/bin:/sbin:/bin", "setsid", "--wait", "/bin/sh", filepath.Join(p.boot, "sidik/boot.sh"), p.root}
	if os.Getuid() != 0 { // it gives files to other users
		args = append([]string{"fakeroot"}, args...)
	}
	command := exec.Command(args[0], args[1:]...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	said, err := command.CombinedOutput()
	calls, wrong := strconv.Atoi(strings.TrimSpace(read(p.t, p.tools, "count")))
	if wrong != nil || err != nil && cut != 0 && calls != cut {
		p.t.Fatalf("boot: %v after %d commands, %v\n%s", err, calls, wrong, said)
	}
	return calls, err != nil
}

// asks tells whether the next boot would run the script.
func (p pi) asks() bool {
	p.t.Helper()
	return strings.Contains(read(p.t, p.boot, "cmdline.txt"), "systemd.run=")
}

// ends boots until nobody asks for the script any more, and tells how often that was.
func (p pi) ends() (boots int) {
	p.t.Helper()
	for ; p.asks(); boots++ {
		if boots > 6 {
			p.t.Fatal("it boots for ever")
		}
		if _, failed := p.bootsOnce(0); failed {
			p.t.Fatalf("it switches itself off: %s", read(p.t, p.boot, "sidik/HASIL.txt"))
		}
	}
	return boots
}

// tidy proves what holds however it ended: no code on the card, and the line is the system's.
func (p pi) tidy(k kit.Kit) {
	p.t.Helper()
	if _, err := os.Stat(filepath.Join(p.boot, "sidik/claim")); !errors.Is(err, os.ErrNotExist) {
		p.t.Errorf("the claim is still on the card: %v", err)
	}
	want := "console=serial0,115200 console=tty1 root=PARTUUID=0ba17c55-02 rootfstype=ext4 fsck.repair=yes rootwait quiet\n"
	if got := read(p.t, p.boot, "cmdline.txt"); got != want {
		p.t.Errorf("cmdline.txt is\n%swant\n%s", got, want)
	}
	if strings.Contains(read(p.t, p.boot, "sidik/HASIL.txt"), k.Code.Text()) {
		p.t.Error("the outcome tells the code")
	}
	for _, name := range names(p.t, p.boot) {
		if strings.HasSuffix(name, ".asli") || strings.HasSuffix(name, ".new") {
			p.t.Errorf("%s is left on the card", name)
		}
	}
}

// installed proves that the agent is there, with the kit's claim.
func (p pi) installed(k kit.Kit) {
	p.t.Helper()
	p.tidy(k)
	if got := read(p.t, p.boot, "sidik/HASIL.txt"); !strings.HasPrefix(got, "BERHASIL") {
		p.t.Errorf("the outcome is %s", got)
	}
	if strings.TrimSpace(read(p.t, p.root, data, "claim")) != k.Code.Text() || read(p.t, p.root, data, "keys.json") != string(k.Keys) ||
		read(p.t, p.root, "etc/sidik/agent.toml") != read(p.t, p.boot, "sidik/agent.toml") || read(p.t, p.root, "usr/bin/sidik-agent") != "version 1.2.0\n" {
		p.t.Error("what is installed is not the kit's")
	}
	status, err := exec.Command("dpkg-query", "--admindir="+filepath.Join(p.root, "var/lib/dpkg"), "--show", "--showformat=${db:Status-Status}", "sidik-agent").Output()
	if err != nil || string(status) != "installed" {
		p.t.Errorf("the package is %s, %v", status, err)
	}
	enabled := 0
	for said := range strings.Lines(read(p.t, p.tools, "called")) {
		switch strings.TrimSpace(said) {
		case "restart sidik-agent.service offline=1": // of which it does nothing
		case "--root=" + p.root + " enable --quiet sidik-agent offline=1":
			enabled++
		default:
			p.t.Errorf("systemd is asked: %s", said)
		}
	}
	if enabled == 0 {
		p.t.Error("the agent is not enabled")
	}
}
