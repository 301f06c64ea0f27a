// Package trust is what agents and tools believe of a hub: the keys document, signed by
// the agency's root key, of which they know the fingerprint and nothing else.
//
// It knows signatures, the order of documents and how to talk TLS to a hub that the
// document vouches for. It must not know who asks, and it keeps nothing: whoever needs
// the newest document over a restart keeps its Message.
//
// Beware: a certificate that the whole world trusts proves nothing here. The hub's
// listeners stand under the document's own authorities, and under no other.
package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// life is the first half of each document's order: the root has only one.
const life = 1

// ErrRoot says that a document is not signed by the root key that was asked for.
var ErrRoot = errors.New("the keys document is not signed by the agency's root key; compare the root's fingerprint in the configuration with that of `sidik-provision root show`")

// Document is a keys document whose signature was checked. The zero value trusts nobody.
type Document struct {
	list    protocol.KeyList
	order   protocol.Seq
	at      time.Time
	message []byte
	pool    *x509.CertPool
}

// Request is what a hub asks the root to sign, carried by hand. It holds public halves
// only.
type Request struct {
	Number uint64           `json:"number"` // of the document that it would replace; 0: none
	Keys   protocol.KeyList `json:"keys"`   // without the root
}

// ParseRequest reads a request as it came from the hub.
func ParseRequest(text []byte) (r Request, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Request{}, fmt.Errorf("read key request: %w; make it with: sidik-hub key request", err)
	}
	return r, nil
}

// Sign writes a keys document. number must be above that of the document before; at is
// when the root signs it.
func Sign(root seal.SigningKey, number uint64, at time.Time, list protocol.KeyList) ([]byte, error) {
	list.Root = root.Public()
	if err := list.Check(); err != nil {
		return nil, err
	}
	if _, err := authorities(list); err != nil {
		return nil, err
	}
	return protocol.Seal(protocol.Envelope{
		Kind: protocol.KindKeys, Site: protocol.HubSite, Seq: protocol.Seq{Life: life, Counter: number}, At: &at,
	}, list, root)
}

// Open reads a keys document and checks that this root signed it. Its error is a
// *protocol.Refusal, and ErrRoot where the root is another one.
func Open(root seal.Fingerprint, message []byte) (Document, error) {
	e, err := protocol.Parse("", message)
	if err != nil {
		return Document{}, err
	}
	if e.Kind != protocol.KindKeys || e.Site != protocol.HubSite || e.Subject != "" || e.At == nil || e.Seq.Life != life || e.Seq.Counter == 0 {
		return Document{}, &protocol.Refusal{Reason: protocol.ReasonForm, Cause: fmt.Errorf("a %s message of %s in place of the keys document", e.Kind, e.Site)}
	}
	var list protocol.KeyList
	if err := e.Into(&list); err != nil {
		return Document{}, err
	}
	if list.Root.Fingerprint() != root || !e.SignedBy(list.Root) {
		return Document{}, &protocol.Refusal{Reason: protocol.ReasonKey, Cause: ErrRoot}
	}
	pool, err := authorities(list)
	if err != nil {
		return Document{}, &protocol.Refusal{Reason: protocol.ReasonBody, Cause: err}
	}
	return Document{list: list, order: e.Seq, at: *e.At, message: message, pool: pool}, nil
}

// authorities reads the certificates of a list.
func authorities(list protocol.KeyList) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for i, der := range list.Authorities {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("authority %d of the keys document: %w", i+1, err)
		}
		if !c.IsCA {
			return nil, fmt.Errorf("authority %d of the keys document is no authority", i+1)
		}
		pool.AddCert(c)
	}
	return pool, nil
}

// IsZero reports whether there is no document.
func (d Document) IsZero() bool { return len(d.list.Signing) == 0 }

// Newer reports whether d counts in place of o: it is another and later one.
func (d Document) Newer(o Document) bool { return o.order.Less(d.order) }

// Number is the document's number, from 1.
func (d Document) Number() uint64 { return d.order.Counter }

// At is when the root signed the document.
func (d Document) At() time.Time { return d.at }

// Message is the document as it travels.
func (d Document) Message() []byte { return d.message }

// Keys is what the document says. It must not be changed.
func (d Document) Keys() protocol.KeyList { return d.list }

// Hub is the hub's present signing key, to which messages are addressed.
func (d Document) Hub() seal.PublicKey {
	if d.IsZero() {
		return seal.PublicKey{}
	}
	return d.list.Signing[0].Key
}

// Sealing is the key to which sites seal for the hub.
func (d Document) Sealing() seal.SealingPublic {
	if len(d.list.Sealing) == 0 {
		return seal.SealingPublic{}
	}
	return d.list.Sealing[0]
}

// Key finds a signing key of the hub that counts at a time, which may be a lower bound.
func (d Document) Key(id seal.KeyID, now time.Time) (seal.PublicKey, bool) {
	for _, h := range d.list.Signing {
		if h.Key.KeyID() == id {
			return h.Key, h.Until == nil || now.Before(*h.Until)
		}
	}
	return seal.PublicKey{}, false
}
