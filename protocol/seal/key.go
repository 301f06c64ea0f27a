// Package seal holds the keys of agents and hubs: making them, keeping them in
// files, signing, checking signatures, and sealing what only one receiver may read.
// It knows nothing of messages; package protocol says what is signed and what a
// sealed box is for.
//
// Beware: a SigningKey or SealingKey never prints itself. Whoever needs its bytes
// for a file goes through Create and Load; there is no other way out.
package seal

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
)

// Fingerprint is the lower-case hexadecimal SHA-256 of a public key's 32 bytes
// (64 characters): what a person compares and a configuration names.
type Fingerprint string

// KeyID is the first 16 characters of a Fingerprint: how messages name a key.
// It finds a key, it never proves one.
type KeyID string

// keyIDLength is long enough that two keys of one province do not meet by chance.
const keyIDLength = 16

// ErrFingerprint says that a text is not a fingerprint.
var ErrFingerprint = errors.New("not a key fingerprint: want 64 hexadecimal characters, as `sidik-agent identity` prints them")

// ParseFingerprint reads a fingerprint as people type it, in either case.
func ParseFingerprint(s string) (Fingerprint, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != sha256.Size {
		return "", ErrFingerprint
	}
	return Fingerprint(hex.EncodeToString(b)), nil
}

// KeyID returns the short name of the key with this fingerprint.
func (f Fingerprint) KeyID() KeyID {
	if len(f) < keyIDLength {
		return ""
	}
	return KeyID(f[:keyIDLength])
}

// PublicKey checks signatures. The zero value refuses all of them.
type PublicKey struct{ bytes [ed25519.PublicKeySize]byte }

// ErrPublicKey says that a text is not a public key.
var ErrPublicKey = errors.New("not a public key: want 32 bytes in base64")

// ParsePublicKey reads the text form that MarshalText writes.
func ParsePublicKey(s string) (PublicKey, error) {
	var k PublicKey
	err := k.UnmarshalText([]byte(s))
	return k, err
}

// Fingerprint returns the key's fingerprint.
func (k PublicKey) Fingerprint() Fingerprint { return fingerprint(k.bytes[:]) }

func fingerprint(public []byte) Fingerprint {
	sum := sha256.Sum256(public)
	return Fingerprint(hex.EncodeToString(sum[:]))
}

// KeyID returns the short name by which messages refer to the key.
func (k PublicKey) KeyID() KeyID { return k.Fingerprint().KeyID() }

// IsZero reports whether the key was never set.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// Verify reports whether sig is this key's Ed25519 signature (RFC 8032) over message.
func (k PublicKey) Verify(message, sig []byte) bool {
	if k.IsZero() || len(sig) != ed25519.SignatureSize {
		return false
	}
	return ed25519.Verify(k.bytes[:], message, sig)
}

// String returns the base64 form, the same as MarshalText.
func (k PublicKey) String() string { return base64.StdEncoding.EncodeToString(k.bytes[:]) }

// MarshalText writes the key as standard base64.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote, and only that.
func (k *PublicKey) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(b) != ed25519.PublicKeySize {
		return ErrPublicKey
	}
	read := PublicKey{[ed25519.PublicKeySize]byte(b)}
	if read.String() != string(text) { // the decoder passes over line ends; one key has one text
		return ErrPublicKey
	}
	*k = read
	return nil
}

// SigningKey is the private half. It lends the operation Sign and hides the rest.
// The bytes are behind a func because fmt prints the fields of a struct that
// holds a key unexported without asking any method; of a func it prints an address.
type SigningKey struct{ private func() ed25519.PrivateKey }

func signingKey(private ed25519.PrivateKey) SigningKey {
	return SigningKey{func() ed25519.PrivateKey { return private }}
}

// GenerateSigningKey makes a new key from the system's randomness.
func GenerateSigningKey() (SigningKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return SigningKey{}, fmt.Errorf("generate signing key: %w", err)
	}
	return signingKey(private), nil
}

// Public returns the half that others may know.
func (k SigningKey) Public() PublicKey {
	var p PublicKey
	if k.private != nil {
		copy(p.bytes[:], k.private().Public().(ed25519.PublicKey))
	}
	return p
}

// Sign returns the Ed25519 signature over message (64 bytes).
func (k SigningKey) Sign(message []byte) []byte { return ed25519.Sign(k.private(), message) }

// String names the key without showing it.
func (k SigningKey) String() string { return "signing key " + string(k.Public().KeyID()) }

// GoString keeps %#v from printing the private bytes.
func (k SigningKey) GoString() string { return k.String() }

// Format keeps every other verb from printing the private bytes.
func (k SigningKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue keeps the private bytes out of logs.
func (k SigningKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText refuses: a signing key belongs in its own file only.
func (k SigningKey) MarshalText() ([]byte, error) {
	return nil, errors.New("a signing key is not written into messages")
}
