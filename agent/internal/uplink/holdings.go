package uplink

import (
	"context"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// outgoing has something when the outbox may have a message. Before the site's
// state was said, and while the hub is gone, messages stay where they are.
func (s *session) outgoing() <-chan struct{} {
	if s.u.o.Outbox == nil || s.hubGone || !s.stated {
		return nil
	}
	return s.u.o.Outbox.Outgoing()
}

// publishHolding publishes one thing that there is to say about terminals: a terminal's
// templates can be hundreds of messages, and neither punches nor receipts wait for them.
// What a broken line swallows is said again over the next one.
func (s *session) publishHolding(ctx context.Context) error {
	t, body, found := s.u.o.Outbox.Next()
	if !found {
		return nil
	}
	return s.publish(ctx, t, body)
}

// tellAgain has told once more what the hub has not confirmed: its word or ours may have
// been lost on a line that never broke. It asks less and less often, as with segments.
func (s *session) tellAgain() {
	if s.u.o.Outbox != nil && s.u.o.Outbox.Again() {
		s.againWait = min(2*s.againWait, longResend)
	} else {
		s.againWait = againAfter * s.u.o.ResendAfter
	}
	s.again.Reset(jitter(s.againWait))
}

// takeHoldings hands a roster, templates or a job to whoever keeps terminals.
func (s *session) takeHoldings(t protocol.Topic, e protocol.Envelope) {
	if s.u.o.Holdings == nil || !s.forUs(e) {
		return
	}
	take := s.u.o.Holdings.TakeTemplates
	switch t.Kind {
	case protocol.KindRoster:
		take = func(e protocol.Envelope) error { return s.u.o.Holdings.TakeRoster(t, e) }
	case protocol.KindJobs:
		take = s.u.o.Jobs.TakeJob
	}
	if err := take(e); err != nil {
		s.u.refuse(err)
	}
}
