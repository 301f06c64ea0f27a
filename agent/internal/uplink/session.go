package uplink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// Bounds of a session.
const (
	holdBack   = 3 * time.Second // the retained receipt is waited for this long before anything is sent again
	stateGap   = 2 * time.Second // between two states that changes ask for
	farewell   = 2 * time.Second // for saying goodbye when the agent stops
	longResend = 5 * time.Minute
	againAfter = 3   // of ResendAfter, until what the hub has not confirmed is told again
	maxWaiting = 256 // messages before the hub's key is known: more than one site has
)

// session is one connection: what has been sent over it and not been receipted.
type session struct {
	u       *Uplink
	conn    *mqtt.Conn
	n       uint32         // messages sent over this connection
	waiting []mqtt.Message // what came before the first keys document: of each topic the newest

	epoch     protocol.Hash
	receipted uint64   // the mark as this session last saw it
	sent      uint64   // last sequence published
	window    []uint64 // last sequences of segments without a receipt, oldest first
	stated    bool     // a state was said over this connection: it shows the hub our key, so nothing goes before it
	heard     bool     // a receipt came over this connection
	hubGone   bool
	hubSeq    protocol.Seq

	held       bool // nothing is sent until the retained receipt is here, or holdBack is over
	hold       *time.Timer
	resend     *time.Timer
	resendWait time.Duration
	again      *time.Timer // when templates without a confirmation are told again
	againWait  time.Duration
	retell     *time.Timer // when all of the terminals is told anew
	state      *time.Timer // when the next state is due
	lastState  time.Time
}

func newSession(u *Uplink, conn *mqtt.Conn) *session {
	return &session{u: u, conn: conn, held: true, resendWait: u.o.ResendAfter, againWait: againAfter * u.o.ResendAfter}
}

func (s *session) run(ctx context.Context) error {
	s.hold, s.resend, s.state = time.NewTimer(holdBack), time.NewTimer(s.resendWait), time.NewTimer(0)
	defer s.hold.Stop()
	defer s.resend.Stop()
	defer s.state.Stop()
	s.again = time.NewTimer(jitter(s.againWait))
	defer s.again.Stop()
	s.retell = time.NewTimer(time.Hour)
	s.retell.Stop()
	err := s.talk(ctx)
	if ctx.Err() != nil { // also in the middle of a publish
		s.sayGoodbye(ctx)
		return nil
	}
	return err
}

// talk sends and takes until the line or ctx ends.
func (s *session) talk(ctx context.Context) error {
	s.goBack()
	if s.u.o.Holdings != nil {
		s.u.o.Holdings.Resend()
	}
	if err := s.publishState(ctx, protocol.StatusReady); err != nil {
		return err
	}
	s.trusted()
	for {
		s.u.alive.Within(aliveWithin)
		if err := s.fill(ctx); err != nil {
			return err
		}
		var err error
		select {
		case <-ctx.Done():
			return nil
		case m, open := <-s.conn.Messages():
			if !open {
				return nil
			}
			err = s.take(m)
		case <-s.u.o.Buffer.Appended():
		case <-s.u.o.Health.Changed():
			s.state.Reset(max(0, stateGap-time.Since(s.lastState)))
		case <-s.state.C:
			err = s.publishState(ctx, protocol.StatusReady)
		case <-s.outgoing():
			err = s.publishHolding(ctx)
		case <-s.hold.C:
			s.held = false
		case <-s.resend.C:
			// No receipt for a while: the hub or the broker dropped something. Asking
			// again less and less often spares a line that is barely there; having
			// nothing to ask is no reason to ask later.
			// That the hub said goodbye is a hint too: its return may have been missed.
			if len(s.window) > 0 {
				s.resendWait = min(2*s.resendWait, longResend)
			}
			s.hubGone = false
			s.goBack()
		case <-s.again.C:
			s.tellAgain()
		case <-s.retell.C:
			s.u.o.Holdings.Resend()
		}
		if err != nil {
			return err
		}
	}
}

// goBack forgets what was sent, so that everything without a receipt goes again.
func (s *session) goBack() {
	place := s.u.o.Buffer.Place()
	s.epoch, s.receipted, s.sent, s.window = place.Epoch, place.Receipted, place.Receipted, s.window[:0]
	s.resend.Reset(jitter(s.resendWait))
}

// jitter keeps 300 sites from speaking at once after an outage.
func jitter(d time.Duration) time.Duration { return d + rand.N(d/4+1) }

// fill publishes segments while fewer than SegmentWindow wait for a receipt.
func (s *session) fill(ctx context.Context) error {
	if s.held || s.hubGone || !s.stated {
		return nil
	}
	if s.epoch != s.u.o.Buffer.Place().Epoch {
		s.goBack()
	}
	for len(s.window) < protocol.SegmentWindow {
		segment, found, err := s.u.o.Buffer.Segment(s.sent)
		if err != nil {
			return fmt.Errorf("read segment after %d: %w", s.sent, err)
		}
		if !found || segment.Epoch != s.epoch {
			return nil
		}
		if err := s.publish(ctx, protocol.Topic{Kind: protocol.KindPunches}, segment); err != nil {
			return err
		}
		s.resend.Reset(jitter(s.resendWait)) // on a slow line the last of a window leaves long after the first
		s.sent = segment.Last
		s.window = append(s.window, segment.Last)
		now := time.Now()
		s.u.change(func(st *Status) { st.LastSent = &now })
	}
	return nil
}

func (s *session) publish(ctx context.Context, t protocol.Topic, body any) error {
	s.n++
	m, err := s.u.message(t, body, protocol.ConnectionCounter(s.conn.Connection(), s.n))
	if err != nil {
		return err
	}
	if err := s.conn.Publish(ctx, m); err != nil {
		return fmt.Errorf("publish %s: %w", t.Kind, err)
	}
	return nil
}

func (s *session) publishState(ctx context.Context, status protocol.Status) error {
	state := s.u.o.Health.State()
	state.Status = status
	if s.u.o.Hub.Trust().IsZero() {
		return nil // nobody is known to whom it could be said; the keys document asks for it
	}
	s.lastState = time.Now()
	s.state.Reset(jitter(s.u.o.StateEvery))
	s.stated = true
	return s.publish(ctx, protocol.Topic{Kind: protocol.KindState}, state)
}

// sayGoodbye tells that the agent stops on purpose, unless the line is gone.
func (s *session) sayGoodbye(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	_ = s.publishState(ctx, protocol.StatusDisconnected) // on a line that is gone the will speaks
}

// take handles one message of the hub. What does not fit is counted and changes
// nothing; an error is the buffer's and ends the session.
func (s *session) take(m mqtt.Message) error {
	topic, err := protocol.ParseTopic(m.Topic)
	if err != nil {
		s.u.refuse(err)
		return nil
	}
	if topic.Kind == protocol.KindKeys {
		if err := s.takeKeys(m); err != nil {
			return err
		}
		return s.takeWaiting()
	}
	if s.u.o.Hub.Trust().IsZero() {
		if len(s.waiting) >= maxWaiting {
			s.u.refuse(&protocol.Refusal{Reason: protocol.ReasonSize, Cause: errors.New("too much before the hub's key")})
			return nil
		}
		s.waiting = slices.DeleteFunc(s.waiting, func(w mqtt.Message) bool { return w.Topic == m.Topic })
		s.waiting = append(s.waiting, m)
		return nil
	}
	if len(m.Payload) == 0 { // a retained message was cleared
		return nil
	}
	e, err := protocol.Open(m.Topic, m.Payload, func(_ protocol.SiteID, id seal.KeyID) (seal.PublicKey, bool) { return s.u.o.Hub.HubKey(id) })
	if err != nil {
		s.u.refuse(err)
		return nil
	}
	switch topic.Kind {
	case protocol.KindReceipt:
		return s.takeReceipt(e, m.Payload)
	case protocol.KindHub:
		s.takeHub(e)
	case protocol.KindRoster, protocol.KindTemplatesDown, protocol.KindJobs:
		s.takeHoldings(topic, e)
	case protocol.KindConfig:
		return s.takeConfig(e)
	case protocol.KindRelease:
		s.takeRelease(e)
	}
	return nil
}

// takeConfig hands over what the agency has set. An error is that of a disk.
func (s *session) takeConfig(e protocol.Envelope) error {
	if s.u.o.Settings == nil || !s.forUs(e) {
		return nil
	}
	err := s.u.o.Settings.Take(e)
	if _, refused := errors.AsType[*protocol.Refusal](err); refused {
		s.u.refuse(err)
		return nil
	}
	s.state.Reset(0) // it says what became of it
	return err
}

// forUs tells whether a message is for this agent's key; what is not is refused.
func (s *session) forUs(e protocol.Envelope) bool {
	if e.To == s.u.o.Key.Public().KeyID() {
		return true
	}
	s.u.refuse(&protocol.Refusal{Reason: protocol.ReasonReceiver, Cause: fmt.Errorf("%s for key %s", e.Kind, e.To)})
	return false
}

// takeWaiting takes what waited for the key: brokers need not send retained
// messages in the order of the subscriptions.
func (s *session) takeWaiting() error {
	if s.u.o.Hub.Trust().IsZero() {
		return nil
	}
	waiting := s.waiting
	s.waiting = nil
	for _, m := range waiting {
		if err := s.take(m); err != nil {
			return err
		}
	}
	return nil
}

// takeKeys keeps a newer keys document. Whoever sent it: the root's signature decides.
// An error is that of a disk.
func (s *session) takeKeys(m mqtt.Message) error {
	if len(m.Payload) == 0 {
		return nil
	}
	newer, err := s.u.o.Hub.Take(m.Payload)
	var refusal *protocol.Refusal
	if errors.As(err, &refusal) {
		s.u.refuse(err)
		return nil
	}
	if err != nil || !newer {
		return err
	}
	s.trusted()
	// What was said before was for another key of the hub, or for none.
	s.state.Reset(0)
	s.goBack()
	return nil
}

// trusted passes on the key to which the hub is answered.
func (s *session) trusted() {
	if d := s.u.o.Hub.Trust(); !d.IsZero() && s.u.o.Holdings != nil {
		s.u.o.Holdings.HubKey(d.Sealing())
	}
}

// takeRelease hands an order of a version on.
func (s *session) takeRelease(e protocol.Envelope) {
	if s.u.o.Releases == nil {
		return
	}
	if e.Site != s.u.o.Site || e.To != s.u.o.Key.Public().KeyID() {
		s.u.refuse(&protocol.Refusal{Reason: protocol.ReasonReceiver, Cause: fmt.Errorf("release for key %s of site %s", e.To, e.Site)})
		return
	}
	if err := s.u.o.Releases.TakeRelease(e); err != nil {
		s.u.refuse(err)
	}
}

func (s *session) takeReceipt(e protocol.Envelope, message []byte) error {
	if e.Site != s.u.o.Site || e.To != s.u.o.Key.Public().KeyID() {
		s.u.refuse(&protocol.Refusal{Reason: protocol.ReasonReceiver,
			Cause: fmt.Errorf("receipt for key %s of site %s", e.To, e.Site)})
		return nil
	}
	var r protocol.Receipt
	if err := e.Into(&r); err != nil {
		s.u.refuse(err)
		return nil
	}
	if e.Seq.Life != r.Generation.Number {
		s.u.refuse(&protocol.Refusal{Reason: protocol.ReasonBody,
			Cause: fmt.Errorf("receipt %s in generation %d", e.Seq, r.Generation.Number)})
		return nil
	}
	outcome, err := s.u.o.Buffer.Apply(message, e.Seq, r)
	if err != nil {
		return fmt.Errorf("apply receipt %s: %w", e.Seq, err)
	}
	s.u.o.Receipt(outcome)
	place := s.u.o.Buffer.Place()
	before, after := s.receipted, place.Receipted
	// The first receipt of a connection ends a silence: the hub has just admitted
	// this site, or what was sent before went past it.
	if !s.heard || s.epoch != place.Epoch || after < before {
		if !s.heard && !s.held && s.u.o.Holdings != nil { // it kept no receipt for us: what was told of terminals went past it too
			s.retell.Reset(rand.N(s.u.o.ResendAfter))
		}
		s.held, s.heard = false, true
		s.resendWait = s.u.o.ResendAfter
		s.goBack()
	}
	s.receipted = after
	for len(s.window) > 0 && s.window[0] <= after {
		s.window = s.window[1:]
	}
	s.sent = max(s.sent, after)
	if after > before {
		now := time.Now()
		s.u.change(func(st *Status) { st.LastReceipt = &now })
		s.resendWait = s.u.o.ResendAfter
		s.resend.Reset(jitter(s.resendWait))
	}
	return nil
}

// takeHub follows the hub's birth and will. While the hub is gone nothing is
// sent: a broker would acknowledge and drop it.
func (s *session) takeHub(e protocol.Envelope) {
	var hub protocol.Hub
	if err := e.Into(&hub); err != nil {
		s.u.refuse(err)
		return
	}
	if e.Seq == s.hubSeq {
		return // the same word again asks for nothing
	}
	if e.Seq.Less(s.hubSeq) {
		s.u.refuse(&protocol.Refusal{Reason: protocol.ReasonReplay, Cause: fmt.Errorf("hub message %s after %s", e.Seq, s.hubSeq)})
		return
	}
	first := s.hubSeq == protocol.Seq{}
	s.hubSeq = e.Seq
	s.hubGone = hub.Status == protocol.HubGone
	s.u.change(func(st *Status) { st.HubPresent = !s.hubGone })
	if !s.hubGone {
		s.state.Reset(0)
		s.resendWait = s.u.o.ResendAfter
		s.goBack()
		if s.u.o.Holdings != nil && !first { // the first word is of a hub that the connection found
			// The hub that is there now may have heard none of it. All sites hear its birth
			// at once, and a terminal's inventory is large.
			s.retell.Reset(rand.N(s.u.o.ResendAfter))
		}
	}
}
