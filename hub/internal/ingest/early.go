package ingest

import (
	"errors"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// early is what one worker's sites said before their first state, which shows the key: a
// broker keeps the order of one topic, and none between two.
type early struct {
	sites map[protocol.SiteID][]mqtt.Message
	n     int // messages of all sites
}

// How many messages are kept, of one site and of one worker.
const (
	maxEarly    = 32
	maxEarlyAll = 256
)

// errEarly says that a message waits for the state that shows its key.
var errEarly = errors.New("the key was not shown yet")

// keep is false when the site has said too much before it showed its key.
func (e *early) keep(site protocol.SiteID, m mqtt.Message) bool {
	if len(e.sites[site]) >= maxEarly {
		return false
	}
	if e.n >= maxEarlyAll || e.sites == nil {
		e.sites, e.n = map[protocol.SiteID][]mqtt.Message{}, 0
	}
	e.sites[site] = append(e.sites[site], m)
	e.n++
	return true
}

// take returns what waited, in its order.
func (e *early) take(site protocol.SiteID) []mqtt.Message {
	messages := e.sites[site]
	delete(e.sites, site)
	e.n -= len(messages)
	return messages
}
