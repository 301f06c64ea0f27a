package zk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Log is the attendance log of a terminal, frozen as it was when it was opened. Reading
// does not change it. Until it is closed no other data set can be read.
type Log struct {
	// Layout is the shape of its rows; 0 when it has none.
	Layout RowLayout
	// Legacy is true when the log came by the command of the old kind. On some
	// terminals that brings old memory in place of the log, so its rows were looked at
	// one by one; still it deserves less trust.
	Legacy bool

	c    *Conn
	d    *prepared
	head []byte // the first bytes, with the total
	size int    // of the rows
	now  time.Time
}

// headSize is how much of a log is read at once when it is opened: its total, and rows
// enough to know their layout, in one packet of any terminal.
const headSize = 1000

// OpenLog asks the terminal to prepare its log. Count is how many rows the terminal
// counted just before (Sizes), negative when unknown.
func (c *Conn) OpenLog(ctx context.Context, count int) (*Log, error) {
	var l *Log
	err := c.do(ctx, func(ctx context.Context) (err error) {
		l, err = c.openLog(ctx, count)
		return err
	})
	return l, wrap(err, "open log")
}

func (c *Conn) openLog(ctx context.Context, count int) (*Log, error) {
	d, err := c.prepare(ctx, DatasetAttendance)
	if err != nil {
		return nil, err
	}
	l, err := newLog(ctx, d, count)
	if err != nil {
		c.free(ctx)
		return nil, err
	}
	return l, nil
}

func newLog(ctx context.Context, d *prepared, count int) (*Log, error) {
	head, err := d.read(ctx, nil, 0, min(d.size, headSize), nil)
	if err != nil {
		return nil, err
	}
	l := &Log{c: d.c, d: d, head: head, Legacy: d.legacy}
	total := binary.LittleEndian.Uint32(head)
	if uint64(total) > uint64(d.size-totalSize) {
		return nil, fmt.Errorf("log of %d bytes announces %d: %w", d.size-totalSize, total, ErrGarbled)
	}
	l.size = int(total)
	if l.size == 0 {
		return l, nil
	}
	// A sample from all over the log knows better, but is there only if all of it is.
	rows := head[totalSize:min(len(head), totalSize+l.size)]
	if d.whole != nil {
		rows = d.whole[totalSize : totalSize+l.size]
	}
	if l.now, err = d.c.present(ctx); err != nil {
		return nil, err
	}
	l.Layout, err = guessRowLayout(rows, l.size, count, l.now)
	if err != nil {
		if l.Legacy {
			return nil, fmt.Errorf("%w: %w", ErrGarbled, err)
		}
		return nil, err
	}
	if l.Legacy {
		return l, l.Layout.checkRows(rows, l.now)
	}
	return l, nil
}

// present is the present time for judging rows by: ours or the terminal's, whichever is
// later, for ours may be wrong, and it is the terminal's that stamped the rows.
func (c *Conn) present(ctx context.Context) (time.Time, error) {
	now := time.Now()
	clock, err := c.clock(ctx)
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) || errors.Is(err, ErrGarbled) {
		return now, nil
	}
	if wall, ok := clock.Wall(); ok && wall.After(now) {
		now = wall
	}
	return now, err
}

// checkRows refuses a log of which more than one row in ten does not look like a punch:
// single impossible dates occur, whole pages of them are old memory.
func (l RowLayout) checkRows(rows []byte, now time.Time) error {
	size, bad := l.Size(), 0
	all := len(rows) / size
	for i := range all {
		if !l.plausible(rows[i*size:][:size], now) {
			bad++
		}
	}
	if bad*10 > all {
		return fmt.Errorf("%d of %d rows are no punches: %w", bad, all, ErrGarbled)
	}
	return nil
}

// Size is how many bytes of rows there are.
func (l *Log) Size() int { return l.size }

// Rows is how many rows there are.
func (l *Log) Rows() int {
	if l.size == 0 {
		return 0
	}
	return l.size / l.Layout.Size()
}

// ReadAt fills b with the bytes from off on; io.ErrUnexpectedEOF when the log ends
// before. Who wants the newest rows reads the tail. After an error b can hold anything.
func (l *Log) ReadAt(ctx context.Context, b []byte, off int) error {
	if off < 0 || off > l.size || len(b) > l.size-off {
		return fmt.Errorf("read %d bytes of log at %d of %d: %w", len(b), off, l.size, io.ErrUnexpectedEOF)
	}
	if known := off + totalSize; known+len(b) <= len(l.head) {
		copy(b, l.head[known:])
		return nil
	}
	return wrap(l.c.do(ctx, func(ctx context.Context) error {
		if l.d == nil {
			return errors.New("log is closed")
		}
		_, err := l.d.read(ctx, b[:0], off+totalSize, len(b), nil)
		return err
	}), "read log")
}

// Close lets the terminal forget what it prepared. It takes no context, since it is for
// every way out; it takes two seconds at most.
func (l *Log) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), freeWait)
	defer cancel()
	return wrap(l.c.do(ctx, func(ctx context.Context) error {
		if l.d != nil {
			l.d = nil
			l.c.free(ctx)
		}
		return nil
	}), "close log")
}
