package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// handOver gives a file that root has written to the owner of its folder: somebody with
// sudo typed a command, and the service that needs the file is another user. For anybody
// else it does nothing.
func handOver(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("hand over %s: %w", path, err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
		return fmt.Errorf("hand over %s: %w", path, err)
	}
	return nil
}
