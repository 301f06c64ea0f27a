package sidik_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	pages    string // of the hub
	password string // the file that it is in
}

// newProvider makes an administrator, and logs in.
func newProvider(t testing.TB, w *world) provider {
	t.Helper()
	p := newAdministrator(t, w)
	p.does("login", "--hub", p.pages, "--root", string(w.root.Fingerprint()), "--name", administrator, "--password-file", p.password)
	return p
}

// administrator is the first one's name.
const administrator = "admin-uji"

// newAdministrator makes the first one by the hub's link.
func newAdministrator(t testing.TB, w *world) provider {
	t.Helper()
	const password = "tujuh perahu biru 34"
	p := provider{w: w, programs: build(t), profile: filepath.Join(w.dir, "profile", "provision.json"), password: filepath.Join(w.dir, "password.txt")}
	link := strings.TrimSpace(operator{w, filepath.Join(p.programs, "sidik-hub")}.printed("account", "link"))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.PostForm(link, url.Values{"name": {administrator}, "full-name": {"Admin Uji"}, "password": {password}, "again": {password}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if err := os.WriteFile(p.password, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p.pages, err = hubPages(w.dir); err != nil {
		t.Fatal(err)
	}
	return p
}

// printed runs a command of sidik-hub and returns its standard output.
func (o operator) printed(args ...string) string {
	o.w.t.Helper()
	cmd := exec.Command(o.program, append(args, "--data", o.w.hubData())...)
	cmd.Env = append(os.Environ(), "SIDIK_LANG=id")
	said, err := cmd.Output()
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

// A kit brings one machine up, once; what is stolen is shut out and replaced.
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
	eventually(t, func() bool { return !o.live.Load().Status().Uplink.Connected }, func() string { return "the stolen machine is still connected" })
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
	o.w.t.Helper()
	ready := o.w.readiness()
	eventually(o.w.t, func() bool { return ready(o.site) }, func() string { return fmt.Sprintf("site %s is not ready", o.site) })
}

// readiness tells of sites whether the hub knows them as ready.
func (w *world) readiness() func(protocol.SiteID) bool {
	w.t.Helper()
	s, err := hub.OpenStore(w.t.Context(), w.hubData(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.t.Errorf("close store: %v", err)
		}
	})
	return func(site protocol.SiteID) bool {
		kept, found, err := s.State(w.t.Context(), site)
		if err != nil || !found {
			return false
		}
		var state protocol.State
		e, err := protocol.Parse("", kept.Message)
		return err == nil && e.Into(&state) == nil && state.Status == protocol.StatusReady
	}
}
