package zkdriver

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// How many bytes are written at once. A line that loses packets loses the whole batch.
const (
	batchTCP = 32 << 10
	batchUDP = 4 << 10
)

// firstGroup is the group of access rights that everybody is in who is in no other.
const firstGroup = 1

// entry is one user as it is to be written.
type entry struct {
	user    zk.User
	changed bool // the row is not the one that the terminal has
	fingers []zk.Template
}

func (e entry) bytes() int {
	n := len(e.user.Raw)
	for _, m := range e.fingers {
		n += len(m.Data)
	}
	return n
}

// Put writes users with their fingers; see terminal.Session. Who is refused does not
// keep the others from being written.
func (s *session) Put(ctx context.Context, users ...terminal.Put) error {
	entries, refused, err := s.entries(users)
	if err == nil && len(entries) > 0 {
		err = s.changing(ctx, func(ctx context.Context) error { return s.write(ctx, entries) })
	}
	if err = errors.Join(refused, err); err != nil {
		return fmt.Errorf("write %d users of terminal %s: %w", len(users), s.d.config.Serial, err)
	}
	return nil
}

// entries makes the rows, before anything is written. What has no place in a row is
// refused in the terminal's stead.
func (s *session) entries(users []terminal.Put) (entries []entry, refused, err error) {
	if s.held == nil {
		return nil, nil, errNoInventory
	}
	if s.layout == 0 {
		return nil, nil, fmt.Errorf("%w: of users, and there is none to see", terminal.ErrLayout)
	}
	pins := map[string]bool{}
	for _, u := range s.held.users {
		pins[protocol.NormalPIN(terminal.CleanPIN(u.PIN))] = true
	}
	fresh := map[uint16]bool{}
	for _, put := range users {
		u, found := s.held.users[put.Slot]
		switch pin := protocol.NormalPIN(put.PIN); {
		case put.New && (found || fresh[put.Slot] || put.Slot == 0):
			return nil, nil, fmt.Errorf("slot %d is not free", put.Slot)
		case put.New && (pin == "" || pins[pin]):
			return nil, nil, fmt.Errorf("slot %d: a PIN that is empty or somebody's already", put.Slot)
		case put.New:
			fresh[put.Slot], pins[pin] = true, true
			u = zk.User{UID: put.Slot, PIN: put.PIN, Group: firstGroup}
		case !found:
			return nil, nil, fmt.Errorf("slot %d has no user", put.Slot)
		}
		e, err := s.entry(u, put)
		if err != nil {
			refused = errors.Join(refused, fmt.Errorf("%w: slot %d: %w", terminal.ErrRefused, put.Slot, err))
			continue
		}
		entries = append(entries, e)
	}
	return entries, refused, nil
}

func (s *session) entry(u zk.User, put terminal.Put) (entry, error) {
	if put.Name != nil {
		u.Name = put.Name
	}
	if put.Card != nil {
		u.Card = *put.Card
	}
	u.Privilege = withLevel(u.Privilege, put.Privilege)
	row, err := s.layout.Append(nil, u)
	if err != nil {
		return entry{}, err
	}
	e := entry{changed: put.New || !bytes.Equal(row, u.Raw)}
	if e.user, err = s.layout.Parse(row); err != nil {
		return entry{}, err
	}
	for _, f := range put.Fingers {
		m := zk.Template{UID: put.Slot, Finger: f.Number, Flag: 1, Data: f.Template}
		wrong := s.able.Algorithm == 0 || m.Algorithm() != 0 && m.Algorithm() != int(s.able.Algorithm)
		if f.Number > 9 || len(m.Data) == 0 || wrong {
			return entry{}, fmt.Errorf("finger %d with a template of %d bytes, of algorithm %d", f.Number, len(m.Data), m.Algorithm())
		}
		e.fingers = append(e.fingers, m)
	}
	return e, nil
}

// write brings the entries batch by batch. A batch that is refused is tried one by one,
// because a terminal takes all of it or nothing and does not say why.
func (s *session) write(ctx context.Context, entries []entry) error {
	var refusals []error
	most := batchTCP
	if s.d.config.Network == "udp" {
		most = batchUDP
	}
	for len(entries) > 0 {
		n, size := 1, entries[0].bytes()
		for n < len(entries) && size+entries[n].bytes() <= most {
			size += entries[n].bytes()
			n++
		}
		batch := entries[:n]
		entries = entries[n:]
		err := s.save(ctx, batch)
		if err == nil {
			continue
		}
		if !plainlyRefused(err) {
			return err
		}
		for _, e := range batch {
			if err := s.writeOne(ctx, e); err != nil && !plainlyRefused(err) {
				return err
			} else if err != nil {
				refusals = append(refusals, err)
			}
		}
	}
	return errors.Join(refusals...)
}

// save writes a batch in one go, where the terminal is of a kind that can.
func (s *session) save(ctx context.Context, batch []entry) error {
	if err := s.stay(ctx); err != nil {
		return err
	}
	if s.noSave || s.layout != zk.User72 {
		return &zk.Refusal{Command: zk.CmdSaveUserTemps, Code: zk.AckUnknown}
	}
	u := zk.Upload{Layout: s.layout}
	for _, e := range batch {
		if err := s.bury(ctx, e.user.UID); err != nil {
			return err
		}
		u.Users = append(u.Users, e.user)
		u.Templates = append(u.Templates, e.fingers...)
	}
	err := s.d.conn.Save(ctx, u)
	if refusal, ok := errors.AsType[*zk.Refusal](err); ok && refusal.Code == zk.AckUnknown {
		s.noSave = true
	}
	if err != nil {
		return err
	}
	for _, e := range batch {
		s.took(e.user)
		for _, m := range e.fingers {
			stands, err := s.stands(ctx, m)
			if err == nil && !stands {
				err = s.replace(ctx, m)
			}
			if err != nil {
				return err
			}
			s.tookFinger(m)
		}
	}
	return nil
}

// writeOne writes one user, then finger by finger.
func (s *session) writeOne(ctx context.Context, e entry) error {
	if err := s.stay(ctx); err != nil {
		return err
	}
	if err := s.bury(ctx, e.user.UID); err != nil {
		return err
	}
	if e.changed {
		if err := s.d.conn.WriteUser(ctx, s.layout, e.user); err != nil {
			return err
		}
		s.took(e.user)
	}
	var refusals []error
	for _, m := range e.fingers {
		if err := s.writeFinger(ctx, m); err != nil && !plainlyRefused(err) {
			return err
		} else if err != nil {
			refusals = append(refusals, err)
		}
	}
	return errors.Join(refusals...)
}

// writeFinger writes a finger over the one that stands there, if there is one.
func (s *session) writeFinger(ctx context.Context, m zk.Template) error {
	_, had := s.held.templates[place{m.UID, m.Finger}]
	err := s.d.conn.WriteTemplate(ctx, m)
	stands := false
	if err == nil {
		stands, err = s.stands(ctx, m)
	} else if had && plainlyRefused(err) {
		err = nil // it may do so only because one stands there
	}
	if err == nil && !stands {
		err = s.replace(ctx, m)
	}
	if err == nil {
		s.tookFinger(m)
	}
	return err
}

// stands tells whether a finger that was written took the place of the one before: not
// every terminal overwrites, and not every one says so. One that we wrote before in this
// session and that is not as we wrote it is another matter: the terminal's own words.
func (s *session) stands(ctx context.Context, m zk.Template) (bool, error) {
	at := place{m.UID, m.Finger}
	old, had := s.held.templates[at]
	if !had || old.Digest() == m.Digest() || s.wrote[at] == m.Digest() {
		return true, nil
	}
	now, err := s.d.conn.ReadTemplate(ctx, m.UID, m.Finger)
	if err != nil && !refused(err) {
		return false, err
	}
	return err != nil || now.Digest() != old.Digest(), nil
}

// replace deletes the finger that stands there and writes another. If the terminal
// refuses that one, the old one is put back.
func (s *session) replace(ctx context.Context, m zk.Template) error {
	old := s.held.templates[place{m.UID, m.Finger}]
	old.Data = bytes.Clone(old.Data)
	defer clear(old.Data)
	if err := s.dropFinger(ctx, m.UID, m.Finger); err != nil {
		return err
	}
	err := s.d.conn.WriteTemplate(ctx, m)
	if err == nil || !plainlyRefused(err) {
		return err
	}
	if err := s.d.conn.WriteTemplate(ctx, old); err != nil {
		return err
	}
	s.tookFinger(old)
	return err
}

// bury deletes fingers that stand in a slot without a user: a new one would inherit them.
func (s *session) bury(ctx context.Context, slot uint16) error {
	for _, finger := range s.held.orphans[slot] {
		if err := s.d.conn.DeleteTemplate(ctx, slot, finger); err != nil && !refused(err) {
			return err
		}
	}
	delete(s.held.orphans, slot)
	return nil
}

func (s *session) took(u zk.User) { s.held.users[u.UID] = u }

func (s *session) tookFinger(m zk.Template) {
	at := place{m.UID, m.Finger}
	clear(s.held.templates[at].Data)
	m.Data = bytes.Clone(m.Data) // the caller's is the caller's to clear
	s.held.templates[at] = m
	s.wrote[at] = m.Digest()
}
