package buffer

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer/flush"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// A record that was pruned leaves its mark behind, because the terminal may
// still hold the row, and without the mark the row would count as new. Marks of
// pruned records stand by terminal in chunks of up to chunkMarks, four to a page.
const chunkMarks = 120

func chunkPrefix(serial protocol.Serial) []byte { return append([]byte(serial), 0) }

// Marks returns how often each mark of a terminal was appended: by records that
// are here and by pruned ones that the terminal may still hold.
func (b *Buffer) Marks(serial protocol.Serial) (map[uint64]uint32, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.release()
	marks := make(map[uint64]uint32)
	err := b.view(func(tx *bbolt.Tx) error {
		return eachMark(tx, serial, func(mark uint64) { marks[mark]++ })
	})
	if err != nil {
		return nil, fmt.Errorf("read marks of terminal %s: %w", serial, err)
	}
	return marks, nil
}

func eachMark(tx *bbolt.Tx, serial protocol.Serial, visit func(uint64)) error {
	for f, err := range ascend(tx, 0) {
		if err != nil {
			return err
		}
		if f.Serial != serial {
			continue
		}
		for _, e := range f.Entries {
			visit(e.Mark)
		}
	}
	return eachChunk(tx, serial, func(_ []byte, marks []uint64) error {
		for _, m := range marks {
			visit(m)
		}
		return nil
	})
}

// KeepMarks forgets the marks of pruned records for which keep says no: those
// that a complete read of the terminal no longer showed. Marks of records that
// are still here stay.
func (b *Buffer) KeepMarks(serial protocol.Serial, keep func(mark uint64) bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	type chunk struct {
		key   []byte
		marks []uint64
	}
	var changed []chunk
	err := b.view(func(tx *bbolt.Tx) error {
		return eachChunk(tx, serial, func(k []byte, marks []uint64) error {
			kept := make([]uint64, 0, len(marks))
			for _, m := range marks {
				if keep(m) {
					kept = append(kept, m)
				}
			}
			if len(kept) != len(marks) {
				changed = append(changed, chunk{bytes.Clone(k), kept})
			}
			return nil
		})
	})
	if err == nil && len(changed) > 0 {
		err = b.update(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket(bucketMark)
			for _, c := range changed {
				if len(c.marks) == 0 {
					if err := bucket.Delete(c.key); err != nil {
						return err
					}
					continue
				}
				if err := bucket.Put(c.key, marksValue(c.marks)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("forget marks of terminal %s: %w", serial, err)
	}
	return nil
}

// foldMarks adds the marks of a flush that is about to go to its terminal's chunks.
func foldMarks(tx *bbolt.Tx, f flush.Flush) error {
	bucket, prefix := tx.Bucket(bucketMark), chunkPrefix(f.Serial)
	marks := make([]uint64, 0, chunkMarks)
	number := uint64(1)
	c := bucket.Cursor()
	var v []byte
	k, _ := c.Seek(append(bytes.Clone(prefix), 0xff)) // after its last chunk
	if k == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	if bytes.HasPrefix(k, prefix) {
		last, err := parseMarks(v)
		if err != nil {
			return err
		}
		number = binary.BigEndian.Uint64(k[len(prefix):])
		marks = append(marks, last...)
	}
	for rest := f.Entries; len(rest) > 0; number++ {
		for len(rest) > 0 && len(marks) < chunkMarks {
			marks = append(marks, rest[0].Mark)
			rest = rest[1:]
		}
		if err := bucket.Put(binary.BigEndian.AppendUint64(bytes.Clone(prefix), number), marksValue(marks)); err != nil {
			return err
		}
		marks = marks[:0]
	}
	return nil
}

func eachChunk(tx *bbolt.Tx, serial protocol.Serial, visit func(k []byte, marks []uint64) error) error {
	prefix := chunkPrefix(serial)
	c := tx.Bucket(bucketMark).Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		marks, err := parseMarks(v)
		if err != nil {
			return err
		}
		if err := visit(k, marks); err != nil {
			return err
		}
	}
	return nil
}

func marksValue(marks []uint64) []byte {
	b := make([]byte, 0, 8*len(marks))
	for _, m := range marks {
		b = binary.BigEndian.AppendUint64(b, m)
	}
	return withSum(b)
}

func parseMarks(value []byte) ([]uint64, error) {
	b, err := checked(value)
	if err != nil {
		return nil, fmt.Errorf("read marks: %w", err)
	}
	if len(b)%8 != 0 {
		return nil, fmt.Errorf("%w: %d bytes are no marks", ErrDamaged, len(b))
	}
	marks := make([]uint64, len(b)/8)
	for i := range marks {
		marks[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	return marks, nil
}
