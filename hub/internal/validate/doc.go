// Package validate finds where a terminal and the register disagree, in the ten
// classes of the agency's own validation, and proposes how each finding may end.
//
// It is a rule: no clock, no SQL, no line. Whom a PIN means, whose a template is and
// what the roster names come in as values; nothing is decided or changed here.
//
// Beware: one difference is named once, by the class that tells most. About a user:
// the same template under two PINs (h), a PIN that another person uses (e), nobody's
// PIN (a), somebody who does not belong here (c); only of who does belong here the
// algorithm (j), templates (g), missing fingers (f) and the name (d) are looked at,
// and the privilege (i) on its own. Who is missing (b) is not missing where another
// finding says under which PIN they are. Equal templates are equal bytes: two
// enrolments of one finger are not found without a matcher. Neither a card nor a
// legacy PIN that the register knows as an alias is a finding.
package validate
