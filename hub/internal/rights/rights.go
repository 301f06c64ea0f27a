// Package rights says which topics the holder of a certificate may write and read on a
// broker, whichever broker it is.
//
// It knows the contract's kinds and their directions. It must not know how a broker
// spells a right, or whether somebody is admitted.
//
// Beware: a right that is missing here is missing on the embedded broker and in what
// broker-config writes; there is no second list.
package rights

import (
	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Rights are what somebody may write and read, as filters of MQTT: + is one level, # the
// level before it and everything below.
type Rights struct {
	Write []string
	Read  []string
}

// Of are the rights of a subject. A site writes what goes up and reads what comes down,
// of its own topics and the hub's; an operator reads everything; the hub does both;
// nobody else does anything.
func Of(s authority.Subject) (r Rights) {
	switch s.Kind {
	case authority.Hub:
		return Rights{Write: []string{protocol.TopicAll}, Read: []string{protocol.TopicAll}}
	case authority.Operator:
		return Rights{Read: []string{protocol.TopicAll}}
	case authority.Site:
		for _, kind := range protocol.Kinds() {
			topic := protocol.TopicOf(protocol.SiteID(s.Name), kind)
			if kind.Direction() == protocol.Up {
				r.Write = append(r.Write, topic)
			} else {
				r.Read = append(r.Read, topic)
			}
		}
	}
	return r
}
