package sidik_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// diary keeps what all parts log.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) bytes() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Clone(d.text.Bytes())
}

// TestNothingTellsASecret lets a hub and its agents do all that has to do with secrets, and
// things that go wrong with them. Then neither their logs in full, nor metrics, conditions,
// states, what their commands say, errors, a kit beside its code, nor any other file of theirs
// holds a piece of a private key, of a template, of a claim code, of a communication key, or of
// what lets somebody in at the pages.
func TestNothingTellsASecret(t *testing.T) {
	w := certifiedWorld(t, 4*time.Second)
	log, secrets, programs := &diary{}, newHidden(), build(t)
	w.log, w.commKey = log, 739184652
	secrets.text("communication key", fmt.Sprint(w.commKey))
	w.startHub()
	op := operator{w, filepath.Join(programs, "sidik-hub")}
	said := map[string][]byte{} // what is to be scanned, by where it was

	// Somebody manages the pages, and somebody else tries to.
	link := strings.TrimSpace(op.says("account", "link"))
	link = link[strings.Index(link, "http"):]
	pages, _, _ := strings.Cut(link, "/link/")
	const password, wrong = "kuda laut biru tujuh", "kuda laut hijau delapan"
	secrets.text("link", link[strings.LastIndex(link, "/")+1:])
	secrets.text("password", password)
	secrets.text("wrong password", wrong)
	form(t, link, url.Values{"name": {"ani"}, "full-name": {"Ani Demo"}, "password": {password}, "again": {password}}, http.StatusSeeOther)
	for _, cookie := range form(t, pages+"/login", url.Values{"name": {"ani"}, "password": {password}}, http.StatusSeeOther).Cookies() {
		secrets.text("session", cookie.Value)
	}
	form(t, pages+"/login", url.Values{"name": {"ani"}, "password": {wrong}}, http.StatusUnprocessableEntity)
	form(t, pages+"/login", url.Values{"name": {wrong}, "password": {"ani"}}, http.StatusUnprocessableEntity) // in the wrong field
	form(t, link, url.Values{"name": {"budi"}, "password": {password}, "again": {password}}, http.StatusGone)
	token := ask(t, http.MethodPost, pages+"/api/v1/tokens", "", fmt.Sprintf(`{"name":"ani","password":%q,"purpose":"alat"}`, password))
	secrets.text("token", regexp.MustCompile(`sidik_\w+`).FindString(token))
	said["an answer to a token of nobody"] = []byte(ask(t, http.MethodGet, pages+"/api/v1/me", regexp.MustCompile(`sidik_\w+`).FindString(token)+"x", ""))

	// A kit has its code in one file, and nothing else that is secret.
	away := t.TempDir() // the provider's own machine
	p := provider{w, programs, filepath.Join(away, "provision.json"), pages, filepath.Join(away, "password.txt")}
	if err := os.WriteFile(p.password, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	kits := filepath.Join(w.dir, "kits")
	for _, command := range []string{"login --hub " + pages + " --root " + string(w.root.Fingerprint()) + " --name ani --password-file " + p.password,
		"site add smkn-1-koba --terminal X100C0000003", "kit write smkn-1-koba --to " + kits, "site show smkn-1-koba", "site list"} {
		out, told, err := p.tries(strings.Fields(command)...)
		if err != nil {
			t.Fatalf("sidik-provision %s: %v, %s", command, err, told)
		}
		said["sidik-provision "+command] = []byte(out + told)
	}
	for file, hide := range map[string]func(text string){
		p.profile: func(text string) {
			secrets.text("token of the provider", regexp.MustCompile(`sidik_\w+`).FindString(text))
		},
		filepath.Join(kits, "smkn-1-koba", "claim"): func(text string) {
			code, err := protocol.ParseClaimCode(text)
			if err != nil {
				t.Fatal(err)
			}
			secrets.code("code of a kit", code)
		},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		hide(string(text))
	}

	// A finger travels from the agency to an office; certificates are renewed meanwhile.
	agency, samsat := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "samsat-belitung", "samsat")
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	op.says("terminal", "mode", "add", "--serial", samsat.terminal.Serial())
	code := samsat.code()
	secrets.code("code", code)
	if err := agent.PutClaim(samsat.config.Data, code); err != nil {
		t.Fatal(err)
	}
	finger := append([]byte{0x4d, 0x98}, "SS21\x02\x0a\x00\x00"...)
	finger = append(finger, make([]byte, 512)...)
	rand.Read(finger[10:])
	secrets.bytes("template", finger[10:90])
	owner := agency.terminal.Users()[0]
	if err := agency.terminal.AddTemplate(zk.Template{UID: owner.UID, Finger: 1, Flag: 1, Data: finger}); err != nil {
		t.Fatal(err)
	}
	agency.start()
	samsat.start()
	var found string
	eventually(t, func() bool { found = op.says("finger", "found"); return strings.Contains(found, owner.PIN) }, func() string { return "the finger did not come" })
	pin := op.newcomer("Pegawai Demo", "199001012015012901")
	op.says(append([]string{"finger", "accept", "--employee", pin}, ids(found, owner.PIN)...)...)
	op.says("place", pin, "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/1/2026")
	eventually(t, func() bool { return samsat.has(pin, 1) }, func() string { return "the finger is not at the office" })
	secrets.files(t, w.hubData())
	secrets.files(t, samsat.config.Data)
	before := samsat.pass()
	eventually(t, func() bool { return samsat.pass() != before }, func() string { return "the certificate was not renewed" })
	samsat.punch(3)
	samsat.arriveWrittenTo()

	// The office's terminal gets a communication key; settings are sent and refused; the
	// site is looked into from the hub and from the provider's machine.
	configured := samsat.terminal.CommKey()
	for made := configured; made == configured || made < 100_000; made = samsat.terminal.CommKey() { // of six digits
		op.says("site", "errand", string(samsat.site), "key-make", "--only-reader")
		eventually(t, func() bool { return samsat.terminal.CommKey() != made }, func() string { return op.says("site", "errands", string(samsat.site)) })
		shown := fmt.Sprint(samsat.terminal.CommKey())
		eventually(t, func() bool { return regexp.MustCompile(shown + ` .*opened`).MatchString(op.commKeys(samsat)) }, func() string { return op.commKeys(samsat) })
	}
	secrets.number("communication key that was made", fmt.Sprint(samsat.terminal.CommKey()))
	settings := filepath.Join(w.dir, "settings.toml")
	if err := os.WriteFile(settings, fmt.Appendf(nil, "[[terminal]]\nserial = \"A\"\ncomm_key = %d\n", configured), 0o600); err != nil {
		t.Fatal(err)
	}
	said["settings with a secret"] = []byte(op.refuses("site", "settings", string(samsat.site), "--set", settings))
	if err := os.Remove(settings); err != nil { // it has it on purpose
		t.Fatal(err)
	}
	op.set(samsat, "[buffer]\nretention_days = 31\n")
	op.sees(samsat, "runs with these settings")
	diagnosed := op.follows("site", "errand", string(samsat.site), "diagnose")
	diagnosed.ends(true, "done")
	for _, command := range []string{"site doctor samsat-belitung", "site logs samsat-belitung --lines 100000"} {
		out, told, err := p.tries(strings.Fields(command)...)
		said["sidik-provision "+command] = fmt.Append([]byte(out+told), err)
	}
	if logs := said["sidik-provision site logs samsat-belitung --lines 100000"]; !bytes.Contains(logs, []byte("errand ended")) {
		t.Errorf("the log of the site says nothing of its errands: %s", logs)
	}

	// A machine that brings the same code, and a site that is shut out.
	other := *samsat
	other.config.Data = filepath.Join(w.dir, "other")
	if err := agent.PutClaim(other.config.Data, code); err != nil {
		t.Fatal(err)
	}
	other.start()
	other.shows("enrol-claim-used")
	op.says("site", "revoke", string(samsat.site), "--reason", "stolen")
	eventually(t, func() bool { return !samsat.live.Load().Status().Uplink.Connected }, func() string { return "the line of a site that was shut out stands" })

	// What is said of it all.
	for _, o := range []*office{agency, samsat, &other} {
		secrets.files(t, o.config.Data)
		status, err := json.Marshal(o.live.Load().Status())
		if err != nil {
			t.Fatal(err)
		}
		said["the state of "+o.config.Data] = status
		config := o.writeConfig()
		for _, command := range []string{"status", "identity", "doctor"} {
			text, err := exec.Command(filepath.Join(programs, "sidik-agent"), command, "--config", config).CombinedOutput()
			said["sidik-agent "+command+" at "+o.config.Data] = fmt.Append(text, err)
		}
		if err := os.Remove(config); err != nil { // it has the communication key on purpose
			t.Fatal(err)
		}
	}
	other.stop()
	text, err := exec.Command(filepath.Join(programs, "sidik-agent"), "claim", code.Text()+"x", "--data", other.config.Data).CombinedOutput()
	said["sidik-agent claim with too much"] = fmt.Append(text, err)
	said["metrics"] = []byte(ask(t, http.MethodGet, pages+"/metrics", "", ""))
	for _, command := range []string{"site list", "site show samsat-belitung", "site errands samsat-belitung", "site settings samsat-belitung --history", "release list", "account list", "condition list", "identity", "terminal list", "terminal holdings",
		"validate", "finger list " + pin, "register changes", "task list", "key request --out " + filepath.Join(w.dir, "request.json"), "verify", "backup --to " + filepath.Join(w.dir, "copy.db")} {
		said["sidik-hub "+command] = []byte(op.says(strings.Fields(command)...))
	}
	agency.stop()
	samsat.stop()
	secrets.files(t, w.hubData())
	w.stopHub()
	for where, err := range w.damaged(agency) {
		said[where] = []byte(err)
	}
	said["logs"] = log.bytes()
	for _, line := range []string{"agent refused", "agent let in", "certificate renewed", "level=DEBUG"} {
		if !bytes.Contains(said["logs"], []byte(line)) {
			t.Errorf("the logs say nothing of %q: they are not the logs of all this", line)
		}
	}
	w.filesBesideKeys(said)
	if len(secrets.traces) < 500 || len(said) < 60 {
		t.Errorf("%d traces were sought in %d places", len(secrets.traces), len(said))
	}
	for where, text := range said {
		if told := secrets.told(text); len(told) > 0 {
			t.Errorf("%s tells %q", where, told)
		}
	}
}

// filesBesideKeys adds every file of the world in which no secret is meant to be.
func (w *world) filesBesideKeys(said map[string][]byte) {
	w.t.Helper()
	err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || keyFile.MatchString(entry.Name()) || meant.MatchString(entry.Name()) {
			return err
		}
		said[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// form sends a form as a browser does.
func form(t testing.TB, to string, fields url.Values, want int) *http.Response {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.PostForm(to, fields)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != want {
		t.Fatalf("a form to %s is answered with %s, want %d", to, answer.Status, want)
	}
	return answer
}

// ask sends what a tool sends and returns the answer's text.
func ask(t testing.TB, method, to, token, text string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, to, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}
