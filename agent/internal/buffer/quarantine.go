package buffer

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"go.etcd.io/bbolt"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer/flush"
)

// quarantine moves a damaged file away and puts a new one in its place with
// every flush that can still be found in the ruins, under a new epoch: the hub
// absorbs what it has already. The damaged file keeps its name until the new
// one is whole, so a power cut in between only means to begin again.
func (b *Buffer) quarantine(opening *Opening) error {
	s := newState()
	corrupt := filepath.Join(b.options.Dir, corruptName+strconv.FormatInt(b.options.Now().UnixNano(), 10))
	old, err := os.Open(b.path)
	if err != nil {
		return err
	}
	defer old.Close()
	info, err := old.Stat()
	if err != nil {
		return err
	}
	found := ruins(old, info.Size())
	for _, f := range found {
		if flush, err := f.Read(old); err == nil {
			opening.Salvaged += uint64(len(flush.Entries))
		}
	}
	s.Quarantine = &Event{b.options.Now().UTC(), opening.Salvaged, filepath.Base(corrupt)}
	if err := b.make(s, func(db *bbolt.DB) error { return salvage(db, s.current(), old, found) }); err != nil {
		return err
	}
	b.forgetRuins()
	if err := os.Link(b.path, corrupt); err != nil {
		// A file system without links has a moment in which no file has the name;
		// a power cut in it loses what was salvaged and is not on a terminal.
		if err := os.Rename(b.path, corrupt); err != nil {
			return err
		}
	}
	opening.Quarantined = corrupt
	return b.adopt()
}

// forgetRuins removes all but the newest damaged file, so that a dying card
// does not fill itself with them. What cannot be removed only takes room.
func (b *Buffer) forgetRuins() {
	old, err := filepath.Glob(filepath.Join(b.options.Dir, corruptName+"*"))
	if err != nil || len(old) == 0 {
		return
	}
	slices.SortFunc(old, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	for _, path := range old[:len(old)-1] {
		if err := os.Remove(path); err != nil {
			b.options.Logger.Warn("old damaged buffer file stays", "path", path, "cause", err)
		}
	}
}

// ruins lists the flushes of a damaged file in order of position, each once.
// Copies in pages that bbolt has given up are among them; of a record that was
// already removed that costs a duplicate, which the hub absorbs.
func ruins(file *os.File, size int64) []flush.Found {
	var all []flush.Found
	flush.Scan(file, size, func(f flush.Found) { all = append(all, f) })
	slices.SortFunc(all, func(a, b flush.Found) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Sum, b.Sum), cmp.Compare(a.Size, b.Size))
	})
	return slices.CompactFunc(all, func(a, b flush.Found) bool {
		return a.First == b.First && a.Sum == b.Sum && a.Size == b.Size
	})
}

// salvage appends what was found, renumbered from position 1 of a new epoch.
func salvage(db *bbolt.DB, e epoch, file *os.File, found []flush.Found) error {
	const perTransaction = 200
	position, head := e.Start, e.ID
	for batch := range slices.Chunk(found, perTransaction) {
		err := db.Update(func(tx *bbolt.Tx) error {
			tx.Bucket(bucketFlush).FillPercent = 1
			for _, one := range batch {
				f, err := one.Read(file)
				if err != nil {
					continue // could be read a moment ago: the card is dying
				}
				f.First, f.Epoch, f.Prev = position, e.Number, head
				last, end, err := putFlushes(tx, f)
				if err != nil {
					return err
				}
				position, head = last+1, end
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
