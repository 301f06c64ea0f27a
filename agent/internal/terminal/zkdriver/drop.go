package zkdriver

import (
	"context"
	"errors"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// Drop deletes fingers or users; see terminal.Session. A terminal says the same of what
// is not there and of what it does not delete: after a refusal everything is read again.
func (s *session) Drop(ctx context.Context, drops ...terminal.Drop) error {
	if s.held == nil {
		return errNoInventory
	}
	var refusals []error
	err := s.changing(ctx, func(ctx context.Context) error {
		for _, drop := range drops {
			if err := s.stay(ctx); err != nil {
				return err
			}
			err := s.drop(ctx, drop)
			if err != nil && !refused(err) && !plainlyRefused(err) {
				return err
			}
			if err != nil {
				refusals = append(refusals, err)
			}
		}
		return nil
	})
	if err == nil && len(refusals) > 0 {
		err = s.on(ctx, terminal.ErrIncomplete, func(ctx context.Context) error {
			stays, err := s.stays(ctx, drops)
			if err != nil || stays == 0 {
				return err
			}
			return fmt.Errorf("%w: %d of %d are still there: %w", terminal.ErrRefused, stays, len(drops), errors.Join(refusals...))
		})
	}
	if err != nil {
		return fmt.Errorf("delete from terminal %s: %w", s.d.config.Serial, err)
	}
	return nil
}

func (s *session) drop(ctx context.Context, drop terminal.Drop) error {
	if !drop.User {
		return s.dropFinger(ctx, drop.Slot, drop.Finger)
	}
	err := s.d.conn.DeleteUser(ctx, drop.Slot)
	if err == nil {
		delete(s.held.users, drop.Slot)
		for at, m := range s.held.templates {
			if at.slot == drop.Slot {
				clear(m.Data)
				delete(s.held.templates, at)
			}
		}
	}
	return err
}

// dropFinger deletes one finger and no other. Terminals with 72-byte users take finger 0
// of a slot for all of its fingers, so they are told the PIN, unless two users share it.
func (s *session) dropFinger(ctx context.Context, slot uint16, finger uint8) error {
	var err error
	switch pin := s.held.users[slot].PIN; {
	case s.layout != zk.User72:
		err = s.d.conn.DeleteTemplate(ctx, slot, finger)
	case s.held.alone(pin):
		err = s.d.conn.DeleteTemplateOf(ctx, pin, finger)
	case finger != 0:
		err = s.d.conn.DeleteTemplate(ctx, slot, finger)
	default:
		return fmt.Errorf("%w: finger 0 of slot %d, whose PIN is somebody else's too", terminal.ErrRefused, slot)
	}
	if at := (place{slot, finger}); err == nil {
		clear(s.held.templates[at].Data)
		delete(s.held.templates, at)
	}
	return err
}

// alone tells whether exactly one user has this PIN.
func (h *holding) alone(pin string) bool {
	n := 0
	for _, u := range h.users {
		if u.PIN == pin {
			n++
		}
	}
	return n == 1 && pin != ""
}

// stays counts what should be gone and is not.
func (s *session) stays(ctx context.Context, drops []terminal.Drop) (n int, err error) {
	held, _, err := s.prove(ctx)
	if err != nil {
		return 0, err
	}
	defer held.forget()
	for _, drop := range drops {
		_, user := held.users[drop.Slot]
		_, finger := held.templates[place{drop.Slot, drop.Finger}]
		if drop.User && user || !drop.User && finger {
			n++
		}
	}
	return n, nil
}
