package sidik_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWhatMakeRunShows does what `make run` does and then what it tells a newcomer to
// type; a second run goes on where the first ended.
func TestWhatMakeRunShows(t *testing.T) {
	programs, dir := build(t), t.TempDir()
	op := operator{&world{t: t, dir: dir}, filepath.Join(programs, "sidik-hub")}
	simulate := func(do func()) {
		cmd := exec.Command(filepath.Join(programs, "sidik-provision"), "simulate", "office", "--dir", dir, "--pages", "127.0.0.1:0")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		lines, said := make(chan string), []string{}
		go func() {
			defer close(lines)
			for s := bufio.NewScanner(out); s.Scan(); {
				lines <- s.Text()
			}
		}()
		for line := range lines {
			if said = append(said, line); strings.HasPrefix(line, "Ctrl-C") {
				break
			}
		}
		if len(said) == 0 || !strings.HasPrefix(said[len(said)-1], "Ctrl-C") {
			t.Fatalf("it ended with %q", said)
		}
		do()
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		for range lines {
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after Ctrl-C: %v", err)
		}
	}
	const ani, atSamsat, atSchool, atAgency = "199001012015012902", "X100C0000001", "X100C0000003", "X100C0000002"
	says := func(want string, args ...string) {
		t.Helper()
		var said string
		eventually(t, func() bool {
			said = op.says(args...)
			return regexp.MustCompile(want).MatchString(said)
		}, func() string { return fmt.Sprintf("%v says no %s:\n%s", args, want, said) })
	}
	simulate(func() {
		op.logsIn()
		// The newcomer's fingers are recorded at the agency and go where she is placed.
		says("(?s)1: done.*2: done", "capture", "start", "--serial", atAgency, "--employee", ani, "--finger", "1", "--finger", "6", "--notice-shown", "--follow")
		op.says("place", ani, "--unit", "samsat-belitung", "--from", "2026-01-01", "--sk", "800/1/2026")
		says(`samsat-belitung .* 4/8 +4/8 +equal`, "terminal", "holdings")
		says(`Ani Demo`, "punches", "--employee", ani)
		// The school's old terminal is validated: one fault of each of five classes, and two rights.
		says(`findings: 6`, "finding", "list", atSchool)
		op.says("finding", "decide", atSchool, "--class", "a,b,c,d,i")
		minutes := filepath.Join(dir, "minutes.pdf")
		op.says("campaign", "sign", "1", "--serial", atSchool, "--number", "800/BA/1/2026", "--place", "Selat Nasik",
			"--agency-name", "Umar Contoh 29", "--agency-nip", "199009102014031929", "--agency-position", "Analis SDM Aparatur",
			"--office-name", "Arum Contoh 1", "--office-nip", "198503122010012901", "--office-position", "Kepala Sekolah")
		op.says("campaign", "report", "1", minutes, "--serial", atSchool)
		if text, err := os.ReadFile(minutes); err != nil || !bytes.HasPrefix(text, []byte("%PDF-")) {
			t.Errorf("the minutes are no PDF: %v", err)
		}
		// What was decided is carried out once the mode lets it.
		op.says("terminal", "mode", "enforce", "--serial", atSchool)
		says(`smkn-1-selat-nasik .* 8/16 +8/16 +equal`, "terminal", "holdings")
		says(`findings: 0`, "validate", "--serial", atSchool)
	})
	simulate(func() {
		op.logsIn()
		says(`samsat-belitung .* 4/8 +4/8 +equal`, "terminal", "holdings")
		says(`smkn-1-selat-nasik .* 8/16 +8/16 +equal`, "terminal", "holdings")
	})
}

// logsIn opens the pages as the newcomer does, with what the demo says.
func (o operator) logsIn() {
	t := o.w.t
	t.Helper()
	text, err := os.ReadFile(filepath.Join(o.w.dir, "kata-sandi-demo.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(o.w.dir, "kata-sandi-demo.txt")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the demo's password: %v, %v; want a file that only its owner reads", info.Mode(), err)
	}
	said := regexp.MustCompile(`(?s)nama / name: (\S+)\nkata sandi / password: (\S+)\n`).FindSubmatch(text)
	if said == nil || !strings.Contains(string(text), "Hanya untuk demo") {
		t.Fatalf("the demo does not say how to log in: %s", text)
	}
	pages, err := hubPages(o.w.dir)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := browser.PostForm(pages+"/login", url.Values{"name": {string(said[1])}, "password": {string(said[2])}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !bytes.Contains(page, []byte("Admin Demo")) {
		t.Errorf("after the login: %s (%v)\n%s", answer.Status, err, page)
	}
}

// hubPages is where the demo's pages are.
func hubPages(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "hub", "run.json"))
	if err != nil {
		return "", err
	}
	var at struct{ Pages string }
	err = json.Unmarshal(text, &at)
	return at.Pages, err
}
