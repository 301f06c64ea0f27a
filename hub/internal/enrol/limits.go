package enrol

import (
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// How many refusals one address may earn before it has to wait. Many offices may stand
// behind one address: those that are let in cost nothing, and whoever guesses codes there
// keeps nobody from renewing. There a key decides, which nobody guesses: the bound is for
// the hub's work, above what all machines of a province ask for that were shut out.
const (
	refusals = 20  // of claims
	strays   = 600 // of renewals
	window   = time.Minute
	maxKnown = 4096 // addresses; more are a flood, and the oldest are forgotten
)

// limits bounds what strangers can make the hub do and write.
type limits struct {
	mu   sync.Mutex // guards what follows
	seen map[asker]*attempts
}

// asker is an address with what it asks for.
type asker struct {
	kind    protocol.Kind
	address string
}

// attempts are those of one asker in its present window.
type attempts struct {
	since   time.Time
	refused int
	told    map[told]bool
}

// told is what the log has: whose sites are refused behind one address, and why. There
// are no more lines of it in a window than one above refusals.
type told struct {
	site protocol.SiteID
	code protocol.DenialCode
}

func newLimits() *limits { return &limits{seen: map[asker]*attempts{}} }

// of finds an asker in its present window. The caller holds mu.
func (l *limits) of(who asker, now time.Time) *attempts {
	a := l.seen[who]
	if a == nil || now.Sub(a.since) >= window {
		if a == nil && len(l.seen) >= maxKnown {
			l.forget(now)
		}
		a = &attempts{since: now, told: map[told]bool{}}
		l.seen[who] = a
	}
	return a
}

// forget makes room: what is over goes, or else everything.
func (l *limits) forget(now time.Time) {
	for who, a := range l.seen {
		if now.Sub(a.since) >= window {
			delete(l.seen, who)
		}
	}
	if len(l.seen) >= maxKnown {
		clear(l.seen)
	}
}

// allow reports whether an address may ask.
func (l *limits) allow(kind protocol.Kind, address string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := refusals
	if kind == protocol.KindRenewal {
		most = strays
	}
	return l.of(asker{kind, address}, now).refused < most
}

// refused counts a refusal, and reports whether the log should have it: once for each
// site and reason in a window. The hub's own trouble is nobody's fault and not counted.
func (l *limits) refused(kind protocol.Kind, address string, site protocol.SiteID, code protocol.DenialCode, now time.Time) (tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(asker{kind, address}, now)
	if code != protocol.DeniedTrouble && code != protocol.DeniedBusy {
		a.refused++
	}
	what := told{site, code}
	if a.told[what] || len(a.told) > refusals {
		return false
	}
	a.told[what] = true
	return true
}
