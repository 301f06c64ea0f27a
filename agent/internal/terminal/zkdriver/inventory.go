package zkdriver

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// place is where a template stands.
type place struct {
	slot   uint16
	finger uint8
}

// holding is all users and templates of a terminal, as read.
type holding struct {
	users     map[uint16]zk.User
	templates map[place]zk.Template
	orphans   map[uint16][]uint8 // fingers of slots without a user, which a new user would inherit
	sum       [sha256.Size]byte  // of everything, in the terminal's order
}

func (h *holding) forget() {
	for _, m := range h.templates {
		clear(m.Data)
	}
	h.templates = nil
}

// Inventory reads everything; see terminal.Session.
func (s *session) Inventory(ctx context.Context) (roster.Inventory, error) {
	var inv roster.Inventory
	err := s.on(ctx, terminal.ErrIncomplete, func(ctx context.Context) error {
		held, sizes, err := s.prove(ctx)
		if err != nil {
			return err
		}
		able, err := s.capabilities(ctx, sizes)
		if err != nil {
			held.forget()
			return err
		}
		s.forget()
		s.held = held
		inv = roster.Inventory{Serial: s.d.config.Serial, Capabilities: able, Users: held.list(able.Algorithm)}
		return inv.Check()
	})
	if err != nil {
		return roster.Inventory{}, fmt.Errorf("read inventory of terminal %s: %w", s.d.config.Serial, err)
	}
	return inv, nil
}

// prove reads until what is read is proven complete: the counts before and after are
// those of what came. A terminal that does not count must say the same twice.
func (s *session) prove(ctx context.Context) (held *holding, sizes zk.Sizes, err error) {
	var last *[sha256.Size]byte
	for range tries {
		before, err := s.d.sizes(ctx)
		if err != nil {
			return nil, before, err
		}
		users, layout, err := s.d.conn.Users(ctx)
		if err != nil && !errors.Is(err, zk.ErrUnproven) {
			return nil, before, err
		}
		templates, more := s.d.conn.Templates(ctx)
		if more != nil && !errors.Is(more, zk.ErrUnproven) {
			return nil, before, more
		}
		after, err2 := s.d.sizes(ctx)
		if err2 != nil {
			return nil, before, err2
		}
		if err != nil || more != nil {
			last = nil
			continue
		}
		if layout != 0 {
			s.layout = layout
		}
		held := newHolding(users, templates)
		switch {
		case len(held.users) != len(users) || len(held.templates) != len(templates):
			last = nil // two rows for one slot, or for one finger: which of them counts?
		case before.Known && after.Known:
			if before.Users == len(users) && after.Users == len(users) && before.Templates == len(templates) && after.Templates == len(templates) {
				return held, after, nil
			}
			last = nil
		case last != nil && *last == held.sum:
			return held, after, nil
		default:
			last = &held.sum
		}
		held.forget()
	}
	return nil, sizes, fmt.Errorf("users and fingers read %d times, never with a proof that it is all: %w", tries, zk.ErrUnproven)
}

func newHolding(users []zk.User, templates []zk.Template) *holding {
	h := &holding{users: map[uint16]zk.User{}, templates: map[place]zk.Template{}, orphans: map[uint16][]uint8{}}
	sum := sha256.New()
	for _, u := range users {
		h.users[u.UID] = u
		sum.Write(u.Raw)
	}
	for _, m := range templates {
		if _, found := h.users[m.UID]; !found {
			h.orphans[m.UID] = append(h.orphans[m.UID], m.Finger)
		}
		m.Data = m.Data[:zk.TemplateLength(m.Data)]
		h.templates[place{m.UID, m.Finger}] = m
		digest := m.Digest()
		sum.Write([]byte{byte(m.UID), byte(m.UID >> 8), m.Finger, m.Flag})
		sum.Write(digest[:])
	}
	sum.Sum(h.sum[:0])
	return h
}

// list is the inventory's form. Fingers of nobody and fingers that the terminal marks as
// invalid let nobody in: they are not held.
func (h *holding) list(algorithm uint8) []roster.Held {
	users := make([]roster.Held, 0, len(h.users))
	fingers := map[uint16][]roster.HeldFinger{}
	for at, m := range h.templates {
		if m.Flag == 0 || at.finger > 9 {
			continue
		}
		f := roster.HeldFinger{Number: at.finger, Algorithm: algorithm, Digest: protocol.Hash(m.Digest())}
		if a := m.Algorithm(); a != 0 {
			f.Algorithm = uint8(a)
		}
		fingers[at.slot] = append(fingers[at.slot], f)
	}
	for slot, u := range h.users {
		list := fingers[slot]
		slices.SortFunc(list, func(a, b roster.HeldFinger) int { return cmp.Compare(a.Number, b.Number) })
		users = append(users, roster.Held{
			Slot: slot, PIN: terminal.CleanPIN(u.PIN), Name: bytes.Clone(u.Name),
			Privilege: privilege(u.Privilege), Disabled: u.Privilege.Disabled(),
			Password: len(u.Password) > 0, Card: u.Card, Fingers: list,
		})
	}
	slices.SortFunc(users, func(a, b roster.Held) int { return cmp.Compare(a.Slot, b.Slot) })
	return users
}

// Template gives a finger of the last Inventory.
func (s *session) Template(_ context.Context, slot uint16, finger uint8) ([]byte, error) {
	if s.held == nil {
		return nil, errNoInventory
	}
	m, found := s.held.templates[place{slot, finger}]
	if !found {
		return nil, fmt.Errorf("finger %d of slot %d of terminal %s: %w", finger, slot, s.d.config.Serial, zk.ErrNoTemplate)
	}
	return bytes.Clone(m.Data), nil
}

// errNoInventory: without the rows as read, writing would destroy what is not named.
var errNoInventory = errors.New("no inventory was read in this session")
