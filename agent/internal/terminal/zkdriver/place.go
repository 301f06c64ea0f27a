package zkdriver

import (
	"context"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
)

// Locator knows where a terminal may be, and hears where it was. The driver asks it each
// time that it begins a session, so a terminal can move without a restart.
type Locator interface {
	// Places are tried in this order; none: nobody knows yet.
	Places() []terminal.Place
	// Met says that the terminal answered there, with its serial number.
	Met(at terminal.Place)
	// Missed says that it answered nowhere; err tells most about why.
	Missed(err error)
}

// fixed is the Locator of a terminal that never moves.
type fixed terminal.Place

func (f fixed) Places() []terminal.Place { return []terminal.Place{terminal.Place(f)} }
func (fixed) Met(terminal.Place)         {}
func (fixed) Missed(error)               {}

// connect opens a session unless there is one, wherever the terminal answers.
func (d *Driver) connect(ctx context.Context) error {
	if d.conn != nil {
		return nil
	}
	missed := terminal.ErrSought
	for i, place := range d.config.Locator.Places() {
		err := d.connectTo(ctx, place)
		if err == nil {
			d.config.Locator.Met(place)
			return nil
		}
		if ctx.Err() != nil {
			return err // it says nothing about the terminal
		}
		if i == 0 || terminal.Cause(missed) == "unreachable" {
			missed = err // that somebody answered says more than silence elsewhere
		}
	}
	d.config.Locator.Missed(missed)
	return missed
}
