package buffer

import (
	"cmp"
	"crypto/sha256"
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
	err = b.make(func(db *bbolt.DB) (state, error) {
		n, err := salvage(db, s.current(), old, ruins(old, info.Size()))
		opening.Salvaged = n
		s.Quarantine = &Event{b.options.Now().UTC(), n, filepath.Base(corrupt)}
		return s, err
	})
	if err != nil {
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

// ruins lists the values of a damaged file in order of position. Copies in pages
// that bbolt has given up are among them.
func ruins(file *os.File, size int64) []flush.Found {
	var all []flush.Found
	flush.Scan(file, size, func(f flush.Found) { all = append(all, f) })
	slices.SortFunc(all, func(a, b flush.Found) int {
		// The fullest copy of an open value first: it has what the others have.
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(b.Size, a.Size), cmp.Compare(a.Offset, b.Offset))
	})
	return all
}

// salvage appends the records that were found, each once, renumbered from
// position 1 of a new epoch, and returns how many. Of one that had already been
// removed it costs a duplicate, which the hub absorbs.
func salvage(db *bbolt.DB, e epoch, file *os.File, found []flush.Found) (uint64, error) {
	const perTransaction = 200
	type place struct {
		position uint64
		record   [sha256.Size]byte
	}
	seen := make(map[place]struct{})
	last, head := e.Start-1, e.ID
	for batch := range slices.Chunk(found, perTransaction) {
		err := db.Update(func(tx *bbolt.Tx) error {
			for _, one := range batch {
				f, err := one.Read(file)
				if err != nil {
					continue // could be read a moment ago: the card is dying
				}
				fresh := f.Entries[:0:0]
				for i, entry := range f.Entries {
					p := place{f.First + uint64(i), sha256.Sum256(entry.Record)}
					if _, known := seen[p]; !known {
						seen[p] = struct{}{}
						fresh = append(fresh, entry)
					}
				}
				f.First, f.Epoch, f.Prev, f.Entries = last+1, e.Number, head, fresh
				if len(fresh) == 0 {
					continue
				}
				if last, head, err = put(tx, f); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return last + 1 - e.Start, nil
}
