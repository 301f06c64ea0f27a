package sidik_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// chapter is the commands of a chapter of the README, without what is said beside them,
// and the settings that it shows.
func chapter(t testing.TB, title string) (commands []string, settings string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+title+"\n")
	if !found {
		t.Fatalf("the README has no chapter %s", title)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	for i, block := range strings.Split(rest, "```") {
		if i%2 == 0 {
			continue
		}
		if text, is := strings.CutPrefix(block, "toml\n"); is {
			settings += text
			continue
		}
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.TrimSpace(line); line != "" {
				commands = append(commands, line)
			}
		}
	}
	return commands, settings
}

// From an empty hub to a site that is ready and whose punches arrive, and on to the machine
// that takes its place: whoever types the chapter gets there. What runs at the office with
// sudo is done here as the programs would.
func TestTheChapterForABranchOffice(t *testing.T) {
	w := certifiedWorld(t, 0)
	w.startHub()
	p := newAdministrator(t, w)
	o := w.newOffice("samsat-belitung", "tft-new", 30)
	given := strings.NewReplacer("https://hub.contoh.go.id:8444", p.pages, "SIDIK-KUNCI-AKAR", string(w.root.Fingerprint()), "/media/budi/bootfs", "bootfs", "X100C0000001", o.terminal.Serial(),
		"--name budi", "--name "+administrator+" --password-file "+p.password)
	commands, settings := chapter(t, "Memasang di kantor cabang")
	for name, text := range map[string]string{
		"setelan.toml":                settings,
		"sidik-agent_1.0.0_armhf.deb": "a package", "sidik-agent_1.0.0_arm64.deb": "a package",
		"bootfs/cmdline.txt": "root=PARTUUID=4e639091-02 quiet\n", "bootfs/config.txt": "# /boot/firmware/overlays/README\n",
		"kantor.csv": "site,terminal\nsamsat-belitung," + o.terminal.Serial() + "\nsamsat-koba,X100C0000002\n",
	} {
		err := os.MkdirAll(filepath.Join(w.dir, filepath.Dir(name)), 0o700)
		if err == nil {
			err = os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	kit, printed, begun := filepath.Join(w.dir, "kit", "samsat-belitung"), "", time.Now()
	words := func() string {
		key, _, err := agent.LoadKey(o.config.Data)
		if err != nil {
			t.Fatal(err)
		}
		return key.Public().Fingerprint().Words()
	}
	office := map[string]func(){
		"sudo sh first-boot.sh": func() {
			if _, err := os.Stat(filepath.Join(kit, "sidik-agent_1.0.0_armhf.deb")); err != nil {
				t.Errorf("the kit has no package: %v", err)
			}
			o.arrives(kit)
			o.arrive()
			o.ready()
			t.Logf("from an empty hub to a site that is ready with its punches stored: %s", time.Since(begun).Round(10*time.Millisecond))
		},
		"sudo sidik-agent doctor":   func() {},
		"sudo sidik-agent identity": func() {},
		"sudo sidik-agent claim K7QM-2XWD-9RTA": func() {
			code, err := protocol.ParseClaimCode(printed)
			if err == nil {
				err = agent.PutClaim(o.config.Data, code)
			}
			if err != nil {
				t.Fatal(err)
			}
			o.punch(3)
			o.start()
			o.arrive()
		},
	}
	proven := map[string]func(){
		"sidik-provision site show samsat-belitung": func() {
			if !strings.Contains(printed, words()) {
				t.Errorf("the hub does not show the office's words %s:\n%s", words(), printed)
			}
		},
		"sidik-provision kit write samsat-belitung --boot /media/budi/bootfs --package sidik-agent_1.0.0_armhf.deb --package sidik-agent_1.0.0_arm64.deb": func() {
			line, err := os.ReadFile(filepath.Join(w.dir, "bootfs", "cmdline.txt"))
			if err != nil || !strings.Contains(string(line), "/sidik/boot.sh") {
				t.Errorf("the card asks for %s, %v", line, err)
			}
		},
		"sidik-hub site settings samsat-belitung": func() {
			if !strings.Contains(printed, strings.TrimSpace(settings)) {
				t.Errorf("what was sent is shown as:\n%s", printed)
			}
			eventually(t, func() bool {
				return strings.Contains(operator{w, filepath.Join(p.programs, "sidik-hub")}.printed("site", "settings", "samsat-belitung"), "Agen memakai setelan ini")
			}, func() string { return "the agent does not run with the settings" })
		},
		"sidik-provision site list": func() {
			if !strings.Contains(printed, "diterima") || !strings.Contains(printed, "samsat-koba") {
				t.Errorf("the list is:\n%s", printed)
			}
		},
		`sidik-provision site replace samsat-belitung --reason "perangkat dicuri" --to kit`: func() {
			eventually(t, func() bool { return !o.live.Load().Status().Uplink.Connected }, func() string { return "the stolen machine is still connected" })
			o.stop()
			o.config.Data = filepath.Join(w.dir, "next machine")
			o.arrives(kit)
			o.arrive()
			o.ready()
			o.stop()
		},
	}
	for _, line := range commands {
		if do, atOffice := office[line]; atOffice {
			do()
			delete(office, line)
			continue
		}
		typed := given.Replace(line)
		switch {
		case strings.HasPrefix(line, "sidik-hub "): // the hub's data is elsewhere here
			typed += " --data " + w.hubData()
		case !strings.HasPrefix(line, "sidik-provision "):
			t.Fatalf("the chapter tells of a command that is not tried here: %s", line)
		}
		cmd := exec.Command("sh", "-c", typed)
		cmd.Dir = w.dir
		cmd.Env = append(os.Environ(), "SIDIK_LANG=id", "XDG_CONFIG_HOME="+filepath.Join(w.dir, "config"), "PATH="+p.programs+":"+os.Getenv("PATH"))
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, said.String())
		}
		printed = strings.TrimSpace(out.String())
		if prove := proven[line]; prove != nil {
			prove()
			delete(proven, line)
		}
	}
	if len(office)+len(proven) != 0 {
		t.Errorf("the chapter no longer tells of %d commands of the office and %d of the agency", len(office), len(proven))
	}
}
