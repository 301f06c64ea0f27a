package owner_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bkpsdmd-babel/sidik/systemd/owner"
)

// service is somebody without rights, to whom a folder belongs.
const service = 65534

func made(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func uid(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	made(t, err)
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// What root wrote in a service's folder becomes the service's; what is somebody's already,
// and what lies elsewhere under a name in the folder, does not. Where the test is not root
// there is nobody to hand over from, and everything stays.
func TestWhatRootLeftIsHandedOver(t *testing.T) {
	dir := t.TempDir()
	folder, other := filepath.Join(dir, "data"), filepath.Join(dir, "secret")
	of := func(name string) string { return filepath.Join(folder, name) }
	made(t, os.MkdirAll(of("keys/more"), 0o700))
	for _, path := range []string{other, of("hub.key"), of("keys/more/one"), of("third's")} {
		made(t, os.WriteFile(path, nil, 0o600))
	}
	made(t, os.Symlink(other, of("link")))
	made(t, os.Link(other, of("name")))
	made(t, os.Symlink(dir, of("out")))
	want := map[string]int{"": service, "hub.key": service, "keys": service, "keys/more": service, "keys/more/one": service, "third's": 65533, "link": 0, "name": 0, "out": 0}
	if os.Geteuid() == 0 {
		made(t, os.Chown(folder, service, service))
		made(t, os.Chown(of("third's"), 65533, 65533))
	} else {
		for name := range want {
			want[name] = os.Geteuid()
		}
	}
	for range 2 {
		made(t, owner.HandOver(folder))
		for name, want := range want {
			if got := uid(t, of(name)); got != want {
				t.Errorf("%q belongs to %d, want %d", name, got, want)
			}
		}
		if got := uid(t, other); got != os.Geteuid() {
			t.Errorf("a file elsewhere belongs to %d", got)
		}
	}
	if info, err := os.Stat(of("hub.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestAFolderOfRootStaysSo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hub.key")
	made(t, os.WriteFile(path, nil, 0o600))
	made(t, owner.HandOver(dir))
	if got := uid(t, path); got != os.Geteuid() {
		t.Errorf("the file belongs to %d", got)
	}
	made(t, owner.HandOver(filepath.Join(dir, "nowhere")))
}
