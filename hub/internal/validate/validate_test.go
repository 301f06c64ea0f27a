package validate_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

const (
	here, there placement.UnitID     = 1, 2
	machine     placement.TerminalID = 1
	day         roster.Date          = "2026-01-30"
)

// office is a register with a terminal, and what the terminal holds.
type office struct {
	snapshot placement.Snapshot
	stored   []validate.Stored
	aliases  map[string]placement.EmployeeID
	inv      roster.Inventory
}

func since[T any](value T) placement.History[T] {
	return placement.History[T]{{From: "2020-01-01", Value: value}}
}

func digest(e, number, algorithm, version int) protocol.Hash {
	return sha256.Sum256(fmt.Appendf(nil, "%d %d %d %d", e, number, algorithm, version))
}

func pin(e int) string { return fmt.Sprint(100_000 + e) }

// newOffice has so many people, each with two stored fingers; the first is the
// terminal's administrator. The terminal serves the unit here, and is empty.
func newOffice(people int) *office {
	always := placement.Period{From: "2020-01-01", To: roster.Forever}
	o := &office{aliases: map[string]placement.EmployeeID{}}
	for _, id := range []placement.UnitID{here, there} {
		o.snapshot.Units = append(o.snapshot.Units, placement.Unit{ID: id, Kind: since(placement.UPTD)})
	}
	o.snapshot.Terminals = []placement.Terminal{{ID: machine, Serial: "T1", Mode: since(roster.Observe),
		Serves: []placement.Serving{{Unit: here, Responsible: true, Period: always}}}}
	for e := 1; e <= people; e++ {
		id := placement.EmployeeID(e)
		o.snapshot.Employees = append(o.snapshot.Employees, placement.Employee{ID: id, PIN: pin(e),
			Name: since(fmt.Sprintf("Pegawai Demo Nomor %d", e)), Status: since(placement.Active)})
		o.snapshot.Placements = append(o.snapshot.Placements, placement.Placement{ID: placement.PlacementID(e), Employee: id, Unit: here,
			Kind: placement.Definitive, Period: always})
		for number := range 2 {
			o.store(e, number, 10, true)
		}
	}
	o.snapshot.Grants = []placement.Grant{{ID: 1, Employee: 1, Terminal: machine, Privilege: roster.Administrator, Period: always}}
	o.inv = roster.Inventory{Serial: "T1", Capabilities: roster.Capabilities{Algorithm: 10, NameBytes: 12}}
	return o
}

func (o *office) store(e, number, algorithm int, best bool) {
	version := 0
	if !best {
		version = 1
	}
	o.stored = append(o.stored, validate.Stored{Employee: placement.EmployeeID(e), Best: best,
		Finger: roster.Finger{Number: uint8(number), Algorithm: uint8(algorithm), Digest: digest(e, number, algorithm, version)}})
}

func (o *office) validation() validate.Case {
	hubs := map[string]placement.EmployeeID{}
	for _, e := range o.snapshot.Employees {
		hubs[e.PIN] = e.ID
	}
	k := validate.Know(o.snapshot, day, o.stored, func(t placement.TerminalID, pin string) placement.EmployeeID {
		if e := o.aliases[pin]; e != 0 {
			return e
		}
		return hubs[pin]
	})
	c, _ := k.Case(machine, o.inv)
	return c
}

func (o *office) find() []validate.Finding { return validate.Find(o.validation()) }

// write lets the roster carry out what it has about some PINs, as an agent would that
// may do everything.
func (o *office) write(t testing.TB, pins ...string) {
	t.Helper()
	r := o.validation().Roster
	r.Mode = roster.Enforce
	changes := 0
	for _, c := range roster.Diff(r, o.inv).Changes {
		if len(pins) == 0 || slices.Contains(pins, c.PIN) {
			slot := o.inv.Users[len(o.inv.Users)-1].Slot + 1
			o.inv = o.inv.Apply(c, slot)
			changes++
		}
	}
	if changes == 0 {
		t.Fatalf("the roster has nothing to write about %v", pins)
	}
}

// fill makes the terminal hold its roster.
func (o *office) fill() { o.hold(o.validation().Roster) }

func (o *office) hold(r roster.Roster) {
	o.inv.Users = nil
	for i, e := range r.Entries {
		h := roster.Held{Slot: uint16(i + 1), PIN: e.PIN, Name: o.inv.Capabilities.Name(e.Name), Privilege: e.Privilege}
		for _, f := range e.Fingers {
			h.Fingers = append(h.Fingers, roster.HeldFinger{Number: f.Number, Algorithm: f.Algorithm, Digest: f.Digest})
		}
		o.inv.Users = append(o.inv.Users, h)
	}
}

// user is the user of an employee whom fill made.
func (o *office) user(e int) *roster.Held { return o.at(pin(e)) }

func (o *office) at(pin string) *roster.Held {
	i := slices.IndexFunc(o.inv.Users, func(h roster.Held) bool { return h.PIN == pin })
	return &o.inv.Users[i]
}

func (o *office) drop(pin string) {
	o.inv.Users = slices.DeleteFunc(o.inv.Users, func(h roster.Held) bool { return h.PIN == pin })
}

// leave makes an employee placed elsewhere, and not on the terminal.
func (o *office) leave(e int) {
	o.snapshot.Placements[e-1].Unit = there
	o.drop(pin(e))
}

func (o *office) join(pin, name string, fingers ...roster.HeldFinger) *roster.Held {
	slot := uint16(1)
	if n := len(o.inv.Users); n > 0 {
		slot = o.inv.Users[n-1].Slot + 1
	}
	o.inv.Users = append(o.inv.Users, roster.Held{Slot: slot, PIN: pin, Name: []byte(name), Privilege: roster.User, Fingers: fingers})
	return &o.inv.Users[len(o.inv.Users)-1]
}

func held(e, number int) roster.HeldFinger {
	return roster.HeldFinger{Number: uint8(number), Algorithm: 10, Digest: digest(e, number, 10, 0)}
}

// short tells findings in a line each.
func short(all []validate.Finding) []string {
	lines := make([]string, len(all))
	for i, f := range all {
		lines[i] = strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", f.Class, f.Code, f.PIN, f.Other, strings.Trim(fmt.Sprint(f.Fingers), "[]")))
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	return lines
}

func expect(t *testing.T, o *office, want ...string) {
	t.Helper()
	found := o.find()
	if got := short(found); !slices.Equal(got, want) {
		t.Fatalf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, f := range found {
		if len(f.Acts) == 0 || f.Acts[len(f.Acts)-1] != validate.ActAccept {
			t.Errorf("%s %s has the acts %v", f.Class, f.Code, f.Acts)
		}
	}
}

// seeded is an office of which the terminal is wrong once in each class.
func seeded() *office {
	o := newOffice(12)
	o.snapshot.Placements[11-1].Unit = there // 11 and 12 are not placed here
	o.snapshot.Placements[12-1].Unit = there
	o.fill()
	o.join("77", "Tamu")                                                  // a
	o.drop(pin(2))                                                        // b
	o.join(pin(11), "Pegawai Demo", held(11, 0))                          // c
	o.user(3).Name = []byte("Pegawai Lain")                               // d
	o.user(4).Fingers[1].Digest = digest(12, 1, 10, 0)                    // e
	o.user(5).Fingers = o.user(5).Fingers[:1]                             // f
	o.user(6).Fingers[0].Digest = digest(6, 0, 10, 7)                     // g
	o.user(7).Fingers[0].Digest = o.user(8).Fingers[1].Digest             // h
	o.user(9).Privilege = roster.Administrator                            // i
	o.stored = slices.DeleteFunc(o.stored, func(s validate.Stored) bool { // j
		return s.Employee == 10 && s.Number == 1
	})
	o.store(10, 1, 9, true)
	o.user(10).Fingers = o.user(10).Fingers[:1]
	return o
}

var faults = []string{
	"a unknown-pin 77",
	"b not-on-terminal 100002",
	"c elsewhere 100011",
	"d name-differs 100003",
	"e finger-of-other 100004 100012 1",
	"f fingers-missing 100005 1",
	"g template-differs 100006 0",
	"h same-template 100007 100008 0",
	"i privilege-more 100009",
	"j algorithm 100010 1",
}

// acts end the findings of seeded as a person would who takes the proposed act.
func acts(t testing.TB, o *office) map[string]func() {
	byRoster := func(pins ...string) func() { return func() { o.write(t, pins...) } }
	return map[string]func(){
		"a": byRoster("77"), "b": byRoster(pin(2)), "c": byRoster(pin(11)), "d": byRoster(pin(3)), "e": byRoster(pin(4)),
		"f": byRoster(pin(5)), "g": byRoster(pin(6)), "h": byRoster(pin(7)), "i": byRoster(pin(9)),
		"j": func() {
			o.stored = slices.DeleteFunc(o.stored, func(s validate.Stored) bool { return s.Employee == 10 })
			o.store(10, 0, 10, true)
			o.store(10, 1, 10, true)
			o.write(t, pin(10))
		},
	}
}

func TestTenFaultsAreFoundAndEndedByTheirActs(t *testing.T) {
	o := seeded()
	expect(t, o, faults...)
	if first, second := o.find(), o.find(); !reflect.DeepEqual(first, second) {
		t.Errorf("a second run finds\n%v", second)
	}
	for i, f := range faults {
		class := f[:1]
		t.Run("class "+class+" is ended alone", func(t *testing.T) {
			o := seeded()
			acts(t, o)[class]()
			expect(t, o, slices.Delete(slices.Clone(faults), i, i+1)...)
		})
	}
	end := acts(t, o)
	for _, class := range slices.Sorted(maps.Keys(end)) {
		end[class]()
	}
	expect(t, o)
}

func TestWhatIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		change func(o *office)
		want   []string
	}{
		"nothing where roster and terminal are equal": {func(o *office) {}, nil},
		"all of them missing on an empty terminal": {func(o *office) { o.inv.Users = nil },
			[]string{"b not-on-terminal 100001", "b not-on-terminal 100002", "b not-on-terminal 100003", "b not-on-terminal 100004", "i no-admin"}},
		"a PIN with blanks and zeros is the same": {func(o *office) { o.user(2).PIN = "000100002" }, nil},
		"a legacy PIN that is mapped is no difference": {func(o *office) {
			o.user(2).PIN = "199001012020121901"
			o.aliases["199001012020121901"] = 2
		}, nil},
		"one that is not mapped says whose it is, once": {func(o *office) { o.user(2).PIN = "199001012020121901" },
			[]string{"a unknown-pin-of 199001012020121901 100002 0 1"}},
		"a second PIN of one person is the same template twice": {func(o *office) {
			o.aliases["12"] = 2
			o.join("12", "Dua", held(2, 0), held(2, 1))
		}, []string{"h same-template 12 100002 0 1"}},
		"a second PIN without a finger is somebody too many": {func(o *office) {
			o.aliases["12"] = 2
			o.join("12", "Dua")
		}, []string{"c second-pin 12 100002"}},
		"of two users of one person the one with the fingers counts": {func(o *office) {
			o.user(2).Fingers, o.user(2).PIN = nil, "12"
			o.aliases["12"] = 2
			o.join(pin(2), "Pegawai Demo", held(2, 0), held(2, 1))
		}, []string{"c second-pin 12 100002"}},
		"the user with the fingers counts, also under a second PIN": {func(o *office) {
			o.aliases["12"] = 2
			o.join("12", "Pegawai Demo", o.user(2).Fingers...)
			o.user(2).Fingers = nil
		}, []string{"c second-pin 100002 12"}},
		"with equal fingers the one under the hub's PIN counts": {func(o *office) {
			o.aliases["12"] = 2
			o.user(2).PIN = "12"
			o.join(pin(2), "Pegawai Demo", o.at("12").Fingers...)
		}, []string{"h same-template 12 100002 0 1"}},
		"three users of one person": {func(o *office) {
			o.aliases["12"], o.aliases["13"] = 2, 2
			o.user(2).PIN = "12"
			fingers := o.at("12").Fingers
			o.at("12").Fingers = nil
			o.join("13", "Pegawai Demo")
			o.join(pin(2), "Pegawai Demo", fingers...)
		}, []string{"c second-pin 12 100002", "c second-pin 13 100002"}},
		"templates twice, under other numbers": {func(o *office) {
			o.user(2).PIN = "77"
			o.at("77").Fingers[0].Digest, o.at("77").Fingers[1].Digest = digest(2, 1, 10, 0), digest(2, 0, 10, 0)
			o.join(pin(2), "Pegawai Demo", held(2, 0), held(2, 1))
		}, []string{"h same-template 77 100002 0 1"}},
		"a template that nobody has stored is whose PIN belongs here": {func(o *office) {
			o.stored = slices.DeleteFunc(o.stored, func(s validate.Stored) bool { return s.Employee == 3 })
			o.snapshot.Placements[1].Unit = there
			o.user(2).PIN = "77"
			o.at("77").Fingers, o.user(3).Fingers = []roster.HeldFinger{held(99, 5)}, []roster.HeldFinger{held(99, 5)}
		}, []string{"h same-template 77 100003 5"}},
		"a finger of another besides one's own, and another name": {func(o *office) {
			o.leave(4)
			o.user(2).Fingers[1], o.user(2).Name = held(4, 1), []byte("Lain")
		}, []string{"d name-differs 100002", "e finger-of-other 100002 100004 1"}},
		"a finger of another under a number that is not stored": {func(o *office) {
			o.leave(4)
			f := held(4, 1)
			f.Number = 5
			o.user(2).Fingers = append(o.user(2).Fingers, f)
		}, []string{"e finger-of-other 100002 100004 5"}},
		"nothing but fingers of another, and fewer": {func(o *office) {
			o.leave(4)
			o.user(2).Fingers = []roster.HeldFinger{held(4, 0)}
		}, []string{"e finger-of-other 100002 100004 0"}},
		"what the terminal made of the finger of another": {func(o *office) {
			o.leave(4)
			o.user(2).Fingers[1].Digest, o.user(2).Fingers[1].For = digest(4, 1, 10, 8), digest(4, 1, 10, 0)
		}, []string{"e finger-of-other 100002 100004 1"}},
		"who is misplaced and has a finger of somebody who is missing": {func(o *office) {
			o.snapshot.Placements[1].Unit = there
			o.user(2).Fingers[1] = held(3, 1)
			o.drop(pin(3))
		}, []string{"b not-on-terminal 100003", "e finger-of-other 100002 100003 1"}},
		"who retired":                  {func(o *office) { o.snapshot.Employees[1].Status = since(placement.Retired) }, []string{"c not-active 100002"}},
		"whose placement ended":        {func(o *office) { o.snapshot.Placements[1].To = "2025-06-01" }, []string{"c over 100002"}},
		"whose placement begins later": {func(o *office) { o.snapshot.Placements[1].From = "2026-06-01" }, []string{"c not-yet 100002"}},
		"who has no placement":         {func(o *office) { o.snapshot.Placements = slices.Delete(o.snapshot.Placements, 1, 2) }, []string{"c unplaced 100002"}},
		"a PIN that another uses, who is not missing for it": {func(o *office) {
			o.snapshot.Placements[1].Unit = there
			o.user(2).Fingers = o.user(3).Fingers
			o.drop(pin(3))
		}, []string{"e finger-of-other 100002 100003 0 1"}},
		"two people of whom one uses the PIN of the other": {func(o *office) {
			o.user(2).Fingers, o.user(2).Name = o.user(3).Fingers, []byte("Tiga")
			o.drop(pin(3))
		}, []string{"b not-on-terminal 100003", "e finger-of-other 100002 100003 0 1"}},
		"nobody has a finger of theirs": {func(o *office) {
			o.stored = slices.DeleteFunc(o.stored, func(s validate.Stored) bool { return s.Employee == 2 })
			o.user(2).Fingers = nil
		}, []string{"f no-finger 100002"}},
		"what is not stored yet is no difference": {func(o *office) {
			o.stored = slices.DeleteFunc(o.stored, func(s validate.Stored) bool { return s.Employee == 2 })
		}, nil},
		"an older copy, and a finger that is not stored": {func(o *office) {
			o.store(2, 0, 10, false)
			o.user(2).Fingers[0].Digest = digest(2, 0, 10, 1)
			o.user(2).Fingers = append(o.user(2).Fingers, held(99, 5))
		}, []string{"g template-extra 100002 5", "g template-older 100002 0"}},
		"the stored one under another number": {func(o *office) { o.user(2).Fingers[1].Number = 5 },
			[]string{"g template-moved 100002 5"}},
		"what the terminal made of a template is as good": {func(o *office) {
			f := &o.user(2).Fingers[0]
			f.Digest, f.For = digest(2, 0, 10, 8), f.Digest
		}, nil},
		"a stored finger of the other algorithm besides is no difference": {func(o *office) { o.store(2, 1, 9, true) }, nil},
		"no administrator": {func(o *office) { o.snapshot.Grants, o.user(1).Privilege = nil, roster.User }, []string{"i no-admin"}},
		"an administrator without the right": {func(o *office) { o.user(1).Privilege = roster.User },
			[]string{"i privilege-less 100001"}},
		"an administrator who may not identify is none": {func(o *office) { o.user(1).Disabled = true }, []string{"i no-admin"}},
		"more administrators than are allowed": {func(o *office) {
			o.snapshot.Terminals[0].MaxAdmins = since(1)
			o.snapshot.Grants[0].Terminal = 0
			g := o.snapshot.Grants[0]
			g.ID, g.Employee = 2, 2
			o.snapshot.Grants = append(o.snapshot.Grants, g)
			o.user(2).Privilege = roster.Administrator
		}, []string{"i too-many-admins"}},
		"a stranger who administers is one finding": {func(o *office) { o.join("77", "Tamu").Privilege = roster.Administrator },
			[]string{"a unknown-pin 77"}},
		"one template that is stored for two": {func(o *office) {
			o.stored = append(o.stored, validate.Stored{Employee: 3, Best: true, Finger: roster.Finger{Number: 6, Algorithm: 10, Digest: digest(2, 0, 10, 0)}})
			f := held(2, 0)
			f.Number = 6
			o.user(3).Fingers = append(o.user(3).Fingers, f)
		}, []string{"h same-template 100003 100002 6"}},
		"a terminal that tells no algorithm": {func(o *office) { o.inv.Capabilities.Algorithm = 0 }, nil},
		"a terminal that tells its algorithm by what it holds": {func(o *office) {
			o.inv.Capabilities.Algorithm = 0
			o.stored[3].Algorithm = 9
			o.user(2).Fingers = o.user(2).Fingers[:1]
		}, []string{"j algorithm 100002 1"}},
		"a terminal that tells no algorithm and holds no finger": {func(o *office) {
			o.inv.Capabilities.Algorithm = 0
			for i := range o.inv.Users {
				o.inv.Users[i].Fingers = nil
			}
		}, []string{"f fingers-missing 100001 0 1", "f fingers-missing 100002 0 1", "f fingers-missing 100003 0 1", "f fingers-missing 100004 0 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(4)
			o.fill()
			c.change(o)
			expect(t, o, c.want...)
		})
	}
}

func TestStrangerWhoAdministersIsMarked(t *testing.T) {
	o := newOffice(2)
	o.fill()
	o.user(1).Name = []byte("Lain")
	o.join("77", "Tamu").Privilege = roster.Administrator
	if f := o.find(); len(f) != 2 || !f[0].Administrator || f[1].Administrator {
		t.Errorf("found %+v, want the stranger marked, and the granted one not", f)
	}
}

func TestProposedActFitsWhatWasSeen(t *testing.T) {
	for name, c := range map[string]struct {
		change func(o *office)
		want   []validate.Act
	}{
		"nobody's PIN": {func(o *office) { o.join("77", "Tamu") }, []validate.Act{validate.ActDelete, validate.ActMap, validate.ActAccept}},
		"nobody's PIN with a known finger": {func(o *office) { o.user(2).PIN = "77" },
			[]validate.Act{validate.ActMap, validate.ActDelete, validate.ActAccept}},
		"another's fingers under a PIN that does not belong here": {func(o *office) {
			o.snapshot.Placements[1].Unit = there
			o.user(2).Fingers = o.user(3).Fingers
			o.drop(pin(3))
		}, []validate.Act{validate.ActMap, validate.ActDelete, validate.ActAccept}},
		"another's finger under a PIN that does": {func(o *office) {
			o.leave(3)
			o.user(2).Fingers[1] = held(3, 1)
		}, []validate.Act{validate.ActDelete, validate.ActEnrol, validate.ActAccept}},
		"one template that is stored for two": {func(o *office) {
			o.stored[5].Digest = o.stored[3].Digest
			o.user(3).Fingers[1].Digest = o.user(2).Fingers[1].Digest
		}, []validate.Act{validate.ActEnrol, validate.ActAccept}},
		"one template that is stored for one": {func(o *office) { o.user(3).Fingers[1].Digest = o.user(2).Fingers[1].Digest },
			[]validate.Act{validate.ActDelete, validate.ActEnrol, validate.ActAccept}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(3)
			o.fill()
			c.change(o)
			if f := o.find(); len(f) != 1 || !slices.Equal(f[0].Acts, c.want) {
				t.Errorf("found %+v, want one with %v", f, c.want)
			}
		})
	}
}

func TestMisplacedNamesThePlacementThatTellsMost(t *testing.T) {
	o := newOffice(2)
	o.fill()
	always, p := o.snapshot.Placements[1].Period, o.snapshot.Placements[1]
	place := func(unit placement.UnitID, from, to roster.Date) {
		p.ID, p.Unit, p.From, p.To = p.ID+1, unit, from, to
		o.snapshot.Placements = append(o.snapshot.Placements, p)
	}
	o.snapshot.Placements = o.snapshot.Placements[:1]
	for _, step := range []struct {
		unit     placement.UnitID
		from, to roster.Date
		code     validate.Code
		want     placement.UnitID
	}{
		{here, "2021-01-01", "2022-01-01", validate.Over, here},
		{there, "2022-01-01", "2023-01-01", validate.Over, there},
		{here, "2020-06-01", "2020-09-01", validate.Over, there},
		{here, "2027-01-01", "2028-01-01", validate.NotYet, here},
		{there, always.From, always.To, validate.Elsewhere, there},
		{here, "2028-01-01", "2029-01-01", validate.Elsewhere, there},
	} {
		place(step.unit, step.from, step.to)
		if f := o.find(); len(f) != 1 || f[0].Code != step.code || f[0].Unit != step.want {
			t.Errorf("with a placement at %d from %s found %+v, want %s at %d", step.unit, step.from, f, step.code, step.want)
		}
	}
}

func TestMappedPINEndsWhatItExplains(t *testing.T) {
	o := newOffice(3)
	o.fill()
	o.user(2).PIN = "77"
	found := o.find()
	if len(found) != 1 || found[0].Acts[0] != validate.ActMap {
		t.Fatalf("found %v, want one that is mapped", short(found))
	}
	o.aliases[found[0].PIN] = 2 // of found[0].Other
	expect(t, o)
}

func TestTerminalThatIsNotInTheRegisterIsNoCase(t *testing.T) {
	o := newOffice(1)
	if _, found := validate.Know(o.snapshot, day, nil, nil).Case(99, o.inv); found {
		t.Error("terminal 99 is a case")
	}
}

// drawOffice is one whose terminal holds its roster.
func drawOffice(t *rapid.T) *office {
	o := newOffice(rapid.IntRange(1, 12).Draw(t, "people"))
	o.inv.Capabilities = roster.Capabilities{Algorithm: 10, NameBytes: rapid.SampledFrom([]int{0, 8, 24}).Draw(t, "name bytes"),
		NameASCII: rapid.Bool().Draw(t, "ASCII")}
	for e := range o.snapshot.Employees {
		if rapid.IntRange(0, 3).Draw(t, "third finger") == 0 {
			o.store(e+1, 7, 10, true)
		}
		if rapid.IntRange(0, 3).Draw(t, "other algorithm besides") == 0 {
			o.store(e+1, 0, 9, true)
		}
		if e > 0 && rapid.IntRange(0, 3).Draw(t, "elsewhere") == 0 {
			o.snapshot.Placements[e].Unit = there
		}
	}
	o.fill()
	for i := range o.inv.Users {
		u := &o.inv.Users[i]
		u.Fingers = slices.DeleteFunc(u.Fingers, func(f roster.HeldFinger) bool { return f.Algorithm != 10 })
		u.Card, u.Password = rapid.Uint32Range(0, 2).Draw(t, "card"), rapid.Bool().Draw(t, "password")
	}
	return o
}

func TestTerminalThatHoldsItsRosterHasNoFinding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if found := drawOffice(t).find(); len(found) > 0 {
			t.Fatalf("found %v", short(found))
		}
	})
}

// Whatever is done to a terminal: what the roster would change there is found, once
// it has changed it nothing is found any more, and neither a second run nor the order
// of the register finds anything else.
func TestWhatTheRosterWouldChangeIsFound(t *testing.T) {
	quiet, loud, ended := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		o := drawOffice(t)
		for range rapid.IntRange(0, 3).Draw(t, "faults") {
			o.damage(t)
		}
		if o.inv.Check() != nil {
			t.Skip() // two faults made of it what no terminal can hold
		}
		c := o.validation()
		found := validate.Find(c)
		slices.Reverse(o.snapshot.Employees)
		slices.Reverse(o.stored)
		if again := o.find(); !reflect.DeepEqual(short(found), short(again)) {
			t.Fatalf("found %v, then %v", short(found), short(again))
		}
		c.Roster.Mode = roster.Enforce
		plan := roster.Diff(c.Roster, c.Inventory)
		if len(found) > 0 {
			loud++
			for i, change := range plan.Changes {
				c.Inventory = c.Inventory.Apply(change, uint16(100+i))
			}
			rest := roster.Diff(c.Roster, c.Inventory)
			if len(rest.Changes)+len(rest.Blocked)+len(rest.Findings) > 0 {
				return // nobody may take away the last administrator or the only finger
			}
			ended++
			if left := validate.Find(c); len(left) > 0 {
				t.Fatalf("found %v, and when the roster is written still %v", short(found), short(left))
			}
			return
		}
		quiet++
		if len(plan.Changes)+len(plan.Blocked)+len(plan.Findings) > 0 {
			t.Fatalf("nothing is found, and the roster would %+v", plan)
		}
	})
	if quiet == 0 || loud == 0 || ended == 0 {
		t.Errorf("%d terminals without and %d with findings, of which %d ended: this run proved nothing", quiet, loud, ended)
	}
}

// damage does something to the terminal that is there to be found, or nothing.
func (o *office) damage(t *rapid.T) {
	if len(o.inv.Users) == 0 {
		return
	}
	u := &o.inv.Users[rapid.IntRange(0, len(o.inv.Users)-1).Draw(t, "user")]
	f := func() *roster.HeldFinger {
		if len(u.Fingers) == 0 {
			return &roster.HeldFinger{}
		}
		return &u.Fingers[rapid.IntRange(0, len(u.Fingers)-1).Draw(t, "finger")]
	}
	switch rapid.IntRange(0, 8).Draw(t, "fault") {
	case 0:
		u.PIN = rapid.SampledFrom([]string{"77", pin(1), pin(2)}).Draw(t, "PIN")
	case 1:
		u.Name = []byte(rapid.SampledFrom([]string{"", "Pegawai"}).Draw(t, "name"))
	case 2:
		u.Privilege = rapid.SampledFrom([]roster.Privilege{roster.User, roster.Manager, roster.Administrator}).Draw(t, "privilege")
	case 3:
		f().Digest = digest(rapid.IntRange(1, 12).Draw(t, "whose"), 0, 10, 0)
	case 4:
		u.Fingers = u.Fingers[:rapid.IntRange(0, len(u.Fingers)).Draw(t, "fingers")]
	case 5:
		o.drop(u.PIN)
	case 6:
		o.join("88", "Tamu", held(3, 0))
	case 7:
		f().Number = 9
		slices.SortFunc(u.Fingers, func(a, b roster.HeldFinger) int { return int(a.Number) - int(b.Number) })
	}
}
