package buffer

import (
	"bytes"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer/flush"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Entry is one record to be kept, with the mark by which the collector will know
// the row again.
type Entry struct {
	Record protocol.Record
	Mark   uint64
}

// Flush is what becomes durable together.
type Flush struct {
	Serial  protocol.Serial // the terminal
	Entries []Entry         // all of it; none when only the cursor moves
	Cursor  []byte          // how far the terminal was read; nil leaves it as it is
}

// Append keeps records and cursor, all or nothing: nil means that they are on
// disk. ErrFull means that there is no room.
func (b *Buffer) Append(f Flush) error {
	canonical, err := canonicals(f, b.options.Now())
	if err != nil {
		return fmt.Errorf("append to buffer: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.append(f, canonical); err != nil {
		return fmt.Errorf("append to buffer: %w", err)
	}
	return nil
}

func canonicals(f Flush, at time.Time) ([]flush.Entry, error) {
	entries := make([]flush.Entry, len(f.Entries))
	arena := make([]byte, 0, 160*len(entries)) // one allocation for nearly all
	for i, e := range f.Entries {
		if err := e.Record.Check(); err != nil {
			return nil, err
		}
		if e.Record.Serial != f.Serial {
			return nil, fmt.Errorf("%w: a record of terminal %s among those of %s", protocol.ErrRecord, e.Record.Serial, f.Serial)
		}
		start := len(arena)
		arena = e.Record.AppendCanonical(arena)
		entries[i] = flush.Entry{Mark: e.Mark, At: at, Record: arena[start:]}
	}
	return entries, nil
}

func (b *Buffer) append(f Flush, entries []flush.Entry) error {
	if err := b.ready(); err != nil {
		return err
	}
	cursorKey := []byte(f.Serial)
	if len(entries) == 0 {
		unchanged := f.Cursor == nil
		err := b.view(func(tx *bbolt.Tx) error {
			old := tx.Bucket(bucketCursor).Get(cursorKey)
			unchanged = unchanged || old != nil && bytes.Equal(old, withSum(f.Cursor))
			return nil
		})
		if err != nil || unchanged {
			return err
		}
	}
	size := int64(len(f.Cursor))
	for _, e := range entries {
		size += int64(len(e.Record)) + 16
	}
	if err := b.makeRoom(size); err != nil {
		return err
	}
	if err := b.extend(size + 16<<12); err != nil {
		b.failure = orFull(err)
		return b.failure
	}
	var last uint64
	var head protocol.Hash
	err := b.update(func(tx *bbolt.Tx) (err error) {
		if last, head, err = put(tx, flush.Flush{
			First: b.last + 1, Epoch: b.state.current().Number, Prev: b.head, Serial: f.Serial, Entries: entries,
		}); err != nil {
			return err
		}
		if f.Cursor == nil {
			return nil
		}
		return tx.Bucket(bucketCursor).Put(cursorKey, withSum(f.Cursor))
	})
	if err != nil {
		return err
	}
	b.last, b.head = last, head
	if len(entries) > 0 {
		b.signal()
	}
	return nil
}

// Cursor returns how far a terminal was read, as it was given to Append; nil
// when it has to be read from the start.
func (b *Buffer) Cursor(serial protocol.Serial) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var cursor []byte
	err := b.view(func(tx *bbolt.Tx) error {
		value := tx.Bucket(bucketCursor).Get([]byte(serial))
		if value == nil {
			return nil
		}
		value, err := checked(value)
		cursor = append([]byte{}, value...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read cursor of terminal %s: %w", serial, err)
	}
	return cursor, nil
}
