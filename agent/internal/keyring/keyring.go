// Package keyring holds the agent's own keys, what the agency's root says of the hub's,
// and the certificate by which brokers let the agent in. It lends what keys do; their
// bytes stay here and on this machine's disk.
//
// It knows the files of the data folder. It must not know messages, carriers or how a
// certificate is asked for.
//
// Beware: what is new stands beside what is old until it has proven itself. A
// certificate's key is on disk before it is asked for, and the former sealing key is
// erased only when something sealed to the new one has been opened: then the hub knows it.
package keyring

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// Files of the data folder. All are readable by their owner only.
const (
	identityFile = "agent.key"
	sealingFile  = "sealing.key"
	nextSealing  = "sealing.next.key"
	nextTLS      = "tls.next.key" // of the certificate that is being asked for
	passFile     = "pass.json"    // the present certificate, its key and the brokers, in one file: old or new, never between
	documentFile = "keys.json"
)

// Options say where the keys are and whom to believe.
type Options struct {
	Dir  string           // must exist
	Root seal.Fingerprint // of the agency's root key
	// Now is the time, or a lower bound of it where synchronised is false.
	Now func() (t time.Time, synchronised bool)
}

// Keyring is an agent's keys. It is safe for concurrent use.
type Keyring struct {
	o        Options
	identity seal.SigningKey
	created  bool
	changed  chan struct{} // capacity 1

	mu       sync.Mutex        // guards what follows
	sealing  []seal.SealingKey // the newest first; the second is the former one
	document trust.Document
	pass     pass
}

// pass is what lets the agent in at brokers.
type pass struct {
	Grant protocol.Grant `json:"grant"`
	Key   []byte         `json:"key"` // of the certificate: PKCS #8, DER

	certificate *tls.Certificate
}

// Open reads the keys, makes them on first use, and completes what a power cut
// interrupted.
func Open(o Options) (*Keyring, error) {
	k := &Keyring{o: o, changed: make(chan struct{}, 1)}
	var err error
	if k.identity, k.created, err = seal.LoadOrCreate(filepath.Join(o.Dir, identityFile)); err != nil {
		return nil, err
	}
	if err := k.openSealing(); err != nil {
		return nil, err
	}
	if err := k.openDocument(); err != nil {
		return nil, err
	}
	if err := k.openPass(); err != nil {
		return nil, err
	}
	return k, nil
}

// openDocument reads the newest keys document. One that cannot be used, because another
// root was configured or the disk spoiled it, is set aside: the hub has it again.
func (k *Keyring) openDocument() error {
	path := filepath.Join(k.o.Dir, documentFile)
	message, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read keys document: %w", err)
	}
	if k.document, err = trust.Open(k.o.Root, message); err != nil {
		k.document = trust.Document{}
		return durable.SetAside(path)
	}
	return nil
}

// openPass reads the certificate. A spoiled one is set aside: another is asked for with
// the identity key.
func (k *Keyring) openPass() error {
	path := filepath.Join(k.o.Dir, passFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	var p pass
	if err := json.Unmarshal(text, &p); err == nil {
		if p.certificate, err = pair(p.Grant.Certificate, p.Key); err == nil {
			k.pass = p
			return nil
		}
	}
	return durable.SetAside(path)
}

// pair makes a certificate and its key one.
func pair(der, key []byte) (*tls.Certificate, error) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	ec, ok := private.(*ecdsa.PrivateKey)
	if !ok || !ec.PublicKey.Equal(leaf.PublicKey) {
		return nil, ErrPair
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: ec, Leaf: leaf}, nil
}

// ErrPair says that a certificate is not of the key for which it was asked.
var ErrPair = errors.New("the certificate is not of this agent's key")

// Created reports whether the identity was made by this Open.
func (k *Keyring) Created() bool { return k.created }

// Identity lends the key that is the agent.
func (k *Keyring) Identity() seal.SigningKey { return k.identity }

// Changed has something after a keys document or a certificate has become another.
func (k *Keyring) Changed() <-chan struct{} { return k.changed }

func (k *Keyring) signal() {
	select {
	case k.changed <- struct{}{}:
	default: // one is waiting already
	}
}

// Trust is the newest keys document; zero while there is none.
func (k *Keyring) Trust() trust.Document {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.document
}

// Root is the fingerprint of the agency's root key.
func (k *Keyring) Root() seal.Fingerprint { return k.o.Root }

// Take keeps a keys document that the root signed, if it is newer than what is here.
// An older one is a refusal with the reason of a replay; the same again is nothing.
func (k *Keyring) Take(message []byte) (newer bool, err error) {
	d, err := trust.Open(k.o.Root, message)
	if err != nil {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.document.Newer(d):
		return false, &protocol.Refusal{Reason: protocol.ReasonReplay, Cause: fmt.Errorf("keys document %d after %d", d.Number(), k.document.Number())}
	case !d.Newer(k.document):
		return false, nil
	}
	if err := durable.Write(filepath.Join(k.o.Dir, documentFile), d.Message()); err != nil {
		return false, fmt.Errorf("keep keys document: %w", err)
	}
	k.document = d
	k.signal()
	return true, nil
}

// HubKey finds a signing key of the hub that counts now.
func (k *Keyring) HubKey(id seal.KeyID) (seal.PublicKey, bool) {
	now, _ := k.o.Now()
	return k.Trust().Key(id, now)
}

// Granted is what the hub granted last; false while nothing was.
func (k *Keyring) Granted() (protocol.Grant, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pass.Grant, k.pass.certificate != nil
}

// Client is the TLS for a listener of the hub, by what the root says now. Without a
// certificate only the listener for agents lets anybody in.
func (k *Keyring) Client(role trust.Role) *tls.Config {
	c := k.Trust().Client(role, k.o.Now)
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.pass.certificate == nil {
			return &tls.Certificate{}, nil
		}
		return k.pass.certificate, nil
	}
	return c
}

// Request is the public key, PKIX in DER, for which a certificate is to be asked. The
// key is on disk before this returns, and stays the same until Install.
func (k *Keyring) Request() ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, err := k.next()
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(key.Public())
}

// next reads the key for the next certificate, or makes it.
func (k *Keyring) next() (*ecdsa.PrivateKey, error) {
	path := filepath.Join(k.o.Dir, nextTLS)
	text, err := os.ReadFile(path)
	if err == nil {
		if block, _ := pem.Decode(text); block != nil {
			if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				if key, ok := parsed.(*ecdsa.PrivateKey); ok {
					return key, nil
				}
			}
		}
		if err := durable.SetAside(path); err != nil { // nobody knows it yet: another one does
			return nil, fmt.Errorf("set damaged key aside: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read key for a certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key for a certificate: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err == nil {
		err = durable.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	if err != nil {
		return nil, fmt.Errorf("write key for a certificate: %w", err)
	}
	return key, nil
}

// Install takes what the hub granted for the key of Request. From then on the new
// certificate is used, and a new sealing key is begun.
func (k *Keyring) Install(g protocol.Grant) error {
	if err := g.Check(); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	key, err := k.next()
	if err != nil {
		return err
	}
	p := pass{Grant: g}
	if p.Key, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return err
	}
	if p.certificate, err = pair(g.Certificate, p.Key); err != nil {
		return fmt.Errorf("take certificate: %w", err)
	}
	text, err := json.Marshal(p)
	if err == nil {
		err = durable.Write(filepath.Join(k.o.Dir, passFile), text)
	}
	if err != nil {
		return fmt.Errorf("keep certificate: %w", err)
	}
	first := k.pass.certificate == nil
	k.pass = p
	// A key that is left here by a power cut is only asked for again.
	if err := os.Remove(filepath.Join(k.o.Dir, nextTLS)); err != nil {
		return fmt.Errorf("remove key of the certificate: %w", err)
	}
	if !first {
		err = k.beginSealing()
	}
	k.signal()
	return err
}
