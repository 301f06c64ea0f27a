package panel

import (
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Situation is what the lights tell: one of a few words for how the site is, or for what
// became of a press of the button.
type Situation string

// The situations. Their patterns are in Patterns, their sentences in the catalogue.
const (
	Busy        Situation = "busy"        // the agent starts, or does what the button asked for
	Well        Situation = "well"        // terminals are read and the hub answers
	Offline     Situation = "offline"     // terminals are read, and punches wait for the line
	Unreachable Situation = "unreachable" // a terminal does not answer
	Person      Situation = "person"      // something else that does not mend itself
	Removable   Situation = "removable"   // the stick may be taken out
	Cannot      Situation = "cannot"      // what the button asked for could not be done
)

// Site is what the panel asks about the site.
type Site struct {
	State  protocol.State
	Online bool // the hub is there
}

// absent are the conditions that say no more than that a terminal does not answer: its
// power and its cable are what somebody at the office can look at.
func absent(code string) bool {
	return slices.Contains([]string{"terminal-unreachable", "terminal-stranger", "terminal-not-found"}, code)
}

// Judge says how a site is. The worst counts: what needs a person before a terminal that
// is off, and that before a line that is down. Warnings are for the agency, not for the
// light: nobody at the office could do anything about them.
func Judge(s Site) Situation {
	situation := Well
	if !s.Online {
		situation = Offline
	}
	for _, t := range s.State.Terminals {
		if t.LastRead == nil && t.LastError == "" {
			situation = Busy // its first read is under way
		}
	}
	for _, c := range s.State.Conditions {
		switch {
		case c.Code == "terminal-sought" && situation != Unreachable:
			situation = Busy
		case c.Severity != protocol.SeverityError:
		case !absent(c.Code):
			return Person
		default:
			situation = Unreachable
		}
	}
	return situation
}
