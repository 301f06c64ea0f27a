package protocol

import (
	"errors"
	"fmt"
	"time"
)

// Job is the body of a jobs message: something that a site is asked to do once. Its
// number is the envelope's Seq, (generation, number of the site's job): a number that
// was begun is never begun again, and whoever hears it again answers with what became
// of it. So the hub says a job until it has heard that, and neither has to trust that
// a message arrived.
type Job struct {
	Kind      JobKind   `json:"kind"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Expires   time.Time `json:"expires"`         // it is neither begun nor goes on after that
	Serial    Serial    `json:"serial"`          // empty where it is of the whole site
	PIN       string    `json:"pin,omitempty"`   // of a capture, in normal form. No name: a terminal can do without
	Finger    uint8     `json:"finger"`          // of a capture, 0 to 9
	Kept      Hash      `json:"kept,omitzero"`   // of a key-write: SHA-256 of what is in the box that the hub has kept
	Force     bool      `json:"force,omitempty"` // of a clock: a person wants it set back over punches that are there
}

// JobKind is what is to be done.
type JobKind string

// JobCapture asks somebody for a finger at a terminal. JobCancel has the number of the
// job that it ends, or that never begins: that too may come first.
const (
	JobCapture JobKind = "capture"
	JobCancel  JobKind = "cancel"
)

// maxJobPIN is how long a PIN is at most, as in records.
const maxJobPIN = 24

// Check reports a jobs message that cannot be one.
func (j Job) Check() error {
	if _, err := ParseSerial(string(j.Serial)); err != nil && j.Kind.OfTerminal() {
		return fmt.Errorf("job: %w", err)
	}
	if j.Expires.IsZero() || !j.NotBefore.Before(j.Expires) {
		return errors.New("job that expires before it may begin, or never")
	}
	switch j.Kind {
	case JobCancel:
		return nil
	case JobCapture:
		if j.PIN == "" || len(j.PIN) > maxJobPIN || j.PIN != NormalPIN(j.PIN) || j.Finger > 9 {
			return fmt.Errorf("capture of finger %d under a PIN that is empty, too long or padded", j.Finger)
		}
		return nil
	case JobRead, JobClock, JobRestart, JobDiagnose, JobKeyMake, JobKeyWrite:
		return j.checkErrand()
	}
	return fmt.Errorf("unknown kind of job %q", j.Kind)
}

// Progress is the body of a progress message: how far one job is, and in the end what
// became of it. It is a kind of its own and no part of results, because of results
// the newest about a terminal counts, and jobs end one by one.
type Progress struct {
	Job    Seq           `json:"job"`
	Kind   JobKind       `json:"kind,omitempty"` // of an errand; empty: of a capture
	Serial Serial        `json:"serial"`
	Step   Step          `json:"step,omitempty"` // the last that was seen; empty: not begun
	Good   int           `json:"good"`           // images of the finger that will do
	Bad    int           `json:"bad"`            // and that will not
	Ended  Ending        `json:"ended,omitempty"`
	Reason string        `json:"reason,omitempty"` // more of why: the word of a roster.Reason or of a terminal's trouble
	Digest Hash          `json:"digest,omitzero"`  // of the template that was captured
	Result *ErrandResult `json:"result,omitempty"` // of an errand at a terminal
}

// Step is the last thing that happened in a capture.
type Step string

// The steps in their order. StepBegun is said before the terminal is reached; images
// are placed, then good or bad, several times.
const (
	StepBegun  Step = "begun"
	StepAsked  Step = "asked"
	StepPlaced Step = "placed"
	StepGood   Step = "good"
	StepBad    Step = "bad"
	StepStored Step = "stored"
)

// Ending is what became of a job.
type Ending string

// The endings. After EndedDone the template is on its way, sealed to the hub.
const (
	EndedDone        Ending = "done"
	EndedDuplicate   Ending = "duplicate"   // the finger is somebody's already, at this terminal
	EndedNobody      Ending = "nobody"      // nobody placed a finger in time, or somebody cancelled it there
	EndedFailed      Ending = "failed"      // the terminal did not take it
	EndedPresent     Ending = "present"     // the terminal has this finger of this person already
	EndedBlocked     Ending = "blocked"     // the terminal has no room for the person, see Reason
	EndedUnreachable Ending = "unreachable" // no session with the terminal, or it broke; see Reason
	EndedInterrupted Ending = "interrupted" // the agent was, and the terminal has no finger
	EndedExpired     Ending = "expired"
	EndedCancelled   Ending = "cancelled"
	EndedElsewhere   Ending = "elsewhere" // the terminal is not configured at the site's agent
	EndedUnknown     Ending = "unknown"   // the agent is older than this kind of job
)

// maxImages and maxReason bound what is believed of a progress message.
const (
	maxImages = 1000
	maxReason = 64
)

// Check reports a progress message that cannot be one.
func (p Progress) Check() error {
	if _, err := ParseSerial(string(p.Serial)); err != nil && (p.Kind == "" || p.Serial != "") {
		return fmt.Errorf("progress: %w", err)
	}
	switch p.Step {
	case "", StepBegun, StepAsked, StepPlaced, StepGood, StepBad, StepStored:
	default:
		return fmt.Errorf("unknown step %q", p.Step)
	}
	switch p.Ended {
	case "", EndedDone, EndedDuplicate, EndedNobody, EndedFailed, EndedPresent, EndedBlocked, EndedUnreachable,
		EndedInterrupted, EndedExpired, EndedCancelled, EndedElsewhere, EndedUnknown:
	default:
		return fmt.Errorf("unknown ending %q", p.Ended)
	}
	if p.Job == (Seq{}) || p.Good < 0 || p.Bad < 0 || p.Good > maxImages || p.Bad > maxImages || len(p.Reason) > maxReason {
		return errors.New("progress of no job, or with more than one has")
	}
	if p.Kind != "" {
		return p.checkErrand()
	}
	if p.Result != nil || (p.Ended == EndedDone) == p.Digest.IsZero() {
		return errors.New("progress that is done without a template, or has one without being done")
	}
	return nil
}
