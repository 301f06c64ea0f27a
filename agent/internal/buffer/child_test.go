package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol/selftest"
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
	self, args := selftest.Command(t)
	return buffer.CheckInChild("/usr/bin/env", append([]string{"SIDIK_BUFFER_CHILD=check", self}, args...)...)
}
