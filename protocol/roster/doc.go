// Package roster says what a terminal should hold (Roster), what it does hold
// (Inventory) and what lies between the two (Diff).
//
// All of it is pure: no clock, no line, no database. One difference serves the
// agent that makes a terminal converge, the hub that validates one, the preview of
// a change that nobody has made yet, and the file that is carried by hand.
//
// Beware: PINs are compared by protocol.NormalPIN. What a roster does not name
// (passwords, groups, time zones, a card that the register does not know) is no
// difference, and nobody may change it.
package roster
