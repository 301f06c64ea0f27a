package kit_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// One boot is enough. Wherever the power fails, once, the second one is.
func TestABootOutlivesAPowerCutAtAnyStep(t *testing.T) {
	k := bootable(t)
	whole := newPi(t, k)
	calls, failed := whole.bootsOnce(0)
	if failed || whole.asks() {
		t.Fatalf("one boot is not enough: %s", read(t, whole.boot, "sidik/HASIL.txt"))
	}
	whole.installed(k)
	step := 1
	if testing.Short() {
		step = 7
	}
	for cut := 1; cut <= calls; cut += step {
		t.Run(strconv.Itoa(cut), func(t *testing.T) {
			t.Parallel()
			p := newPi(t, k)
			if _, failed := p.bootsOnce(cut); !failed {
				t.Fatal("the power did not fail")
			}
			if boots := p.ends(); boots > 1 {
				t.Errorf("it took %d more boots", boots)
			}
			p.installed(k)
		})
	}
}

// Where the power fails in one boot after the other, at the same step, it ends all the same.
func TestABootOutlivesManyPowerCuts(t *testing.T) {
	k, step := bootable(t), 7
	if testing.Short() {
		step = 16
	}
	for cut := 1; cut < 52; cut += step {
		t.Run(strconv.Itoa(cut), func(t *testing.T) {
			t.Parallel()
			p := newPi(t, k)
			for range 4 {
				p.bootsOnce(cut)
			}
			p.ends()
			p.installed(k)

			p = newPi(t, k)
			for range 5 {
				p.bootsOnce(cut)
			}
			p.ends()
			p.tidy(k)
			if got := read(t, p.boot, "sidik/HASIL.txt"); !strings.HasPrefix(got, "BERHASIL") && !strings.Contains(got, "GAGAL: agen Sidik") {
				t.Errorf("the outcome is %s", got)
			}
			next := bootable(t) // puts right whatever was left half done
			onto(t, p.boot, next)
			p.ends()
			p.installed(next)
		})
	}
}

// dpkg is killed while it sets the package up. What the package starts when it is set up
// again, because a configuration is there, waits for the next boot.
func TestABootOutlivesAPowerCutWithinAPackage(t *testing.T) {
	k := sample(t)
	once := filepath.Join(t.TempDir(), "once")
	k.Packages = []string{debThat(t, "arm64", "1.2.0", fmt.Sprintf("[ -e '%[1]s' ] || { : >'%[1]s'; kill -9 0; }\nsystemctl restart sidik-agent.service\n", once))}
	p := newPi(t, k)
	if _, failed := p.bootsOnce(0); !failed {
		t.Fatal("the power did not fail")
	}
	p.ends()
	p.installed(k)
}

// What cannot come up is tried as often as said, tells why, and changes nothing. The next
// kit on the same card does come up.
func TestABootThatFailsEnds(t *testing.T) {
	k := sample(t)
	k.Packages = []string{deb(t, "amd64", "1.2.0")}
	p := newPi(t, k)
	before := p.tree()
	if boots := p.ends(); boots != 5 {
		t.Errorf("it boots %d times", boots)
	}
	p.tidy(k)
	if got := read(t, p.boot, "sidik/HASIL.txt"); !strings.HasPrefix(got, "GAGAL") || !strings.Contains(got, "jenis arm64") || !strings.Contains(got, "kit baru") {
		t.Errorf("the outcome is %s", got)
	}
	if !maps.Equal(before, p.tree()) {
		t.Error("the system was changed")
	}
	if said, err := p.boots(filepath.Join(p.boot, "sidik")); err == nil || !strings.Contains(said, "sudah dihapus") {
		t.Errorf("by hand, without the code: %v, %s", err, said)
	}
	next := bootable(t)
	onto(t, p.boot, next)
	if boots := p.ends(); boots != 1 {
		t.Errorf("the next kit takes %d boots", boots)
	}
	p.installed(next)
}

// A try that cannot be counted does not begin, and the machine is switched off.
func TestABootThatCannotCountDoesNotBegin(t *testing.T) {
	p := newPi(t, bootable(t))
	before := p.tree()
	put(t, filepath.Join(p.boot, "sidik/tries.new/x"), "", 0o600)
	command := exec.Command("/bin/sh", filepath.Join(p.boot, "sidik/boot.sh"), p.root)
	command.Env = append(os.Environ(), "PATH="+p.tools+":/usr/sbin:/usr/bin:/sbin:/bin")
	if said, err := command.CombinedOutput(); err == nil || !maps.Equal(before, p.tree()) || !p.asks() {
		t.Errorf("%v: %s", err, said)
	}
}

// A count that a power cut damaged allows one more try.
func TestABootWithADamagedCount(t *testing.T) {
	k := bootable(t)
	k.Packages = []string{deb(t, "amd64", "1.2.0")}
	p := newPi(t, k)
	put(t, filepath.Join(p.boot, "sidik/tries"), "\x00\x00", 0o600)
	if boots := p.ends(); boots != 1 {
		t.Errorf("it boots %d times", boots)
	}
	p.tidy(k)
}
