package vault

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The list of destructions stands beside the database too, one JSON object a line:
// a restored database has forgotten the newest ones, and the list has not.

// ErrList says that a line of the list cannot be read.
var ErrList = errors.New("the list of destroyed keys is damaged; put back a copy of it, or move it away: the database and the vault key know most of them")

func (v *Vault) listPath() string { return filepath.Join(v.dir, destructionName) }

// readList returns what the list holds and the length of its whole lines. A last
// line without an end is a write that a power cut ended: its key was not destroyed.
func readList(path string) (all []Destruction, whole int, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read list of destroyed keys: %w", err)
	}
	whole = bytes.LastIndexByte(text, '\n') + 1
	for line := range bytes.Lines(text[:whole]) {
		var d Destruction
		if err := json.Unmarshal(line, &d); err != nil || !d.possible() {
			return nil, 0, fmt.Errorf("read list of destroyed keys %s: line %d: %w", path, len(all)+1, ErrList)
		}
		all = append(all, d)
	}
	return all, whole, nil
}

// possible tells whether there can be such a data key.
func (d Destruction) possible() bool {
	known := d.Kind == KindEmployee || d.Kind == KindFound || d.Kind == KindCopy
	return known && d.Number >= 0 && d.Number <= maxNumber && d.Life >= 0 && d.Life <= maxLife
}

// appendList adds to the list and returns once it is on disk.
func appendList(path string, all []Destruction) error {
	_, whole, err := readList(path)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, d := range all {
		line, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("write list of destroyed keys: %w", err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("write list of destroyed keys: %w", err)
	}
	err = f.Truncate(int64(whole))
	if err == nil {
		_, err = f.WriteAt(b.Bytes(), int64(whole))
	}
	if err := errors.Join(err, f.Sync(), f.Close(), syncFolder(path)); err != nil {
		return fmt.Errorf("write list of destroyed keys: %w", err)
	}
	return nil
}

// destroyAgain makes database, list and key agree on what is destroyed: whichever
// of them was put back from an older copy.
func (v *Vault) destroyAgain(ctx context.Context, tx *sql.Tx) error {
	listed, _, err := readList(v.listPath())
	if err != nil {
		return err
	}
	stored, err := destructions(ctx, tx, "ORDER BY at")
	if err != nil {
		return err
	}
	inList, inStore := map[Destruction]bool{}, map[Destruction]bool{}
	for _, d := range listed {
		inList[d.key()] = true
	}
	var unlisted []Destruction
	for _, d := range stored {
		inStore[d.key()] = true
		if !inList[d.key()] {
			unlisted = append(unlisted, d)
		}
	}
	if len(unlisted) > 0 {
		if err := appendList(v.listPath(), unlisted); err != nil {
			return err
		}
	}
	key, err := loadKey(v.keyPath())
	if err != nil {
		return err
	}
	if err := v.forget(key, append(listed, stored...)); err != nil {
		return err
	}
	a := &audit{tx: tx, by: By{Who: "vault", Why: "an older copy was put back"}, at: v.now()}
	for _, d := range listed {
		if inStore[d.key()] {
			continue
		}
		inStore[d.key()] = true
		if err := clearRows(ctx, tx, a, ActDestroyAgain, d); err != nil {
			return err
		}
	}
	return nil
}
