package protocol

import (
	"errors"
	"fmt"
	"time"

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

// KeyList is the body of the keys document: by which keys the hub speaks, reads and is
// reached. The agency's root key signs it, and the root's fingerprint is in every
// agent's configuration. Its envelope's order is (1, number), and the newest counts: a
// key that it does not name is a key of nobody, however it was trusted before.
type KeyList struct {
	Root    seal.PublicKey `json:"root"`    // signs this document
	Signing []HubKey       `json:"signing"` // of the hub; the first one is the present one
	// Sealing are the keys to which sites seal; the first one is used.
	Sealing []seal.SealingPublic `json:"sealing"`
	// Authorities issue the certificates of the hub's listeners: X.509, DER.
	Authorities [][]byte `json:"authorities,omitempty"`
	// Release are the keys that sign what agents may run.
	Release []seal.PublicKey `json:"release,omitempty"`
}

// HubKey is a signing key of the hub.
type HubKey struct {
	Key seal.PublicKey `json:"key"`
	// Until is when it stops counting; null: with the document that no longer names it.
	Until *time.Time `json:"until"`
}

// maxKeys is how many keys of a kind a document names at most.
const maxKeys = 16

// Check reports a document without use.
func (k KeyList) Check() error {
	switch {
	case k.Root.IsZero():
		return errors.New("keys document without the root key")
	case len(k.Signing) == 0 || len(k.Sealing) == 0:
		return errors.New("keys document without a signing key or without a sealing key")
	case len(k.Signing) > maxKeys || len(k.Sealing) > maxKeys || len(k.Authorities) > maxKeys || len(k.Release) > maxKeys:
		return fmt.Errorf("keys document with more than %d keys of a kind", maxKeys)
	}
	for _, h := range k.Signing {
		if h.Key.IsZero() {
			return errors.New("keys document with an empty signing key")
		}
	}
	return nil
}
