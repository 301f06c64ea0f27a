package protocol

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"log/slog"
	"strings"
)

// ClaimCode is what lets one new agent in, once: 60 random bits as twelve letters and
// digits in three groups, such as K7QM-2XWD-9RTA. It is a secret as long as it is valid
// and does not print itself: Text is the one way out.
//
// The text is behind a pointer because fmt prints the fields of a struct that holds a
// code unexported without asking any method; of a pointer it prints the address.
type ClaimCode struct{ code *string }

func (c ClaimCode) text() string {
	if c.code == nil {
		return ""
	}
	return *c.code
}

// claimAlphabet has no letters that look like digits (Crockford's base 32).
const claimAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// ErrClaimCode says that a text is no claim code.
var ErrClaimCode = errors.New("not a claim code: it has twelve letters and digits, such as K7QM-2XWD-9RTA")

// NewClaimCode makes a code from the system's randomness.
func NewClaimCode() ClaimCode {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	text := base32.NewEncoding(claimAlphabet).WithPadding(base32.NoPadding).EncodeToString(b[:])
	text = text[:12] // 60 bits
	return ClaimCode{&text}
}

// ParseClaimCode reads a code as people type it: in any case, grouped or not, with O
// for 0 and I or L for 1.
func ParseClaimCode(s string) (ClaimCode, error) {
	s = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(strings.TrimSpace(s)))
	if len(s) != 12 || strings.Trim(s, claimAlphabet) != "" {
		return ClaimCode{}, ErrClaimCode
	}
	return ClaimCode{&s}, nil
}

// Text is the code as it is shown to the one who carries it to the office.
func (c ClaimCode) Text() string {
	t := c.text()
	if t == "" {
		return ""
	}
	return t[:4] + "-" + t[4:8] + "-" + t[8:]
}

// Hash is what is kept of the code where it is checked.
func (c ClaimCode) Hash() Hash { return sha256.Sum256([]byte("sidik/v1/claim/" + c.text())) }

// IsZero reports whether there is no code.
func (c ClaimCode) IsZero() bool { return c.code == nil }

// String names the code without showing it.
func (c ClaimCode) String() string { return "claim code" }

// GoString keeps %#v from printing the code.
func (c ClaimCode) GoString() string { return c.String() }

// LogValue keeps the code out of logs.
func (c ClaimCode) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText writes the code into a claim, its one message.
func (c ClaimCode) MarshalText() ([]byte, error) { return []byte(c.Text()), nil }

// UnmarshalText reads what MarshalText wrote, and only that.
func (c *ClaimCode) UnmarshalText(text []byte) error {
	read, err := ParseClaimCode(string(text))
	if err != nil || read.Text() != string(text) {
		return ErrClaimCode
	}
	*c = read
	return nil
}
