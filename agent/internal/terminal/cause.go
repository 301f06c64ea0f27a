package terminal

import (
	"context"
	"errors"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// The causes for which a Read fails. Each asks something else of people, and is a
// condition "terminal-" + Cause(err) with its sentence in the catalogue.
var (
	ErrUnreachable = errors.New("terminal cannot be reached")
	ErrKey         = errors.New("terminal refuses the communication key")
	ErrNotTerminal = errors.New("what answers is no terminal of this kind")
	ErrIncomplete  = errors.New("read is not complete")
	ErrRefused     = errors.New("terminal refuses the request")
	ErrLayout      = errors.New("rows of an unknown shape")
)

// ErrSought is ErrUnreachable of a terminal whose address nobody knows yet.
var ErrSought = fmt.Errorf("%w: nobody knows its address yet", ErrUnreachable)

// StrangerError says that another terminal answers at the address. Nothing of it
// was read but its serial number.
type StrangerError struct {
	Want, Got protocol.Serial
}

func (e *StrangerError) Error() string {
	return fmt.Sprintf("terminal %s answers where %s was expected", e.Got, e.Want)
}

// Cause returns the word for why a Read failed: unreachable, key, stranger,
// not-terminal, refused, layout or incomplete. It is empty for nil and for the end
// of the caller's own context, which say nothing about the terminal.
func Cause(err error) string {
	if err == nil {
		return ""
	}
	if _, ok := errors.AsType[*StrangerError](err); ok {
		return "stranger"
	}
	for _, cause := range []struct {
		err  error
		word string
	}{
		{ErrKey, "key"},
		{ErrNotTerminal, "not-terminal"},
		{ErrRefused, "refused"},
		{ErrLayout, "layout"},
		{ErrUnreachable, "unreachable"},
		{ErrIncomplete, "incomplete"},
		{context.Canceled, ""},
	} {
		if errors.Is(err, cause.err) {
			return cause.word
		}
	}
	return "incomplete"
}
