package terminal

import (
	"context"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Timekeeper is a Session with a terminal whose clock can be read and set.
type Timekeeper interface {
	// Offset is the terminal's clock minus the agent's; OffsetUnknown where it does not
	// tell its time.
	Offset(ctx context.Context) (protocol.Offset, error)
	// SetClock sets the terminal's clock to the agent's. It is not disabled for that.
	SetClock(ctx context.Context) error
}
