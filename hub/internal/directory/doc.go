// Package directory is the register: units, terminals and whom they serve,
// employees and their PINs, placements, aliases, grants, each with the days on which
// it holds. It reads files into it, and writes it out.
//
// It knows its tables and the rule's types. It must not know pages, MQTT or
// templates; it reaches the database through the store only.
//
// Beware: nothing is overwritten. Every row was made by a change, and a later change
// may void it; what is wrong is voided and made again, rightly. So each change can
// be undone, an import too, and what anybody believed on any day can still be read.
package directory
