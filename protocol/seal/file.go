package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrKeyFile says that a file is there but holds no usable key. The file is
// left as it is: replacing an identity is a person's decision.
var ErrKeyFile = errors.New("the file holds no usable signing key; put back a copy of it, or move it away to get a new identity")

// LoadOrCreate reads the signing key at path, or makes one there when the file
// does not exist. created tells which. The folder must exist.
func LoadOrCreate(path string) (key SigningKey, created bool, err error) {
	return loadOrCreate(path, Load, Create)
}

func loadOrCreate[K any](path string, load, create func(path string) (K, error)) (key K, created bool, err error) {
	key, err = load(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = create(path)
		return key, err == nil, err
	}
	return key, false, err
}

// Load reads the signing key at path (PEM, PKCS #8).
func Load(path string) (SigningKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return SigningKey{}, fmt.Errorf("read signing key: %w", err)
	}
	key, err := parse(text)
	if err != nil {
		return SigningKey{}, fmt.Errorf("read signing key %s: %w", path, err)
	}
	return key, nil
}

// parse reads the PEM of a signing key; anything else is ErrKeyFile.
func parse(text []byte) (SigningKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return SigningKey{}, ErrKeyFile
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return SigningKey{}, ErrKeyFile
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return SigningKey{}, ErrKeyFile
	}
	return signingKey(private), nil
}

// Create makes a new signing key and writes it to path, readable by its owner
// only. The key is returned once the file and its name are on disk, so a power
// cut leaves either no key or a whole one; an existing file is never replaced.
func Create(path string) (SigningKey, error) {
	key, err := GenerateSigningKey()
	if err != nil {
		return SigningKey{}, err
	}
	var text bytes.Buffer
	if err := key.Wrap(&text); err != nil {
		return SigningKey{}, err
	}
	if err := writeNew(path, text.Bytes()); err != nil {
		return SigningKey{}, fmt.Errorf("write signing key: %w", err)
	}
	return key, nil
}

// writeNew makes the file under a temporary name, syncs it, gives it its name
// with a link (which refuses to replace) and syncs the folder.
func writeNew(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(path)
}

// syncFolder puts the names in the folder of path on disk.
func syncFolder(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Wrap writes the key to somebody who encrypts it: for a key that is kept offline under
// a passphrase. Unwrap reads it back. Never give it a plain file: that is what Create is for.
func (k SigningKey) Wrap(w io.Writer) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.private())
	if err == nil {
		err = pem.Encode(w, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	if err != nil {
		return fmt.Errorf("wrap signing key: %w", err)
	}
	return nil
}

// Unwrap reads what Wrap wrote.
func Unwrap(r io.Reader) (SigningKey, error) {
	text, err := io.ReadAll(io.LimitReader(r, 4<<10))
	if err != nil {
		return SigningKey{}, fmt.Errorf("unwrap signing key: %w", err)
	}
	key, err := parse(text)
	if err != nil {
		return SigningKey{}, fmt.Errorf("unwrap signing key: %w", err)
	}
	return key, nil
}
