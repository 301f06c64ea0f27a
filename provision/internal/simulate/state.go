package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// readState gives nil when there is no file, or none is wanted.
func readState(path string) (*zktest.State, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	var s zktest.State
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("--state %s is not a terminal's state (%w): remove it to begin anew", path, err)
	}
	return &s, nil
}

// writeState replaces the file as a whole: after a power cut it is the old one or the new one.
func writeState(path string, s zktest.State) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keep state: %w", err)
	}
	if err := replaceFile(path, text); err != nil {
		return fmt.Errorf("keep state: %w", err)
	}
	return nil
}

func replaceFile(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
