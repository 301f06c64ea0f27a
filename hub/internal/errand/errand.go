// Package errand keeps the service that sites are asked for: to read a terminal now, to
// set its clock, to start the agent anew, to tell how the installation is. Commands and
// tools order here (Start), look (Get, List) and read a diagnosis (Open); dispatch takes
// what is to be said (Due), ingest brings what agents tell (Tell, Landed).
//
// It knows its tables. It must not know MQTT or the register; it reaches the database
// through the store only. An errand expires soon: one that nobody heard is ordered anew,
// by somebody who knows that the site is there.
//
// Beware: diagnoses stay sealed in the database, and who opens one is to be written down
// by whoever asks for that.
package errand

import (
	"context"
	"database/sql"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Database is what is needed of the store.
type Database interface {
	Update(ctx context.Context, change func(*sql.Tx) error) error
	Query(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
	Within(tx *sql.Tx) func(ctx context.Context, row func(*sql.Rows) error, query string, args ...any) error
	Generation(ctx context.Context) (protocol.Generation, error)
}

// Errands is all of this in a database. It is safe for concurrent use.
type Errands struct{ db Database }

// New is the errands in db.
func New(db Database) *Errands { return &Errands{db} }

// Errand is one thing that a site is asked for once.
type Errand struct {
	ID        int64
	Site      protocol.SiteID
	Number    protocol.Seq // by which the site's agent knows it
	Kind      protocol.JobKind
	Serial    protocol.Serial // empty: of the whole site
	Force     bool
	Kept      protocol.Hash // of a key-write: the box that holds the key
	OrderedBy string
	OrderedAt time.Time
	Expires   time.Time

	State   State
	Ended   protocol.Ending // the agent's word for what became of it, or Unanswered
	Reason  string          // more of why; may be empty
	EndedAt time.Time
	Result  *protocol.ErrandResult // of one at a terminal; nil: none
}

// State is how far an errand is.
type State string

// An errand waits until its agent has begun it. A diagnose is done when the diagnosis is
// here.
const (
	Waiting State = "waiting"
	Begun   State = "begun"
	Done    State = "done"
	Failed  State = "failed"
	Expired State = "expired"
)

// Open tells whether something may still happen.
func (s State) Open() bool { return s == Waiting || s == Begun }

// Unanswered is how an errand ended whose agent began it and was never heard of again.
const Unanswered protocol.Ending = "unanswered"

// Lasts is how long after it was ordered an errand may begin and go on, Longest the most
// that may be asked for, and unanswered how much longer the hub asks what became of one
// that was begun.
const (
	Lasts      = 15 * time.Minute
	Longest    = 7 * 24 * time.Hour
	unanswered = time.Hour
)

// keeps is how many diagnoses of a site are kept.
const keeps = 5

// Refusal is why nothing is ordered or shown. Its text is also the end of its code in the
// catalogue, errand.refused-….
type Refusal string

// The refusals.
const (
	ErrSite     Refusal = "site"     // nobody registered it
	ErrKind     Refusal = "kind"     // no such errand
	ErrTerminal Refusal = "terminal" // not registered at the site, or it is not said which
	ErrWho      Refusal = "who"      // nobody orders
	ErrForce    Refusal = "force"    // only a clock can be forced
	ErrTime     Refusal = "time"     // it would expire at once, or too late
	ErrAlone    Refusal = "alone"    // nobody said that no other system reads the terminal
	ErrBusy     Refusal = "busy"     // the site is asked for the same already
	ErrNone     Refusal = "none"     // no such errand of the site, or no diagnosis of it
)

func (r Refusal) Error() string { return "errand refused: " + string(r) }

// Message is what the site's agent is told of the errand.
func (e Errand) Message() protocol.Job {
	return protocol.Job{Kind: e.Kind, Expires: e.Expires, Serial: e.Serial, Force: e.Force, Kept: e.Kept}
}
