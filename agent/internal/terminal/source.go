// Package terminal says what the agent wants of a fingerprint terminal, whatever
// the way to it: a Source that reads the attendance log, and small interfaces for
// what only some ways can do.
//
// It knows rows, readings and the causes of failure. It must not know a wire
// protocol, the buffer or the uplink.
//
// Beware: a Reading is either proven complete for the part that was asked for, or
// it is an error. No driver may hand over what it happened to get.
package terminal

import (
	"context"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Source reads one terminal. Every driver passes the suite in terminaltest.
//
// The methods of a Source may be called from several goroutines; they wait for
// each other, because most terminals serve one client at a time.
type Source interface {
	// Read reads the log as far as ask wants. An error leaves the terminal as it
	// was: enabled, with its log untouched. Errors carry a cause, see Cause.
	Read(ctx context.Context, ask Ask) (Reading, error)
	// Close ends the session with the terminal. A later Read begins a new one.
	Close() error
}

// Hinter is a Source that hears of punches when they happen.
type Hinter interface {
	// Watch stays connected until ctx ends and calls hint whenever the log may have
	// grown: for each event, and once for each new connection, before which events
	// may have been lost. It mends broken connections itself, and returns ctx's error.
	//
	// A hint is never the truth: it says only that a Read may be worth it.
	Watch(ctx context.Context, hint func()) error
}

// Mode is how much of the log a Read is for.
type Mode int

const (
	// IfChanged reads nothing when the terminal counts exactly the known rows,
	// and is otherwise Tail. A terminal that cannot count, or whose log is full
	// so that the count stands still, is always read.
	IfChanged Mode = iota
	// Tail reads the rows after the known ones, and Overlap rows before them.
	Tail
	// Whole reads the whole log.
	Whole
)

// String names the mode.
func (m Mode) String() string {
	switch m {
	case IfChanged:
		return "if-changed"
	case Tail:
		return "tail"
	case Whole:
		return "whole"
	}
	return "unknown"
}

// Ask is what a Read is for.
type Ask struct {
	Mode    Mode
	Known   int    // rows in the log when it was last read
	Overlap int    // how many of them to read again
	Layout  string // Reading.Layout of that read; empty when not known

	// Progress, if not nil, is called now and then with the bytes read so far and
	// all the bytes to read.
	Progress func(done, total int)
}

// Reading is one complete read.
type Reading struct {
	Identity
	At        time.Time          // the agent's clock when the read began
	Clock     protocol.LocalTime // the terminal's clock at that moment; empty when it does not tell
	Offset    protocol.Offset    // the terminal's clock minus the agent's
	Unchanged bool               // the terminal counts as many rows as were known: nothing was read
	Full      bool               // the log has no room left: from now on the count stands still
	Count     int                // rows in the log; First + len(Rows) unless Unchanged
	First     int                // index in the log of Rows[0]; 0 when the whole log was read
	Rows      []Row              // in the terminal's order
	Proof     Proof              // why the read is complete; empty when Unchanged
	Layout    string             // the driver's name for the shape of the rows
	Source    protocol.Source    // the way by which the rows came
}

// Identity is what a terminal says about itself, as far as it says it.
type Identity struct {
	Serial    protocol.Serial
	Model     string
	Firmware  string
	Algorithm string // of fingerprint templates: "9", "10"
	Users     protocol.Fill
	Fingers   protocol.Fill
	Logs      protocol.Fill
}

// Proof is the way in which a read was shown to be complete.
type Proof string

const (
	// ProofCount: header, frames and rows agree, and the rows are not fewer than the
	// terminal counted before nor more than it counted after.
	ProofCount Proof = "count"
	// ProofRepeat: the terminal does not count; two successive reads agree.
	ProofRepeat Proof = "repeat"
)

// Row is one punch as the terminal gave it.
type Row struct {
	// PIN is text fit for a protocol.Record: from the row, or, where the row has
	// only a slot, from the user list of the same session, or protocol.SlotPIN.
	PIN      string
	Slot     uint16 // the terminal's own number of the user, where the row has one
	SlotOnly bool   // the row itself has no PIN
	Time     protocol.LocalTime
	Status   uint8
	Verify   uint8
	WorkCode uint32
	Raw      []byte
}

// Identifier is what a row says of its own about who punched: its PIN, or its slot
// in the form of protocol.SlotPIN. Unlike PIN it does not change when the terminal
// gives a slot to somebody else.
func (r Row) Identifier() string {
	if r.SlotOnly {
		return protocol.SlotPIN(r.Slot)
	}
	return r.PIN
}
