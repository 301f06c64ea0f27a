// Package trusttest is the agency's root for tests: a key in memory that vouches for hubs.
package trusttest

import (
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// Root is a root key.
type Root struct{ key seal.SigningKey }

// NewRoot makes one.
func NewRoot(t testing.TB) Root {
	t.Helper()
	key, err := seal.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return Root{key}
}

// Fingerprint is what agents' configurations name.
func (r Root) Fingerprint() seal.Fingerprint { return r.key.Public().Fingerprint() }

// Sign signs what a hub requests, as the document after the one that it has.
func (r Root) Sign(t testing.TB, request trust.Request) []byte {
	t.Helper()
	document, err := trust.Sign(r.key, request.Number+1, time.Now(), request.Keys)
	if err != nil {
		t.Fatal(err)
	}
	return document
}
