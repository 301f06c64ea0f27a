package buffer

import (
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer/flush"
)

const (
	pruneEvery = 5 * time.Second // between two transactions, for the card's sake
	pruneMost  = 5000            // records in one transaction, for the memory's and the room that their marks take
)

// Prune removes records that the hub has proven to store and that retention no
// longer wants, and returns how many. It does at most one transaction in five
// seconds, so it may be called often. Records that are not receipted are never
// removed, whatever their age and however full the buffer is.
func (b *Buffer) Prune() (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.options.Now()
	if since := now.Sub(b.pruned); since >= 0 && since < pruneEvery {
		return 0, nil
	}
	used, err := b.used()
	if err != nil {
		return 0, fmt.Errorf("prune buffer: %w", err)
	}
	n, err := b.prune(used-b.options.MaxBytes/10*8, now)
	if err != nil {
		return 0, fmt.Errorf("prune buffer: %w", err)
	}
	return n, nil
}

// prune removes what retention no longer wants and, oldest first, as many
// further receipted records as give excess bytes back. Before pages become free
// their marks need new ones: where these are scarce, less is done at once.
func (b *Buffer) prune(excess int64, now time.Time) (removed uint64, err error) {
	for most := uint64(pruneMost); most >= 8; most /= 8 {
		removed, err = b.pruneSome(excess, now, most)
		if !errors.Is(err, ErrFull) {
			return removed, err
		}
	}
	return 0, err
}

func (b *Buffer) pruneSome(excess int64, now time.Time, most uint64) (uint64, error) {
	var goners []flush.Flush
	removed := uint64(0)
	err := b.view(func(tx *bbolt.Tx) error {
		mark, oldest := b.state.current().Proven, now.Add(-b.options.Retention)
		for f, err := range ascend(tx, 0) {
			if err != nil {
				return err
			}
			old, many := f.Entries[len(f.Entries)-1].At.Before(oldest), mark-f.First+1 > b.options.RetainPunches
			if f.Last() > mark || !old && !many && excess <= 0 || removed >= most {
				break
			}
			excess -= flush.Limit // about
			removed += uint64(len(f.Entries))
			goners = append(goners, f)
		}
		return nil
	})
	if err != nil || len(goners) == 0 {
		return 0, err
	}
	err = b.update(func(tx *bbolt.Tx) error {
		for _, f := range goners {
			if err := foldMarks(tx, f); err != nil {
				return err
			}
			if err := remove(tx, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	b.pruned = now
	return removed, nil
}

// reserve is kept free of records: without a few pages to write to, a receipt
// could not be noted and nothing removed.
func (b *Buffer) reserve() int64 { return b.options.MaxBytes/16 + int64(growth(b.options.MaxBytes)) }

// makeRoom sees to it that size more bytes fit, if need be by removing receipted
// records before their time.
func (b *Buffer) makeRoom(size int64) error {
	used, err := b.used()
	if err != nil {
		return err
	}
	if excess := used + size + b.reserve() - b.options.MaxBytes; excess > 0 {
		for goal := used - excess - b.options.MaxBytes/16; used > goal; { // somewhat more, so that the next flush need not do it again
			removed, err := b.prune(used-goal, b.options.Now())
			if err != nil {
				return err
			}
			if used, err = b.used(); err != nil {
				return err
			}
			if removed == 0 {
				break
			}
		}
	}
	if used+size+b.reserve() > b.options.MaxBytes {
		return ErrFull
	}
	return nil
}

// used is the size of the file without its free pages.
func (b *Buffer) used() (int64, error) {
	var used int64
	err := b.view(func(tx *bbolt.Tx) error {
		stats := tx.DB().Stats()
		used = tx.Size() - int64(stats.FreePageN+stats.PendingPageN)*int64(tx.DB().Info().PageSize)
		return nil
	})
	return used, err
}
