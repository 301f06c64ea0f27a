package terminal

import (
	"context"
	"errors"
)

// Capturer is a Session with a terminal that can ask people for a finger.
type Capturer interface {
	// Capture lets the terminal ask the user in a slot of the last Inventory for a
	// finger that they do not have there, and tells of every step as far as the
	// terminal does. It returns the template as the terminal gives it back, which is
	// the proof that it was stored. However it ends, the terminal asks no more.
	Capture(ctx context.Context, slot uint16, finger uint8, told func(Step)) ([]byte, error)
	// AskNoMore ends a Capture of a session that died: the terminal goes on asking by
	// itself, and recognises nobody meanwhile. That nobody is asked is no error.
	AskNoMore(ctx context.Context) error
}

// Step is what happens while a finger is captured.
type Step string

// The steps, in the order in which they come; an image is placed, then good or bad,
// several times.
const (
	StepAsked  Step = "asked"  // the terminal shows that it waits for a finger
	StepPlaced Step = "placed" // a finger is on the sensor
	StepGood   Step = "good"   // its image will do
	StepBad    Step = "bad"    // its image will not
	StepStored Step = "stored" // the terminal has the template
)

// The ways in which a capture ends without a template.
var (
	ErrDuplicate = errors.New("finger is somebody else's already")
	ErrNobody    = errors.New("nobody placed a finger in time, or somebody cancelled it")
	ErrCapture   = errors.New("terminal did not take the finger")
)
