// Package job keeps what sites are asked to do once: to capture a finger at a terminal
// of enrolment. Commands and pages order here (Start), look (Get, List) and cancel
// (Cancel); dispatch takes what is to be said (Open), ingest brings what agents tell
// (Tell) and asks whose a captured template is (Whose, Landed).
//
// It knows its tables and the register. It must not know MQTT, the vault or what is in
// a template; it reaches the database through the store only.
//
// Beware: no finger is captured of somebody to whom the notice of what it is for was
// not shown. And a template is an employee's own by way of a job only: what does not
// agree with its job stays found, until a named person accepts it.
package job

import (
	"context"
	"database/sql"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Database is what is needed of the store.
type Database interface {
	Update(ctx context.Context, change func(*sql.Tx) error) error
	Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
	Within(tx *sql.Tx) func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
	Generation(ctx context.Context) (protocol.Generation, error)
}

// Directory is what is needed of the register.
type Directory interface {
	Register(ctx context.Context) (*directory.Register, error)
}

// Jobs is all of this in a database. It is safe for concurrent use.
type Jobs struct {
	db       Database
	register Directory
}

// New is the jobs in db.
func New(db Database, register Directory) *Jobs { return &Jobs{db, register} }

// Job is one finger of one person to be captured at one terminal.
type Job struct {
	ID        int64
	Site      protocol.SiteID
	Serial    protocol.Serial
	Number    protocol.Seq // by which the site's agent knows it
	Employee  placement.EmployeeID
	PIN       string // the hub's
	Finger    uint8  // 0 to 9
	Notice    Notice
	OrderedBy string
	OrderedAt time.Time
	NotBefore time.Time // zero: at once
	Expires   time.Time

	State  State
	Step   protocol.Step // the last that the agent told
	Good   int           // images so far that will do
	Bad    int
	SaidAt time.Time // when the agent spoke of it last; zero: never

	Ended       protocol.Ending // the agent's word for what became of it, or Unanswered
	Reason      string          // more of why; may be empty
	EndedAt     time.Time
	Digest      protocol.Hash // of the template, once it is in the vault
	CancelledBy string
	CancelledAt time.Time
}

// Notice is that an employee was told what their finger is recorded for (UU 27/2022).
type Notice struct {
	Wording string // version of the text
	By      string
	At      time.Time
}

// Wording is the version of the notice's present text, capture.notice in the
// catalogue. Whoever changes the text changes the version: a test holds the two
// together.
const Wording = "2026-1"

// State is how far a job is.
type State string

// A job waits until its agent has begun it, is done when the template is in the
// vault, and otherwise failed, was cancelled or expired before it began.
const (
	Waiting   State = "waiting"
	Begun     State = "begun"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Expired   State = "expired"
)

// Open tells whether something may still happen.
func (s State) Open() bool { return s == Waiting || s == Begun }

// Unanswered is how a job ended whose agent began it and was never heard of again.
const Unanswered protocol.Ending = "unanswered"

// Lasts is how long after it was ordered a job may begin and go on, and unanswered is
// how much longer the hub asks what became of one that was begun.
const (
	Lasts      = 30 * time.Minute
	unanswered = 24 * time.Hour
)

// Refusal is why nothing is ordered or cancelled. Its text is also the end of its code
// in the catalogue, capture.refused-….
type Refusal string

// The refusals.
const (
	ErrNotice    Refusal = "notice"       // the notice was not shown to the employee
	ErrWho       Refusal = "who"          // nobody orders
	ErrTerminal  Refusal = "terminal"     // not registered at this site
	ErrEnrolment Refusal = "no-enrolment" // the terminal is none of enrolment
	ErrEmployee  Refusal = "employee"     // not in the register
	ErrInactive  Refusal = "inactive"     // the employee does not work here
	ErrFinger    Refusal = "finger"       // no finger, one that nobody has, or one twice
	ErrBusy      Refusal = "busy"         // this finger of this employee is asked for already
	ErrTime      Refusal = "time"         // it would expire before it may begin
	ErrNone      Refusal = "none"         // no such job
	ErrOver      Refusal = "over"         // it has ended
)

func (r Refusal) Error() string { return "capture refused: " + string(r) }
