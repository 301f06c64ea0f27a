package buffer

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Verdict is what a receipt was found to be.
type Verdict string

// Only an applied receipt changes anything.
const (
	Applied         Verdict = "applied"
	Known           Verdict = "known"            // the same again: it is retained and comes with every connection
	Replayed        Verdict = "replayed"         // an older one of this generation
	OlderGeneration Verdict = "older-generation" // of a life of the hub that is over
	OtherHub        Verdict = "other-hub"        // this generation's number with another id
	Behind          Verdict = "behind"           // newer, but over less than was proven: the hub went back and does not know it yet
)

// Causes of events.
const (
	CauseBeyondLast      = "beyond-last"      // the hub holds more of the epoch than is here: an older copy of the folder was put back
	CauseOtherHash       = "other-hash"       // the hub holds other records: two agents on copies of one folder
	CauseOtherGeneration = "other-generation" // the hub was restored
)

// Outcome is what a receipt did.
type Outcome struct {
	Verdict   Verdict
	Proven    uint64 // records newly proven stored
	NewEpoch  bool   // everything unproven is sent again, from sequence 1 of the new epoch
	Cause     string // of the new epoch
	Missing   uint64 // records that neither the hub nor this buffer holds any more: cursors are forgotten, the terminals must be read whole
	Restored  bool   // a new generation took the place of an older one
	Elsewhere bool   // the hub saw other records than ours under our epoch, ours are the ones it keeps: the key is in two places
}

// Apply acts on a receipt whose signature was checked. message is its envelope
// as it came, order the envelope's. What it says is compared with our own chain:
// an equal hash proves that everything through it is stored, anything else that
// the hub holds another story (a fork). Order and consequence become durable in
// one transaction, before Apply returns.
func (b *Buffer) Apply(message []byte, order protocol.Seq, r protocol.Receipt) (Outcome, error) {
	if err := r.Check(); err != nil {
		return Outcome{}, fmt.Errorf("apply receipt: %w", err)
	}
	if order.Life != r.Generation.Number {
		return Outcome{}, fmt.Errorf("apply receipt: order %s in generation %d", order, r.Generation.Number)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	outcome, err := b.apply(message, order, r)
	if err != nil {
		return Outcome{}, fmt.Errorf("apply receipt %s: %w", order, err)
	}
	b.verdicts[outcome.Verdict]++
	return outcome, nil
}

func (b *Buffer) apply(message []byte, order protocol.Seq, r protocol.Receipt) (Outcome, error) {
	var next state
	var outcome Outcome
	err := b.view(func(tx *bbolt.Tx) (err error) {
		j := judge{
			state: b.state, last: b.last, first: firstKept(tx, b.last),
			hash: func(e epoch, position uint64) (protocol.Hash, bool, error) {
				way := &waypoints{}
				if e.Number == b.state.current().Number {
					way = &b.way
				}
				return hashAt(tx, e, position, way)
			},
		}
		next, outcome, err = j.receipt(order, r)
		return err
	})
	if err != nil || outcome.Verdict != Applied {
		return outcome, err
	}
	if outcome.NewEpoch {
		event := &Event{b.options.Now().UTC(), b.last + 1 - next.current().Start, outcome.Cause}
		next.Fork = event
		if outcome.Missing > 0 {
			next.Gap = &Event{event.At, outcome.Missing, outcome.Cause}
		}
	}
	// A receipt that contradicts us leaves the one before it in its place: should
	// the hub have gone back before it came to hold another story, that is the
	// evidence by which it learns so. A new generation has learned it already.
	replace := len(b.receipt) == 0 || !outcome.NewEpoch || outcome.Restored
	err = b.update(func(tx *bbolt.Tx) error {
		if outcome.Missing > 0 {
			if err := forget(tx); err != nil {
				return err
			}
		}
		if replace {
			if err := tx.Bucket(bucketReceipt).Put(keyReceipt, withSum(message)); err != nil {
				return err
			}
		}
		return writeState(tx, next)
	})
	if err != nil {
		return Outcome{}, err
	}
	b.state = next
	if replace {
		b.receipt = append([]byte(nil), message...)
	}
	if outcome.NewEpoch {
		if err := b.view(b.load); err != nil { // the chain has another head now
			return Outcome{}, err
		}
		b.signal()
	}
	return outcome, nil
}

// forget makes the collector read every terminal from its start. The records
// that are still here keep their marks: they are sent again from here.
func forget(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketCursor, bucketMark} {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return nil
}

// judge decides what a receipt means. It reads and changes nothing.
type judge struct {
	state       state
	first, last uint64 // positions kept; first is last+1 for none
	hash        func(e epoch, position uint64) (hash protocol.Hash, known bool, err error)
}

func (j judge) receipt(order protocol.Seq, r protocol.Receipt) (state, Outcome, error) {
	s, g := j.state, r.Generation
	switch {
	case g.Number < s.Generation.Number:
		return s, Outcome{Verdict: OlderGeneration}, nil
	case g.Number == s.Generation.Number && g.ID != s.Generation.ID:
		return s, Outcome{Verdict: OtherHub}, nil
	case order == s.Order:
		return s, Outcome{Verdict: Known}, nil
	case g == s.Generation && order.Less(s.Order):
		return s, Outcome{Verdict: Replayed}, nil
	}
	next := s
	next.Generation, next.Order = g, order
	if g == s.Generation {
		return j.same(next, r)
	}
	return j.risen(next, r)
}

// same judges a newer receipt of the generation that we know. The mark only
// moves forward in it.
func (j judge) same(next state, r protocol.Receipt) (state, Outcome, error) {
	e := j.state.current()
	if j.state.receiptedMore(r) {
		return j.state, Outcome{Verdict: Behind}, nil
	}
	proven := e.Proven + 1 - e.Start
	store, _ := r.Of(e.ID)
	if store.Through <= proven && (store.Through == 0 || store.Hash == e.Hash) || store.Through < proven {
		return next.withReceipted(r), Outcome{Verdict: Applied}, nil
	}
	equal, cause, err := j.compare(e, store)
	if err != nil {
		return j.state, Outcome{}, err
	}
	if !equal {
		next = next.withEpoch(protocol.NewEpoch(), e.Proven+1)
		return next, Outcome{Verdict: Applied, NewEpoch: true, Cause: cause}, nil
	}
	next = next.withReceipted(r).withProven(e.Start+store.Through-1, store.Hash)
	return next, Outcome{Verdict: Applied, Proven: store.Through - proven, Elsewhere: store.Fork != 0}, nil
}

// risen judges the first receipt of a new generation: the mark is what this hub
// proves to hold, even if that is less than before.
func (j judge) risen(next state, r protocol.Receipt) (state, Outcome, error) {
	before := j.state.current()
	next = next.withReceipted(r)
	outcome := Outcome{Verdict: Applied, Restored: j.state.Generation.Number != 0}
	through, err := j.covered(r)
	if err != nil {
		return j.state, Outcome{}, err
	}
	store, _ := r.Of(before.ID)
	equal, cause := true, ""
	if store.Through > 0 {
		if equal, cause, err = j.compare(before, store); err != nil {
			return j.state, Outcome{}, err
		}
	}
	// The epoch goes on when the hub has everything before it, nothing else under
	// its name, and when what follows is still here.
	proven := before.Start - 1
	if equal {
		proven += store.Through
	}
	if equal && through+1 >= before.Start && proven+1 >= j.first {
		hash := before.ID
		if store.Through > 0 {
			hash = store.Hash
		}
		if proven > before.Proven {
			outcome.Proven = proven - before.Proven
		}
		outcome.Elsewhere = store.Fork != 0
		return next.withProven(proven, hash), outcome, nil
	}
	if cause == "" {
		cause = CauseOtherGeneration
	}
	if through+1 < j.first {
		outcome.Missing = j.first - (through + 1)
	}
	outcome.NewEpoch, outcome.Cause = true, cause
	return next.withEpoch(protocol.NewEpoch(), max(through+1, j.first)), outcome, nil
}

// covered returns the position through which a receipt proves that every record
// from the very first one is stored, under whichever epochs.
func (j judge) covered(r protocol.Receipt) (uint64, error) {
	through := uint64(0)
	for grown := true; grown; {
		grown = false
		for _, e := range j.state.Epochs {
			store, found := r.Of(e.ID)
			if !found || store.Through == 0 || e.Start > through+1 {
				continue
			}
			equal, _, err := j.compare(e, store)
			if err != nil {
				return 0, err
			}
			if position := e.Start + store.Through - 1; equal && position > through {
				through, grown = position, true
			}
		}
	}
	return through, nil
}

var errChain = errors.New("own chain is not known where it must be")

// compare holds what the hub says of an epoch against our own chain. What is no
// longer known of an older epoch proves nothing.
func (j judge) compare(e epoch, store protocol.EpochStore) (equal bool, cause string, err error) {
	if store.Through > j.last+1-e.Start { // also e.Start == last+1
		return false, CauseBeyondLast, nil
	}
	position := e.Start + store.Through - 1
	hash, known, err := j.hash(e, position)
	if err != nil {
		return false, "", err
	}
	if !known && position >= max(j.first, j.state.current().Proven) && e.Number == j.state.current().Number {
		return false, "", fmt.Errorf("%w: position %d", errChain, position)
	}
	if !known {
		return false, "", nil
	}
	if hash != store.Hash {
		return false, CauseOtherHash, nil
	}
	return true, "", nil
}
