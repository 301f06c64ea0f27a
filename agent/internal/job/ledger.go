package job

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

// ledger is what has to survive a restart: which jobs were begun, and what became of
// them. It holds no name and no template.
type ledger struct {
	path    string
	damaged error // why nothing is known of what was begun; nil: it is

	Heard   time.Time    `json:"heard"`   // the newest time that the hub has signed, when this was written
	Through protocol.Seq `json:"through"` // every number up to this is over, and forgotten
	Entries []*entry     `json:"entries"` // in the order in which they were begun
}

// entry is one job that was begun, or that never will be.
type entry struct {
	Job      protocol.Job      `json:"job"`
	Progress protocol.Progress `json:"progress"` // without an ending: it is under way, or was when the agent died
	// Asked is that the terminal did not have the finger, and was to ask for it next.
	Asked bool `json:"asked,omitempty"`
	// Slot is of the user whom this job put on the terminal, 0 for none. Left is that
	// the job has ended, and the terminal is still to be left as it should be.
	Slot uint16 `json:"slot,omitempty"`
	Left bool   `json:"left,omitempty"`
}

// is tells whether a message is about this job, or its end.
func (e *entry) is(job protocol.Job) bool {
	same := e.Job.Kind == protocol.JobCapture && job.Kind == protocol.JobCapture
	return e.Job.Serial == job.Serial && (!same || e.Job.PIN == job.PIN && e.Job.Finger == job.Finger)
}

// remembered is how many jobs are not forgotten.
const remembered = 256

func loadLedger(path string) (*ledger, error) {
	l := &ledger{path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which jobs were begun: %w", err)
	}
	if json.Unmarshal(text, l) != nil {
		return &ledger{path: path, damaged: fmt.Errorf("which jobs were begun cannot be read: %s is damaged; move it away when no capture is open", path)}, nil
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
		return fmt.Errorf("keep which jobs were begun: %w", err)
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

// add keeps a job; the oldest with which nothing is left to do is forgotten.
func (l *ledger) add(e *entry) error {
	before := *l
	l.Entries = append(slices.Clone(l.Entries), e)
	if len(l.Entries) > remembered {
		i := slices.IndexFunc(l.Entries, func(e *entry) bool { return e.Progress.Ended != "" && !e.Left })
		if i >= 0 {
			if l.Through.Less(l.Entries[i].Progress.Job) {
				l.Through = l.Entries[i].Progress.Job
			}
			l.Entries = slices.Delete(l.Entries, i, i+1)
		}
	}
	if err := l.save(); err != nil {
		*l = before // it was not begun
		return err
	}
	return nil
}
