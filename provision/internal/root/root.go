// Package root holds the agency's root key, which vouches for the hub's keys and is the
// one thing that every agent believes from its first day. It is kept offline, in a folder
// on a stick in a safe, encrypted under a passphrase.
//
// It knows its folder and the keys document. It must not know hubs, sites or networks.
//
// Beware: whoever has this key and its passphrase is the agency to every agent of the
// province, and without it no hub's key can ever be replaced. Keep two copies.
package root

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
	"github.com/bkpsdmd-babel/sidik/provision/internal/keyfile"
)

// Files of the folder. Each document that was signed is kept beside them.
const (
	keyFile    = "root.age"
	publicFile = "root.txt"
	signedName = "keys-%04d.json"
)

// Errors by which people are told what to do.
var (
	ErrExists  = errors.New("there is a root key already; it is never replaced")
	ErrMissing = errors.New("there is no root key; make one with: sidik-provision root init")
	ErrOther   = errors.New("root.txt does not name this root key: somebody changed it, or it belongs to another; compare the fingerprint with that of an agent")
	ErrNumber  = errors.New("the request says that it replaces a document that this root is far from having signed; do not sign it before you know why")
)

// mostAhead is by how much a hub's document may be ahead of this folder, which may be an
// older copy. Numbers never go back: whoever had one signed that is as high as numbers go
// would have made the last document of all.
const mostAhead = 10_000

// Root is an opened root key.
type Root struct {
	dir string
	key seal.SigningKey
}

// Init makes a root key in a folder, which is made where it is not there.
func Init(dir, passphrase string) (*Root, error) {
	key, err := keyfile.Make(passphrase)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	path := filepath.Join(dir, keyFile)
	if err := keyfile.Free(path); errors.Is(err, keyfile.ErrExists) {
		return nil, fmt.Errorf("%s: %w", path, ErrExists)
	} else if err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	if err := durable.Write(filepath.Join(dir, publicFile), []byte(string(key.Public().Fingerprint())+"\n")); err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	if err := keyfile.Write(path, key, passphrase); err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	return &Root{dir, key}, nil
}

// Open opens the root key of a folder.
func Open(dir, passphrase string) (*Root, error) {
	key, err := keyfile.Read(filepath.Join(dir, keyFile), passphrase)
	if errors.Is(err, keyfile.ErrMissing) {
		return nil, fmt.Errorf("%s: %w", dir, ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	// The fingerprint goes into every kit, from a file that is not encrypted.
	if named, err := Fingerprint(dir); err != nil || named != key.Public().Fingerprint() {
		return nil, errors.Join(ErrOther, err)
	}
	return &Root{dir, key}, nil
}

// Fingerprint reads the fingerprint of a folder's root key, which is no secret.
func Fingerprint(dir string) (seal.Fingerprint, error) {
	_, err := os.Lstat(filepath.Join(dir, keyFile)) // written last
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: %w", dir, ErrMissing)
	}
	text, err := os.ReadFile(filepath.Join(dir, publicFile))
	if err != nil {
		return "", fmt.Errorf("read root key: %w", err)
	}
	return seal.ParseFingerprint(strings.TrimSpace(string(text)))
}

// Fingerprint is what every agent's configuration names.
func (r *Root) Fingerprint() seal.Fingerprint { return r.key.Public().Fingerprint() }

// Sign signs what a hub requests. Its number is above that of every document that this
// folder or the hub has seen, and a copy stays in the folder.
func (r *Root) Sign(request trust.Request, now time.Time) (document []byte, number uint64, err error) {
	last, err := r.last()
	if err != nil {
		return nil, 0, err
	}
	if request.Number > last+mostAhead {
		return nil, 0, ErrNumber
	}
	number = max(last, request.Number) + 1
	document, err = trust.Sign(r.key, number, now, request.Keys)
	if err != nil {
		return nil, 0, fmt.Errorf("sign keys document: %w", err)
	}
	if err := durable.Write(filepath.Join(r.dir, fmt.Sprintf(signedName, number)), append(document, '\n')); err != nil {
		return nil, 0, fmt.Errorf("keep keys document: %w", err)
	}
	return document, number, nil
}

// last is the number of the newest document that was signed here; 0 for none.
func (r *Root) last() (last uint64, err error) {
	paths, err := filepath.Glob(filepath.Join(r.dir, "keys-*.json"))
	if err != nil {
		return 0, err
	}
	for _, path := range paths {
		digits := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "keys-"), ".json")
		if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
			last = max(last, n)
		}
	}
	return last, nil
}
