package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bkpsdmd-babel/sidik/systemd"
)

// files are what makes a program a service, apart from the unit, which kardianos writes.
type files struct {
	program    string
	executable string // what is installed
	texts      systemd.Texts
}

// place is where the unit expects the program.
func place(program string) string { return filepath.Join("/usr/bin", program) }

// unit is where kardianos writes, and packaged where a package does.
func (f files) unit() string { return filepath.Join("/etc/systemd/system", f.program+".service") }
func (f files) packaged() string {
	return filepath.Join("/usr/lib/systemd/system", f.program+".service")
}

func (f files) sysusers() string { return filepath.Join("/etc/sysusers.d", f.program+".conf") }
func (f files) tmpfiles() string { return filepath.Join("/etc/tmpfiles.d", f.program+".conf") }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// place puts program, user and folders where the unit finds them, and makes way for the
// unit. It may be repeated: that is how a newer program is installed over an older one.
func (f files) place(ctx context.Context) error {
	program, err := os.Open(f.executable)
	if err != nil {
		return err
	}
	defer program.Close()
	if !f.inPlace() {
		if err := put(place(f.program), program, 0o755); err != nil {
			return err
		}
	}
	if err := put(f.sysusers(), strings.NewReader(f.texts.Sysusers), 0o644); err != nil {
		return err
	}
	if err := put(f.tmpfiles(), strings.NewReader(f.texts.Tmpfiles), 0o644); err != nil {
		return err
	}
	if err := command(ctx, "systemd-sysusers", f.program+".conf"); err != nil {
		return err
	}
	if err := tmpfiles(ctx, f.program); err != nil {
		return err
	}
	// kardianos leaves a unit alone that is there already.
	if err := os.Remove(f.unit()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// inPlace reports whether the program that runs is the installed one.
func (f files) inPlace() bool {
	ours, err := os.Stat(f.executable)
	installed, missing := os.Stat(place(f.program))
	return err == nil && missing == nil && os.SameFile(ours, installed)
}

// remove takes away what place put there. Keys, punches, configuration and user stay.
func (f files) remove() error {
	var failed []error
	for _, path := range []string{f.sysusers(), f.tmpfiles(), place(f.program)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// tmpfiles lets the service read its configuration, and nobody else.
func tmpfiles(ctx context.Context, program string) error {
	return command(ctx, "systemd-tmpfiles", "--create", program+".conf")
}

func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// put writes a file whole or not at all, also when it is the program that runs.
func put(path string, from io.Reader, mode os.FileMode) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err == nil {
		err = f.Chmod(mode) // whatever the umask is
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(path+".new"))
	}
	return os.Rename(path+".new", path)
}
