package apply

import (
	"slices"
	"strconv"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Conditions are what somebody should know of the terminals' rosters, by serial.
func (a *Applier) Conditions() (found []protocol.Condition) {
	serials := make([]protocol.Serial, 0, len(a.keepers))
	for serial := range a.keepers {
		serials = append(serials, serial)
	}
	slices.Sort(serials)
	for _, serial := range serials {
		found = append(found, a.keepers[serial].standing().conditions(serial)...)
	}
	return found
}

func (s Standing) conditions(serial protocol.Serial) (found []protocol.Condition) {
	add := func(code string, args map[string]string) {
		found = append(found, protocol.Condition{Code: code, Severity: protocol.SeverityWarning, Subject: string(serial), Args: args})
	}
	switch s.State {
	case protocol.StandingBraked:
		add("roster-braked", map[string]string{"count": strconv.Itoa(s.Left)})
	case protocol.StandingFailed:
		add("roster-failed", map[string]string{"cause": s.Trouble})
	}
	count := map[string]int{}
	for _, f := range s.Finding {
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
