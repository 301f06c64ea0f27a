package enrol

import "context"

// Attempt asks once.
func (n *Enrolment) Attempt(ctx context.Context) error { return n.attempt(ctx) }

// Due reports whether Run would ask now.
func (n *Enrolment) Due() bool {
	n.doubt()
	return n.due()
}
