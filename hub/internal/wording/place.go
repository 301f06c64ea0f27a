package wording

import (
	"fmt"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
)

// When writes a moment as its reader has it.
type When func(time.Time) string

func (w Words) place(code string, args phrase.Args) string {
	said, _ := w("whereabouts."+code, args)
	return said
}

// Due is what must come onto a terminal or go from it, for so many people.
func (w Words) Due(act whereabouts.Act, people int) string {
	return w.place("act-"+string(act), phrase.Args{"people": people})
}

// WhatToDo is who should do what about something that is open at a terminal.
func (w Words) WhatToDo(site protocol.SiteID, serial protocol.Serial, open whereabouts.Open, when When) string {
	return w.place("why-"+string(open.Why), phrase.Args{"site": site, "serial": serial,
		"reason": w.Reason(string(open.Reason)), "plan": open.Plan, "reached": when(open.Reached)})
}

// There is whether somebody is at a terminal, and with which fingers.
func (w Words) There(is bool, fingers []uint8) string {
	if !is {
		return w.place("not-there", nil)
	}
	if len(fingers) == 0 {
		return w.place("there-bare", nil)
	}
	return w.place("there", phrase.Args{"fingers": strings.Trim(strings.ReplaceAll(fmt.Sprint(fingers), " ", ", "), "[]")})
}

// Place is what is open at a place, what is proven of it, or that all is well.
func (w Words) Place(p whereabouts.Place, when When) string {
	switch {
	case p.Open != nil && p.Open.Since == "":
		return w.WhatToDo(p.Site, p.Serial, *p.Open, when)
	case p.Open != nil:
		return w.place("open", phrase.Args{"since": p.Open.Since, "what": w.WhatToDo(p.Site, p.Serial, *p.Open, when)})
	case p.Gone != nil:
		return w.place("gone", phrase.Args{"done": when(p.Gone.Done), "order": p.Gone.Revision, "read": when(p.Gone.Read)})
	case p.Revision == (protocol.Seq{}):
		return w.place("no-roster", nil)
	case p.Should != p.Is:
		return w.place("accepted", nil)
	}
	return w.place("settled", nil)
}
