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

// stopPatience is how long a program may take to end when it is asked to.
const stopPatience = 15 * time.Second

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

// terminal starts an office's terminal in this process and returns its address.
func (s *stage) terminal(ctx context.Context, o office) (string, error) {
	said, say := io.Pipe()
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx)) // the terminal outlives the programs that read it
	var running sync.WaitGroup
	var failed error
	running.Go(func() {
		failed = Terminal(ctx, say, Options{
			Listen: "127.0.0.1:0", Serial: o.serial, Users: o.users, Templates: 2 * o.users, Punches: o.punches,
			PunchEvery: o.punchEvery, FingerEvery: o.fingerEvery, Gap: 2 * time.Millisecond, State: filepath.Join(s.o.Dir, o.site+".terminal.json"),
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
	return s.ask(ctx, program, args...)
}

// ask is run without showing the command.
func (s *stage) ask(ctx context.Context, program string, args ...string) (string, error) {
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
func (s *stage) start(ctx context.Context, announced any, log string, program string, args ...string) error {
	s.say(program, args)
	file, err := os.OpenFile(filepath.Join(s.o.Dir, log+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	cmd := exec.Command(filepath.Join(s.o.Programs, program), args...)
	cmd.Stderr = file
	// A group of its own: Ctrl-C reaches only this program, which ends the others
	// in order. Should it be killed, the kernel ends them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", program, err), file.Close())
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
		file.Close()
		stop.Lock()
		defer stop.Unlock()
		if !stopping {
			s.cancel(fmt.Errorf("%s ended by itself (%v); its log is %s", program, cmd.ProcessState, file.Name()))
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
