package finder

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// file holds the places by serial number.
const file = "places.json"

// Remembered reads where terminals were found before; none is no error. A damaged file is
// set aside: it is only a shortcut.
func Remembered(dir string) (places map[protocol.Serial]terminal.Place, err error) {
	path := filepath.Join(dir, file)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read places of terminals: %w", err)
	}
	if err := json.Unmarshal(text, &places); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), durable.SetAside(path))
	}
	return places, nil
}

func remember(dir string, places map[protocol.Serial]terminal.Place) error {
	text, err := json.Marshal(places)
	if err != nil {
		return err
	}
	return durable.Write(filepath.Join(dir, file), text)
}
