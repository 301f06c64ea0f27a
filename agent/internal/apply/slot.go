package apply

import (
	"fmt"
	"math"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// TakeSlot gives out a slot of a terminal: one that nobody ever had, because rows of
// the log may still name it. seen is the highest that its inventory shows.
func (a *Applier) TakeSlot(serial protocol.Serial, seen uint16) (uint16, error) {
	k, err := a.keeper(serial)
	if err != nil {
		return 0, err
	}
	return k.takeSlot(seen)
}

// takeSlot returns once the slot is on disk as given out.
func (k *keeper) takeSlot(seen uint16) (uint16, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := k.memory
	next.LastSlot = max(next.LastSlot, seen)
	if next.LastSlot == math.MaxUint16 {
		return 0, fmt.Errorf("terminal %s has had a user in its last slot; it has to be emptied by a person", k.serial)
	}
	next.LastSlot++
	if err := next.save(k.a.o.Dir, k.serial); err != nil {
		return 0, err
	}
	k.memory = next
	return next.LastSlot, nil
}

// Names tells whether a terminal's roster names a PIN; known is false as long as there
// is none.
func (a *Applier) Names(serial protocol.Serial, pin string) (named, known bool) {
	k := a.keepers[serial]
	if k == nil {
		return false, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.roster == nil {
		return false, false
	}
	return slices.ContainsFunc(k.roster.Entries, func(e roster.Entry) bool { return e.PIN == pin }), true
}

// Look asks that a terminal is looked at anew, and the hub told what it holds.
func (a *Applier) Look(serial protocol.Serial) {
	if k := a.keepers[serial]; k != nil {
		k.mu.Lock()
		k.stale = true
		k.mu.Unlock()
		signal(k.wake)
	}
}
