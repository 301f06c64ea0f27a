package sidik_test

import (
	"bufio"
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
	const nip = "199001012015012902"
	held := func(want string) {
		t.Helper()
		eventually(t, func() bool {
			return regexp.MustCompile(`samsat-belitung.*` + want).MatchString(op.says("terminal", "holdings"))
		}, func() string { return op.says("terminal", "holdings") })
	}
	simulate(func() {
		var found string
		eventually(t, func() bool {
			found = op.says("finger", "found")
			return strings.Count(found, "\n") == 24
		}, func() string { return found })
		op.says(append([]string{"finger", "accept", "--employee", nip}, ids(found, "1001")...)...)
		op.says("place", nip, "--unit", "samsat-belitung", "--from", "2026-01-01", "--sk", "800/1/2026")
		held("13/26")
		eventually(t, func() bool { return strings.Count(op.says("punches"), "\n") > 40 }, func() string { return "no punches at the hub" })
	})
	simulate(func() { held("13/26") })
}
