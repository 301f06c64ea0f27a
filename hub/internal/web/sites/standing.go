package sites

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Standing is how a site stands, as far as the hub can know.
type Standing string

// The standings of a site. Interrupted is the broker's hint that a line broke;
// Missing is said only when several intervals passed in silence while the hub
// itself could listen; Unknown when it could not.
const (
	Ready       Standing = "ready"
	Starting    Standing = "starting"
	Sleeping    Standing = "sleeping"
	Stopped     Standing = "stopped"
	Interrupted Standing = "interrupted"
	Missing     Standing = "missing"
	Unheard     Standing = "unheard"
	Unknown     Standing = "unknown"
	Absent      Standing = "absent" // no agent is admitted: none came yet, or it was shut out
)

// silence is three of the intervals of one minute in which a ready agent announces
// itself: one message may be late and another lost.
const silence = 3 * time.Minute

// standing is a rule over values, of a site with an agent. listening is since when the hub can hear anybody;
// zero while it cannot.
func standing(status protocol.Status, heard, listening, now time.Time) Standing {
	if heard.IsZero() || status == "" {
		return Unheard
	}
	if status == protocol.StatusSleeping {
		return Sleeping
	}
	if status == protocol.StatusDisconnected {
		return Stopped
	}
	if listening.IsZero() {
		return Unknown
	}
	if now.Sub(heard) > silence && now.Sub(listening) > silence {
		return Missing
	}
	switch status {
	case protocol.StatusLost:
		return Interrupted
	case protocol.StatusInit:
		return Starting
	}
	return Ready
}

// Sees reports whether what a site told about its terminals is still so. What was
// told before a line broke is history.
func (s Standing) Sees() bool { return s == Ready || s == Starting }

// Holds reports whether what a site told of itself is still so although it may not
// be heard: one that sleeps or was switched off properly said its last word. The
// last will of one that broke off is as old as its connection.
func (s Standing) Holds() bool { return s.Sees() || s == Sleeping || s == Stopped }

// Alarming reports whether somebody should look after the site.
func (s Standing) Alarming() bool { return s == Missing || s == Unheard }

// reported is a site's newest state message, opened. Its signature was checked
// before it was stored.
type reported struct {
	protocol.State
	Told time.Time // when it was said; a last will is as old as its connection
}

// open reads the state of a site; found is false for a site that never sent one.
func open(o store.Overview) (st reported, found bool, err error) {
	if len(o.State.Message) == 0 {
		return reported{}, false, nil
	}
	var e protocol.Envelope
	if err = json.Unmarshal(o.State.Message, &e); err == nil {
		err = json.Unmarshal(e.Body, &st.State)
	}
	if err != nil {
		return reported{}, false, fmt.Errorf("read state of site %s: %w", o.Agent.Site, err)
	}
	st.Told = o.State.Received
	if st.Status == protocol.StatusLost && e.At != nil {
		st.Told = *e.At
	}
	return st, true, nil
}
