package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// TestFullAndReadOnlyDiskLosesNothing runs in a child with mounts of its own, so
// that a small disk can be had and nothing of it stays.
func TestFullAndReadOnlyDiskLosesNothing(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, t.TempDir())
	command.Env = append(os.Environ(), "SIDIK_BUFFER_CHILD=full disk")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 3) {
		t.Fatalf("a full disk was not tested: this machine refuses a small disk for it: %v: %s", err, out)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}

func fullDiskChild(dir string) int {
	if err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("sidik", dir, "tmpfs", 0, "size=1536k"),
	); err != nil {
		fmt.Println(err)
		return 3
	}
	if err := fillDisk(dir); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func fillDisk(dir string) error {
	folder := filepath.Join(dir, "agent")
	o := buffer.Options{Dir: folder, MaxBytes: 64 << 20, RetainPunches: 1}
	b, _, err := buffer.Open(context.Background(), o)
	if err != nil {
		return err
	}
	n := 0
	for err = nil; err == nil; {
		if err = b.Append(buffer.Flush{Serial: terminal, Entries: punches(terminal, n, 20)}); err == nil {
			n += 20
		}
	}
	if !errors.Is(err, buffer.ErrFull) || !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("a full disk gave %w, want ErrFull and ENOSPC", err)
	}
	if s, err := b.Status(); err != nil || !errors.Is(s.Failure, buffer.ErrFull) {
		return fmt.Errorf("status of a full disk: %+v, %w", s, err)
	}
	if err := holds(b, n); err != nil {
		return fmt.Errorf("full: %w", err)
	}
	if err := errors.Join(b.Close(), buffer.CheckFile(filepath.Join(folder, "buffer.db"))); err != nil {
		return err
	}
	if b, _, err = buffer.Open(context.Background(), o); err != nil {
		return fmt.Errorf("open on a full disk: %w", err)
	}
	if err := holds(b, n); err != nil {
		return fmt.Errorf("full and reopened: %w", err)
	}

	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err == nil {
		return errors.New("remounted read-only under an open file: the test proves nothing")
	}
	if err := b.Close(); err != nil {
		return err
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if _, _, err := buffer.Open(context.Background(), o); !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("open on a read-only disk gave %w, want EROFS", err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, ""); err != nil {
		return err
	}
	if b, _, err = buffer.Open(context.Background(), o); err != nil {
		return err
	}

	// A receipt makes room although the disk is full.
	in, err := b.Inspect()
	if err != nil {
		return err
	}
	hash := b.Epoch()
	for _, r := range in.Records {
		hash = hash.Next(r)
	}
	outcome, err := b.Apply([]byte("receipt"), protocol.Seq{Life: 1, Counter: 1}, protocol.Receipt{
		Generation: protocol.Generation{ID: protocol.NewEpoch(), Number: 1},
		Epochs:     []protocol.EpochStore{{Epoch: b.Epoch(), Through: uint64(n), Hash: hash}},
	})
	if err != nil || outcome.Proven != uint64(n) {
		return fmt.Errorf("receipt on a full disk: %+v, %w", outcome, err)
	}
	if pruned, err := b.Prune(); err != nil || pruned == 0 {
		return fmt.Errorf("prune on a full disk: %d, %w", pruned, err)
	}
	if err := b.Append(buffer.Flush{Serial: terminal, Entries: punches(terminal, n, 20)}); err != nil {
		return fmt.Errorf("append after pruning: %w", err)
	}
	fmt.Printf("full after %d records", n)
	return errors.Join(b.Close(), buffer.CheckFile(filepath.Join(folder, "buffer.db")))
}

// holds checks that records 0 to n−1 are there and no other.
func holds(b *buffer.Buffer, n int) error {
	in, err := b.Inspect()
	if err != nil {
		return err
	}
	if len(in.Records) != n || in.First != 1 {
		return fmt.Errorf("%d records from position %d, want %d from 1", len(in.Records), in.First, n)
	}
	for i, r := range in.Records {
		if string(r) != string(punch(terminal, i).Record.AppendCanonical(nil)) {
			return fmt.Errorf("record %d is another one", i)
		}
	}
	return nil
}
