package sidik_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// agency is who signs releases for a world, and rolls them out.
type agency struct {
	operator
	key seal.SigningKey
}

// newAgency makes a release key and has the world's root vouch for it.
func newAgency(t testing.TB, w *world, program string) agency {
	t.Helper()
	key, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	request, err := hub.KeyRequest(w.hubData(), time.Now(), false)
	if err == nil {
		request.Keys.Release = []seal.PublicKey{key.Public()}
		_, err = hub.InstallKeys(w.hubData(), w.root.Sign(t, request))
	}
	if err != nil {
		t.Fatal(err)
	}
	return agency{operator{w, program}, key}
}

// release signs a program as a version and returns its folder.
func (a agency) release(version string, program []byte, key seal.SigningKey) (folder string, digest protocol.Hash) {
	t := a.w.t
	t.Helper()
	folder, digest = t.TempDir(), sha256.Sum256(program)
	edition, err := protocol.ParseEdition(version)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := protocol.SignManifest(protocol.Manifest{Version: edition, Built: time.Unix(1_767_000_000, 0).UTC(),
		Files: []protocol.ReleaseFile{{Arch: protocol.ArchOf(runtime.GOARCH), Size: int64(len(program)), SHA256: digest}}}, key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.Append(nil)
	if err == nil {
		err = errors.Join(os.WriteFile(filepath.Join(folder, "release.json"), text, 0o600), os.WriteFile(filepath.Join(folder, "sidik-agent"), program, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder, digest
}

// shows waits until the list of a version's sites has all of some words.
func (a agency) shows(version string, words ...string) {
	a.w.t.Helper()
	var said string
	eventually(a.w.t, func() bool {
		said = a.printed("release", "list", version)
		for _, word := range words {
			if !strings.Contains(said, word) {
				return false
			}
		}
		return true
	}, func() string { return fmt.Sprintf("release %s does not come to %q:\n%s", version, words, said) })
}

// compile builds a program as a version.
func compile(t testing.TB, version, what string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), filepath.Base(what))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X main.version="+version, "-o", path, what)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", version, err, said)
	}
	return path
}

func contents(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// serve keeps a program running as a service manager does, until it is stopped.
func (o *office) serve(program string) *running {
	file := o.writeConfig()
	return run(func(ctx context.Context) error {
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, program, "run", "--config", file)
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			cmd.WaitDelay = patience
			if os.Getenv("SIDIK_TEST_LOG") != "" {
				cmd.Stderr = os.Stderr
			}
			_ = cmd.Run() // however it ended, it is started again
		}
		return nil
	})
}

// A site is brought to another version from the agency, over a line that breaks and a hub
// that is killed meanwhile; what proves nothing goes back by itself; and what is not
// signed, not whole or not above is refused with its reason.
func TestAReleaseReachesItsSite(t *testing.T) {
	const program = "./agent/cmd/sidik-agent"
	w := certifiedWorld(t, 0)
	a := newAgency(t, w, compile(t, "v1.4.0", "./hub/cmd/sidik-hub"))
	packaged, next := compile(t, "v1.1.0", program), contents(t, compile(t, "v1.2.0", program))
	o := w.newOffice("samsat-koba", "tft-new", 20)
	way := newRoad(t, w.door)
	broke := way.breaksAfter(int64(len(next)) / 2)
	o.config.Hub.Address = "https://" + way.address
	o.admit()
	h := newProcess(t, a.program, w.hubArgs()...)
	h.start()
	service := o.serve(packaged)
	defer func() { service.end(t) }()
	o.arrive()

	// Signed by a key that the root does not vouch for.
	other, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	folder, _ := a.release("v1.2.0", next, other)
	if said, err := exec.Command(a.program, "release", "add", folder, "--data", w.hubData()).CombinedOutput(); err == nil {
		t.Fatalf("a release of another key was added: %s", said)
	}

	folder, _ = a.release("v1.2.0", next, a.key)
	a.printed("release", "add", folder)
	if ordered := a.printed("release", "roll-out", "v1.2.0", "--to", "5%"); strings.TrimSpace(ordered) != "samsat-koba" {
		t.Fatalf("ordered for %q", ordered)
	}
	select {
	case <-broke:
	case <-time.After(patience):
		t.Fatal("the program is not downloaded")
	}
	h.kill()
	h.start()
	a.shows("v1.2.0", "selesai", " v1.2.0 ")
	// Each piece that was on disk before the break came once.
	if down, most := way.carried(), int64(len(next))*11/10+2<<20; down < int64(len(next)) || down > most {
		t.Errorf("%d bytes came down for a program of %d", down, len(next))
	}
	o.punch(3)
	o.arrive()

	// A program that ends at once: three starts, then the version before.
	source := filepath.Join(t.TempDir(), "bad.go")
	if err := os.WriteFile(source, []byte("package main\n\nimport \"os\"\n\nfunc main() { os.Exit(1) }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := contents(t, compile(t, "", source))
	folder, _ = a.release("v1.3.0", bad, a.key)
	a.printed("release", "add", folder)
	a.printed("release", "roll-out", "v1.3.0", "--to", "all")
	a.shows("v1.3.0", "ditolak", "starts", " v1.2.0 ")
	o.punch(3)
	o.arrive()

	// A lower version without a word, and with one.
	folder, _ = a.release("v1.1.0", contents(t, packaged), a.key)
	a.printed("release", "add", folder)
	a.printed("release", "roll-out", "v1.1.0", "--to", "samsat-koba")
	a.shows("v1.1.0", "ditolak", "lower", " v1.2.0 ")
	a.printed("release", "roll-out", "v1.1.0", "--to", "samsat-koba", "--downgrade")
	a.shows("v1.1.0", "selesai", " v1.1.0 ")

	// A program that was changed on the hub's own disk.
	folder, digest := a.release("v1.4.0", bad, a.key)
	a.printed("release", "add", folder)
	bad[len(bad)/2] ^= 1
	if err := os.WriteFile(filepath.Join(w.hubData(), "releases", digest.String()), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	a.printed("release", "roll-out", "v1.4.0", "--to", "samsat-koba")
	a.shows("v1.4.0", "ditolak", "damaged", " v1.1.0 ")
	o.punch(2)
	o.arrive()
}
