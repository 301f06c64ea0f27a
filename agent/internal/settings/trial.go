package settings

import (
	"context"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/systemd/pulse"
)

// Take takes a config message that was opened with the hub's key and is for this agent.
// A refusal is of a message that changes nothing; any other error is that of a disk.
func (s *Settings) Take(e protocol.Envelope) error {
	var c protocol.Config
	if err := e.Into(&c); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := s.saved.state().Newest()
	if e.Seq == newest {
		return nil // the retained message of each connection
	}
	if e.Seq.Less(newest) {
		return &protocol.Refusal{Reason: protocol.ReasonReplay, Cause: fmt.Errorf("config %s after %s", e.Seq, newest)}
	}
	next := saved{Current: s.saved.Current, Trying: &trial{held: held{e.Seq, c.Settings}}}
	if err := s.o.Check(c.Settings); err != nil {
		next = next.refuse(e.Seq, ReasonUnreadable, err)
	} else if s.saved.Trying == nil && c.Settings == s.saved.Current.Text {
		next = saved{Current: held{e.Seq, c.Settings}}
	}
	// What runs stays in its own trial only if it is what was meant: an older trial that a
	// newer message ends, whatever becomes of that, is over.
	restart := next.Trying != nil || s.saved.Trying != nil
	if err := s.save(next); err != nil {
		return err
	}
	s.o.Log.Info("settings of the agency", "order", e.Seq.String(), "trying", next.Trying != nil, "refused", next.Refused != nil)
	if restart {
		s.again()
	}
	return nil
}

// again asks Run to end.
func (s *Settings) again() {
	select {
	case s.restart <- struct{}{}:
	default:
	}
}

// How often a trial is looked at, and how often its time is put on disk.
const (
	lookEvery = time.Second
	saveEvery = 15 * time.Second
)

// aliveWithin is how long Run may go without a sign of life; a disk may be slow.
const aliveWithin = 5 * time.Minute

// Proof is how settings show that they are good. Its functions must not block.
type Proof struct {
	Hub     func() bool // the hub is there, over a line of this start
	Network func() bool // there is one at all
	Changed func()      // State or Conditions say something else; may be nil
	Alive   *pulse.Loop // has Run's signs of life; may be nil
}

// Run ends with ErrRestart when the agent is to run with other settings, or with ctx. A
// disk that refuses is told to the log and tried again. A trial's time counts only while there is a network: a line that is down for a week says
// nothing against settings.
func (s *Settings) Run(ctx context.Context, proof Proof) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var unsaved time.Duration
	defer proof.Alive.Rest()
	for refused := false; ; {
		proof.Alive.Within(aliveWithin)
		select {
		case <-ctx.Done():
			return nil
		case <-s.restart:
			return ErrRestart
		case <-tick.C:
		}
		changed, restart, err := s.look(proof, &unsaved)
		if err != nil && !refused { // no reason to stop collecting
			s.o.Log.Error("how the trial of settings stands is not written down", "error", err)
		}
		refused = err != nil
		if changed && proof.Changed != nil {
			proof.Changed()
		}
		if restart {
			return ErrRestart
		}
	}
}

// look judges a trial.
func (s *Settings) look(proof Proof, unsaved *time.Duration) (changed, restart bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.saved.Trying == nil || len(s.restart) > 0 { // what is there now has not run yet
		return false, false, nil
	}
	t := *s.saved.Trying
	if proof.Hub() {
		if err := s.save(saved{Current: t.held}); err != nil {
			return false, false, err
		}
		s.o.Log.Info("the agency's settings have proven themselves", "order", t.Order.String())
		return true, false, nil
	}
	if !proof.Network() {
		return false, false, nil
	}
	t.Up += lookEvery
	next := saved{Current: s.saved.Current, Trying: &t}
	if t.Up < s.o.Limit {
		s.saved = next
		if *unsaved += lookEvery; *unsaved < saveEvery {
			return false, false, nil
		}
		*unsaved = 0
		return false, false, s.save(next)
	}
	s.o.Log.Warn("with the agency's settings the hub was not reached; going back", "order", t.Order.String(), "after", t.Up.String())
	return true, true, s.save(next.refuse(t.Order, ReasonNoHub, nil))
}
