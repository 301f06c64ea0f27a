package broker

import (
	"fmt"
	"maps"
	"net/netip"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
)

// Who sends more than this within the window is ended, and stays out for a while. An
// agent that catches up 100 000 punches sends about 20 MB in some 200 messages.
const (
	floodWindow   = 10 * time.Second
	floodBytes    = 64 << 20
	floodMessages = 20_000
	floodPenalty  = time.Minute
)

// closedKept is how many ended connections the engine remembers between two looks.
const closedKept = 1024

// volume is what was sent.
type volume struct{ messages, bytes int64 }

// floods are what everybody sent lately. The gate's lock guards it.
type floods struct {
	counted map[uint64]volume // by connection, what it had sent at the last look
	sent    map[authority.Subject]volume
	since   time.Time // when sent began
	out     map[authority.Subject]time.Time
	looked  time.Time
}

func newFloods() floods {
	return floods{sent: map[authority.Subject]volume{}, out: map[authority.Subject]time.Time{}}
}

// look goes through the engine's connections: who sends too much is thrown out, and of
// who was too slow to come in is told.
func (g *gate) look(now time.Time) {
	g.mu.Lock()
	engine := g.engine
	g.mu.Unlock()
	found, err := engine.Connz(&server.ConnzOptions{Username: true, State: server.ConnAll, Limit: maxConnections + closedKept})
	if err != nil {
		g.log.Error("look at the broker's connections", "err", err)
		return
	}
	for _, flooding := range g.count(now, found.Conns) {
		g.log.Warn("a client floods the broker: its connections are ended, and it stays out for a minute",
			"subject", flooding.subject, "messages", flooding.messages, "bytes", flooding.bytes, "connections", g.end(flooding.subject))
	}
	g.tellSlow(now, found.Conns)
}

type flooding struct {
	subject authority.Subject
	volume
}

// count adds up what each subject sent, over all of its connections, and returns who
// sent too much since the window began. The hub may send what it likes.
func (g *gate) count(now time.Time, conns []*server.ConnInfo) (found []flooding) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.since) >= floodWindow {
		g.since = now
		clear(g.sent)
	}
	counted := make(map[uint64]volume, len(conns))
	for _, c := range conns {
		total := volume{c.InMsgs, c.InBytes}
		counted[c.Cid] = total
		subject, err := authority.ParseSubject(c.AuthorizedUser)
		if before := g.counted[c.Cid]; err == nil && total != before {
			sum := g.sent[subject]
			g.sent[subject] = volume{sum.messages + total.messages - before.messages, sum.bytes + total.bytes - before.bytes}
		}
	}
	g.counted = counted
	maps.DeleteFunc(g.out, func(_ authority.Subject, until time.Time) bool { return !now.Before(until) })
	for subject, sum := range g.sent {
		if subject.Kind != authority.Hub && (sum.messages > floodMessages || sum.bytes > floodBytes) {
			g.out[subject] = now.Add(floodPenalty)
			delete(g.sent, subject)
			found = append(found, flooding{subject, sum})
		}
	}
	return found
}

// refusedUntil is until when a subject stays out.
func (g *gate) refusedUntil(s authority.Subject) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.out[s]
}

// tellSlow tells of those who ended since the last look because they never said who
// they are, of which the engine says nothing.
func (g *gate) tellSlow(now time.Time, conns []*server.ConnInfo) {
	g.mu.Lock()
	looked := g.looked
	g.looked = now
	g.mu.Unlock()
	for _, c := range conns {
		if c.Stop == nil || !c.Stop.After(looked) || c.Reason != server.AuthenticationTimeout.String() {
			continue
		}
		if address, err := netip.ParseAddr(c.IP); err == nil {
			g.strange.say(address, fmt.Sprintf("it sent no CONNECT within %v", g.patience))
		}
	}
}
