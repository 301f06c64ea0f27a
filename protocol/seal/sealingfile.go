package seal

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrSealingFile says that a file is there but holds no usable sealing key. The
// file is left as it is.
var ErrSealingFile = errors.New("the file holds no usable sealing key; put back a copy of it, or move it away to get a new key, which does not open what was sealed to the old one")

// sealingBlock is the PEM type of the file; the fingerprint in its head tells a
// seed with a bit that changed on a dying disk from another key.
const (
	sealingBlock       = "SIDIK SEALING KEY"
	sealingFingerprint = "Fingerprint"
)

// LoadOrCreateSealing reads the sealing key at path, or makes one there when the
// file does not exist. created tells which. The folder must exist.
func LoadOrCreateSealing(path string) (key SealingKey, created bool, err error) {
	return loadOrCreate(path, LoadSealing, CreateSealing)
}

// LoadSealing reads the sealing key at path (PEM; its 32 bytes are the seed from
// which MLKEM768-X25519 makes both halves).
func LoadSealing(path string) (SealingKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return SealingKey{}, fmt.Errorf("read sealing key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != sealingBlock || len(block.Bytes) != sealingSeedSize {
		return SealingKey{}, fmt.Errorf("read sealing key %s: %w", path, ErrSealingFile)
	}
	key, err := sealingKey(block.Bytes)
	if err != nil || string(key.Public().Fingerprint()) != block.Headers[sealingFingerprint] {
		return SealingKey{}, fmt.Errorf("read sealing key %s: %w", path, ErrSealingFile)
	}
	return key, nil
}

// CreateSealing makes a new sealing key and writes it to path, readable by its
// owner only, with the care of Create.
func CreateSealing(path string) (SealingKey, error) {
	key, err := GenerateSealingKey()
	if err != nil {
		return SealingKey{}, err
	}
	seed, err := key.private().Bytes()
	if err != nil {
		return SealingKey{}, fmt.Errorf("write sealing key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{
		Type: sealingBlock, Headers: map[string]string{sealingFingerprint: string(key.Public().Fingerprint())}, Bytes: seed,
	})
	if err := writeNew(path, text); err != nil {
		return SealingKey{}, fmt.Errorf("write sealing key: %w", err)
	}
	return key, nil
}

// EraseSealing overwrites the key file at path, removes it and returns once both
// are on disk: what was sealed to the key then opens for nobody, also not for a
// thief of this machine. A file that is not there is no error, so that an erasure
// that a power cut ended is done again.
//
// A flash card may keep the overwritten block where only a laboratory reads it.
func EraseSealing(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("erase sealing key: %w", err)
	}
	if err == nil {
		if err := blank(f); err != nil {
			return fmt.Errorf("erase sealing key: %w", err)
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("erase sealing key: %w", err)
		}
	}
	if err := syncFolder(path); err != nil {
		return fmt.Errorf("erase sealing key: %w", err)
	}
	return nil
}

// blank writes zeros over the whole file, syncs and closes it.
func blank(f *os.File) error {
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(make([]byte, info.Size()), 0)
	}
	return errors.Join(err, f.Sync(), f.Close())
}
