package roster

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Mode is how far an agent may go.
type Mode string

// Observe reports only, Add never deletes and never takes rights away, Enforce
// makes the terminal equal.
const (
	Observe Mode = "observe"
	Add     Mode = "add"
	Enforce Mode = "enforce"
)

// Privilege is what a user may do at the terminal itself.
type Privilege string

// The levels of a terminal, from none to all.
const (
	User          Privilege = "user"
	Enroller      Privilege = "enroller"
	Manager       Privilege = "manager"
	Administrator Privilege = "administrator"
)

// rank orders the levels; -1 for an unknown one.
func (p Privilege) rank() int {
	switch p {
	case User:
		return 0
	case Enroller:
		return 1
	case Manager:
		return 2
	case Administrator:
		return 3
	}
	return -1
}

// Roster is what one terminal should hold on a day.
type Roster struct {
	Serial    protocol.Serial `json:"serial"`
	AsOf      Date            `json:"as_of"`
	Mode      Mode            `json:"mode"`
	MaxAdmins int             `json:"max_admins"`     // more administrators than these are a finding; 0: not judged
	Entries   []Entry         `json:"entries"`        // by PIN, each once
	Keep      []Keep          `json:"keep,omitempty"` // by PIN, each once
}

// Entry is one person of a roster.
type Entry struct {
	PIN string `json:"pin"` // in normal form
	// Also are other PINs by which this terminal knows the person, rising: where no user
	// has PIN, one of these stands for the entry and stays under their number.
	Also      []string  `json:"also,omitempty"`
	Name      string    `json:"name"` // the whole name; a terminal shows what fits. Empty: not named
	Privilege Privilege `json:"privilege"`
	Card      *uint32   `json:"card,omitempty"` // null: the register has none, the terminal's stays
	Fingers   []Finger  `json:"fingers"`        // by number, then algorithm. None: the terminal's stay
}

// Finger is one template by what it is, never by its bytes.
type Finger struct {
	Number    uint8         `json:"number"`    // 0 to 9
	Algorithm uint8         `json:"algorithm"` // 9 or 10; they are not interchangeable
	Digest    protocol.Hash `json:"digest"`    // SHA-256 of the template cut to the length in its head
}

// Limits of what is believed.
const (
	MaxUsers   = 20_000 // of a roster or an inventory: twice the largest terminal
	maxFingers = 20     // of one person: ten, in two algorithms
	maxPIN     = 24
	maxName    = 200 // bytes
	maxHeld    = 24  // bytes of a name as a terminal keeps it
)

// ErrRoster says that a roster or inventory cannot be one.
var ErrRoster = errors.New("not a roster")

// Check reports a roster that contradicts itself.
func (r Roster) Check() error {
	switch r.Mode {
	case Observe, Add, Enforce:
	default:
		return fmt.Errorf("%w: unknown mode %q", ErrRoster, r.Mode)
	}
	if err := r.AsOf.Check(); err != nil {
		return fmt.Errorf("%w: as of: %w", ErrRoster, err)
	}
	if r.Serial == "" || len(r.Entries) > MaxUsers || len(r.Keep) > 2*MaxUsers || r.MaxAdmins < 0 {
		return fmt.Errorf("%w: %d entries for terminal %q, at most %d administrators", ErrRoster, len(r.Entries), r.Serial, r.MaxAdmins)
	}
	known := map[string]bool{} // the other PINs
	for i, e := range r.Entries {
		for _, pin := range e.Also {
			if _, named := slices.BinarySearchFunc(r.Entries, pin, byPIN); named || known[pin] {
				return fmt.Errorf("%w: entry %d has a PIN of another", ErrRoster, i)
			}
			known[pin] = true
		}
		if err := e.check(); err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrRoster, i, err)
		}
		if i > 0 && r.Entries[i-1].PIN >= e.PIN {
			return fmt.Errorf("%w: entry %d does not follow in order of PIN", ErrRoster, i)
		}
	}
	for i, k := range r.Keep {
		if err := k.check(); err != nil {
			return fmt.Errorf("%w: what is kept, %d: %w", ErrRoster, i, err)
		}
		if i > 0 && r.Keep[i-1].PIN >= k.PIN {
			return fmt.Errorf("%w: what is kept, %d, does not follow in order of PIN", ErrRoster, i)
		}
	}
	return nil
}

func byPIN(e Entry, pin string) int { return cmp.Compare(e.PIN, pin) }

func (e Entry) check() error {
	switch {
	case e.PIN == "" || len(e.PIN) > maxPIN || e.PIN != protocol.NormalPIN(e.PIN):
		return errors.New("a PIN that is empty, too long or padded")
	case len(e.Name) > maxName:
		return fmt.Errorf("a name of %d bytes", len(e.Name))
	case e.Privilege.rank() < 0:
		return fmt.Errorf("unknown privilege %q", e.Privilege)
	case len(e.Fingers) > maxFingers:
		return fmt.Errorf("%d fingers", len(e.Fingers))
	}
	for i, pin := range e.Also {
		if pin == "" || len(pin) > maxPIN || pin != protocol.NormalPIN(pin) || i > 0 && e.Also[i-1] >= pin {
			return errors.New("another PIN that is empty, too long, padded or out of order")
		}
	}
	for i, f := range e.Fingers {
		if err := f.check(); err != nil {
			return err
		}
		if i > 0 && !e.Fingers[i-1].before(f) {
			return fmt.Errorf("finger %d does not follow in order", f.Number)
		}
		for _, o := range e.Fingers[:i] {
			if o.Digest == f.Digest {
				return fmt.Errorf("fingers %d and %d are one template", o.Number, f.Number)
			}
		}
	}
	return nil
}

func (f Finger) check() error {
	if f.Number > 9 || f.Algorithm != 9 && f.Algorithm != 10 || f.Digest.IsZero() {
		return fmt.Errorf("finger %d of algorithm %d", f.Number, f.Algorithm)
	}
	return nil
}

func (f Finger) before(o Finger) bool {
	return f.Number < o.Number || f.Number == o.Number && f.Algorithm < o.Algorithm
}
