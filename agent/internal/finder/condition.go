package finder

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// told is how many terminals of others are named at most.
const told = 16

// Conditions are what people should know of where terminals are.
func (f *Finder) Conditions() (list []protocol.Condition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	missing := false
	for _, s := range f.sought {
		if !s.lost.IsZero() {
			missing = true
			since := s.lost
			if !s.down.IsZero() {
				since = s.down
			}
			list = append(list, protocol.Condition{Code: "terminal-not-found", Severity: protocol.SeverityError, Subject: string(s.Serial),
				Since: &since, Args: map[string]string{"subnets": names(f.looked)}})
		}
		if s.Place.Address != "" && s.met.Address != "" && s.met.Address != s.Place.Address {
			list = append(list, protocol.Condition{Code: "terminal-moved", Severity: protocol.SeverityInfo, Subject: string(s.Serial),
				Args: map[string]string{"address": s.met.Address, "configured": s.Place.Address}})
		}
	}
	for _, a := range f.others[:min(len(f.others), told)] {
		switch {
		case a.Serial != "":
			list = append(list, protocol.Condition{Code: "terminal-foreign", Severity: protocol.SeverityInfo, Subject: string(a.Serial),
				Args: map[string]string{"address": a.Address}})
		case missing:
			list = append(list, protocol.Condition{Code: "terminal-locked", Severity: protocol.SeverityWarning, Subject: a.Address})
		}
	}
	return list
}

// names lists subnets for people; a dash is none.
func names(subnets []netip.Prefix) string {
	if len(subnets) == 0 {
		return "-"
	}
	list := make([]string, len(subnets))
	for i, s := range subnets {
		list[i] = fmt.Sprint(s)
	}
	return strings.Join(list, ", ")
}
