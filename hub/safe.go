package hub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/hub/internal/safe"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// identity is all that a hub needs beside its database to be the same hub again.
func identity() safe.Names {
	key, list := vault.Files()
	return safe.Names{Keys: slices.Concat(keyring.Files(), authority.Files(), []string{key}), List: list}
}

// settleKeys makes the data folder, and completes a restore of keys that a power cut ended:
// whoever looks for keys before would make others.
func settleKeys(data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	_, err := safe.Finish(data, identity())
	return err
}

func openKeys(data string) (*keyring.Keyring, error) {
	if err := settleKeys(data); err != nil {
		return nil, err
	}
	return keyring.Open(data)
}

// BackupKeys copies the hub's identity into a new file under a passphrase, while the hub
// may run.
func BackupKeys(data, to, passphrase string, now time.Time) (safe.Backup, error) {
	if _, err := os.Stat(filepath.Join(data, keyFile)); errors.Is(err, os.ErrNotExist) {
		return safe.Backup{}, fmt.Errorf("back up keys of %s: %w", data, safe.ErrNoKeys)
	}
	if err := settleKeys(data); err != nil {
		return safe.Backup{}, err
	}
	files, err := safe.Collect(data, identity())
	if err != nil {
		return safe.Backup{}, err
	}
	key, err := seal.Load(filepath.Join(data, keyFile))
	if err != nil {
		return safe.Backup{}, err
	}
	b := safe.Backup{Made: now, Hub: key.Public().Fingerprint(), Files: files}
	return b, safe.Write(to, b, identity(), passphrase)
}

// RestoreKeys brings a hub's identity back into a folder that has none, all or nothing.
func RestoreKeys(data, from, passphrase string) (b safe.Backup, err error) {
	if b, err = safe.Read(from, identity(), passphrase); err != nil {
		return b, err
	}
	release, err := lock(data)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, release()) }()
	finished, err := safe.Finish(data, identity())
	if err != nil {
		return b, err
	}
	if finished { // the power went the last time: perhaps all is there now
		there, err := safe.Collect(data, identity())
		if err != nil || len(safe.Compare(there, b)) == 0 {
			return b, err
		}
	}
	return b, safe.Place(data, b, identity())
}

// CheckKeys opens a backup of keys and tells in what the data folder differs from it.
func CheckKeys(data, from, passphrase string) (safe.Backup, []safe.Difference, error) {
	b, err := safe.Read(from, identity(), passphrase)
	if err != nil {
		return b, nil, err
	}
	there, err := safe.Collect(data, identity())
	if err != nil && !errors.Is(err, safe.ErrNoKeys) {
		return b, nil, err
	}
	return b, safe.Compare(there, b), nil
}
