package zkdriver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// How a terminal ends an enrolment. Source: what other clients found out.
const (
	enrolStored    = 0
	enrolNobody    = 4
	enrolDuplicate = 5
)

// Capture asks for a finger; see terminal.Capturer.
func (s *session) Capture(ctx context.Context, slot uint16, finger uint8, told func(terminal.Step)) ([]byte, error) {
	template, err := s.capture(ctx, slot, finger, told)
	if err != nil {
		return nil, fmt.Errorf("capture finger %d of slot %d at terminal %s: %w", finger, slot, s.d.config.Serial, err)
	}
	return template, nil
}

func (s *session) capture(ctx context.Context, slot uint16, finger uint8, told func(terminal.Step)) ([]byte, error) {
	if s.held == nil {
		return nil, errNoInventory
	}
	u, found := s.held.users[slot]
	if _, there := s.held.templates[place{slot, finger}]; !found || there {
		return nil, fmt.Errorf("%w: the slot has no user, or the user the finger", terminal.ErrRefused)
	}
	var m zk.Template
	var ended error
	err := s.on(ctx, terminal.ErrUnreachable, func(ctx context.Context) error {
		s.d.registered = false // for live events: an enrolment ends that
		word, err := s.d.conn.Enroll(ctx, zk.Enrolment{
			Layout: s.layout, PIN: u.PIN, Finger: finger, Quiet: s.d.config.Patience,
			Asked: func() { told(terminal.StepAsked) },
			Told:  func(e zk.Event) { tell(e, told) },
		})
		if err != nil && !errors.Is(err, zk.ErrSilent) {
			return err
		}
		ended = verdict(word, err)
		// It was not there before. Whatever the terminal said or did not say, this tells.
		m, err = s.d.conn.ReadTemplate(ctx, slot, finger)
		if errors.Is(err, zk.ErrNoTemplate) {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		s.askNoMore(ctx)
		return nil, err
	case m.Data == nil && ended == nil:
		return nil, fmt.Errorf("%w: it says that it did, and has none", terminal.ErrCapture)
	case m.Data == nil:
		return nil, ended
	}
	told(terminal.StepStored)
	m.Data = m.Data[:zk.TemplateLength(m.Data)]
	s.tookFinger(m)
	return bytes.Clone(m.Data), nil
}

func tell(e zk.Event, told func(terminal.Step)) {
	score, image := e.Quality()
	switch {
	case e.Code == zk.EventFinger:
		told(terminal.StepPlaced)
	case image && score > 0:
		told(terminal.StepGood)
	case image:
		told(terminal.StepBad)
	}
}

// verdict is the terminal's word as an error; silence is nobody.
func verdict(word zk.Enrolled, silent error) error {
	switch {
	case silent != nil:
		return fmt.Errorf("%w: %w", terminal.ErrNobody, silent)
	case word.Result == enrolStored:
		return nil
	case word.Result == enrolNobody:
		return terminal.ErrNobody
	case word.Result == enrolDuplicate:
		return terminal.ErrDuplicate
	}
	return fmt.Errorf("%w: result %d", terminal.ErrCapture, word.Result)
}

// AskNoMore ends what a session left that died; see terminal.Capturer.
func (s *session) AskNoMore(ctx context.Context) error {
	err := s.on(ctx, terminal.ErrUnreachable, func(ctx context.Context) error {
		return errors.Join(unrefused(s.d.conn.CancelCapture(ctx)), unrefused(s.d.conn.StartVerify(ctx)))
	})
	if err != nil {
		return fmt.Errorf("end what terminal %s asks for: %w", s.d.config.Serial, err)
	}
	return nil
}

// askNoMore ends by a new session what a broken one may have left: a terminal that waits
// for a finger recognises nobody.
func (s *session) askNoMore(ctx context.Context) {
	if s.d.conn != nil {
		return // it was asked to end it already
	}
	ending, end := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second+s.d.config.Timeout)
	defer end()
	if s.d.connect(ending) == nil {
		_ = s.d.conn.CancelCapture(ending) // if this fails too, the terminal gives up by itself
	}
}
