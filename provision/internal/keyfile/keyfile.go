// Package keyfile keeps a signing key in a file under a passphrase: the agency's root key
// and the key that signs releases, which are carried on sticks and never lie on a hub.
//
// It knows the file and how a passphrase is asked for. It must not know what is signed.
//
// Beware: a passphrase that is forgotten cannot be got around, and a file is never replaced.
package keyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Errors by which people are told what to do.
var (
	ErrExists     = errors.New("there is a key already; it is never replaced")
	ErrMissing    = errors.New("there is no such key")
	ErrPassphrase = errors.New("the passphrase does not open the key")
	ErrDamaged    = errors.New("the file of the key is damaged; use another copy of it")
	ErrWeak       = fmt.Errorf("the passphrase is too short: use at least %d characters, such as six words of a list", MinPassphrase)
)

// MinPassphrase is how many characters a passphrase has at least.
const MinPassphrase = 16

// work is the cost of trying a passphrase, as a power of two: about a second.
const work = 18

// Free reports whether a key may be made at a path.
func Free(path string) error {
	_, err := os.Lstat(path)
	if err == nil {
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for a key: %w", err)
	}
	return nil
}

// Make makes a key. It is in no file yet: what is known of it goes first.
func Make(passphrase string) (seal.SigningKey, error) {
	if len([]rune(passphrase)) < MinPassphrase {
		return seal.SigningKey{}, ErrWeak
	}
	return seal.GenerateSigningKey()
}

// Write puts a key into a file that is not there yet.
func Write(path string, key seal.SigningKey, passphrase string) error {
	if err := Free(path); err != nil {
		return err
	}
	text, err := lock(key, passphrase)
	if err != nil {
		return fmt.Errorf("encrypt key: %w", err)
	}
	if err := durable.Write(path, text); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}

// lock encrypts a key under a passphrase.
func lock(key seal.SigningKey, passphrase string) ([]byte, error) {
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(work)
	var text bytes.Buffer
	a := armor.NewWriter(&text)
	w, err := age.Encrypt(a, to)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(key.Wrap(w), w.Close(), a.Close()); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// Read opens the key in a file.
func Read(path, passphrase string) (key seal.SigningKey, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return key, fmt.Errorf("%s: %w", path, ErrMissing)
	}
	if err != nil {
		return key, fmt.Errorf("read key: %w", err)
	}
	by, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return key, ErrPassphrase
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(text)), by)
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
		return key, ErrPassphrase
	}
	// Read whole before anything is used: the end of the text is what proves it.
	var plain []byte
	if err == nil {
		plain, err = io.ReadAll(r)
	}
	if err == nil {
		key, err = seal.Unwrap(bytes.NewReader(plain))
	}
	if err != nil {
		return key, fmt.Errorf("read key: %w", ErrDamaged) // why would quote the file, in which a passphrase may stand
	}
	return key, nil
}
