package hub

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
)

// holder says whom a verified certificate names, and that they may still come to the
// embedded broker.
func (a *agents) holder(ctx context.Context, leaf *x509.Certificate) (authority.Subject, error) {
	s, err := authority.ParseSubject(leaf.Subject.CommonName)
	switch {
	case err != nil:
		return s, err
	case s.Kind == authority.Operator:
		return a.readers.Holder(ctx, leaf)
	case s.Kind == authority.Hub: // its key never leaves this process
		return s, nil
	}
	return a.admissions.Holder(ctx, leaf)
}

// followReaders ends the connections of operators one of whose certificates was
// withdrawn, until ctx ends. Who has another one comes back with it.
func (h *Hub) followReaders(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var known map[authority.Number]bool // empty at first: somebody may have come in since the broker started
	for {
		withdrawn, err := h.agents.readers.Withdrawn(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("look for operators' certificates: %w", err)
		}
		now := make(map[authority.Number]bool, len(withdrawn))
		for _, c := range withdrawn {
			now[c.Number] = true
			if known[c.Number] {
				continue
			}
			if n := h.broker.End(authority.Subject{Kind: authority.Operator, Name: c.Name}); n > 0 {
				h.config.Logger.Info("an operator's certificate counts no more", "operator", c.Name, "certificate", string(c.Number), "connections_ended", n)
			}
		}
		known = now
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
