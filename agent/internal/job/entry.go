package job

import (
	"github.com/bkpsdmd-babel/sidik/agent/internal/ledger"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// entry is one job that was begun, or that never will be.
type entry = ledger.Entry[note]

// note is what else is to be known of a job after a restart.
type note struct {
	// Asked is that the terminal did not have the finger, and was to ask for it next.
	Asked bool `json:"asked,omitempty"`
	// Slot is of the user whom this job put on the terminal, 0 for none. Left is that
	// the job has ended, and the terminal is still to be left as it should be.
	Slot uint16 `json:"slot,omitempty"`
	Left bool   `json:"left,omitempty"`
}

// isAbout tells whether a message is about a job that was begun, or its end.
func isAbout(job, begun protocol.Job) bool {
	same := begun.Kind == protocol.JobCapture && job.Kind == protocol.JobCapture
	return begun.Serial == job.Serial && (!same || begun.PIN == job.PIN && begun.Finger == job.Finger)
}

// isOver tells whether nothing is left to do with a job.
func isOver(e *entry) bool { return e.Progress.Ended != "" && !e.Note.Left }

// remembered is how many jobs are not forgotten.
const remembered = 256
