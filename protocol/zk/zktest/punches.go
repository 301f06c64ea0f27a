package zktest

import (
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// ErrDisabled is returned when somebody wants to punch while the terminal is disabled.
var ErrDisabled = errors.New("terminal is disabled")

// AddPunch stores a punch and shows it to whoever listens for events, unless the terminal
// is disabled. Slot or PIN may be left out; the user list fills it in.
func (t *Terminal) AddPunch(a zk.Attendance) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.punch(a)
}

func (t *Terminal) punch(a zk.Attendance) error {
	if err := t.store(a); err != nil {
		return err
	}
	t.touch()
	if !t.enabled() {
		return nil
	}
	last := t.log.at(t.log.len() - 1)
	if body, err := zk.AppendAttLogEvent(nil, last, t.profile.Event); err == nil { // else the event has no place for this PIN
		t.emit(zk.EventAttLog, body)
	}
	return nil
}

// store fills in slot or PIN and stores the punch without showing it.
func (t *Terminal) store(a zk.Attendance) error {
	if a.PIN == "" {
		i, found := t.userSlot(a.Slot)
		if !found {
			return fmt.Errorf("store punch: nobody in slot %d", a.Slot)
		}
		a.PIN = t.users[i].PIN
	}
	if a.Slot == 0 {
		if u, found := t.userByPIN(a.PIN); found {
			a.Slot = u.UID
		}
	}
	if a.Slot == 0 && t.profile.Rows.Size() == 8 {
		return errors.New("store punch: nobody has the PIN, and rows of 8 bytes need a slot")
	}
	return t.log.add(a, t.recordCap)
}

// Punch lets the user with this PIN punch now, by the terminal's clock.
func (t *Terminal) Punch(pin string, status uint8) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.enabled() {
		return ErrDisabled
	}
	now, ok := zk.PackTime(t.now())
	if !ok {
		return fmt.Errorf("punch: the terminal's clock %s cannot be stored", t.now().Format(time.DateTime))
	}
	return t.punch(zk.Attendance{PIN: pin, Time: now, Status: status, Verify: t.profile.Verify})
}

// SetPunches replaces the stored punches, without showing them to anybody.
func (t *Terminal) SetPunches(punches []zk.Attendance) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.clear()
	t.touch()
	for _, a := range punches {
		if err := t.store(a); err != nil {
			return err
		}
	}
	return nil
}

// Punches reads the stored punches in their order, each with its raw row and, also where
// the row has only a slot, the PIN.
func (t *Terminal) Punches() []zk.Attendance {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.log.all()
}

// ClearLog erases the stored punches, as somebody can do in the menu.
func (t *Terminal) ClearLog() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clearLog()
}

func (t *Terminal) clearLog() {
	t.log.clear()
	t.operation(23, 0)
	t.touch()
}
