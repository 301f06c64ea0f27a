package release

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// manifestFile lies beside the programs of a release.
const manifestFile = "release.json"

func sortReleases(all []Release) {
	slices.SortFunc(all, func(a, b Release) int {
		switch {
		case b.Manifest.Version.Less(a.Manifest.Version):
			return -1
		case a.Manifest.Version.Less(b.Manifest.Version):
			return 1
		}
		return 0
	})
}

// Add takes a release from the folder in which it was signed. keys are the release keys
// that the root vouches for. The same again changes nothing.
func (r *Releases) Add(ctx context.Context, folder string, keys []seal.PublicKey, by string, at time.Time) (m protocol.Manifest, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("add release: %w", err)
		}
	}()
	if len(keys) == 0 {
		return m, ErrKeys
	}
	text, err := os.ReadFile(filepath.Join(folder, manifestFile))
	if err != nil {
		return m, err
	}
	signed, err := protocol.ParseSignedManifest(text)
	if err != nil {
		return m, err
	}
	if m, err = signed.Open(keys); err != nil {
		return m, err
	}
	if err := r.copyAll(folder, m); err != nil {
		return m, err
	}
	if text, err = signed.Append(nil); err != nil {
		return m, err
	}
	version := m.Version.String()
	err = r.db.Update(ctx, func(tx *sql.Tx) error {
		var before string
		err := tx.QueryRowContext(ctx, "SELECT signed FROM release WHERE version = $1", version).Scan(&before)
		switch {
		case err == nil && before == string(text):
			return nil
		case err == nil:
			return fmt.Errorf("%s: %w", version, ErrOther)
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO release (version, signed, added_by, added_at, failures, paused) VALUES ($1, $2, $3, $4, 0, '')",
			version, string(text), by, at.UnixMilli()); err != nil {
			return err
		}
		return act(ctx, tx, version, "add", "", by, at)
	})
	return m, err
}

// copyAll brings the programs into the hub's folder, each whole or not at all.
func (r *Releases) copyAll(folder string, m protocol.Manifest) error {
	if err := os.MkdirAll(r.folder, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	wanted := map[protocol.Hash]bool{}
	for _, f := range m.Files {
		wanted[f.SHA256] = true
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || info.Size() > protocol.MaxProgram || len(wanted) == 0 {
			continue
		}
		digest, err := r.copyOne(filepath.Join(folder, e.Name()), wanted)
		if err != nil {
			return err
		}
		delete(wanted, digest)
	}
	if len(wanted) > 0 {
		return ErrDigest
	}
	return nil
}

// copyOne copies a file if its digest is wanted.
func (r *Releases) copyOne(path string, wanted map[protocol.Hash]bool) (digest protocol.Hash, err error) {
	from, err := os.Open(path)
	if err != nil {
		return digest, err
	}
	defer from.Close()
	text, err := io.ReadAll(io.LimitReader(from, protocol.MaxProgram))
	if err != nil {
		return digest, err
	}
	if digest = sha256.Sum256(text); !wanted[digest] {
		return digest, nil
	}
	return digest, durable.Write(r.path(digest), text)
}
