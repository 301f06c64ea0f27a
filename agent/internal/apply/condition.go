package apply

import (
	"maps"
	"slices"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Conditions are what somebody should know of the terminals' rosters, by serial.
func (a *Applier) Conditions() (found []protocol.Condition) {
	for _, serial := range a.serials() {
		found = append(found, a.keepers[serial].conditions()...)
	}
	return found
}

// Rosters are the orders of the rosters that are here whole, by serial: the hub says
// again what got lost.
func (a *Applier) Rosters() (held []protocol.HeldRoster) {
	for _, serial := range a.serials() {
		held = append(held, protocol.HeldRoster{Serial: serial, Order: a.keepers[serial].holds()})
	}
	return held
}

func (k *keeper) holds() protocol.Seq {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.roster == nil {
		return protocol.Seq{}
	}
	return k.memory.Order
}

func (a *Applier) serials() []protocol.Serial { return slices.Sorted(maps.Keys(a.keepers)) }

// standing is how a terminal was when it was last looked at.
type standing struct {
	state    protocol.Standing
	left     int    // changes that are left, and blocked ones
	trouble  string // why the look failed
	findings []roster.Finding
}

func (k *keeper) conditions() (found []protocol.Condition) {
	k.mu.Lock()
	s := k.seenAs
	k.mu.Unlock()
	add := func(code string, args map[string]string) {
		found = append(found, protocol.Condition{Code: code, Severity: protocol.SeverityWarning, Subject: string(k.serial), Args: args})
	}
	switch s.state {
	case protocol.StandingBraked:
		add("roster-braked", map[string]string{"count": strconv.Itoa(s.left)})
	case protocol.StandingFailed:
		add("roster-failed", map[string]string{"cause": s.trouble})
	}
	count := map[string]int{}
	for _, f := range s.findings {
		count[f.Code]++
	}
	if n := count[roster.UnexpectedAdministrator]; n > 0 {
		add("administrator-unexpected", map[string]string{"count": strconv.Itoa(n)})
	}
	if count[roster.NoAdministrator] > 0 {
		add("administrator-none", nil)
	}
	if count[roster.TooManyAdministrators] > 0 {
		add("administrator-many", nil)
	}
	return found
}
