package sidik_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// provider is somebody at the agency with sidik-provision on a machine of their own.
type provider struct {
	w        *world
	programs string
	profile  string
}

// newProvider makes the first administrator by the hub's link, and logs in.
func newProvider(t testing.TB, w *world) provider {
	t.Helper()
	p := provider{w, build(t), filepath.Join(w.dir, "profile", "provision.json")}
	const name, password = "admin-uji", "tujuh perahu biru 34"
	link := strings.TrimSpace(operator{w, filepath.Join(p.programs, "sidik-hub")}.printed("account", "link"))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.PostForm(link, url.Values{"name": {name}, "full-name": {"Admin Uji"}, "password": {password}, "again": {password}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	file := filepath.Join(w.dir, "password.txt")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pages, err := hubPages(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	p.does("login", "--hub", pages, "--root", string(w.root.Fingerprint()), "--name", name, "--password-file", file)
	return p
}

// printed runs a command of sidik-hub and returns its standard output.
func (o operator) printed(args ...string) string {
	o.w.t.Helper()
	said, err := exec.Command(o.program, append(args, "--data", o.w.hubData())...).Output()
	if err != nil {
		o.w.t.Fatalf("sidik-hub %s: %v", strings.Join(args, " "), err)
	}
	return string(said)
}

func (p provider) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.programs, "sidik-provision"), append(args, "--profile", p.profile)...)
	cmd.Env = append(os.Environ(), "SIDIK_LANG=id")
	return cmd
}

// does runs one command and returns what it prints for programs.
func (p provider) does(args ...string) string {
	p.w.t.Helper()
	out, said, err := p.tries(args...)
	if err != nil {
		p.w.t.Fatalf("sidik-provision %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return out
}

func (p provider) tries(args ...string) (out, said string, err error) {
	var stdout, stderr bytes.Buffer
	cmd := p.command(args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return strings.TrimSpace(stdout.String()), stderr.String(), err
}

// arrives puts a kit in place as its script does, with a data folder of the test's own and,
// because loopback cannot be searched, the terminal's address; and starts the agent.
func (o *office) arrives(kit string) {
	t := o.w.t
	t.Helper()
	text, err := os.ReadFile(filepath.Join(kit, "agent.toml"))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`data = "/var/lib/sidik-agent"`), fmt.Appendf(nil, "data = %q", o.config.Data), 1)
	text = append(text, fmt.Sprintf("address = %q\nevery = \"1s\"\n", o.config.Terminals[0].Address)...)
	file := filepath.Join(o.w.dir, string(o.site)+".kit.toml")
	err = os.WriteFile(file, text, 0o600)
	if err == nil {
		err = os.MkdirAll(o.config.Data, 0o700)
	}
	for _, name := range []string{"claim", "keys.json"} {
		if err == nil {
			text, err = os.ReadFile(filepath.Join(kit, name))
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(o.config.Data, name), text, 0o600)
		}
	}
	if err == nil {
		o.config, err = config.Load(file)
	}
	if err != nil {
		t.Fatal(err)
	}
	o.start()
}

// From an empty hub to a site that is ready and whose punches arrive, and on to the
// machine that takes its place, by the commands of the chapter for a branch office.
func TestAKitBringsASiteUp(t *testing.T) {
	w := certifiedWorld(t, 0)
	w.startHub()
	p := newProvider(t, w)
	o := w.newOffice("samsat-koba", "tft-new", 30)
	serial := o.terminal.Serial()
	kits := filepath.Join(w.dir, "kits")

	if _, said, err := p.tries("site", "show", "samsat-koba"); err == nil || !strings.Contains(said, "site list") {
		t.Errorf("a site that nobody knows: %v, %s", err, said)
	}
	p.does("site", "add", "samsat-koba", "--terminal", serial)
	kit := p.does("kit", "write", "samsat-koba", "--to", kits)
	begun := time.Now()
	o.arrives(kit)
	o.arrive()
	o.ready()
	t.Logf("from kit to ready and all punches stored: %s", time.Since(begun).Round(10*time.Millisecond))

	words := regexp.MustCompile(`enam kata +(\S.*\S)`).FindStringSubmatch(p.does("site", "show", "samsat-koba"))
	if key, _, err := agent.LoadKey(o.config.Data); err != nil || words == nil || words[1] != key.Public().Fingerprint().Words() {
		t.Fatalf("the words of the site's key are %q (%v)", words, err)
	}

	// The same kit lets no second machine in.
	second := *o
	second.config.Data = filepath.Join(w.dir, "second")
	second.arrives(kit)
	second.shows("enrol-claim-used")
	second.stop()

	// Its machine is stolen: nothing of it counts, and the next one comes with one command.
	kit = p.does("site", "replace", "samsat-koba", "--reason", "dicuri", "--to", kits)
	eventually(t, func() bool { return !o.live.Status().Uplink.Connected }, func() string { return "the stolen machine is still connected" })
	o.stop()
	o.punch(4)
	o.config.Data = filepath.Join(w.dir, "new machine")
	o.arrives(kit)
	o.arrive()
	o.ready()
	if shown := p.does("site", "show", "samsat-koba"); !strings.Contains(shown, "dicuri") || strings.Contains(shown, words[1]) {
		t.Errorf("after the machine was replaced: %s", shown)
	}
}

// A kit whose code ended, because another was made or its time is over, lets nobody in.
func TestAnEndedKitLetsNobodyIn(t *testing.T) {
	w := certifiedWorld(t, 0)
	w.startHub()
	p := newProvider(t, w)
	o := w.newOffice("samsat-koba", "tft-new", 5)
	p.does("site", "add", "samsat-koba", "--terminal", o.terminal.Serial())
	kit := p.does("kit", "write", "samsat-koba", "--to", filepath.Join(w.dir, "first"))
	if code := p.does("claim", "new", "samsat-koba", "--hours", "48"); len(code) != len("K7QM-2XWD-9RTA") {
		t.Errorf("claim new prints %d letters, want the code alone", len(code))
	}
	o.arrives(kit)
	o.shows("enrol-claim-expired")
}

// ready waits until the hub knows the site as ready.
func (o *office) ready() {
	t := o.w.t
	t.Helper()
	s, err := hub.OpenStore(t.Context(), o.w.hubData(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var last protocol.State
	eventually(t, func() bool {
		kept, found, err := s.State(t.Context(), o.site)
		if err != nil || !found {
			return false
		}
		e, err := protocol.Parse("", kept.Message)
		return err == nil && e.Into(&last) == nil && last.Status == protocol.StatusReady
	}, func() string { return fmt.Sprintf("site %s is %q", o.site, last.Status) })
}

// list writes a list of n sites with a terminal each, and lines that cannot be done.
func list(t testing.TB, dir string, n int, wrong ...string) string {
	t.Helper()
	text := "site;terminal;terminal2\r\n"
	for i := range n {
		text += fmt.Sprintf("kantor-%03d;X100C%06d;\r\n", i+1, i+1)
	}
	file := filepath.Join(dir, "kantor.csv")
	if err := os.WriteFile(file, []byte("\ufeff"+text+strings.Join(wrong, "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// kitFiles are what a kit consists of.
func kitFiles() []string {
	return []string{"BACA-SAYA.html", "BACA-SAYA.txt", "agent.toml", "claim", "first-boot.sh", "keys.json"}
}

// The kits of a whole province are written from a list. Killed in between, the command goes
// on where it was: every kit is whole, each code is its own, and what was done stays.
func TestKitsOfAProvinceGoOnAfterAKill(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 40
	}
	w := certifiedWorld(t, 0)
	w.startHub()
	p := newProvider(t, w)
	file, kits := list(t, w.dir, n, "kantor 301;X1", "kantor-302", "kantor-001;X100C000001"), filepath.Join(w.dir, "kits")
	for _, after := range []int{n / 10, n / 2} {
		cmd := p.command("kit", "write", "--csv", file, "--to", kits)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return len(folders(t, kits)) >= after }, func() string { return "no kits are written" })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		for _, name := range folders(t, kits) {
			whole(t, filepath.Join(kits, name))
		}
	}
	before := codes(t, kits)
	begun := time.Now()
	_, said, err := p.tries("kit", "write", "--csv", file, "--to", kits)
	for _, want := range []string{fmt.Sprint("baris ", n+2, ": "), fmt.Sprint("baris ", n+3, ": Lokasi ini belum punya mesin"), fmt.Sprint("baris ", n+4, ": ")} {
		if err == nil || !strings.Contains(said, want) {
			t.Errorf("the last run: %v, and nothing of %q in:\n%s", err, want, said)
		}
	}
	if got := folders(t, kits); len(got) != n {
		t.Errorf("%d kits, want %d", len(got), n)
	}
	after, again := codes(t, kits), 0
	distinct := map[string]bool{}
	for name, code := range after {
		distinct[code] = true
		whole(t, filepath.Join(kits, name))
		if before[name] != "" && before[name] != code {
			again++
		}
	}
	if len(distinct) != n || again > 1 {
		t.Errorf("%d codes for %d kits; %d that were whole were written again, want the one at most during which the command died", len(distinct), n, again)
	}
	t.Logf("the rest, %d kits, took %s", n-len(before), time.Since(begun).Round(10*time.Millisecond))
	if list := p.does("site", "list"); strings.Count(list, "ditunggu") != n {
		t.Errorf("%d sites are expected, want %d", strings.Count(list, "ditunggu"), n)
	}
	_, said, _ = p.tries("site", "add", "--csv", file)
	if !strings.Contains(said, fmt.Sprintf("1 baru, %d sudah ada, 2 gagal", n)) {
		t.Errorf("sites from the same list: %s", said)
	}
}

// folders are the kits in a folder, without what is not finished.
func folders(t testing.TB, kits string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(kits)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && filepath.Ext(e.Name()) == "" {
			names = append(names, e.Name())
		}
	}
	return names
}

func codes(t testing.TB, kits string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range folders(t, kits) {
		text, err := os.ReadFile(filepath.Join(kits, name, "claim"))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = strings.TrimSpace(string(text))
	}
	return all
}

// whole fails when a kit lacks a file, tells its code elsewhere than in its claim, holds
// a private key, or lets others read it.
func whole(t testing.TB, kit string) {
	t.Helper()
	var names []string
	code, err := os.ReadFile(filepath.Join(kit, "claim"))
	if err != nil || len(bytes.TrimSpace(code)) != len("K7QM-2XWD-9RTA") {
		t.Fatalf("the claim of %s: %v", kit, err)
	}
	bare := strings.ReplaceAll(strings.TrimSpace(string(code)), "-", "")
	err = filepath.WalkDir(kit, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		names = append(names, e.Name())
		info, err := e.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if len(text) == 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has %d bytes and mode %v", path, len(text), info.Mode())
		}
		for _, word := range []string{"PRIVATE KEY", `"private"`, `"token"`, "sidik_"} {
			if bytes.Contains(text, []byte(word)) {
				t.Errorf("%s holds %s", path, word)
			}
		}
		if e.Name() != "claim" && strings.Contains(strings.ReplaceAll(string(text), "-", ""), bare) {
			t.Errorf("%s tells the claim code", path)
		}
		return err
	})
	slices.Sort(names)
	if err != nil || !slices.Equal(names, kitFiles()) {
		t.Errorf("the kit %s holds %v (%v)", kit, names, err)
	}
}
