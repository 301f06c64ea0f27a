package sidik_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Agent, hub and broker are killed again and again while people punch. In the
// end the hub holds each punch of the terminal exactly once, and verifies.
func TestKillsLoseNothing(t *testing.T) {
	kills := 12 // with each broker
	if os.Getenv("SIDIK_SOAK") != "" {
		kills = 80
	}
	programs := build(t)
	onEachBroker(t, func(t *testing.T, w *world) {
		o := w.newOffice("samsat-belitung", "tft-new", 100)
		o.admit()
		hub := newProcess(t, filepath.Join(programs, "sidik-hub"), w.hubArgs()...)
		agent := newProcess(t, filepath.Join(programs, "sidik-agent"), "run", "--config", o.writeConfig())
		hub.start()
		agent.start()
		stop := o.punching(4 * time.Millisecond)
		defer stop()

		// The seed is printed, so that a run that failed can be tried again.
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		counts := map[string]int{}
		for range kills {
			pause := time.NewTimer(time.Duration(random.IntN(1200)+20) * time.Millisecond)
			<-pause.C
			switch victim := random.IntN(3); {
			case victim == 0:
				hub.kill()
				hub.start()
				counts["hub"]++
			case victim == 1 && w.broker != nil:
				w.broker.Stop()
				w.broker.Start()
				counts["broker"]++
			default:
				agent.kill()
				agent.start()
				counts["agent"]++
			}
		}
		stop()
		t.Logf("killed %v while %d punches were made", counts, len(o.expected()))
		o.arrive()
		agent.end()
		hub.end()
		said, err := exec.Command(filepath.Join(programs, "sidik-hub"), "verify", "--data", w.hubData()).CombinedOutput()
		if err != nil {
			t.Errorf("sidik-hub verify: %v\n%s", err, said)
		}
	})
}

// build compiles the programs as they are delivered.
func build(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", dir, "./agent/cmd/sidik-agent", "./hub/cmd/sidik-hub", "./provision/cmd/sidik-provision")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, said)
	}
	return dir
}

func (w *world) hubArgs() []string {
	args := []string{"run", "--data", w.hubData(), "--pages", "127.0.0.1:0"}
	if w.certified {
		return append(args, "--mqtt", w.listen, "--agents", w.door)
	}
	args = append(args, "--agents", "")
	if w.broker == nil {
		return append(args, "--mqtt", w.listen)
	}
	return append(args, "--broker", strings.Join(w.broker.URLs(), ","))
}

// writeConfig writes the agent's file as a technician would.
func (o *office) writeConfig() string {
	terminal := o.config.Terminals[0]
	path := filepath.Join(o.w.dir, string(o.site)+".toml")
	text := fmt.Sprintf("site = %q\ndata = %q\n[hub]\nbroker = %q\naddress = %q\nroot = %q\n", o.site, o.config.Data, o.config.Hub.Broker, o.config.Hub.Address, o.config.Hub.Root)
	text += "[finder]\nscan = false\n"
	if a := o.config.Apply; a.Rush != nil {
		text += fmt.Sprintf("[apply]\nrush = []\nmax_deleted_users = %d\nmax_deleted_percent = %d\n", a.MaxDeletedUsers, a.MaxDeletedPercent)
	}
	text += fmt.Sprintf("[[terminal]]\nserial = %q\naddress = %q\nevery = %q\ncomm_key = %d\n",
		terminal.Serial, terminal.Address, time.Duration(terminal.Every), terminal.CommKey)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		o.w.t.Fatal(err)
	}
	return path
}

// process is one of our programs, which can be killed and started again.
type process struct {
	t    testing.TB
	path string
	args []string
	cmd  *exec.Cmd
	log  *bytes.Buffer
}

func newProcess(t testing.TB, path string, args ...string) *process {
	p := &process{t: t, path: path, args: args}
	t.Cleanup(func() {
		if p.cmd != nil {
			p.kill()
		}
	})
	return p
}

// start starts the program; a hub is waited for until it announces itself.
func (p *process) start() {
	p.t.Helper()
	p.log = &bytes.Buffer{}
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if strings.HasSuffix(p.path, "hub") {
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			p.t.Fatalf("the hub did not start: %v\n%s", err, p.log)
		}
	}
}

func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	err := p.cmd.Wait()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		p.t.Errorf("%s ended by itself before it was killed: %v\n%s", filepath.Base(p.path), err, p.log)
	}
	p.cmd = nil
}

// end stops the program in an orderly way.
func (p *process) end() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%s: %v\n%s", filepath.Base(p.path), err, p.log)
	}
	p.cmd = nil
}
