package protocol

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Errands are jobs of service. They begin when they come or never, and whoever does not
// know a kind of job answers EndedUnknown, so that nobody asks for ever.
const (
	JobRead     JobKind = "read"     // read the whole log of a terminal
	JobClock    JobKind = "clock"    // set the clock of a terminal
	JobRestart  JobKind = "restart"  // start the agent anew
	JobDiagnose JobKind = "diagnose" // tell the hub how the installation is, in a diagnosis

	// A terminal's communication key is changed in two errands: the first makes a new one
	// and answers with it, sealed; the second, in which the hub says that it has kept that
	// very box, writes it.
	JobKeyMake  JobKind = "key-make"
	JobKeyWrite JobKind = "key-write"
)

// Errands are the kinds of them.
func Errands() []JobKind {
	return []JobKind{JobRead, JobClock, JobRestart, JobDiagnose, JobKeyMake, JobKeyWrite}
}

// OfTerminal tells whether a job is of one terminal and not of the whole site.
func (k JobKind) OfTerminal() bool { return k != JobRestart && k != JobDiagnose }

// Why a clock is not set: the reason of EndedBlocked.
const (
	ClockUnsure    = "clock-unsure"    // the agent's own clock is not synchronised
	ClockSilent    = "clock-silent"    // the terminal does not tell its time
	ClockRight     = "clock-right"     // it is right enough
	ClockMidnight  = "clock-midnight"  // it, or the true time, is too near to midnight
	ClockRush      = "clock-rush"      // people come and go
	ClockBackwards = "clock-backwards" // there are punches from after the time to be set
)

// Why a communication key is not written: the reason of EndedBlocked.
const KeyOther = "key-other" // the hub has kept another one than was made last

// CommKeyPurpose is what the box of a communication key is for.
func CommKeyPurpose(site SiteID, serial Serial) seal.Purpose {
	return seal.For("comm-key").With("site", string(site)).With("serial", string(serial))
}

func (j Job) checkErrand() error {
	if j.Kept.IsZero() == (j.Kind == JobKeyWrite) {
		return fmt.Errorf("%s with a key that was kept, or without one that is to be", j.Kind)
	}
	if j.PIN != "" || j.Finger != 0 || !j.NotBefore.IsZero() {
		return fmt.Errorf("%s for a person or for later", j.Kind)
	}
	if j.Force && j.Kind != JobClock {
		return fmt.Errorf("%s that is forced", j.Kind)
	}
	if !j.Kind.OfTerminal() && j.Serial != "" {
		return fmt.Errorf("%s of a terminal", j.Kind)
	}
	return nil
}

// ErrandResult is what an errand at a terminal has brought.
type ErrandResult struct {
	Rows   int    `json:"rows"` // in the terminal's log
	New    int    `json:"new"`  // of them, collected for the first time
	Before Offset `json:"before"`
	After  Offset `json:"after"` // as Before where no clock was set

	Key *seal.Box `json:"key,omitempty"` // of a key-make: the new key in decimal digits
}

// maxKind is how long the word for a kind of job is at most, also of a newer version.
const maxKind = 32

func (p Progress) checkErrand() error {
	if len(p.Kind) > maxKind || strings.Trim(string(p.Kind), "abcdefghijklmnopqrstuvwxyz-") != "" {
		return errors.New("progress of a kind of job that is none")
	}
	if p.Step != "" && p.Step != StepBegun || p.Good != 0 || p.Bad != 0 || !p.Digest.IsZero() {
		return fmt.Errorf("progress of a %s that captures", p.Kind)
	}
	if r := p.Result; r != nil && (r.Rows < 0 || r.New < 0 || (r.Key != nil) != (p.Kind == JobKeyMake)) {
		return errors.New("progress with less than no punches, or with a key that nobody asked for")
	}
	return nil
}

// Diagnosis is the body of a diagnosis message: how an installation is, sealed to the
// hub. It is the answer to a diagnose.
type Diagnosis struct {
	Job Seq      `json:"job"`
	Doc Document `json:"doc"` // of a DiagnosisReport, gzipped JSON; whole
}

// Check reports a diagnosis message that cannot be one.
func (d Diagnosis) Check() error {
	if d.Job == (Seq{}) || d.Doc.Parts != 0 {
		return errors.New("diagnosis that nobody asked for, or in parts")
	}
	return d.Doc.Check()
}

// DiagnosisPurpose is what the box of a diagnosis is for.
func DiagnosisPurpose(site SiteID, job Seq) seal.Purpose {
	return seal.For(string(KindDiagnosis)).With("site", string(site)).With("job", job.String())
}

// DiagnosisReport is what a diagnosis says.
type DiagnosisReport struct {
	At         time.Time          `json:"at"`
	Clock      ClockState         `json:"clock"` // what At is worth
	Version    string             `json:"version"`
	Uptime     int64              `json:"uptime"` // of the agent, in seconds
	Goroutines int                `json:"goroutines"`
	DiskFree   int64              `json:"disk_free"` // bytes beside the agent's data; -1 where nobody can say
	Backlog    Backlog            `json:"backlog"`
	Capacity   Capacity           `json:"capacity"`
	Terminals  []Terminal         `json:"terminals"`
	Findings   []DiagnosisFinding `json:"findings"` // of the doctor, in its order
	Log        string             `json:"log"`      // the newest lines of the agent's own log
}

// DiagnosisFinding is one examination of the doctor. Its sentence is in the catalogue
// under "doctor." + Code.
type DiagnosisFinding struct {
	Code  string            `json:"code"`
	OK    bool              `json:"ok"`
	Level Severity          `json:"level"` // of one that is not OK
	Args  map[string]string `json:"args,omitempty"`
}
