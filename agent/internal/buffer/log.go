package buffer

import (
	"encoding/binary"
	"fmt"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer/flush"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// The records stand in order of position in closed values, which never change,
// and behind them in at most one open value, to which the next flush is added
// while there is room. The open one has a bucket of its own, so small that bbolt
// keeps it in the page that names the buckets: a single punch costs this page and
// the meta page, not a way down the tree of all records.

func key(position uint64) []byte { return binary.BigEndian.AppendUint64(nil, position) }

// parse reads one value.
func parse(k, v []byte) (flush.Flush, error) {
	f, err := flush.Parse(v)
	if err != nil {
		return f, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if len(k) != 8 || binary.BigEndian.Uint64(k) != f.First {
		return f, fmt.Errorf("%w: records from position %d under another key", ErrDamaged, f.First)
	}
	return f, nil
}

// openValue returns the open value; ok is false when there is none.
func openValue(tx *bbolt.Tx) (f flush.Flush, ok bool, err error) {
	k, v := tx.Bucket(bucketOpen).Cursor().First()
	if k == nil {
		return f, false, nil
	}
	f, err = parse(k, v)
	return f, err == nil, err
}

// seek puts the cursor on the last closed value that begins at or before a
// position; k is nil when there is none.
func seek(c *bbolt.Cursor, position uint64) (k, v []byte) {
	k, v = c.Seek(key(position))
	if k == nil {
		return c.Last()
	}
	if binary.BigEndian.Uint64(k) == position {
		return k, v
	}
	return c.Prev()
}

// ascend yields the values from the one that holds a position, or else from the
// oldest one.
func ascend(tx *bbolt.Tx, position uint64) iter.Seq2[flush.Flush, error] {
	return func(yield func(flush.Flush, error) bool) {
		last, ok, err := openValue(tx)
		if err != nil {
			yield(last, err)
			return
		}
		if !ok || position < last.First {
			c := tx.Bucket(bucketClosed).Cursor()
			k, v := seek(c, position)
			if k == nil {
				k, v = c.First()
			}
			for ; k != nil; k, v = c.Next() {
				f, err := parse(k, v)
				if !yield(f, err) || err != nil {
					return
				}
			}
		}
		if ok {
			yield(last, nil)
		}
	}
}

// descend yields the values from the last one that begins at or before a
// position to the oldest one.
func descend(tx *bbolt.Tx, position uint64) iter.Seq2[flush.Flush, error] {
	return func(yield func(flush.Flush, error) bool) {
		f, ok, err := openValue(tx)
		if err != nil || ok && f.First <= position {
			if !yield(f, err) || err != nil {
				return
			}
		}
		c := tx.Bucket(bucketClosed).Cursor()
		for k, v := seek(c, position); k != nil; k, v = c.Prev() {
			f, err := parse(k, v)
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// holding returns the value that holds a position, or the last one before it; ok
// is false when all begin after it.
func holding(tx *bbolt.Tx, position uint64) (flush.Flush, bool, error) {
	for f, err := range descend(tx, position) {
		return f, err == nil, err
	}
	return flush.Flush{}, false, nil
}

// firstKept is the position of the oldest record that is still here; one after
// last when there is none.
func firstKept(tx *bbolt.Tx, last uint64) uint64 {
	for _, name := range [][]byte{bucketClosed, bucketOpen} {
		if k, _ := tx.Bucket(name).Cursor().First(); k != nil {
			return binary.BigEndian.Uint64(k)
		}
	}
	return last + 1
}

// put writes the entries of a flush behind all others and returns where the chain
// then ends. The open value is continued when it is of the same terminal and
// epoch, and otherwise closed.
func put(tx *bbolt.Tx, f flush.Flush) (last uint64, head protocol.Hash, err error) {
	closed, opened := tx.Bucket(bucketClosed), tx.Bucket(bucketOpen)
	closed.FillPercent = 1 // keys only rise, so a page never has to make room
	before, ok, err := openValue(tx)
	if err != nil {
		return 0, head, err
	}
	if ok {
		k := key(before.First)
		if before.Serial == f.Serial && before.Epoch == f.Epoch {
			f.First, f.Prev, f.Entries = before.First, before.Prev, append(before.Entries, f.Entries...)
		} else if err := closed.Put(k, append([]byte(nil), opened.Get(k)...)); err != nil {
			return 0, head, err
		}
		if err := opened.Delete(k); err != nil {
			return 0, head, err
		}
	}
	for rest := f.Entries; len(rest) > 0; {
		f.Entries = rest
		value, written, err := flush.Encode(f, flush.Limit)
		if err != nil {
			return 0, head, err
		}
		rest = rest[len(written.Entries):]
		bucket := closed
		if len(rest) == 0 {
			bucket = opened
		}
		if err := bucket.Put(key(written.First), value); err != nil {
			return 0, head, err
		}
		f.First, f.Prev = written.Last()+1, written.Head
	}
	return f.First - 1, f.Prev, nil
}

// remove takes a value away.
func remove(tx *bbolt.Tx, f flush.Flush) error {
	if err := tx.Bucket(bucketOpen).Delete(key(f.First)); err != nil {
		return err
	}
	return tx.Bucket(bucketClosed).Delete(key(f.First))
}
