package sidik_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// validated is what a validation tells machines.
type validated struct {
	Read     string
	Findings []struct{ Class, PIN string }
}

// validate looks at one terminal.
func (o operator) validate(serial string) (v validated) {
	o.w.t.Helper()
	var all []validated
	if err := json.Unmarshal([]byte(o.says("validate", "--serial", serial, "--json")), &all); err != nil || len(all) != 1 {
		o.w.t.Fatalf("validate %s: %d terminals, %v", serial, len(all), err)
	}
	return all[0]
}

func (v validated) classes() (all []string) {
	for _, f := range v.Findings {
		all = append(all, f.Class)
	}
	return all
}

// person is somebody of this province, with two fingers.
type person struct {
	pin, name string
	fingers   [2][]byte
}

// record lets somebody's finger be found at a terminal of enrolment.
func (o *office) record(slot uint16, finger uint8, data []byte) {
	t := o.w.t
	t.Helper()
	if !slices.ContainsFunc(o.terminal.Users(), func(u zk.User) bool { return u.UID == slot }) {
		if err := o.terminal.AddUser(zk.User{UID: slot, PIN: fmt.Sprint(slot), Name: []byte("Demo"), Group: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.terminal.AddTemplate(zk.Template{UID: slot, Finger: finger, Flag: 1, Data: data}); err != nil {
		t.Fatal(err)
	}
}

// accept says whose the fingers are that were found under a slot's PIN.
func (o *office) accept(op operator, slot uint16, fingers int, employee string) {
	t := o.w.t
	t.Helper()
	var found []string
	eventually(t, func() bool {
		found = ids(op.says("finger", "found", "--site", string(o.site)), fmt.Sprint(slot))
		return len(found) == fingers
	}, func() string { return fmt.Sprintf("of slot %d %d fingers came, want %d", slot, len(found), fingers) })
	op.says(append([]string{"finger", "accept", "--employee", employee}, found...)...)
}

// TestTenFaultsAreFoundDecidedAndEnded seeds one fault of each class on a terminal,
// decides about each in a campaign, signs, and lets the real agent carry it out.
func TestTenFaultsAreFoundDecidedAndEnded(t *testing.T) {
	program := filepath.Join(build(t), "sidik-hub")
	w := newWorld(t, nil)
	w.startHub()
	op := operator{w, program}
	agency, samsat := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "samsat-belitung", "samsat")
	old := w.newOffice("bkpsdmd-lama", "bw-zem500", 0) // a terminal of enrolment with the older algorithm
	old.admit()
	for _, o := range []*office{agency, old} {
		op.says("terminal", "mode", "--serial", o.terminal.Serial(), "--enrolment", "yes")
	}
	serial := samsat.terminal.Serial()
	for _, u := range samsat.terminal.Users() {
		samsat.terminal.DeleteUser(u.UID)
	}

	// Twelve people, the last two of whom are placed elsewhere; the first administers.
	people := make([]person, 13)
	for n := 1; n <= 12; n++ {
		p := &people[n]
		p.name = fmt.Sprintf("Pegawai Demo %d", n)
		p.pin = op.newcomer(p.name, fmt.Sprintf("1990%02d012015011%03d", n, 900+n))
		unit := "samsat"
		if n > 10 {
			unit = "agency"
		}
		op.says("place", p.pin, "--unit", unit, "--from", "2026-01-01", "--sk", "800/1/2026")
		for finger := range p.fingers {
			p.fingers[finger] = template(2*n + finger)
			if n != 10 || finger == 0 {
				agency.record(uint16(100+n), uint8(finger), p.fingers[finger])
			}
		}
	}
	op.says("terminal", "grant", people[1].pin, "--serial", serial, "--from", "2026-01-01")
	older := []byte(strings.Repeat("older algorithm ", 20))
	old.record(110, 1, older)
	agency.start()
	old.start()
	for n := 1; n <= 12; n++ {
		fingers := 2
		if n == 10 {
			fingers = 1
			old.accept(op, 110, 1, people[n].pin)
		}
		agency.accept(op, uint16(100+n), fingers, people[n].pin)
	}

	// What the terminal holds: everybody rightly, but for one fault of each class.
	other := template(99)
	hold := func(slot uint16, pin, name string, privilege zk.Privilege, fingers map[uint8][]byte) {
		if err := samsat.terminal.AddUser(zk.User{UID: slot, PIN: pin, Name: []byte(name), Group: 1, Privilege: privilege}); err != nil {
			t.Fatal(err)
		}
		for finger, data := range fingers {
			if err := samsat.terminal.AddTemplate(zk.Template{UID: slot, Finger: finger, Flag: 1, Data: data}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := 1; n <= 10; n++ {
		p, privilege, fingers := people[n], zk.PrivilegeUser, map[uint8][]byte{}
		for finger, data := range p.fingers {
			fingers[uint8(finger)] = data
		}
		switch n {
		case 1:
			privilege = zk.PrivilegeAdmin
		case 2:
			continue // b
		case 3:
			p.name = "Orang Lain" // d
		case 4:
			fingers[1] = people[12].fingers[1] // e
		case 5, 10:
			delete(fingers, 1) // f; j, of which the vault knows the older algorithm only
		case 6:
			fingers[0] = other // g
		case 7:
			fingers[0] = people[8].fingers[1] // h
		case 9:
			privilege = zk.PrivilegeAdmin // i
		}
		hold(uint16(n), p.pin, p.name, privilege, fingers)
	}
	hold(20, "77", "Tamu", zk.PrivilegeUser, nil)                                                           // a
	hold(21, people[11].pin, people[11].name, zk.PrivilegeUser, map[uint8][]byte{0: people[11].fingers[0]}) // c
	samsat.start()

	var seen validated
	eventually(t, func() bool { seen = op.validate(serial); return seen.Read != "" }, func() string { return "the terminal was not read" })
	if got := strings.Join(seen.classes(), ""); got != "abcdefghij" {
		t.Fatalf("found %s, want one of each class:\n%s", got, op.says("validate", "--serial", serial))
	}
	// Each is decided as proposed; under observe nothing of it happens.
	said := op.says("finding", "decide", serial, "--class", "a,b,c,d,e,f,g,h,i,j")
	if n := strings.Count(said, "enforce"); strings.Count(said, "\n") != 10 || n != 9 || !strings.Contains(said, "has to record their fingers again") {
		t.Errorf("deciding says %q, want that nine wait for a mode and one for a person", said)
	}
	number := regexp.MustCompile(`Campaign (\d+)`).FindStringSubmatch(op.says("campaign", "add", "Validasi Demo", "--unit", "samsat", "--lead", "Citra Demo"))[1]
	sign := []string{"campaign", "sign", number, "--serial", serial, "--number", "800/1", "--place", "Tanjungpandan",
		"--agency-name", "Eka Demo", "--agency-position", "Kepala Bidang", "--office-name", "Gani Demo", "--office-position", "Kepala UPTD"}
	signed := op.says(sign...)
	if got := op.validate(serial).classes(); len(got) != 10 {
		t.Errorf("before the mode lets it happen there is %v, want all ten", got)
	}
	op.says("terminal", "mode", "enforce", "--serial", serial)
	eventually(t, func() bool { return slices.Equal(op.validate(serial).classes(), []string{"j"}) },
		func() string { return op.says("validate", "--serial", serial) + op.says("terminal", "plan", serial) })
	agency.stop()
	agency.record(110, 1, people[10].fingers[1])
	agency.start() // its agent looks at the terminal at once
	agency.accept(op, 110, 1, people[10].pin)
	eventually(t, func() bool { return len(op.validate(serial).Findings) == 0 }, func() string { return op.says("validate", "--serial", serial) })
	for range 2 {
		if again := op.validate(serial); len(again.Findings) != 0 {
			t.Errorf("validated again there is %v", again.classes())
		}
	}
	if decided := op.says("validate", "--serial", serial, "--decided"); strings.Count(decided, " Ended ") != 10 {
		t.Errorf("what came of the decisions is\n%s\nwant ten that have ended", decided)
	}
	digest := regexp.MustCompile(`SHA-256 [0-9a-f]{64}`)
	if again := op.says(sign...); digest.FindString(again) != digest.FindString(signed) || digest.FindString(signed) == "" {
		t.Errorf("signed again it says %q, before %q", again, signed)
	}
	if !samsat.terminal.Enabled() {
		t.Error("the terminal is left disabled")
	}
}

// TestAcceptedStaysThoughTheTerminalIsEnforced has a guest accepted with a reason: the
// real agent leaves the guest alone, takes everybody else off whom nobody placed there,
// and lets go of the guest too once their finger is another than the one that was
// accepted.
func TestAcceptedStaysThoughTheTerminalIsEnforced(t *testing.T) {
	w := newWorld(t, nil)
	w.startHub()
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	samsat := w.keptOffice(op, "samsat-belitung", "samsat")
	serial := samsat.terminal.Serial()
	if err := samsat.terminal.AddUser(zk.User{UID: 50, PIN: "77", Name: []byte("Tamu"), Group: 1}); err != nil {
		t.Fatal(err)
	}
	finger := zk.Template{UID: 50, Finger: 1, Flag: 1, Data: template(1)}
	if err := samsat.terminal.AddTemplate(finger); err != nil {
		t.Fatal(err)
	}
	boss := op.newcomer("Admin Demo", "198001012005011901")
	op.says("terminal", "grant", boss, "--serial", serial, "--from", "2026-01-01")
	samsat.start()
	eventually(t, func() bool { return op.validate(serial).Read != "" }, func() string { return "the terminal was not read" })
	guest := regexp.MustCompile(`(?m)^ +([0-9a-f]{8}) a\. PIN 77 `).FindStringSubmatch(op.says("finding", "list", serial))
	if guest == nil {
		t.Fatalf("the guest is not found:\n%s", op.says("finding", "list", serial))
	}
	op.says("finding", "decide", serial, guest[1], "--act", "accept", "--reason", "teknisi mesin")
	op.enforce(samsat)
	samsat.holds(boss+"/0", "77/1")
	eventually(t, func() bool { return strings.Contains(op.says("terminal", "holdings"), "equal") }, func() string { return op.says("terminal", "holdings") })
	if said := op.says("validate", "--serial", serial); !strings.Contains(said, "Accepted with a reason: 1") {
		t.Errorf("validated it says\n%s", said)
	}

	samsat.stop()
	finger.Data = template(2)
	if err := samsat.terminal.AddTemplate(finger); err != nil {
		t.Fatal(err)
	}
	samsat.start()
	samsat.holds(boss + "/0")
}
