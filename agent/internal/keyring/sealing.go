package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// openSealing reads the sealing keys. While a new one waits for its proof both are
// there.
func (k *Keyring) openSealing() error {
	next, err := seal.LoadSealing(filepath.Join(k.o.Dir, nextSealing))
	waiting := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	path := filepath.Join(k.o.Dir, sealingFile)
	present, err := seal.LoadSealing(path)
	if waiting && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, seal.ErrSealingFile)) {
		// The former one was being erased when the power went: its file is gone or blank.
		return k.promote(next)
	}
	if errors.Is(err, fs.ErrNotExist) {
		present, err = seal.CreateSealing(path)
	}
	if err != nil {
		return err
	}
	k.sealing = []seal.SealingKey{present}
	if waiting {
		k.sealing = []seal.SealingKey{next, present}
	}
	return nil
}

// beginSealing makes the next sealing key, unless one waits already. The caller holds mu.
func (k *Keyring) beginSealing() error {
	if len(k.sealing) > 1 {
		return nil
	}
	next, err := seal.CreateSealing(filepath.Join(k.o.Dir, nextSealing))
	if err != nil {
		return err
	}
	k.sealing = []seal.SealingKey{next, k.sealing[0]}
	return nil
}

// promote erases the former sealing key and puts the next one in its place. It can be
// done again after each of its steps.
func (k *Keyring) promote(next seal.SealingKey) error {
	if err := seal.EraseSealing(filepath.Join(k.o.Dir, sealingFile)); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(k.o.Dir, nextSealing), filepath.Join(k.o.Dir, sealingFile)); err != nil {
		return fmt.Errorf("put next sealing key in place: %w", err)
	}
	if err := durable.SyncFolder(k.o.Dir); err != nil {
		return fmt.Errorf("put next sealing key in place: %w", err)
	}
	k.sealing = []seal.SealingKey{next}
	return nil
}

// Sealing is the key to which the hub shall seal.
func (k *Keyring) Sealing() seal.SealingPublic {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sealing[0].Public()
}

// Open opens what was sealed to this agent. The first box for a new key ends the former
// one for ever.
func (k *Keyring) Open(purpose seal.Purpose, box seal.Box) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	text, err := k.sealing[0].Open(purpose, box)
	if len(k.sealing) == 1 {
		return text, err
	}
	if err != nil {
		return k.sealing[1].Open(purpose, box)
	}
	if err := k.promote(k.sealing[0]); err != nil {
		return nil, err
	}
	return text, nil
}
