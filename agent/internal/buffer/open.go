package buffer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Names in the agent's folder.
const (
	fileName    = "buffer.db"
	newName     = "buffer.db.new" // a file that is being made; worthless until renamed
	lockName    = "buffer.lock"
	corruptName = "buffer.db.corrupt-"
)

// Opening is what had to be done to open a buffer.
type Opening struct {
	Created     bool   // no file was there
	Quarantined string // where a damaged file was moved to; every terminal must be read whole
	Salvaged    uint64 // records taken over from it
	Compacted   bool
}

// Open opens the buffer of a folder, or makes it. A damaged file is moved away,
// what can be read of it is taken over and the cursors are forgotten; Opening
// says so. ErrInUse says that another agent has the folder.
func Open(ctx context.Context, options Options) (*Buffer, Opening, error) {
	b := &Buffer{
		options:  options.withDefaults(),
		path:     filepath.Join(options.Dir, fileName),
		appended: make(chan struct{}, 1),
		verdicts: make(map[Verdict]uint64),
	}
	opening, err := b.open(ctx)
	if err != nil {
		if b.lock != nil {
			err = errors.Join(err, b.Close())
		}
		return nil, opening, fmt.Errorf("open buffer: %w", err)
	}
	if b.last > b.state.current().Proven {
		b.signal()
	}
	return b, opening, nil
}

func (b *Buffer) open(ctx context.Context) (opening Opening, err error) {
	if err := os.MkdirAll(b.options.Dir, 0o700); err != nil {
		return opening, err
	}
	if b.lock, err = lock(ctx, filepath.Join(b.options.Dir, lockName)); err != nil {
		return opening, err
	}
	if err := os.Remove(b.newPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return opening, err
	}
	switch _, err := os.Stat(b.path); {
	case errors.Is(err, fs.ErrNotExist):
		opening.Created = true
		if err := b.create(); err != nil {
			return opening, err
		}
	case err != nil:
		return opening, err
	default:
		damage := b.options.Check(ctx, b.path)
		if damage != nil && !errors.Is(damage, ErrDamaged) {
			return opening, fmt.Errorf("check %s: %w", b.path, damage)
		}
		if damage != nil {
			b.options.Logger.Error("buffer file is damaged", "path", b.path, "cause", damage)
			if err := b.quarantine(&opening); err != nil {
				return opening, fmt.Errorf("quarantine %s: %w", b.path, err)
			}
		}
	}
	if err := b.openFile(); err != nil {
		return opening, err
	}
	if opening.Compacted, err = b.compact(); err != nil {
		return opening, fmt.Errorf("compact %s: %w", b.path, err)
	}
	next := b.state
	next.Boot = max(next.Boot+1, uint64(max(b.options.Now().Unix(), 0)))
	if err := b.update(func(tx *bbolt.Tx) error { return writeState(tx, next) }); err != nil {
		return opening, err
	}
	b.state = next
	return opening, nil
}

func (b *Buffer) create() error {
	if err := b.make(func(*bbolt.DB) (state, error) { return newState(), nil }); err != nil {
		return err
	}
	return b.adopt()
}

func (b *Buffer) newPath() string { return filepath.Join(b.options.Dir, newName) }

// lock takes the folder for this process. It is a file of its own because
// buffer.db is looked at before it is opened, and replaced.
func lock(ctx context.Context, path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, ErrInUse), file.Close())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// make writes a buffer file under another name; adopt gives it its name when it is
// whole on disk. A power cut in the middle of bbolt's own creation would leave a
// file that cannot be opened.
func (b *Buffer) make(fill func(db *bbolt.DB) (state, error)) (err error) {
	options := boltOptions(b.options.MaxBytes)
	options.NoSync = true // synced once, at the end
	options.MaxSize = 0   // what was there once must fit again
	db, err := bbolt.Open(b.newPath(), 0o600, options)
	if err != nil {
		return err
	}
	db.AllocSize = growth(b.options.MaxBytes)
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return nil
	})
	var s state
	if err == nil {
		s, err = fill(db)
	}
	if err == nil {
		err = db.Update(func(tx *bbolt.Tx) error { return writeState(tx, s) })
	}
	if err == nil {
		err = db.Sync()
	}
	return errors.Join(err, db.Close())
}

// adopt gives the new file its name, durably.
func (b *Buffer) adopt() error {
	if err := os.Rename(b.newPath(), b.path); err != nil {
		return err
	}
	return syncDir(b.options.Dir)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
