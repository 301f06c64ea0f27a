package buffer_test

import (
	"fmt"
	"os"
)

// child is what this test binary does when a test starts it again.
func child(run string, args []string) int {
	switch run {
	case "crash":
		return crashChild(args)
	}
	fmt.Fprintf(os.Stderr, "unknown child %q\n", run)
	return 1
}
