package launch_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/launch"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// put makes a program whole in a folder.
func put(t testing.TB, f launch.Folder, text string) protocol.Hash {
	t.Helper()
	sum := protocol.Hash(sha256.Sum256([]byte(text)))
	if err := os.MkdirAll(f.Path(""), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Program(sum)+launch.PartSuffix, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Install(sum); err != nil {
		t.Fatal(err)
	}
	return sum
}

// launcher is one whose exec is written down, and fails where the version is in failing.
func launcher(f launch.Folder, failing ...string) (launch.Launcher, *[]string) {
	var started []string
	return launch.Launcher{Folder: f, Packaged: "v1.1.0", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Exec: func(path string, p launch.Program) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, v := range failing {
			if p.Version.String() == v {
				return fs.ErrPermission
			}
		}
		started = append(started, string(text))
		panic(ended{}) // the process is another program's now
	}}, &started
}

// ended stands for the end of a process.
type ended struct{}

// start runs a launcher as a process would.
func start(l launch.Launcher) (packaged bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(ended); !ok {
				panic(r)
			}
		}
	}()
	l.Run()
	return true
}

func TestLauncherStartsWhatThePlanNames(t *testing.T) {
	f := launch.In(t.TempDir())
	l, started := launcher(f)
	if !start(l) {
		t.Fatal("an empty folder starts something")
	}
	two := launch.Program{SHA256: put(t, f, "two"), Version: edition(t, "v1.2.0"), Over: "v1.1.0"}
	three := launch.Program{SHA256: put(t, f, "three"), Version: edition(t, "v1.3.0"), Over: "v1.1.0"}
	if err := f.Keep(launch.Plan{Current: &two}.Try(three, launch.Needs{})); err != nil {
		t.Fatal(err)
	}
	for range launch.MaxStarts + 2 {
		if start(l) {
			t.Fatal("the packaged program runs")
		}
	}
	if want := []string{"three", "three", "three", "two", "two"}; !reflect.DeepEqual(*started, want) {
		t.Errorf("started %v, want %v", *started, want)
	}
	if info, err := os.Stat(f.Program(two.SHA256)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the program's file: %v, %v", info.Mode(), err)
	}
}

// What the system does not start is not tried again, and what was before runs.
func TestLauncherGoesBackFromWhatDoesNotStart(t *testing.T) {
	f := launch.In(t.TempDir())
	two := launch.Program{SHA256: put(t, f, "two"), Version: edition(t, "v1.2.0")}
	three := launch.Program{SHA256: put(t, f, "three"), Version: edition(t, "v1.3.0"), Order: protocol.Seq{Life: 1, Counter: 2}}
	if err := f.Keep(launch.Plan{Current: &two}.Try(three, launch.Needs{})); err != nil {
		t.Fatal(err)
	}
	l, started := launcher(f, "v1.3.0")
	if start(l); !reflect.DeepEqual(*started, []string{"two"}) {
		t.Errorf("started %v", *started)
	}
	l, started = launcher(f, "v1.2.0", "v1.3.0")
	if !start(l) || len(*started) != 0 {
		t.Errorf("started %v, where nothing can be", *started)
	}
	if p, err := f.Plan(); err != nil || p.Current != nil || p.Trying != nil || p.Why(three.Order) != launch.Exec {
		t.Errorf("the plan is %+v, %v", p, err)
	}
}

// Whatever is in the plan's place, the packaged program starts, now and from then on.
func TestAPlanThatCannotBeReadStartsThePackagedProgram(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "cut off": `{"current":{"sha256":"ab`, "zeros": strings.Repeat("\x00", 4096),
		"of a later version": `{"current":null,"more":1}`, "endless": strings.Repeat("[", 1<<20), "another version": `{"current":{"sha256":"","version":"new"}}`} {
		t.Run(name, func(t *testing.T) {
			f := launch.In(t.TempDir())
			if err := os.MkdirAll(f.Path(""), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f.Path("plan.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			l, started := launcher(f)
			for range 2 {
				if !start(l) {
					t.Errorf("started %v", *started)
				}
			}
			if kept, err := os.ReadFile(f.Path("plan.json.damaged")); err != nil || string(kept) != text {
				t.Errorf("what could not be read is not kept: %v", err)
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		f := launch.In(t.TempDir())
		if err := os.MkdirAll(f.Path("plan.json"), 0o700); err != nil {
			t.Fatal(err)
		}
		if l, _ := launcher(f); !start(l) {
			t.Error("the packaged program does not run")
		}
	})
}

// A start that cannot be written down is not made: it would never be counted.
func TestNothingIsTriedWhereItCannotBeCounted(t *testing.T) {
	f := launch.In(t.TempDir())
	two := launch.Program{SHA256: put(t, f, "two"), Version: edition(t, "v1.2.0")}
	three := launch.Program{SHA256: put(t, f, "three"), Version: edition(t, "v1.3.0")}
	if err := f.Keep(launch.Plan{Current: &two}.Try(three, launch.Needs{})); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.Path("plan.json.new"), 0o700); err != nil { // nothing can be written under that name
		t.Fatal(err)
	}
	l, started := launcher(f)
	if start(l); !reflect.DeepEqual(*started, []string{"two"}) {
		t.Errorf("started %v, want what has proven itself", *started)
	}
}

func TestInstallTakesOnlyWhatWasSigned(t *testing.T) {
	f := launch.In(t.TempDir())
	if err := os.MkdirAll(f.Path(""), 0o700); err != nil {
		t.Fatal(err)
	}
	sum := protocol.Hash(sha256.Sum256([]byte("good")))
	if err := f.Install(sum); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Install of nothing = %v", err)
	}
	part := f.Program(sum) + launch.PartSuffix
	if err := os.WriteFile(part, []byte("evil"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Install(sum); !errors.Is(err, launch.ErrProgram) {
		t.Errorf("Install of another program = %v, want ErrProgram", err)
	}
	for _, path := range []string{part, f.Program(sum)} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", filepath.Base(path), err)
		}
	}
	if err := f.Fit(launch.Program{SHA256: put(t, f, "good")}); err != nil {
		t.Errorf("Fit = %v", err)
	}
}

func TestCleanLeavesWhatIsNeeded(t *testing.T) {
	f := launch.In(t.TempDir())
	old, current, trying, wanted := put(t, f, "old"), put(t, f, "current"), put(t, f, "trying"), protocol.Hash(sha256.Sum256([]byte("wanted")))
	stray := protocol.Hash(sha256.Sum256([]byte("stray")))
	for _, name := range []string{wanted.String() + launch.PartSuffix, stray.String() + launch.PartSuffix, "order.json", "plan.json.damaged"} {
		if err := os.WriteFile(f.Path(name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := launch.Plan{Current: &launch.Program{SHA256: current}, Trying: &launch.Program{SHA256: trying}}
	if err := f.Clean(p, wanted); err != nil {
		t.Fatal(err)
	}
	for name, stays := range map[string]bool{old.String(): false, current.String(): true, trying.String(): true, stray.String() + launch.PartSuffix: false,
		wanted.String() + launch.PartSuffix: true, "order.json": true, "plan.json.damaged": true} {
		if _, err := os.Stat(f.Path(name)); (err == nil) != stays {
			t.Errorf("%s stays: %t", name, err == nil)
		}
	}
	if err := launch.In(t.TempDir()).Clean(p); err != nil {
		t.Errorf("Clean without a folder = %v", err)
	}
	if text, err := os.ReadFile(f.Program(current)); err != nil || !bytes.Equal(text, []byte("current")) {
		t.Errorf("the present program holds %q, %v", text, err)
	}
}
