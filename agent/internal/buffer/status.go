package buffer

import (
	"fmt"
	"maps"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Status is how a buffer is, for the agent's state and for people.
type Status struct {
	Place
	Kept       uint64     // records that are here, receipted ones too
	Waiting    uint64     // of them, not proven stored at the hub
	Oldest     *time.Time // when the oldest waiting one was kept; nil for none
	UsedBytes  int64
	MaxBytes   int64
	DaysLeft   int // until it is full when no receipt comes, at the pace of the last four weeks; −1 while that is not known
	Generation protocol.Generation
	Verdicts   map[Verdict]uint64 // receipts since it was opened
	Fork       *Event             // the last of each; nil for never
	Gap        *Event
	Quarantine *Event
	Failure    error // why the last write failed; nil since one succeeded
}

// paceOver is the time over which the pace is taken, paceLeast what it needs to
// mean anything.
const (
	paceOver  = 28 * 24 * time.Hour
	paceLeast = 24 * time.Hour
)

// Status returns counts and conditions as of one moment.
func (b *Buffer) Status() (Status, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.options.Now()
	s := Status{
		Place: b.place(), MaxBytes: b.options.MaxBytes, DaysLeft: -1,
		Generation: b.state.Generation, Verdicts: maps.Clone(b.verdicts),
		Fork: b.state.Fork, Gap: b.state.Gap, Quarantine: b.state.Quarantine, Failure: b.failure,
	}
	used, err := b.used()
	if err != nil {
		return s, fmt.Errorf("read status of buffer: %w", err)
	}
	s.UsedBytes = used
	err = b.view(func(tx *bbolt.Tx) error {
		first := firstKept(tx, b.last)
		s.Kept = b.last + 1 - first
		s.Waiting = b.last - b.state.current().Proven
		if next := b.state.current().Proven + 1; s.Waiting > 0 {
			f, _, err := holding(tx, next)
			if err != nil {
				return err
			}
			s.Oldest = &f.Entries[next-f.First].At
		}
		from, at, err := newerThan(tx, first, b.last, now.Add(-paceOver))
		if err != nil || from > b.last {
			return err
		}
		if over := now.Sub(at); over >= paceLeast {
			perRecord := float64(used) / float64(s.Kept)
			perDay := perRecord * float64(b.last+1-from) / (over.Hours() / 24)
			room := float64(b.options.MaxBytes-b.reserve()) - perRecord*float64(s.Waiting)
			s.DaysLeft = int(min(max(room/perDay, 0), 36500))
		}
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("read status of buffer: %w", err)
	}
	return s, nil
}

// newerThan returns position and time of the first flush that was kept after a
// moment, found by halving: flushes are in order of time unless the clock was
// set, which the pace may bear.
func newerThan(tx *bbolt.Tx, first, last uint64, moment time.Time) (uint64, time.Time, error) {
	position, at := last+1, time.Time{}
	for low, high := first, last+1; low < high; {
		f, _, err := holding(tx, low+(high-low)/2)
		if err != nil {
			return 0, at, err
		}
		if f.Entries[0].At.Before(moment) {
			low = f.Last() + 1
			continue
		}
		high = f.First
		position, at = high, f.Entries[0].At
	}
	return position, at, nil
}
