package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// check verifies one message and passes it on. A refusal is counted and is no
// error; an error is the store's.
func (i *Ingest) check(ctx context.Context, m mqtt.Message, seen *seen, out chan<- checked) error {
	c, err := i.verify(ctx, m)
	if errors.Is(err, errEarly) {
		if seen.early.keep(c.envelope.Site, m) {
			return nil
		}
		err = &protocol.Refusal{Reason: protocol.ReasonSignature, Cause: fmt.Errorf("too much of site %s before it showed its key", c.envelope.Site)}
	}
	if err == nil {
		err = i.open(ctx, m.Topic, &c, seen.gathered)
	}
	if errors.Is(err, errIncomplete) {
		return nil
	}
	var refusal *protocol.Refusal
	if errors.As(err, &refusal) {
		topic, _ := protocol.ParseTopic(m.Topic) // route has read it
		i.refuse(topic.Kind, err)
		return nil
	}
	if err != nil {
		return err
	}
	select {
	case out <- c:
	case <-ctx.Done():
		return nil
	}
	if c.envelope.Kind == protocol.KindState {
		for _, m := range seen.early.take(c.envelope.Site) {
			if err := i.check(ctx, m, seen, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// verify checks form, site, key, signature and receiver, in this order.
func (i *Ingest) verify(ctx context.Context, m mqtt.Message) (checked, error) {
	c := checked{message: m.Payload, retained: m.Retained, received: time.Now()}
	var err error
	if c.envelope, err = protocol.Parse(m.Topic, m.Payload); err != nil {
		return c, err
	}
	agent, err := i.speaker(ctx, c)
	if err != nil {
		return c, err
	}
	if c.envelope.Kind == protocol.KindState {
		if err := c.envelope.Into(&c.state); err != nil {
			return c, err
		}
		if agent.Key.IsZero() {
			if agent.Key, err = i.learn(ctx, c, agent); err != nil {
				return c, err
			}
		}
	}
	if agent.Key.IsZero() {
		return c, errEarly
	}
	if !c.envelope.SignedBy(agent.Key) {
		return c, &protocol.Refusal{Reason: protocol.ReasonSignature,
			Cause: fmt.Errorf("%s message of site %s", c.envelope.Kind, c.envelope.Site)}
	}
	if _, ours := i.o.Keys.Public(c.envelope.To); !ours {
		return c, &protocol.Refusal{Reason: protocol.ReasonReceiver,
			Cause: fmt.Errorf("%s message of site %s is for key %s", c.envelope.Kind, c.envelope.Site, c.envelope.To)}
	}
	if c.envelope.Kind == protocol.KindPunches {
		if err := c.envelope.IntoUnchecked(&c.segment); err != nil {
			return c, err
		}
		if c.links, err = c.segment.Links(); err != nil {
			return c, &protocol.Refusal{Reason: protocol.ReasonBody, Cause: err}
		}
	}
	return c, nil
}

// speaker is the admitted agent that a message says it is of; a refusal where its key
// does not count now.
func (i *Ingest) speaker(ctx context.Context, c checked) (store.Agent, error) {
	agent, err := i.o.Store.Agent(ctx, c.envelope.Site)
	if errors.Is(err, store.ErrNoSite) || err == nil && agent.Fingerprint.KeyID() != c.envelope.From {
		if err := i.o.Store.CountAttempt(ctx, c.envelope.Site, c.envelope.From, c.received); err != nil {
			return agent, fmt.Errorf("count attempt of site %s: %w", c.envelope.Site, err)
		}
		return agent, &protocol.Refusal{Reason: protocol.ReasonKey,
			Cause: fmt.Errorf("site %s with key %s is not admitted", c.envelope.Site, c.envelope.From)}
	}
	if err != nil {
		return agent, fmt.Errorf("find agent of site %s: %w", c.envelope.Site, err)
	}
	return agent, nil
}

// learn takes the public key out of a site's first state: the admitted
// fingerprint says whether it is the right one.
func (i *Ingest) learn(ctx context.Context, c checked, agent store.Agent) (seal.PublicKey, error) {
	key := c.state.Key
	if key.Fingerprint() != agent.Fingerprint || !c.envelope.SignedBy(key) {
		return seal.PublicKey{}, &protocol.Refusal{Reason: protocol.ReasonSignature,
			Cause: fmt.Errorf("state of site %s does not show the admitted key", c.envelope.Site)}
	}
	err := i.o.Store.LearnKey(ctx, agent.Site, key, c.received)
	if errors.Is(err, store.ErrNotAdmitted) { // replaced a moment ago
		return seal.PublicKey{}, &protocol.Refusal{Reason: protocol.ReasonKey, Cause: err}
	}
	if err != nil {
		return seal.PublicKey{}, fmt.Errorf("learn key of site %s: %w", agent.Site, err)
	}
	i.o.Dispatch.Changed(agent.Site) // a receipt tells the agent that it is admitted
	return key, nil
}
