package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test program is the program itself when this is set.
const asProgram = "SIDIK_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func program(t *testing.T, flags ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], flags...)
	c.Env = append(os.Environ(), asProgram+"=1")
	c.WaitDelay = 10 * time.Second
	return c
}

func TestTerminalEndsWell(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run("on "+sig.String(), func(t *testing.T) {
			c := program(t, "simulate", "terminal", "--udp", "--serial", "SIM0000005", "--punch-every", "1ms")
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatalf("first line: %v", err)
			}
			var said map[string]string
			if err := json.Unmarshal([]byte(line), &said); err != nil || len(said) != 2 || said["serial"] != "SIM0000005" || !strings.HasPrefix(said["listening"], "127.0.0.1:") {
				t.Errorf("it says %q, %v", line, err)
			}
			if err := c.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); err != nil {
				t.Errorf("%v, want exit status 0", err)
			}
		})
	}
}

func TestBadFlagEndsWithOneSentence(t *testing.T) {
	c := program(t, "simulate", "terminal", "--users", "many")
	var stderr strings.Builder
	c.Stderr = &stderr
	var exit *exec.ExitError
	if err := c.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%v, want exit status 1", err)
	}
	if said := stderr.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "see sidik-provision simulate terminal --help") {
		t.Errorf("it says %q", said)
	}
}
