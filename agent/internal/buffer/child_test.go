package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
)

// child is what this test binary does when a test starts it again.
func child(run string, args []string) int {
	switch run {
	case "crash":
		return crashChild(args)
	case "append":
		return appendChild(args[0])
	case "full disk":
		return fullDiskChild(args[0])
	case "check":
		err := buffer.CheckFile(args[0])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		switch {
		case errors.Is(err, buffer.ErrDamaged):
			return buffer.DamagedExit
		case err != nil:
			return 1
		}
		return 0
	}
	fmt.Fprintf(os.Stderr, "unknown child %q\n", run)
	return 1
}

// checkInChild is the check as the agent has it.
func checkInChild(t testing.TB) func(ctx context.Context, path string) error {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return buffer.CheckInChild("/usr/bin/env", "SIDIK_BUFFER_CHILD=check", program)
}
