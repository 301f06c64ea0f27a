package buffer

import (
	"errors"
	"os"

	"go.etcd.io/bbolt"
)

// extend makes the file longer, by written zeros, before a transaction would do it
// by a hole. A full disk is then noticed here, where nothing is at stake, and not
// in the middle of a commit or as a fault of the mapped file; and a commit into
// blocks that exist needs no journal of the file system, which makes it faster.
func (b *Buffer) extend(need int64) error {
	var end int64
	if err := b.view(func(tx *bbolt.Tx) error { end = tx.Size(); return nil }); err != nil {
		return err
	}
	info, err := os.Stat(b.path)
	if err != nil {
		return err
	}
	step := int64(growth(b.options.MaxBytes))
	target := (end + need + step) / step * step
	target = min(target, b.options.MaxBytes)
	if end+need <= info.Size() || target <= info.Size() {
		return nil
	}
	file, err := os.OpenFile(b.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(make([]byte, target-info.Size()), info.Size())
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
