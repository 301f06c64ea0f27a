package protocol

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
)

// SiteID names one office location: letters, digits and hyphens, at most 48,
// such as samsat-belitung. It is a level of the topics and a certificate's name.
type SiteID string

// Serial is a terminal's serial number as the terminal itself tells it.
type Serial string

// HubSite stands in place of a site in the hub's own topics. No site can have it.
const HubSite SiteID = "_"

// Errors of names, each a sentence that says what is allowed.
var (
	ErrSiteID = errors.New("not a site id: use 1 to 48 letters, digits and hyphens, such as samsat-belitung")
	ErrSerial = errors.New("not a terminal serial number: use 1 to 32 letters, digits and hyphens")
)

// ParseSiteID checks a site id. The hub's "_" is not one.
func ParseSiteID(s string) (SiteID, error) {
	if len(s) > 48 || !plain(s) {
		return "", fmt.Errorf("%q: %w", s, ErrSiteID)
	}
	return SiteID(s), nil
}

// ParseSerial checks a terminal's serial number.
func ParseSerial(s string) (Serial, error) {
	if len(s) > 32 || !plain(s) {
		return "", fmt.Errorf("%q: %w", s, ErrSerial)
	}
	return Serial(s), nil
}

// plain reports whether s is a non-empty word that every broker takes as one
// level of a topic: letters, digits and hyphens, not beginning with a hyphen.
func plain(s string) bool {
	if s == "" || s[0] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && c != '-' {
			return false
		}
	}
	return true
}

// Hash is a SHA-256 value. Its text is 64 lower-case hexadecimal characters.
type Hash [32]byte

// ErrHash says that a text is not a hash.
var ErrHash = errors.New("not a hash: want 64 lower-case hexadecimal characters")

// NewEpoch returns the random id of a new epoch, which is also h(0) of its chain.
func NewEpoch() Hash {
	var h Hash
	rand.Read(h[:]) // never fails (crypto/rand)
	return h
}

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Short is enough of the hash for a person to tell two apart.
func (h Hash) Short() string { return h.String()[:12] }

// IsZero reports whether the hash was never set.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText writes the hexadecimal form.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote, and only that.
func (h *Hash) UnmarshalText(text []byte) error {
	var read Hash
	if len(text) != 2*len(read) {
		return ErrHash
	}
	if _, err := hex.Decode(read[:], text); err != nil || read.String() != string(text) {
		return ErrHash
	}
	*h = read
	return nil
}
