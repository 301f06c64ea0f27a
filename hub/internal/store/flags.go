package store

import (
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Flags are what people should know about a punch before they trust it.
type Flags uint16

// The first three are facts of the moment at which a sighting came, kept with
// it; the others follow from what is known when somebody asks. Those of the
// register are raised by package meeting.
const (
	FlagImpossible    Flags = 1 << iota // the time names no date
	FlagFuture                          // the time lies after the moment at which the hub received it
	FlagClock                           // the terminal's clock was wrong when it was read
	FlagUnknownPIN                      // register: the PIN meant nobody on that day
	FlagContradiction                   // two sightings differ in verify or work code
	FlagNotPlaced                       // register: the person was not at work there on that day
	FlagNoUnit                          // register: the terminal was no unit's on that day
	FlagEnrolment                       // register: fingers are recorded at the terminal; it tells no presence
)

// Names are the flags' names in machine-readable output and in the catalogue.
func (f Flags) Names() []string {
	names := []string{}
	for i, name := range []string{"impossible-time", "future-time", "clock-off", "unknown-pin", "contradiction", "not-placed", "no-unit", "enrolment"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// Clocks that differ by less are called right.
const (
	futureMargin = 10 * time.Minute
	clockMargin  = 5 * time.Minute
)

// FlagsOf judges one record by the moment at which it was received.
func FlagsOf(r protocol.Record, received time.Time) (f Flags) {
	wall, exists := r.Time.Wall()
	switch {
	case !exists:
		f |= FlagImpossible
	case wall.After(protocol.Wall(received).Add(futureMargin)):
		f |= FlagFuture
	}
	if off := time.Duration(r.Offset) * time.Second; r.Offset != protocol.OffsetUnknown && off.Abs() > clockMargin {
		f |= FlagClock
	}
	return f
}
