package seal

import (
	"crypto/hpke"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
)

// Sizes of the key encapsulation MLKEM768-X25519, in bytes.
const (
	sealingPublicSize = 1216
	sealingSeedSize   = 32
	encapsulatedSize  = 1120
)

// SealingPublic is the half of a sealing key to which others seal. The zero value
// is no key.
type SealingPublic struct{ bytes [sealingPublicSize]byte }

// ErrSealingPublic says that a text is not the public half of a sealing key.
var ErrSealingPublic = errors.New("not a public sealing key: want 1216 bytes of MLKEM768-X25519 in base64")

// ParseSealingPublic reads the text form that MarshalText writes.
func ParseSealingPublic(s string) (SealingPublic, error) {
	var k SealingPublic
	err := k.UnmarshalText([]byte(s))
	return k, err
}

// Fingerprint returns the key's fingerprint, over its 1216 bytes.
func (k SealingPublic) Fingerprint() Fingerprint { return fingerprint(k.bytes[:]) }

// KeyID returns the short name by which a box says whom it is for.
func (k SealingPublic) KeyID() KeyID { return k.Fingerprint().KeyID() }

// IsZero reports whether the key was never set.
func (k SealingPublic) IsZero() bool { return k == SealingPublic{} }

// String is the base64 of the key, 1624 characters.
func (k SealingPublic) String() string { return base64.StdEncoding.EncodeToString(k.bytes[:]) }

// MarshalText writes the key as standard base64.
func (k SealingPublic) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote, and only that.
func (k *SealingPublic) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(b) != sealingPublicSize {
		return ErrSealingPublic
	}
	read := SealingPublic{[sealingPublicSize]byte(b)}
	if read.String() != string(text) || read.IsZero() { // one key has one text
		return ErrSealingPublic
	}
	if _, err := hpke.MLKEM768X25519().NewPublicKey(b); err != nil {
		return ErrSealingPublic
	}
	*k = read
	return nil
}

// SealingKey is the private half. It lends the operation Open and hides the rest,
// in the way of SigningKey.
type SealingKey struct{ private func() hpke.PrivateKey }

func sealingKey(seed []byte) (SealingKey, error) {
	private, err := hpke.MLKEM768X25519().NewPrivateKey(seed)
	if err != nil {
		return SealingKey{}, errors.New("not the seed of a sealing key") // the cause could quote it
	}
	return SealingKey{func() hpke.PrivateKey { return private }}, nil
}

// GenerateSealingKey makes a new key from the system's randomness.
func GenerateSealingKey() (SealingKey, error) {
	private, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return SealingKey{}, fmt.Errorf("generate sealing key: %w", err)
	}
	return SealingKey{func() hpke.PrivateKey { return private }}, nil
}

// Public returns the half that others may know.
func (k SealingKey) Public() SealingPublic {
	var p SealingPublic
	if k.private != nil {
		copy(p.bytes[:], k.private().PublicKey().Bytes())
	}
	return p
}

// IsZero reports whether the key was never set.
func (k SealingKey) IsZero() bool { return k.private == nil }

// String names the key without showing it.
func (k SealingKey) String() string { return "sealing key " + string(k.Public().KeyID()) }

// GoString keeps %#v from printing the private bytes.
func (k SealingKey) GoString() string { return k.String() }

// Format keeps every other verb from printing the private bytes.
func (k SealingKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue keeps the private bytes out of logs.
func (k SealingKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText refuses: a sealing key belongs in its own file only.
func (k SealingKey) MarshalText() ([]byte, error) {
	return nil, errors.New("a sealing key is not written into messages")
}
