package errand

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// ledger is what has to survive a restart: which errands were begun, and what became of
// them.
type ledger struct {
	path    string
	damaged error // why nothing is known of what was begun; nil: it is

	Through protocol.Seq `json:"through"` // every number up to this is over, and forgotten
	Entries []*entry     `json:"entries"` // in the order in which they were begun
}

// entry is one errand that was begun, or that never will be.
type entry struct {
	Job      protocol.Job      `json:"job"`
	Progress protocol.Progress `json:"progress"` // without an ending: it is under way, or was when the agent died
}

// remembered is how many errands are not forgotten.
const remembered = 64

func loadLedger(path string) (*ledger, error) {
	l := &ledger{path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which errands were begun: %w", err)
	}
	if json.Unmarshal(text, l) != nil || slices.Contains(l.Entries, nil) {
		return &ledger{path: path, damaged: fmt.Errorf("which errands were begun cannot be read: %s is damaged; move it away when no errand is open", path)}, nil
	}
	return l, nil
}

// save returns once everything is on disk.
func (l *ledger) save() error {
	text, err := json.Marshal(l)
	if err == nil {
		err = durable.Write(l.path, text)
	}
	if err != nil {
		return fmt.Errorf("keep which errands were begun: %w", err)
	}
	return nil
}

func (l *ledger) find(number protocol.Seq) *entry {
	for _, e := range l.Entries {
		if e.Progress.Job == number {
			return e
		}
	}
	return nil
}

// over tells of a number that is not in the ledger whether it is of the past: one that
// was forgotten, or of an earlier life of the hub.
func (l *ledger) over(number protocol.Seq) bool {
	life := l.Through.Life
	for _, e := range l.Entries {
		life = max(life, e.Progress.Job.Life)
	}
	return number.Life < life || !l.Through.Less(number)
}

// add keeps an errand; the oldest is forgotten.
func (l *ledger) add(e *entry) error {
	before := *l
	l.Entries = append(slices.Clone(l.Entries), e)
	if len(l.Entries) > remembered {
		if gone := l.Entries[0].Progress.Job; l.Through.Less(gone) {
			l.Through = gone
		}
		l.Entries = l.Entries[1:]
	}
	if err := l.save(); err != nil {
		*l = before // it was not begun
		return err
	}
	return nil
}
