// Package whereabouts says where employees and their fingers are: on each terminal
// what should be there, what is, the proof of what is gone, and what is still open
// and why.
//
// It is a rule over what register, vault, rosters and terminals say, and the little
// that gathers this. It must not know SQL, pages or how anything is sent, and it
// changes nothing.
//
// Beware: what a terminal holds is known as of its newest inventory, no later. That
// somebody is gone is proven only by an inventory that was read after the deletion.
package whereabouts

import (
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Place is one terminal as it stands to one employee.
type Place struct {
	Employee placement.EmployeeID
	Terminal placement.TerminalID
	Site     protocol.SiteID
	Serial   protocol.Serial

	Revision protocol.Seq // of the terminal's roster
	Should   bool         // the roster names the employee
	Want     []uint8      // with these fingers, in the terminal's algorithm

	Read time.Time // when the newest inventory came; zero: none did
	Is   bool      // it has the employee, or a finger of theirs
	PINs []string  // under these PINs, as the terminal has them
	Held []uint8   // with these fingers

	Gone *Removal // they were taken away, and are gone; nil: never, or not proven
	Open *Open    // what is still to be done; nil: nothing is
}

// Removal is the proof that an employee was taken off a terminal.
type Removal struct {
	Done     time.Time    // when the agent's word came that the user is deleted and was read back
	Revision protocol.Seq // of the roster by which it was done
	Read     time.Time    // when the inventory came, or was confirmed, that lacks them
}

// Act is what a terminal still lacks.
type Act string

// The acts: a person or finger must come onto a terminal, or must go.
const (
	MustCome Act = "must-come"
	MustGo   Act = "must-go"
)

// Why is why it is not done yet.
type Why string

// The reasons, and who can do something about them: nobody but time for Sent
// and Working; the office for Unheard, Unread, Unreached and Failed; the agency for the
// others.
const (
	Unheard   Why = "unheard"   // the site's agent has never spoken: nothing can be sealed to it
	Unread    Why = "unread"    // no inventory ever came
	Mode      Why = "mode"      // the roster's mode does not let it: observe, or add for what must go
	Blocked   Why = "blocked"   // the terminal or the rule does not let it, see Reason
	Braked    Why = "braked"    // a person must approve the plan
	Ahead     Why = "ahead"     // the site follows a later roster than this database has
	Unreached Why = "unreached" // the terminal or its site does not answer
	Sent      Why = "sent"      // the agent has not answered yet, and nothing says that it cannot
	Template  Why = "template"  // the finger has not come to the site yet
	Failed    Why = "failed"    // the terminal did not take it; it is tried again
	Working   Why = "working"   // the agent is at it, or waits for a calm hour
)

// Open is what is still to be done at a terminal.
type Open struct {
	Act     Act
	Why     Why
	Reason  roster.Reason // of Mode and Blocked; the agent's own word of Failed
	Plan    protocol.Hash // of Braked: what a person would approve
	Since   roster.Date   // on which day it became due; "" where the register does not say
	Reached time.Time     // when the terminal was last reached; zero: never
}

// Task is what is open at one terminal, for everybody of whom the same is to be said.
type Task struct {
	Terminal  placement.TerminalID
	Site      protocol.SiteID
	Serial    protocol.Serial
	Mode      roster.Mode
	Open                             // Since is the oldest
	Employees []placement.EmployeeID // by id
}
