package buffer

import (
	"fmt"
	"math"

	"go.etcd.io/bbolt"

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

// chainEnd returns the last position and the hash of epoch e there.
func chainEnd(tx *bbolt.Tx, e epoch) (uint64, protocol.Hash, error) {
	f, ok, err := holding(tx, math.MaxUint64)
	if err != nil {
		return 0, protocol.Hash{}, err
	}
	if !ok {
		return e.Proven, e.Hash, nil // records are removed only when proven
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
	for f, err := range descend(tx, position+1) {
		if err != nil {
			return hash, false, err
		}
		if f.Epoch == e.Number && f.First == position+1 {
			return f.Prev, true, nil
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
	if from.position == position {
		return from.hash, true, nil
	}
	hash = from.hash
	at := from.position
	for f, err := range ascend(tx, at+1) {
		if err != nil {
			return hash, false, err
		}
		if at+1 < f.First || at+1 > f.Last() {
			return hash, false, nil // no longer kept
		}
		for _, entry := range f.Entries[at+1-f.First:] {
			hash = hash.Next(entry.Record)
			if at++; at == position {
				return hash, true, nil
			}
		}
	}
	return hash, false, nil
}
