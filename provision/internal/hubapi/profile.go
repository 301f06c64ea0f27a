package hubapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Profile is a login: at which hub, how it is known again, and the token that stands for
// the account.
type Profile struct {
	Hub     string           `json:"hub"`  // https://HOST[:PORT]; plain on loopback
	Root    seal.Fingerprint `json:"root"` // of the agency's root key
	Public  bool             `json:"public_certificate"`
	Name    string           `json:"name"`
	Token   Token            `json:"token"`
	Expires time.Time        `json:"expires"`
	Keys    []byte           `json:"keys"` // the newest keys document that was seen
}

// Token is the secret that a hub gave to a tool. It does not print itself.
type Token string

// String names the token without showing it.
func (Token) String() string { return "token" }

// GoString keeps %#v from printing the token.
func (t Token) GoString() string { return t.String() }

// ErrNoLogin says that nobody has logged in yet.
var ErrNoLogin = errors.New("nobody has logged in at a hub")

// Read reads the profile that Save wrote.
func Read(path string) (p Profile, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, ErrNoLogin
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return Profile{}, fmt.Errorf("read profile %s: %w", path, err)
	}
	return p, nil
}

// Save writes a profile that only its owner can read.
func (p Profile) Save(path string) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = durable.Write(path, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	return nil
}
