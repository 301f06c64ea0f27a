package agent

import (
	"crypto/tls"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/agent/internal/enrol"
	"github.com/bkpsdmd-babel/sidik/agent/internal/keyring"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// line is where the brokers are: those that the hub granted a certificate for, or the
// one of an agent that was admitted by hand.
type line struct {
	keys   *keyring.Keyring
	broker string // of the configuration
}

func (l line) Brokers() []string {
	if l.broker != "" {
		return []string{l.broker}
	}
	g, _ := l.keys.Granted()
	return g.Brokers
}

func (l line) TLS() *tls.Config { return l.keys.Client(trust.RoleBroker) }

func (l line) Changed() <-chan struct{} { return l.keys.Changed() }

// newEnrolment makes the part that gets certificates; nil for an agent that needs none.
func (a *Agent) newEnrolment(hub config.Hub) *enrol.Enrolment {
	if hub.Address == "" {
		return nil
	}
	return enrol.New(enrol.Options{
		Site: a.site, Hub: hub.Address, Dir: a.o.Config.Data, Boot: a.buffer.Boot(), Version: a.o.Version, Keyring: a.keys,
		Terminals: a.answered, Line: a.hubHeard, Now: a.clock.Now, Heard: a.clock.Heard, Changed: func() { a.health.Signal() }, Logger: a.o.Logger,
		RetryMin: a.o.RetryMin, RetryMax: a.o.BackoffMax,
	})
}

// hubHeard tells whether the hub is heard now.
func (a *Agent) hubHeard() bool {
	s := a.uplink.Status()
	return s.Connected && s.HubPresent
}

// enrolled says what keeps this agent without a valid certificate.
func (a *Agent) enrolled() []protocol.Condition {
	if a.enrol == nil {
		return nil
	}
	return a.enrol.Conditions()
}

// answered are the terminals that were read, which a claim may be bound to.
func (a *Agent) answered() (serials []protocol.Serial) {
	for _, t := range a.collect.Terminals() {
		if t.LastRead != nil {
			serials = append(serials, t.Serial)
		}
	}
	return serials
}

// now is the time for messages: nil while the clock is only held.
func (a *Agent) now() *time.Time {
	t, synchronised := a.clock.Now()
	if !synchronised {
		return nil
	}
	return &t
}
