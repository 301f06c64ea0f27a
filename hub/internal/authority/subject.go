package authority

import (
	"errors"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Kind says what sort of holder a client certificate has.
type Kind int

// The kinds. The zero Kind is nobody's, so that a Subject that was never filled in
// has no right.
const (
	Site     Kind = iota + 1 // an agent: writes and reads its own topics
	Hub                      // the hub itself
	Operator                 // a person: reads everything, writes nothing
)

func (k Kind) String() string {
	switch k {
	case Site:
		return "site"
	case Hub:
		return "hub"
	case Operator:
		return "operator"
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Subject is whom a client certificate names.
type Subject struct {
	Kind Kind
	Name string // a site's id, or an operator's name: letters, digits, hyphens; the hub has none
}

// ErrSubject says that a certificate's common name is none that this authority gives.
var ErrSubject = errors.New("not a name of a site, an operator or the hub")

// hubName is the common name of the hub; before a name it makes an operator's. No site
// can begin with it.
const hubName = string(protocol.HubSite)

// CN is the common name in the subject's certificate: the site's id, "_" for the hub,
// "_" and the name for an operator.
func (s Subject) CN() string {
	if s.Kind == Site {
		return s.Name
	}
	return hubName + s.Name
}

func (s Subject) String() string {
	if s.Kind == Hub {
		return "hub"
	}
	return s.Kind.String() + " " + s.Name
}

// ParseSubject reads a common name, and ErrSubject is what any other text gives.
func ParseSubject(cn string) (Subject, error) {
	s := Subject{Kind: Site, Name: cn}
	switch {
	case cn == hubName:
		return Subject{Kind: Hub}, nil
	case len(cn) > 0 && cn[:1] == hubName:
		s = Subject{Kind: Operator, Name: cn[1:]}
	}
	if _, err := protocol.ParseSiteID(s.Name); err != nil { // operators' names keep the same rule
		return Subject{}, fmt.Errorf("common name %.64q: %w", cn, ErrSubject)
	}
	return s, nil
}
