package usbfile

import (
	"bytes"
	"errors"
	"fmt"
)

// Secret is bytes that nobody shall see by chance: a password, a template, or a record
// that holds one. It never prints itself: they are behind a func because fmt shows what
// an unexported field holds without asking any method.
type Secret struct{ bytes func() []byte }

// NewSecret keeps a copy of b.
func NewSecret(b []byte) Secret {
	b = bytes.Clone(b)
	return Secret{func() []byte { return b }}
}

// Bytes returns what is kept; it is not to be changed.
func (s Secret) Bytes() []byte {
	if s.bytes == nil {
		return nil
	}
	return s.bytes()
}

// IsZero tells whether there is nothing to hide.
func (s Secret) IsZero() bool { return len(s.Bytes()) == 0 }

// String tells nothing.
func (s Secret) String() string { return "secret" }

// GoString keeps %#v from printing the bytes.
func (s Secret) GoString() string { return s.String() }

// Format keeps every other verb from printing the bytes.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText refuses, and with it JSON and logs.
func (s Secret) MarshalText() ([]byte, error) {
	return nil, errors.New("a secret of a terminal's file is written nowhere in clear")
}

// wipe overwrites what is kept; nothing else must use it any more.
func (s Secret) wipe() { copy(s.Bytes(), make([]byte, len(s.Bytes()))) }
