package protocol

import (
	"errors"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Hub is the body of the hub's own state: its birth and its last will. On a
// birth agents announce themselves again.
type Hub struct {
	Status     HubStatus  `json:"status"`
	Generation Generation `json:"generation"`
	Version    string     `json:"version"`
}

// HubStatus is whether the hub is there.
type HubStatus string

// The hub is born after it has put its retained messages in order.
const (
	HubBorn HubStatus = "born"
	HubGone HubStatus = "gone"
)

// Check reports a state of the hub that says nothing.
func (h Hub) Check() error {
	if h.Status != HubBorn && h.Status != HubGone || h.Generation.Number == 0 {
		return errors.New("hub state without a known status and a generation")
	}
	return nil
}

// KeyList is the body of the hub's keys document. An agent takes a key from it only
// when its fingerprint is the one that the agent's configuration names.
type KeyList struct {
	Signing []seal.PublicKey `json:"signing"`
	// Sealing are the keys to which sites seal; the first one is used.
	Sealing []seal.SealingPublic `json:"sealing,omitempty"`
}

// Check reports a document without use.
func (k KeyList) Check() error {
	if len(k.Signing) == 0 || len(k.Signing) > 16 || len(k.Sealing) > 16 {
		return errors.New("keys document without a signing key, or with more than 16 keys")
	}
	return nil
}
