package launch_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/launch"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/selftest"
)

// The test program is an agent's life with releases when these are set: in a folder,
// killed by itself after a step of the first replacement, or by somebody else.
const (
	lifeIn    = "SIDIK_TEST_LIFE"
	lifeSteps = "SIDIK_TEST_STEPS"
)

func TestMain(m *testing.M) {
	if data := os.Getenv(lifeIn); data != "" {
		steps, _ := strconv.Atoi(os.Getenv(lifeSteps)) // none: it goes on until somebody ends it
		if err := live(launch.In(data), steps); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// text is the program of the n-th release: large enough to be torn.
func text(n int) string { return strings.Repeat(fmt.Sprintf("release %d\n", n), 20_000) }

// live replaces one release by the next for ever, as package release does, and says which
// one has proven itself.
func live(f launch.Folder, steps int) error {
	step := func(err error) error {
		if steps--; steps == 0 {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				return err
			}
			select {} // until it comes
		}
		return err
	}
	plan, err := f.Plan()
	if err != nil {
		return err
	}
	n := 1
	if plan.Current != nil {
		if _, err := fmt.Sscanf(plan.Current.Version.String(), "v1.2.%d", &n); err != nil {
			return err
		}
		n++
	}
	for ; ; n++ {
		version, err := protocol.ParseEdition(fmt.Sprintf("v1.2.%d", n))
		if err != nil {
			return err
		}
		sum := protocol.Hash(sha256.Sum256([]byte(text(n))))
		if err := os.MkdirAll(f.Path(""), 0o700); err != nil {
			return err
		}
		part := f.Program(sum) + launch.PartSuffix
		if err := step(os.WriteFile(part, []byte(text(n))[:100_000], 0o600)); err != nil {
			return err
		}
		if err := step(os.WriteFile(part, []byte(text(n)), 0o600)); err != nil {
			return err
		}
		if err := step(f.Install(sum)); err != nil {
			return err
		}
		plan = plan.Try(launch.Program{SHA256: sum, Version: version}, launch.Needs{Hub: true})
		if err := step(f.Keep(plan)); err != nil {
			return err
		}
		next, run := plan.Launch("v1.1.0", f.Fit)
		if run == nil || run.Version != version {
			return fmt.Errorf("release %d is not tried: %+v", n, next)
		}
		if err := step(f.Keep(next)); err != nil {
			return err
		}
		next = next.Passed(time.Minute, true, time.Minute)
		if err := step(f.Keep(next)); err != nil {
			return err
		}
		plan = next.Proven()
		if err := step(f.Keep(plan)); err != nil {
			return err
		}
		fmt.Println("proven", n)
		if err := step(f.Clean(plan)); err != nil {
			return err
		}
	}
}

// startedAfter starts a launcher on what a kill left, as often as the service manager
// would, and returns which releases ran.
func startedAfter(t *testing.T, data string) (releases []int) {
	t.Helper()
	l, started := launcher(launch.In(data))
	for range launch.MaxStarts + 2 {
		before := len(*started)
		if start(l) {
			releases = append(releases, 0)
			continue
		}
		ran := (*started)[before]
		n := 0
		if _, err := fmt.Sscanf(ran, "release %d", &n); err != nil || ran != text(n) {
			t.Fatalf("a program that is not whole was started: %.20q, %d bytes", ran, len(ran))
		}
		releases = append(releases, n)
	}
	return releases
}

func life(t *testing.T, data string, steps int) (c *exec.Cmd, out *bufio.Scanner) {
	t.Helper()
	self, args := selftest.Command(t)
	c = exec.CommandContext(t.Context(), self, args...)
	c.Env = append(os.Environ(), lifeIn+"="+data, fmt.Sprintf("%s=%d", lifeSteps, steps))
	c.Stderr = os.Stderr
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewScanner(pipe)
}

// proven reads what a life said to its end; -1 for a life that went wrong.
func proven(c *exec.Cmd, out *bufio.Scanner) (last int) {
	for out.Scan() {
		if _, err := fmt.Sscanf(out.Text(), "proven %d", &last); err != nil {
			last = -1
		}
	}
	if err := c.Wait(); err == nil {
		return -1 // it ended by itself
	}
	return last
}

// A kill after each step of a replacement leaves the old program or the new one.
func TestKilledAtEachStepTheOldOrTheNewProgramRuns(t *testing.T) {
	for steps := 1; steps <= 16; steps++ { // twice eight: from the packaged program, and from a release
		t.Run(fmt.Sprintf("after step %d", steps), func(t *testing.T) {
			data := t.TempDir()
			said := proven(life(t, data, steps))
			if said != steps/8 {
				t.Fatalf("release %d had proven itself, want %d", said, steps/8)
			}
			judge(t, data, said)
		})
	}
}

// A kill at any moment does, too; and the life goes on from what it left.
func TestKilledAtAnyMomentTheOldOrTheNewProgramRuns(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 6
	}
	data := t.TempDir()
	for range rounds {
		c, out := life(t, data, 0)
		if !out.Scan() { // it is under way
			t.Fatalf("a life says nothing: %v", c.Wait())
		}
		timer := time.AfterFunc(rand.N(20*time.Millisecond), func() { _ = c.Process.Kill() }) // one that has ended is waited for below
		last := proven(c, out)
		timer.Stop()
		if last < 0 {
			t.Fatal("a life went wrong")
		}
		judge(t, data, last)
	}
}

// judge starts what a kill left: the current release, which is the one that was said to
// have proven itself or a later one, or, at most three times, the next.
func judge(t *testing.T, data string, said int) {
	t.Helper()
	plan, err := launch.In(data).Plan()
	if err != nil {
		t.Fatal(err)
	}
	current := 0
	if plan.Current != nil {
		if _, err := fmt.Sscanf(plan.Current.Version.String(), "v1.2.%d", &current); err != nil {
			t.Fatal(err)
		}
	}
	if current < said {
		t.Fatalf("release %d is current, but %d had proven itself", current, said)
	}
	releases, tries := startedAfter(t, data), 0
	for _, n := range releases {
		switch {
		case n == current+1 && tries < launch.MaxStarts:
			tries++
		case n != current:
			t.Fatalf("where release %d was current, %v were started", current, releases)
		}
	}
	if releases[len(releases)-1] != current {
		t.Errorf("the trial does not end: %v", releases)
	}
}
