package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// memory is what has to survive a restart, per terminal. It holds no name and no
// template.
type memory struct {
	Order      protocol.Seq  `json:"order"`     // of the newest roster that was taken
	LastSlot   uint16        `json:"last_slot"` // highest that was ever seen or given
	Equivalent []equivalence `json:"equivalent"`
	Deleted    []deletion    `json:"deleted"` // of the last brakeSpan
	// Generation is the life of the hub under which something was last let pass the
	// brake; Approved is the order of the roster whose plan a person has approved, as
	// long as something of it is left.
	Generation uint64       `json:"generation"`
	Approved   protocol.Seq `json:"approved"`
}

// clone is a memory that shares nothing with m: a visit works on its own.
func (m memory) clone() memory {
	m.Equivalent, m.Deleted = slices.Clone(m.Equivalent), slices.Clone(m.Deleted)
	return m
}

// equivalence is a template that a terminal gives back with other bytes.
type equivalence struct {
	PIN    string        `json:"pin"`
	Finger uint8         `json:"finger"`
	Wanted protocol.Hash `json:"wanted"`
	Given  protocol.Hash `json:"given"`
	Writes int           `json:"writes"`
}

type deletion struct {
	At time.Time `json:"at"`
	N  int       `json:"n"`
}

func memoryPath(dir string, serial protocol.Serial) string {
	return filepath.Join(dir, string(serial)+".json")
}

// errDamaged says that what was known of a terminal cannot be read any more.
var errDamaged = errors.New("the file of what is known of the terminal is damaged")

// loadMemory reads what was kept; a terminal that is new has nothing.
func loadMemory(dir string, serial protocol.Serial) (m memory, err error) {
	text, err := os.ReadFile(memoryPath(dir, serial))
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("read what is known of terminal %s: %w", serial, err)
	}
	if json.Unmarshal(text, &m) != nil {
		return memory{}, fmt.Errorf("%w: %s; move it away, and the hub's next roster begins anew", errDamaged, memoryPath(dir, serial))
	}
	return m, nil
}

// save returns once m is on disk.
func (m memory) save(dir string, serial protocol.Serial) error {
	text, err := json.Marshal(m)
	if err == nil {
		err = durable.Write(memoryPath(dir, serial), text)
	}
	if err != nil {
		return fmt.Errorf("keep what is known of terminal %s: %w", serial, err)
	}
	return nil
}
