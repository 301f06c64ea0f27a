package enrol

import "context"

// Attempt asks once.
func (n *Enrolment) Attempt(ctx context.Context) error { return n.attempt(ctx) }
