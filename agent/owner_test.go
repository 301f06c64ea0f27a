package agent_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// What root types with sudo belongs to the service that has to read it. Where the test
// is not root there is nobody to hand over to, and the file is its own.
func TestFilesOfCommandsBelongToTheOwnerOfTheFolder(t *testing.T) {
	data, owner := t.TempDir(), os.Geteuid()
	if owner == 0 {
		owner = 65534
		if err := os.Chown(data, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := agent.LoadKey(data); err != nil {
		t.Fatal(err)
	}
	if err := agent.PutClaim(data, protocol.NewClaimCode()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"agent.key", "claim"} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil {
			t.Fatal(err)
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; int(uid) != owner || info.Mode().Perm() != 0o600 {
			t.Errorf("%s belongs to %d with mode %v, want %d and 0600", name, uid, info.Mode(), owner)
		}
	}
}
