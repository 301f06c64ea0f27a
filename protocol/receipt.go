package protocol

import (
	"errors"
	"fmt"
)

// Generation is one life of the hub. It rises when the hub was restored or
// found proof that it went back; agents follow it only upwards.
type Generation struct {
	ID     Hash   `json:"id"`
	Number uint64 `json:"number"` // from 1
}

// Receipt is the body of a receipt message: what the hub has stored durably of
// one site, by epoch. Its envelope's Seq is (generation number, revision).
type Receipt struct {
	Generation Generation   `json:"generation"`
	Epochs     []EpochStore `json:"epochs"`
}

// EpochStore says that everything of an epoch through a sequence is stored.
type EpochStore struct {
	Epoch   Hash   `json:"epoch"`
	Through uint64 `json:"through"` // 0: nothing yet
	Hash    Hash   `json:"hash"`    // h(Through)
	Fork    uint64 `json:"fork,omitempty"`
	// Fork is the lowest sequence at which a segment came that contradicts what
	// the hub holds; 0 when none did.
}

// MaxReceiptEpochs bounds a receipt: the epochs of a site that were last heard of.
const MaxReceiptEpochs = 8

// Check reports a receipt that contradicts itself.
func (r Receipt) Check() error {
	if r.Generation.Number == 0 || r.Generation.ID.IsZero() {
		return errors.New("receipt without a generation")
	}
	if len(r.Epochs) > MaxReceiptEpochs {
		return fmt.Errorf("receipt with %d epochs, the limit is %d", len(r.Epochs), MaxReceiptEpochs)
	}
	return nil
}

// Of returns what the receipt says of one epoch.
func (r Receipt) Of(epoch Hash) (EpochStore, bool) {
	for _, e := range r.Epochs {
		if e.Epoch == epoch {
			return e, true
		}
	}
	return EpochStore{}, false
}
