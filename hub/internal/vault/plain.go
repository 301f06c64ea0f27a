package vault

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
)

// Plain is the bytes of a template. It never prints itself: they are behind a func
// because fmt shows what an unexported field holds without asking any method.
type Plain struct{ bytes func() []byte }

// NewPlain keeps a copy of the bytes of a template.
func NewPlain(b []byte) Plain {
	b = bytes.Clone(b)
	return Plain{func() []byte { return b }}
}

// Bytes returns the template. It is for sealing to a site, and for nothing that is
// kept or shown.
func (p Plain) Bytes() []byte {
	if p.bytes == nil {
		return nil
	}
	return p.bytes()
}

// String tells how long the template is, not what it is.
func (p Plain) String() string { return fmt.Sprintf("template of %d bytes", len(p.Bytes())) }

// GoString keeps %#v from printing the bytes.
func (p Plain) GoString() string { return p.String() }

// Format keeps every other verb from printing the bytes.
func (p Plain) Format(f fmt.State, _ rune) { fmt.Fprint(f, p.String()) }

// LogValue keeps the bytes out of logs.
func (p Plain) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText refuses: a template leaves the vault sealed or not at all.
func (p Plain) MarshalText() ([]byte, error) {
	return nil, errors.New("a template is written nowhere in clear")
}
