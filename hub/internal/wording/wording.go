// Package wording puts what happens between rosters and terminals into words: how a
// terminal stands, what a change does, why one stays undone. Commands and pages say it
// by the same functions, so that they say the same.
//
// It knows the catalogue's area hub and the words of messages. Beware: an agent may be
// newer than this hub; a word that is not known here is shown as it is.
package wording

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Words say a whole code of the catalogue to one reader; known is false where the
// catalogue has no such code.
type Words func(code string, args phrase.Args) (said string, known bool)

func (w Words) say(code string, args phrase.Args) string {
	said, _ := w("hub."+code, args)
	return said
}

// or is a sentence, or the word itself where there is none.
func (w Words) or(code, word string, args phrase.Args) string {
	if said, known := w(code, args); known {
		return said
	}
	return phrase.Plain(word)
}

// StandingCode is how far a terminal is on the way to its roster: none, unsealed,
// ahead, sent, or the agent's own word.
func StandingCode(t holding.Terminal) string {
	switch {
	case t.Order == (protocol.Seq{}):
		return "none"
	case !t.Sealed:
		return "unsealed"
	case t.Ahead():
		return "ahead"
	case t.Standing() == "":
		return "sent"
	}
	return string(t.Standing())
}

// Standing is how far a terminal is on the way to its roster.
func (w Words) Standing(t holding.Terminal) string { return w.StandingOf(StandingCode(t)) }

// StandingOf is the words for a StandingCode.
func (w Words) StandingOf(code string) string { return w.or("hub.standing-"+code, code, nil) }

// Reason is why a change is not made.
func (w Words) Reason(code string) string { return w.or("hub.reason-"+code, code, nil) }

// Reasons counts why changes stay undone.
func (w Words) Reasons(blocked []protocol.Outcome) string {
	counts := map[string]int{}
	for _, b := range blocked {
		counts[b.Reason]++
	}
	var words []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%s: %d", w.Reason(reason), counts[reason]))
	}
	return strings.Join(words, ", ")
}

// Act is what a change does, without whom it is about.
func (w Words) Act(code string, finger uint8) string {
	return w.or("hub.act-"+code, code, phrase.Args{"finger": finger})
}

// Outcome is what became of a change.
func (w Words) Outcome(reason string) string {
	if reason == "" {
		return w.say("outcome-done", nil)
	}
	return w.Reason(reason)
}

// Change is what a change of a plan does and writes, without whom it is about.
func (w Words) Change(c roster.Change) string {
	said := w.Act(string(c.Act), c.Finger.Number)
	var fields []string
	if c.Act == roster.SetUser && c.Name != nil {
		fields = append(fields, w.say("field-name", phrase.Args{"name": string(c.Name)}))
	}
	if c.Privilege != "" && (c.Act == roster.SetUser || c.Privilege != roster.User) {
		fields = append(fields, w.say("field-privilege", phrase.Args{"privilege": c.Privilege}))
	}
	if c.Card != nil {
		fields = append(fields, w.say("field-card", phrase.Args{"card": *c.Card}))
	}
	if len(fields) > 0 {
		said += " (" + strings.Join(fields, ", ") + ")"
	}
	return said
}

// Finding is something about a terminal's administrators that no change ends.
func (w Words) Finding(code string) string { return w.or("hub.finding-"+code, code, nil) }
