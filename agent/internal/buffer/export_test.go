package buffer

import (
	"go.etcd.io/bbolt"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Inside is what a test may see of a buffer that nobody else needs.
type Inside struct {
	First, Last, Proven uint64 // positions
	Order               protocol.Seq
	Epochs              int
	Records             [][]byte // canonical, from First
}

// Inspect reads it.
func (b *Buffer) Inspect() (Inside, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in := Inside{Last: b.last, Proven: b.state.current().Proven, Order: b.state.Order, Epochs: len(b.state.Epochs)}
	err := b.view(func(tx *bbolt.Tx) error {
		in.First = firstKept(tx, b.last)
		for f, err := range ascend(tx, 0) {
			if err != nil {
				return err
			}
			for _, e := range f.Entries {
				in.Records = append(in.Records, e.Record)
			}
		}
		return nil
	})
	return in, err
}
