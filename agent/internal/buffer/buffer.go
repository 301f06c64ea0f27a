package buffer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Options say where a buffer is and how much it may keep.
type Options struct {
	Dir           string        // the agent's data folder; made when missing
	MaxBytes      int64         // size of the file; 0: 256 MiB, which a 32-bit machine can still map
	Retention     time.Duration // how long receipted punches stay; 0: 90 days
	RetainPunches uint64        // how many receipted punches stay; 0: 50 000

	// Check looks at the file before it is opened, because opening a damaged one
	// can end the process; see CheckInChild. An error that Is ErrDamaged moves the
	// file away. Nil runs CheckFile in this process, which is for tests.
	Check  func(ctx context.Context, path string) error
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: none
}

func (o Options) withDefaults() Options {
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 20
	}
	if o.Retention == 0 {
		o.Retention = 90 * 24 * time.Hour
	}
	if o.RetainPunches == 0 {
		o.RetainPunches = 50_000
	}
	if o.Check == nil {
		o.Check = func(_ context.Context, path string) error { return CheckFile(path) }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Errors by which a caller decides.
var (
	// ErrFull says that nothing was stored for want of room. The terminal still
	// holds the records: try again when receipts have made room.
	ErrFull = errors.New("no room for more punches: buffer or disk is full")
	// ErrInUse says that another process holds the folder.
	ErrInUse = errors.New("another agent runs on this folder")
	// ErrDamaged says that the file is not what was written.
	ErrDamaged = errors.New("buffer file is damaged")
)

// Buffer is the store of one agent.
type Buffer struct {
	options  Options
	path     string
	lock     *os.File
	appended chan struct{}

	mu       sync.Mutex // guards everything below
	db       *bbolt.DB  // nil after a failed commit, until reopened
	closed   bool
	state    state         // as on disk
	last     uint64        // position of the last record
	head     protocol.Hash // of the current epoch at last
	receipt  []byte        // newest receipt that proved something
	way      waypoints
	verdicts map[Verdict]uint64
	pruned   time.Time // of the last prune transaction
	failure  error     // of the last write
}

// Buckets. Small ones are kept by bbolt inside the page that names them, so a
// cursor or the state costs no page of its own.
var (
	bucketClosed  = []byte("closed")  // position of the first record → flush.Flush, see log.go
	bucketOpen    = []byte("open")    // the same, at most one
	bucketCursor  = []byte("cursor")  // serial → checksum, the collector's bytes
	bucketMark    = []byte("mark")    // serial, 0, number → checksum, marks of pruned records
	bucketState   = []byte("state")   // "state" → checksum, JSON
	bucketReceipt = []byte("receipt") // "newest" → checksum, message
)

func buckets() [][]byte {
	return [][]byte{bucketClosed, bucketOpen, bucketCursor, bucketMark, bucketReceipt, bucketState}
}

const pageSize = 4096

// boltOptions are the same for every opening. The page size is fixed because a
// 16 KiB page of a Pi 5 would quadruple what is written. The free list is not
// written but found again at the opening: one page less in every commit. The
// map is made large at once so that growing needs no new one.
func boltOptions(maxBytes int64) *bbolt.Options {
	return &bbolt.Options{
		Timeout:         2 * time.Second,
		PageSize:        pageSize,
		FreelistType:    bbolt.FreelistMapType,
		NoFreelistSync:  true,
		InitialMmapSize: int(min(maxBytes, 32<<20)),
		MaxSize:         int(maxBytes),
	}
}

// growth is the step by which the file grows. A small step makes a small file
// reach its limit late, a large one costs fewer syncs.
func growth(maxBytes int64) int { return int(min(max(maxBytes/64, 32<<10), 1<<20)) }

// openFile opens the database and reads what the memory must know of it.
func (b *Buffer) openFile() error {
	db, err := bbolt.Open(b.path, 0o600, boltOptions(b.options.MaxBytes))
	if err != nil {
		if errors.Is(err, bbolterrors.ErrTimeout) {
			err = ErrInUse
		}
		return fmt.Errorf("open %s: %w", b.path, err)
	}
	db.AllocSize = growth(b.options.MaxBytes)
	b.db = db
	if err := b.view(b.load); err != nil {
		b.db = nil
		return errors.Join(err, db.Close())
	}
	b.release()
	return nil
}

// load reads state, last position and head of the chain.
func (b *Buffer) load(tx *bbolt.Tx) error {
	s, receipt, err := readState(tx)
	if err != nil {
		return err
	}
	last, head, err := chainEnd(tx, s.current())
	if err != nil {
		return err
	}
	b.state, b.receipt, b.last, b.head = s, receipt, last, head
	b.way = waypoints{}
	return nil
}

// view runs fn in a read transaction.
func (b *Buffer) view(fn func(tx *bbolt.Tx) error) error {
	if err := b.ready(); err != nil {
		return err
	}
	return guard(func() error { return b.db.View(fn) })
}

// update runs fn in a transaction that is durable when update returns nil. An
// error of fn itself leaves everything as it was. An error of the commit leaves
// open what the file holds (the last page may or may not have reached it), so
// the file is closed and read anew before anything else is done.
func (b *Buffer) update(fn func(tx *bbolt.Tx) error) error {
	if err := b.ready(); err != nil {
		return err
	}
	var refused error
	err := guard(func() error {
		return b.db.Update(func(tx *bbolt.Tx) error {
			refused = fn(tx)
			return refused
		})
	})
	if refused != nil {
		return refused
	}
	b.failure = err
	if err != nil {
		err = errors.Join(err, b.closeFile())
		return fmt.Errorf("write %s: %w", b.path, orFull(err))
	}
	return nil
}

// orFull marks an error for want of room as ErrFull.
func orFull(err error) error {
	if errors.Is(err, bbolterrors.ErrMaxSizeReached) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// ready reopens the file after a failed commit.
func (b *Buffer) ready() error {
	if b.closed {
		return os.ErrClosed
	}
	if b.db != nil {
		return nil
	}
	return b.openFile()
}

func (b *Buffer) closeFile() error {
	if b.db == nil {
		return nil
	}
	err := b.db.Close()
	b.db = nil
	return err
}

// guard turns a fault of the mapped file (a card that no longer answers) and a
// failed assertion of bbolt into an error.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	return fn()
}

// release gives the pages of the file that were read back to the system. They
// would be counted as the agent's memory although nothing is lost by it.
func (b *Buffer) release() {
	if info, err := os.Stat(b.path); err == nil && b.db != nil {
		size := uintptr(info.Size()) / pageSize * pageSize
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, b.db.Info().Data, size, unix.MADV_DONTNEED)
	}
}

// Close waits for what is under way and closes the file. It may be called twice.
func (b *Buffer) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	return errors.Join(b.closeFile(), b.lock.Close())
}

// Boot is the number of this opening: greater than that of every earlier one of
// this folder and, while the clock is right, of every one of an older copy of it.
func (b *Buffer) Boot() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.Boot
}

// Appended signals that there may be something new to send. It has room for one
// signal and is for one reader.
func (b *Buffer) Appended() <-chan struct{} { return b.appended }

func (b *Buffer) signal() {
	select {
	case b.appended <- struct{}{}:
	default: // one is waiting already
	}
}

// Place is how far an epoch is, in sequences of it.
type Place struct {
	Epoch     protocol.Hash
	Receipted uint64 // everything through it is proven stored at the hub
	Last      uint64 // 0: none yet
}

// Place returns epoch, receipted and last as of one moment.
func (b *Buffer) Place() Place {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.place()
}

func (b *Buffer) place() Place {
	e := b.state.current()
	return Place{e.ID, e.Proven + 1 - e.Start, b.last + 1 - e.Start}
}

// Epoch is the id of the current epoch.
func (b *Buffer) Epoch() protocol.Hash { return b.Place().Epoch }

// Receipted is the sequence through which the hub has proven to store the epoch.
func (b *Buffer) Receipted() uint64 { return b.Place().Receipted }

// Last is the last sequence of the epoch, 0 for none.
func (b *Buffer) Last() uint64 { return b.Place().Last }

// NewestReceipt returns the receipt message that proved most, nil for none. In
// the agent's state it is the evidence that lets a hub see that it went back.
func (b *Buffer) NewestReceipt() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]byte(nil), b.receipt...)
}
