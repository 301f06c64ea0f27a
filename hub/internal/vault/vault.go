// Package vault keeps fingerprint templates encrypted: those of employees, and
// those found at terminals until a named person says whose they are. It writes down
// every access, and destroys the data key of whoever has left.
//
// It knows SQL (its own tables, through the store), the vault key and a folder. It
// must not know terminals' formats, messages, pages or logs; what a digest covers
// and who may ask for what is decided by those who call.
//
// Beware: the vault key is a file outside of the database, and both are needed to
// read anything. A backup of the database is no backup of the key. Of the key keep
// the newest copy only: an older one opens what was destroyed since.
package vault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Files of the folder that Open is given.
const (
	keyName         = "vault.key"
	destructionName = "destroyed.log"
)

// Files are the names of what a copy of the vault must hold beside the database: the key,
// and the list that keeps an older key from opening what was destroyed.
func Files() (key, list string) { return keyName, destructionName }

// Errors by which callers decide.
var (
	ErrWrongKey = errors.New("the vault key does not belong to this database; put back the file that does")
	ErrSealed   = errors.New("the sealed row does not open: it was changed, or moved from another row")
	ErrWho      = errors.New("an access to templates names nobody")
	ErrNoFind   = errors.New("no such found template: it was accepted, destroyed or has expired")
	ErrTemplate = errors.New("not a template")
)

// Vault is safe for concurrent use, also beside other processes with the same
// database and folder.
type Vault struct {
	store *store.Store
	dir   string
	now   func() time.Time
}

// By is who asks for an access and why, for the audit.
type By struct {
	Who string // a person's account, or the hub's own part that acts
	Why string
}

// Open opens the vault of a database. The key is made where database and folder
// are both new. Destructions that an older copy of the database, the key or the
// list does not know are applied again.
func Open(ctx context.Context, s *store.Store, dir string, now func() time.Time) (*Vault, error) {
	v := &Vault{store: s, dir: dir, now: now}
	err := s.Update(ctx, func(tx *sql.Tx) error {
		if err := v.sweep(); err != nil {
			return err
		}
		if err := v.recognise(ctx, tx); err != nil {
			return err
		}
		return v.destroyAgain(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	return v, nil
}

func (v *Vault) keyPath() string { return filepath.Join(v.dir, keyName) }

// sweep removes what a write that a power cut ended left in the folder: it holds
// keys.
func (v *Vault) sweep() error {
	left, err := filepath.Glob(filepath.Join(v.dir, ".vault-*"))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// recognise refuses a key that is not this database's, and makes the first one.
func (v *Vault) recognise(ctx context.Context, tx *sql.Tx) error {
	var value []byte
	err := tx.QueryRowContext(ctx, "SELECT value FROM vault_check WHERE name = 'key'").Scan(&value)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	there, err := exists(v.keyPath())
	switch {
	case err != nil:
		return err
	case !there && known:
		return fmt.Errorf("%s: %w", v.keyPath(), ErrNoKey)
	case !there:
		if err := createKey(v.keyPath()); err != nil {
			return err
		}
	}
	t, err := loadKey(v.keyPath())
	if err != nil {
		return err
	}
	proof := sealing{leaf: leafOf(kindCheck, 0, 0)}
	if known {
		if _, err := proof.open(t, value); err != nil {
			return fmt.Errorf("%s: %w", v.keyPath(), ErrWrongKey)
		}
		return nil
	}
	if value, err = proof.seal(t, nil); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO vault_check (name, value) VALUES ('key', $1)", value)
	return err
}

// update runs change with the vault key in one transaction, which is alone among
// all writers of all processes.
func (v *Vault) update(ctx context.Context, by By, change func(tx *sql.Tx, a *audit, key tree) error) error {
	if by.Who == "" {
		return ErrWho
	}
	return v.store.Update(ctx, func(tx *sql.Tx) error {
		key, err := loadKey(v.keyPath())
		if err != nil {
			return err
		}
		return change(tx, &audit{tx: tx, by: by, at: v.now()}, key)
	})
}

// Kind is what a data key is for.
type Kind string

// The kinds of data keys. KindFound and KindCopy have one for each day.
const (
	KindEmployee Kind = "employee"
	KindFound    Kind = "found" // held by a terminal, of somebody who is not known yet
	KindCopy     Kind = "copy"  // taken from a terminal before it was deleted or overwritten there
	kindCheck    Kind = "check"
)

// Bounds of what a leaf's number holds: kind in 8 bits, number in 52, life in 4.
const (
	maxNumber = 1<<52 - 1
	maxLife   = 1<<4 - 1
)

// leafOf is the place of a data key in the tree. It never changes its meaning.
func leafOf(kind Kind, number int64, life int) uint64 {
	var k uint64
	switch kind {
	case KindEmployee:
		k = 1
	case KindFound:
		k = 2
	case KindCopy:
		k = 3
	}
	return k<<56 | uint64(number)<<4 | uint64(life)
}

// sealing is what a row's ciphertext is bound to: a data key and the row's own
// columns, so that it opens in no other row.
type sealing struct {
	leaf  uint64
	bound []string
}

func (s sealing) aead(t tree) (cipher.AEAD, []byte, error) {
	key, err := t.leaf(s.leaf)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, nil, err
	}
	aad := []byte("sidik/v1/vault")
	for _, text := range s.bound {
		aad = binary.BigEndian.AppendUint32(aad, uint32(len(text)))
		aad = append(aad, text...)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	return gcm, aad, err
}

func (s sealing) seal(t tree, plain []byte) ([]byte, error) {
	gcm, aad, err := s.aead(t)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(nil, nil, plain, aad), nil
}

func (s sealing) open(t tree, sealed []byte) ([]byte, error) {
	gcm, aad, err := s.aead(t)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nil, sealed, aad)
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// millis is how a time is kept: Unix milliseconds, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// instant reads what millis wrote, in UTC.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// day counts days since 1970, in UTC: what a day's data key is known by.
func day(t time.Time) int64 { return t.Unix() / int64(24*time.Hour/time.Second) }

// digestOf reads a column that holds a digest.
func digestOf(column []byte) (protocol.Hash, error) {
	if len(column) != sha256.Size {
		return protocol.Hash{}, fmt.Errorf("a digest column holds %d bytes", len(column))
	}
	return protocol.Hash(column), nil
}
