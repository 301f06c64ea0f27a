package buffer

import (
	"bytes"
	"os"

	"go.etcd.io/bbolt"
)

// compact writes a file that is more than half free anew, once it has grown to an
// eighth of what it may. It would never shrink by itself.
func (b *Buffer) compact() (bool, error) {
	info, err := os.Stat(b.path)
	if err != nil {
		return false, err
	}
	used, err := b.used()
	if err != nil || info.Size() <= b.options.MaxBytes/8 || used > info.Size()/2 {
		return false, err
	}
	old := b.db
	err = b.make(func(db *bbolt.DB) (state, error) {
		return b.state, guard(func() error { return copyBuckets(db, old) })
	})
	if err != nil {
		return false, err
	}
	if err := b.closeFile(); err != nil {
		return false, err
	}
	if err := b.adopt(); err != nil {
		return false, err
	}
	return true, b.openFile()
}

// copyBuckets copies every value, in transactions of bounded size.
func copyBuckets(to, from *bbolt.DB) error {
	const perTransaction = 1 << 20
	return from.View(func(source *bbolt.Tx) error {
		for _, name := range buckets() {
			c := source.Bucket(name).Cursor()
			for k, v := c.First(); k != nil; {
				err := to.Update(func(tx *bbolt.Tx) error {
					bucket := tx.Bucket(name)
					bucket.FillPercent = 1
					for size := 0; k != nil && size < perTransaction; k, v = c.Next() {
						if err := bucket.Put(bytes.Clone(k), bytes.Clone(v)); err != nil {
							return err
						}
						size += len(k) + len(v)
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}
