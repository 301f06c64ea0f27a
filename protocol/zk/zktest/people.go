package zktest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// AddUser stores a user in its slot, over whoever was there. A zero UID gets the next slot.
func (t *Terminal) AddUser(u zk.User) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.putUser(u)
}

func (t *Terminal) putUser(u zk.User) error {
	if u.UID == 0 {
		u.UID = 1
		if n := len(t.users); n > 0 {
			u.UID = t.users[n-1].UID + 1
		}
	}
	if _, err := t.profile.Users.Append(nil, u); err != nil {
		return fmt.Errorf("store user in slot %d: %w", u.UID, err)
	}
	i, found := t.userSlot(u.UID)
	switch {
	case found:
		t.users[i] = u
	case len(t.users) >= t.profile.UserCap:
		return fmt.Errorf("store user in slot %d: all %d places are taken", u.UID, t.profile.UserCap)
	default:
		t.users = slices.Insert(t.users, i, u)
	}
	t.touch()
	return nil
}

func (t *Terminal) userSlot(uid uint16) (int, bool) {
	return slices.BinarySearchFunc(t.users, uid, func(u zk.User, uid uint16) int { return cmp.Compare(u.UID, uid) })
}

func (t *Terminal) userByPIN(pin string) (zk.User, bool) {
	if i := slices.IndexFunc(t.users, func(u zk.User) bool { return u.PIN == pin }); i >= 0 {
		return t.users[i], true
	}
	return zk.User{}, false
}

// DeleteUser removes a user and the templates; false when the slot is free.
func (t *Terminal) DeleteUser(uid uint16) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dropUser(uid)
}

func (t *Terminal) dropUser(uid uint16) bool {
	i, found := t.userSlot(uid)
	if found {
		t.users = slices.Delete(t.users, i, i+1)
		t.templates = slices.DeleteFunc(t.templates, func(m zk.Template) bool { return m.UID == uid })
		t.operation(9, uid)
		t.touch()
	}
	return found
}

// Users copies the stored users, by slot.
func (t *Terminal) Users() []zk.User {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.users)
}

// AddTemplate stores a finger of a user who must exist.
func (t *Terminal) AddTemplate(m zk.Template) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.putTemplate(m)
}

func (t *Terminal) putTemplate(m zk.Template) error {
	if _, found := t.userSlot(m.UID); !found {
		return fmt.Errorf("store finger %d of slot %d: no such user", m.Finger, m.UID)
	}
	if _, err := m.Append(nil); err != nil {
		return fmt.Errorf("store finger %d of slot %d: %w", m.Finger, m.UID, err)
	}
	i, found := t.finger(m.UID, m.Finger)
	switch {
	case found:
		t.templates[i] = m
	case len(t.templates) >= t.profile.TemplateCap:
		return fmt.Errorf("store finger %d of slot %d: all %d places are taken", m.Finger, m.UID, t.profile.TemplateCap)
	default:
		t.templates = slices.Insert(t.templates, i, m)
	}
	t.touch()
	return nil
}

func (t *Terminal) finger(uid uint16, finger uint8) (int, bool) {
	return slices.BinarySearchFunc(t.templates, int(uid)<<8|int(finger), func(m zk.Template, key int) int {
		return cmp.Compare(int(m.UID)<<8|int(m.Finger), key)
	})
}

func (t *Terminal) dropTemplate(uid uint16, finger uint8) bool {
	i, found := t.finger(uid, finger)
	if found {
		t.templates = slices.Delete(t.templates, i, i+1)
		t.operation(10, uid)
		t.touch()
	}
	return found
}

// Templates copies the stored templates, by slot and finger.
func (t *Terminal) Templates() []zk.Template {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.templates)
}
