package buffer

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer/flush"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// point is a place of an epoch's chain whose hash is known.
type point struct {
	position uint64
	hash     protocol.Hash
}

// waypoints remembers the last few heads that were computed for the current
// epoch, so that sending a backlog whose stored hashes belong to an older epoch
// does not hash all of it for every segment.
type waypoints struct {
	ring [2 * protocol.SegmentWindow]point
	next int
}

func (w *waypoints) add(p point) {
	w.ring[w.next%len(w.ring)] = p
	w.next++
}

// nearest returns the known point of an epoch closest to, and not beyond, a position.
func (w *waypoints) nearest(e epoch, position uint64) point {
	best := point{e.Start - 1, e.ID}
	if e.Proven <= position {
		best = point{e.Proven, e.Hash}
	}
	for _, p := range w.ring {
		if !p.hash.IsZero() && p.position <= position && p.position > best.position {
			best = p
		}
	}
	return best
}

func key(position uint64) []byte { return binary.BigEndian.AppendUint64(nil, position) }

// parse reads one value of the flush bucket.
func parse(k, v []byte) (flush.Flush, error) {
	f, err := flush.Parse(v)
	if err != nil {
		return f, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if len(k) != 8 || binary.BigEndian.Uint64(k) != f.First {
		return f, fmt.Errorf("%w: a flush of position %d under another key", ErrDamaged, f.First)
	}
	return f, nil
}

// seek puts the cursor on the flush that holds a position, or would: the last
// one that does not begin after it. k is nil when there is none.
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

// firstKept is the position of the oldest record that is still here; one after
// last when there is none.
func firstKept(tx *bbolt.Tx, last uint64) uint64 {
	k, _ := tx.Bucket(bucketFlush).Cursor().First()
	if k == nil {
		return last + 1
	}
	return binary.BigEndian.Uint64(k)
}

// chainEnd returns the last position and the hash of epoch e there.
func chainEnd(tx *bbolt.Tx, e epoch) (uint64, protocol.Hash, error) {
	k, v := tx.Bucket(bucketFlush).Cursor().Last()
	if k == nil {
		return e.Proven, e.Hash, nil // records are removed only when proven
	}
	f, err := parse(k, v)
	if err != nil {
		return 0, protocol.Hash{}, err
	}
	if f.Last() < e.Proven {
		return 0, protocol.Hash{}, fmt.Errorf("%w: it ends at position %d, proven is %d", ErrDamaged, f.Last(), e.Proven)
	}
	hash, known, err := hashAt(tx, e, f.Last(), &waypoints{})
	if err == nil && !known {
		err = fmt.Errorf("%w: records after position %d are missing", ErrDamaged, e.Proven)
	}
	return f.Last(), hash, err
}

// hashAt returns the chain's hash of epoch e at a position; known is false when
// the records that would tell it are no longer kept. Flushes hold the hashes of
// the epoch in which they were written; where that was another one, the chain is
// computed from the nearest place at which it is known.
func hashAt(tx *bbolt.Tx, e epoch, position uint64, way *waypoints) (hash protocol.Hash, known bool, err error) {
	if position+1 < e.Start {
		return hash, false, nil
	}
	from := way.nearest(e, position)
	if from.position == position {
		return from.hash, true, nil
	}
	if after := tx.Bucket(bucketFlush).Get(key(position + 1)); after != nil {
		f, err := parse(key(position+1), after)
		if err != nil || f.Epoch == e.Number {
			return f.Prev, err == nil, err
		}
	}
	c := tx.Bucket(bucketFlush).Cursor()
	k, v := seek(c, position)
	for ; k != nil; k, v = c.Prev() {
		f, err := parse(k, v)
		if err != nil {
			return hash, false, err
		}
		if f.Epoch == e.Number && f.Last() <= position {
			from = point{f.Last(), f.Head}
			break
		}
		if f.Epoch == e.Number {
			from = point{f.First - 1, f.Prev}
			break
		}
		if f.First <= from.position+1 {
			break
		}
	}
	hash = from.hash
	at := from.position
	for k, v = seek(c, at+1); at < position; k, v = c.Next() {
		if k == nil {
			return hash, false, nil
		}
		f, err := parse(k, v)
		if err != nil {
			return hash, false, err
		}
		if at+1 < f.First || at+1 > f.Last() {
			return hash, false, nil // no longer kept
		}
		for _, entry := range f.Entries[at+1-f.First:] {
			if at == position {
				break
			}
			hash = hash.Next(entry.Record)
			at++
		}
	}
	return hash, true, nil
}
