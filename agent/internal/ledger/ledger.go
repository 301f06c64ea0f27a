// Package ledger keeps on disk which orders of the hub were begun, and what became of
// them, so that none is done twice, whatever ends the agent in between.
//
// It knows numbers and progress. It must not know how an order is carried out, and holds
// no name, key or template.
//
// Beware: what cannot be read is not empty. While Damaged says so nothing may be begun.
package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/durable"
)

// Entry is one order that was begun, or that never will be. N is what else is to be
// known of it after a restart.
type Entry[N any] struct {
	Job      protocol.Job      `json:"job"`
	Progress protocol.Progress `json:"progress"` // without an ending: it is under way, or was when the agent died
	Note     N                 `json:"note,omitzero"`
}

// Ledger is made by Open. Its owner guards it.
type Ledger[N any] struct {
	path    string
	most    int
	over    func(*Entry[N]) bool
	damaged error

	kept[N]
}

// kept is what is on disk.
type kept[N any] struct {
	Heard   time.Time    `json:"heard,omitzero"` // the newest time that the hub has signed, when this was written
	Through protocol.Seq `json:"through"`        // every number up to this is over, and forgotten
	Entries []*Entry[N]  `json:"entries"`        // in the order in which they were begun
}

// Open reads what was begun before. Of more than most entries the oldest is forgotten with
// which nothing is left to do, as over says.
func Open[N any](path string, most int, over func(*Entry[N]) bool) (*Ledger[N], error) {
	l := &Ledger[N]{path: path, most: most, over: over}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was begun: %w", err)
	}
	if json.Unmarshal(text, &l.kept) != nil || slices.Contains(l.Entries, nil) {
		l.kept, l.damaged = kept[N]{}, fmt.Errorf("what was begun cannot be read: %s is damaged; move it away when nothing is open", path)
	}
	return l, nil
}

// Damaged is why nothing is known of what was begun; nil: it is.
func (l *Ledger[N]) Damaged() error { return l.damaged }

// Save returns once everything is on disk.
func (l *Ledger[N]) Save() error {
	text, err := json.Marshal(l.kept)
	if err == nil {
		err = durable.Write(l.path, text)
	}
	if err != nil {
		return fmt.Errorf("keep what was begun: %w", err)
	}
	return nil
}

// Find returns the entry of a number; nil for none.
func (l *Ledger[N]) Find(number protocol.Seq) *Entry[N] {
	for _, e := range l.Entries {
		if e.Progress.Job == number {
			return e
		}
	}
	return nil
}

// Over tells of a number that is not in the ledger whether it is of the past: one that
// was forgotten, or of an earlier life of the hub.
func (l *Ledger[N]) Over(number protocol.Seq) bool {
	life := l.Through.Life
	for _, e := range l.Entries {
		life = max(life, e.Progress.Job.Life)
	}
	return number.Life < life || !l.Through.Less(number)
}

// Add keeps an entry. After an error it was not begun.
func (l *Ledger[N]) Add(e *Entry[N]) error {
	before := l.kept
	l.Entries = append(slices.Clone(l.Entries), e)
	if len(l.Entries) > l.most {
		if i := slices.IndexFunc(l.Entries, l.over); i >= 0 {
			if l.Through.Less(l.Entries[i].Progress.Job) {
				l.Through = l.Entries[i].Progress.Job
			}
			l.Entries = slices.Delete(l.Entries, i, i+1)
		}
	}
	if err := l.Save(); err != nil {
		l.kept = before
		return err
	}
	return nil
}
