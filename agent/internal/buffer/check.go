package buffer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

// DamagedExit is the exit status by which a checking child says that the file is
// damaged, as EX_IOERR of sysexits.h.
const DamagedExit = 74

// checkLimit is far above the time in which the slowest machine reads the largest file.
const checkLimit = 5 * time.Minute

// CheckFile reads a whole buffer file: bbolt's own consistency, every checksum,
// positions without a gap, the chain. It returns nil, or an error that Is
// ErrDamaged, or another one when the file could not be looked at. A damaged
// file may also end the process: run it in a child.
func CheckFile(path string) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer debug.SetMaxStack(debug.SetMaxStack(32 << 20)) // a circle of pages must end before the memory does
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return fmt.Errorf("%w: %s is empty", ErrDamaged, path)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: 2 * time.Second, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		var system syscall.Errno
		if errors.As(err, &system) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(func(tx *bbolt.Tx) error {
		if tx.Size() > info.Size() {
			return fmt.Errorf("%w: %s has %d bytes, its pages need %d", ErrDamaged, path, info.Size(), tx.Size())
		}
		if err := checkPages(path, tx.Size()); err != nil {
			return err
		}
		for err := range tx.Check() {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return checkContent(tx)
	})
}

// checkPages looks at the one field on which bbolt's own check can spend hours and
// all memory: how many pages a page goes on for. Layout of a page's head, in the
// machine's byte order: id 8, flags 2, count 2, overflow 4. A page that was given
// up keeps its head, and the file never shrinks, so it holds for those too.
func checkPages(path string, size int64) (err error) {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var head [16]byte
	for id := int64(0); (id+1)*pageSize <= size; id++ {
		if _, err := file.ReadAt(head[:], id*pageSize); err != nil {
			return fmt.Errorf("%w: page %d: %w", ErrDamaged, id, err)
		}
		overflow := int64(binary.NativeEndian.Uint32(head[12:]))
		if binary.NativeEndian.Uint64(head[:]) == uint64(id) && (id+1+overflow)*pageSize > size {
			return fmt.Errorf("%w: page %d goes on for %d pages", ErrDamaged, id, overflow)
		}
	}
	return nil
}

// checkContent reads every value and recomputes the chain of the current epoch.
func checkContent(tx *bbolt.Tx) error {
	s, _, err := readState(tx)
	if err != nil {
		return err
	}
	next := uint64(0)
	for f, err := range ascend(tx, 0) {
		if err != nil {
			return err
		}
		if next != 0 && f.First != next {
			return fmt.Errorf("%w: position %d follows %d", ErrDamaged, f.First, next-1)
		}
		next = f.Last() + 1
		hash := f.Prev
		for _, e := range f.Entries {
			hash = hash.Next(e.Record)
		}
		if hash != f.Head {
			return fmt.Errorf("%w: the chain from position %d does not end in its head", ErrDamaged, f.First)
		}
	}
	if _, _, err := chainEnd(tx, s.current()); err != nil {
		return err
	}
	c := tx.Bucket(bucketMark).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if _, err := parseMarks(v); err != nil {
			return err
		}
	}
	c = tx.Bucket(bucketCursor).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if _, err := checked(v); err != nil {
			return fmt.Errorf("cursor of terminal %s: %w", k, err)
		}
	}
	return nil
}

// CheckInChild returns a check that runs program with args and the file's path,
// which must call CheckFile and exit with 0, with DamagedExit, or with another
// status when it could not look. A child that a damaged file has ended (by a
// fault, or by a panic, which is Go's exit status 2) or that finds no end counts as
// damage too; one that was killed from outside, for want of memory for example,
// does not.
func CheckInChild(program string, args ...string) func(ctx context.Context, path string) error {
	return func(ctx context.Context, path string) error {
		limited, cancel := context.WithTimeout(ctx, checkLimit)
		defer cancel()
		command := exec.CommandContext(limited, program, append(append([]string(nil), args...), path)...)
		output, err := command.CombinedOutput()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if limited.Err() != nil {
			return fmt.Errorf("%w: looking at it did not end within %s", ErrDamaged, checkLimit)
		}
		said := output[:min(len(output), 500)]
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			status := exit.Sys().(syscall.WaitStatus)
			fault := status.Signaled() && (status.Signal() == syscall.SIGBUS || status.Signal() == syscall.SIGSEGV || status.Signal() == syscall.SIGABRT)
			if fault || status.ExitStatus() == DamagedExit || status.ExitStatus() == 2 {
				return fmt.Errorf("%w: %s", ErrDamaged, said)
			}
		}
		return fmt.Errorf("%w: %s", err, said)
	}
}
