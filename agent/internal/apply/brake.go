package apply

import (
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Brake bounds what may be deleted at one terminal within a week without a person's
// approval. A wrong register must not empty a terminal.
type Brake struct {
	Users   int // at least so many may go
	Percent int // or so many of a hundred users
}

// brakeSpan is the time over which deletions are summed.
const brakeSpan = 7 * 24 * time.Hour

// holds tells whether a plan has to stop: before counts what was deleted within
// brakeSpan, users is how many the terminal holds.
func (b Brake) holds(p roster.Plan, before, users int) bool {
	deleted := before + deletions(p.Changes)
	return deleted > before && deleted > max(b.Users, users*b.Percent/100)
}

// deletions counts users that go, and users who lose a finger.
func deletions(changes []roster.Change) int {
	who := map[string]bool{}
	for _, c := range changes {
		if c.Act == roster.DropUser || c.Act == roster.DropFinger {
			who[c.PIN] = true
		}
	}
	return len(who)
}
