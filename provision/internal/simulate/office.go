package simulate

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Office says how a whole small system is simulated: a hub, and one office with
// its agent and its terminal.
type Office struct {
	Dir        string        // everything is kept here; a second run goes on from it
	Programs   string        // folder of sidik-hub and sidik-agent; empty: beside this program
	PunchEvery time.Duration // how often somebody punches
	Pages      string        // address of the hub's pages
}

// The office that is shown, and its machine.
const (
	officeSite   = "samsat-belitung"
	officeSerial = "X100C0000001"
)

// stopPatience is how long a program may take to end when it is asked to.
const stopPatience = 15 * time.Second

// Run does what an operator and a technician do by hand, and says each step:
// the hub makes its key, the agent's configuration names it, the operator admits
// the agent's key and registers the terminal. It ends everything when ctx ends.
func (o Office) Run(ctx context.Context, out io.Writer) (err error) {
	if o.Programs == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		o.Programs = filepath.Dir(self)
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &stage{o: o, out: out, cancel: cancel}
	defer func() { err = errors.Join(err, s.end()) }()

	terminal, err := s.terminal(ctx)
	if err != nil {
		return err
	}
	var hub struct {
		Brokers []string `json:"brokers"`
		Pages   string   `json:"pages"`
		Key     string   `json:"key"`
	}
	hubData := filepath.Join(o.Dir, "hub")
	if err := s.start(ctx, &hub, "sidik-hub", "run", "--data", hubData, "--mqtt", "127.0.0.1:0", "--pages", o.Pages); err != nil {
		return err
	}
	file := filepath.Join(o.Dir, "agent.toml")
	if err := o.configure(file, hub.Brokers[0], hub.Key, terminal); err != nil {
		return err
	}
	fingerprint, err := s.run(ctx, "sidik-agent", "identity", "--config", file)
	if err != nil {
		return err
	}
	if _, err := s.run(ctx, "sidik-hub", "site", "add", officeSite, "--agent-key", fingerprint, "--data", hubData); err != nil {
		return err
	}
	if _, err := s.run(ctx, "sidik-hub", "terminal", "add", "--site", officeSite, "--serial", officeSerial, "--data", hubData); err != nil {
		return err
	}
	if err := s.start(ctx, nil, "sidik-agent", "run", "--config", file); err != nil {
		return err
	}
	fmt.Fprintf(out, `
Sidik berjalan / is running.
  Halaman / pages:   %s/sites/%s
  Pantau / watch:    bin/sidik-hub watch --data %s
  Agen / agent:      bin/sidik-agent status --config %s
  Log:               %s
Ctrl-C mengakhiri semuanya / ends all of it.
`, hub.Pages, officeSite, hubData, file, filepath.Join(o.Dir, "*.log"))
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// configure writes the agent's file as a technician would.
func (o Office) configure(file, broker, key, terminal string) error {
	text := fmt.Sprintf(`# Made by: sidik-provision simulate office
site = %q
data = "agent"

[hub]
broker = %q
key = %q

[[terminal]]
serial = %q
address = %q
every = "30s"
`, officeSite, broker, key, officeSerial, terminal)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// stage holds what is running, in the order in which it was started.
type stage struct {
	o      Office
	out    io.Writer
	cancel context.CancelCauseFunc
	ends   []func() error
}

// end stops everything in reverse order.
func (s *stage) end() error {
	s.cancel(nil)
	var wrong []error
	for i := len(s.ends) - 1; i >= 0; i-- {
		wrong = append(wrong, s.ends[i]())
	}
	return errors.Join(wrong...)
}

// terminal starts the simulated terminal in this process and returns its address.
func (s *stage) terminal(ctx context.Context) (string, error) {
	said, say := io.Pipe()
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx)) // the terminal outlives the programs that read it
	var running sync.WaitGroup
	var failed error
	running.Go(func() {
		failed = Terminal(ctx, say, Options{
			Listen: "127.0.0.1:0", Serial: officeSerial, Users: 12, Templates: 24, Punches: 40,
			PunchEvery: s.o.PunchEvery, State: filepath.Join(s.o.Dir, "terminal.json"),
		})
		say.CloseWithError(errors.Join(failed, io.EOF))
		if failed != nil {
			s.cancel(fmt.Errorf("simulated terminal: %w", failed))
		}
	})
	s.ends = append(s.ends, func() error { stop(); running.Wait(); return failed })
	var at ready
	if err := json.NewDecoder(said).Decode(&at); err != nil {
		return "", fmt.Errorf("simulated terminal: %w", err)
	}
	return at.Listening, nil
}

// run runs one of our programs to its end and returns what it printed.
func (s *stage) run(ctx context.Context, program string, args ...string) (string, error) {
	s.say(program, args)
	cmd := exec.CommandContext(ctx, filepath.Join(s.o.Programs, program), args...)
	cmd.Stderr = s.out
	said, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", program, args[0], err)
	}
	return strings.TrimSpace(string(said)), nil
}

// say shows a command as a person would type it.
func (s *stage) say(program string, args []string) {
	fmt.Fprintln(s.out, "$", program, strings.Join(args, " "))
}

// start runs one of our programs in the background, with its log in a file. If
// announced is not nil, start waits for the line of JSON that the program prints.
func (s *stage) start(ctx context.Context, announced any, program string, args ...string) error {
	s.say(program, args)
	log, err := os.OpenFile(filepath.Join(s.o.Dir, program+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	cmd := exec.Command(filepath.Join(s.o.Programs, program), args...)
	cmd.Stderr = log
	// A group of its own: Ctrl-C reaches only this program, which ends the others
	// in order. Should it be killed, the kernel ends them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return errors.Join(err, log.Close())
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", program, err), log.Close())
	}
	ended := make(chan struct{})
	first := make(chan string, 1)
	var stopping bool
	var stop sync.Mutex // guards stopping
	var running sync.WaitGroup
	running.Go(func() {
		defer close(ended)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			select {
			case first <- lines.Text():
			default:
			}
		}
		_ = cmd.Wait() // ProcessState tells
		log.Close()
		stop.Lock()
		defer stop.Unlock()
		if !stopping {
			s.cancel(fmt.Errorf("%s ended by itself (%v); its log is %s", program, cmd.ProcessState, log.Name()))
		}
	})
	s.ends = append(s.ends, func() error {
		stop.Lock()
		stopping = true
		stop.Unlock()
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
		select {
		case <-ended:
		case <-time.After(stopPatience):
			_ = cmd.Process.Kill()
		}
		running.Wait()
		return nil
	})
	if announced == nil {
		return nil
	}
	select {
	case line := <-first:
		if err := json.Unmarshal([]byte(line), announced); err != nil {
			return fmt.Errorf("%s announced itself with %q: %w", program, line, err)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
