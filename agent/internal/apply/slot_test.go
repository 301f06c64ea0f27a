package apply_test

import (
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// A slot that was given out to a capture is nobody else's, not while a roster is being
// applied and not after a restart.
func TestSlotIsGivenOutOnce(t *testing.T) {
	o := newOffice(t)
	take := func(seen, want uint16) {
		t.Helper()
		if slot, err := o.apply.TakeSlot(serial, seen); err != nil || slot != want {
			t.Errorf("TakeSlot(%d) = %d, %v, want %d", seen, slot, err, want)
		}
	}
	take(0, 1)
	take(7, 8)
	take(3, 9)
	o.start()
	take(0, 10)
	// One is taken while a visit writes three people into 11 to 13.
	o.machine.first = func() { take(0, 14) }
	ok(t, o.give(seq(1, 1), o.people()))
	o.serve(equal)
	more := o.people()
	more.Entries = append(more.Entries, roster.Entry{PIN: "100004", Privilege: roster.User})
	ok(t, o.give(seq(1, 2), more))
	o.serve(func(r protocol.Results) bool { return equal(r) && r.Roster == seq(1, 2) })
	used := map[uint16]string{}
	for _, u := range o.last.Users {
		used[u.Slot] = u.PIN
	}
	if len(used) != 4 || used[14] != "" || used[15] != "100004" {
		t.Errorf("slots in use: %v, want the newcomer in 15", used)
	}
	if slot, err := o.apply.TakeSlot(serial, 1<<16-1); err == nil {
		t.Errorf("slot %d after the last one", slot)
	}
	if _, err := o.apply.TakeSlot("T2", 0); err == nil {
		t.Error("a slot of a terminal that is not configured")
	}
}

func TestWhomARosterNames(t *testing.T) {
	o := newOffice(t)
	names := func(serial protocol.Serial, pin string, named, known bool) {
		t.Helper()
		if n, k := o.apply.Names(serial, pin); n != named || k != known {
			t.Errorf("Names(%s, %s) = %t, %t, want %t, %t", serial, pin, n, k, named, known)
		}
	}
	names(serial, "100002", false, false)
	names("T2", "100002", false, false)
	ok(t, o.give(seq(1, 1), o.people()))
	names(serial, "100002", true, true)
	names(serial, "100009", false, true)
	o.serve(equal)
	o.machine.enrol(40, "9999", roster.User)
	told := len(o.results)
	o.apply.Look(serial)
	o.apply.Look("T2")
	o.serve(equal)
	if len(o.results) == told || len(o.last.Users) != 3 {
		t.Errorf("after Look: %d results, %d users", len(o.results)-told, len(o.last.Users))
	}
}
