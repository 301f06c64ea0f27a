// Package keyring holds the hub's own keys, those it works with and those it worked
// with before, and the keys document by which the agency's root key vouches for them.
// It lends what keys do; their bytes stay here.
//
// It knows the files of the data folder. It must not know messages, sites or the
// root's key: that one never comes near a hub.
//
// Beware: a key takes its place when the root has signed it, and not before. Prepare
// makes the next keys, Install takes the signed document, and the change is complete at
// the next Open, also after a power cut in the middle.
package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// Files of the data folder. A former key has its id in its name.
const (
	signingFile  = "hub.key"
	sealingFile  = "sealing.key"
	nextSigning  = "hub.next.key"
	nextSealing  = "sealing.next.key"
	documentFile = "keys.json"

	formerSigning = "hub-*.key"
	formerSealing = "sealing-*.key"
)

// Files are the names, or patterns of names, of all that a copy of the keys must hold.
func Files() []string {
	return []string{signingFile, sealingFile, nextSigning, nextSealing, documentFile, formerSigning, formerSealing}
}

// Keyring is a hub's keys. It does not change after Open.
type Keyring struct {
	signing  []seal.SigningKey // the present one first
	sealing  []seal.SealingKey
	document trust.Document
	created  bool
}

// Open reads the keys in a data folder, which must exist, and makes them on first use.
// What was signed by the root since the last time takes its place now.
func Open(dir string) (*Keyring, error) {
	k := &Keyring{}
	var err error
	if k.document, err = readDocument(dir); err != nil {
		return nil, err
	}
	if err := promote(dir, k.document); err != nil {
		return nil, err
	}
	signing, madeSigning, err := seal.LoadOrCreate(filepath.Join(dir, signingFile))
	if err != nil {
		return nil, err
	}
	sealing, _, err := seal.LoadOrCreateSealing(filepath.Join(dir, sealingFile))
	if err != nil {
		return nil, err
	}
	k.created = madeSigning
	if k.signing, err = former(dir, formerSigning, signing, seal.Load); err != nil {
		return nil, err
	}
	if k.sealing, err = former(dir, formerSealing, sealing, seal.LoadSealing); err != nil {
		return nil, err
	}
	if err := k.vouched(); err != nil {
		return nil, err
	}
	return k, nil
}

// ErrNotVouched says that the keys document names other keys than the folder holds.
var ErrNotVouched = errors.New("the keys document is not for this hub's keys; put back the key files that belong to it, or have the root sign these: sidik-hub key request")

// vouched compares the keys with the document.
func (k *Keyring) vouched() error {
	if k.document.IsZero() {
		return nil
	}
	if k.document.Hub() != k.Signing().Public() || k.document.Sealing() != k.Sealing() {
		return fmt.Errorf("open hub's keys: %w", ErrNotVouched)
	}
	return nil
}

// former are the keys that a pattern finds, behind the present one.
func former[K any](dir, pattern string, present K, load func(string) (K, error)) ([]K, error) {
	keys := []K{present}
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		key, err := load(path)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func readDocument(dir string) (trust.Document, error) {
	path := filepath.Join(dir, documentFile)
	message, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return trust.Document{}, nil
	}
	if err != nil {
		return trust.Document{}, fmt.Errorf("read keys document: %w", err)
	}
	d, err := open(message)
	if err != nil {
		return trust.Document{}, fmt.Errorf("read keys document %s: %w", path, err)
	}
	return d, nil
}

// open reads a document by the root that it names itself: which root counts was decided
// when it was installed.
func open(message []byte) (trust.Document, error) {
	message = []byte(strings.TrimSpace(string(message)))
	e, err := protocol.Parse("", message)
	if err != nil {
		return trust.Document{}, err
	}
	var list protocol.KeyList
	if err := e.Into(&list); err != nil {
		return trust.Document{}, err
	}
	return trust.Open(list.Root.Fingerprint(), message)
}

// Created reports whether the keys were made by this Open.
func (k *Keyring) Created() bool { return k.created }

// Signing lends the present signing key.
func (k *Keyring) Signing() seal.SigningKey { return k.signing[0] }

// Sealing is the present key to which sites seal.
func (k *Keyring) Sealing() seal.SealingPublic { return k.sealing[0].Public() }

// Document is the newest keys document; zero while the root has signed none.
func (k *Keyring) Document() trust.Document { return k.document }

// Public finds one of the hub's signing keys, a former one too: what it signed is
// evidence, and agents that slept address it.
func (k *Keyring) Public(id seal.KeyID) (seal.PublicKey, bool) {
	for _, key := range k.signing {
		if key.Public().KeyID() == id {
			return key.Public(), true
		}
	}
	return seal.PublicKey{}, false
}

// Open opens what was sealed to the present key or to a former one.
func (k *Keyring) Open(purpose seal.Purpose, box seal.Box) ([]byte, error) {
	for _, key := range k.sealing {
		if key.Public().KeyID() == box.To {
			return key.Open(purpose, box)
		}
	}
	return k.sealing[0].Open(purpose, box) // says for whom it is
}
