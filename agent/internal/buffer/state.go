package buffer

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// epoch is one numbering of the records: sequence = position − Start + 1.
type epoch struct {
	Number uint32        `json:"number"` // rises; tells under which epoch a flush was hashed
	ID     protocol.Hash `json:"id"`     // h(0)
	Start  uint64        `json:"start"`  // position of its sequence 1
	Proven uint64        `json:"proven"` // last position proven stored under it; Start−1 for none
	Hash   protocol.Hash `json:"hash"`   // its chain's hash there

	// Receipted is the sequence through which the newest receipt that is kept says
	// to hold it, true or not. Less later means that the hub went back.
	Receipted uint64 `json:"receipted"`
}

// maxEpochs is how many epochs are remembered: twice of what a receipt names.
const maxEpochs = 2 * protocol.MaxReceiptEpochs

// state is what a buffer knows besides its records.
type state struct {
	Boot       uint64              `json:"boot"`
	Epochs     []epoch             `json:"epochs"` // the last one is current; never empty
	Generation protocol.Generation `json:"generation"`
	Order      protocol.Seq        `json:"order"` // of the newest receipt acted upon
	Fork       *Event              `json:"fork,omitempty"`
	Gap        *Event              `json:"gap,omitempty"`
	Quarantine *Event              `json:"quarantine,omitempty"`
}

// Event is something that a person should be able to see later.
type Event struct {
	At      time.Time `json:"at"`
	Records uint64    `json:"records"` // concerned: to be sent again, missing, or salvaged
	Cause   string    `json:"cause"`   // a word, see Outcome.Cause; for a quarantine the file's name
}

func newState() state {
	id := protocol.NewEpoch()
	return state{Epochs: []epoch{{Number: 1, ID: id, Start: 1, Proven: 0, Hash: id}}}
}

func (s state) current() epoch { return s.Epochs[len(s.Epochs)-1] }

// withEpoch returns the state with a new epoch that begins at a position.
func (s state) withEpoch(id protocol.Hash, start uint64) state {
	next := epoch{Number: s.current().Number + 1, ID: id, Start: start, Proven: start - 1, Hash: id}
	s.Epochs = append(append([]epoch(nil), s.Epochs...), next)
	if n := len(s.Epochs); n > maxEpochs {
		s.Epochs = s.Epochs[n-maxEpochs:]
	}
	return s
}

// withProven returns the state with the current epoch proven through a position.
func (s state) withProven(position uint64, hash protocol.Hash) state {
	s.Epochs = append([]epoch(nil), s.Epochs...)
	e := &s.Epochs[len(s.Epochs)-1]
	e.Proven, e.Hash = position, hash
	return s
}

// withReceipted returns the state with what a receipt says of each epoch, true
// or not.
func (s state) withReceipted(r protocol.Receipt) state {
	s.Epochs = append([]epoch(nil), s.Epochs...)
	for i := range s.Epochs {
		store, found := r.Of(s.Epochs[i].ID)
		if found || len(r.Epochs) < protocol.MaxReceiptEpochs {
			s.Epochs[i].Receipted = store.Through
		}
	}
	return s
}

// receiptedMore reports whether the kept receipt says that the hub holds more than
// r says. An epoch that a full receipt does not name says nothing.
func (s state) receiptedMore(r protocol.Receipt) bool {
	for _, e := range s.Epochs {
		store, found := r.Of(e.ID)
		if (found || len(r.Epochs) < protocol.MaxReceiptEpochs) && store.Through < e.Receipted {
			return true
		}
	}
	return false
}

func (s state) check() error {
	if len(s.Epochs) == 0 {
		return fmt.Errorf("%w: state without an epoch", ErrDamaged)
	}
	for i, e := range s.Epochs {
		if e.Start == 0 || e.Proven+1 < e.Start || i > 0 && e.Number <= s.Epochs[i-1].Number {
			return fmt.Errorf("%w: state with an impossible epoch", ErrDamaged)
		}
	}
	return nil
}

var (
	keyState   = []byte("state")
	keyReceipt = []byte("newest")
)

// readState returns the state and a copy of the newest receipt.
func readState(tx *bbolt.Tx) (state, []byte, error) {
	for _, name := range buckets() {
		if tx.Bucket(name) == nil {
			return state{}, nil, fmt.Errorf("%w: no bucket %s", ErrDamaged, name)
		}
	}
	bucket := tx.Bucket(bucketState)
	text, err := checked(bucket.Get(keyState))
	if err != nil {
		return state{}, nil, fmt.Errorf("read state: %w", err)
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return state{}, nil, fmt.Errorf("read state: %w: %w", ErrDamaged, err)
	}
	if err := s.check(); err != nil {
		return state{}, nil, err
	}
	receipt := tx.Bucket(bucketReceipt).Get(keyReceipt)
	if receipt == nil {
		return s, nil, nil
	}
	receipt, err = checked(receipt)
	if err != nil {
		return state{}, nil, fmt.Errorf("read newest receipt: %w", err)
	}
	return s, append([]byte(nil), receipt...), nil
}

func writeState(tx *bbolt.Tx, s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return tx.Bucket(bucketState).Put(keyState, withSum(text))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// withSum puts a checksum before a value: bbolt has none of its own.
func withSum(value []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(value)), crc32.Checksum(value, castagnoli))
	return append(b, value...)
}

// checked returns the value behind its checksum. It aliases b.
func checked(b []byte) ([]byte, error) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) {
		return nil, fmt.Errorf("%w: wrong checksum", ErrDamaged)
	}
	return b[4:], nil
}
