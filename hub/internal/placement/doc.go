// Package placement says who belongs on which terminal on a day: it turns the
// register into one roster per terminal, and explains each name on it.
//
// It is a rule: no clock, no SQL, no line. What it needs comes in as a Snapshot;
// the day is part of the question.
//
// Beware: periods end before their last date (From <= day < To), as in the
// register. A unit that serves no terminal shows its people nowhere: Unserved names
// them, nothing guesses.
package placement
