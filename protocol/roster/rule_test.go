package roster_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

func user(slot uint16, pin string, fingers ...roster.HeldFinger) roster.Held {
	return roster.Held{Slot: slot, PIN: pin, Privilege: roster.User, Fingers: fingers}
}

func admin(slot uint16, pin string, fingers ...roster.HeldFinger) roster.Held {
	h := user(slot, pin, fingers...)
	h.Privilege = roster.Administrator
	return h
}

func entry(pin string, fingers ...roster.Finger) roster.Entry {
	return roster.Entry{PIN: pin, Privilege: roster.User, Fingers: fingers}
}

func known(pin, also string, fingers ...roster.Finger) roster.Entry {
	e := entry(pin, fingers...)
	e.Also = []string{also}
	return e
}

func TestDiff(t *testing.T) {
	boss := entry("9", finger(0, 90))
	boss.Privilege = roster.Administrator
	bossHeld := admin(90, "9", held(0, 90))
	for _, row := range []struct {
		name    string
		mode    roster.Mode
		can     func(*roster.Capabilities)
		entries []roster.Entry
		held    []roster.Held
		want    string // changes, then what is blocked
	}{
		{"a new employee is added with fingers", roster.Enforce, nil, []roster.Entry{entry("7", finger(1, 1), finger(6, 2))}, nil,
			"add-user 7, add-finger 7/1, add-finger 7/6"},
		{"padding of a PIN is no difference", roster.Enforce, nil, []roster.Entry{entry("7", finger(1, 1))}, []roster.Held{user(3, "007", held(1, 1))}, ""},
		{"an entry that names no finger leaves the terminal's", roster.Enforce, nil, []roster.Entry{entry("7")}, []roster.Held{user(3, "7", held(1, 1))}, ""},
		{"whoever is not named goes last", roster.Enforce, nil, []roster.Entry{entry("7")}, []roster.Held{user(3, "6", held(1, 1))},
			"add-user 7, drop-user 6"},
		{"a changed PIN: the new one is there before the old one goes", roster.Enforce, nil, []roster.Entry{entry("7", finger(1, 1))}, []roster.Held{user(3, "6", held(1, 1))},
			"add-user 7, add-finger 7/1, drop-user 6"},
		{"whom the terminal knows by another PIN stays under it", roster.Enforce, func(c *roster.Capabilities) { c.PINWidth = 4 },
			[]roster.Entry{known("100001", "1001", finger(1, 1), finger(2, 2))}, []roster.Held{user(3, "1001", held(1, 1), held(5, 5))},
			"add-finger 100001/2, drop-finger 1001/5"},
		{"who is there under both PINs stays under the one with the fingers", roster.Enforce, nil,
			[]roster.Entry{known("100001", "1001", finger(1, 1))}, []roster.Held{user(3, "1001", held(1, 1)), user(4, "100001")}, "drop-user 100001"},
		{"and with the same fingers under their own", roster.Enforce, nil,
			[]roster.Entry{known("100001", "1001", finger(1, 1))}, []roster.Held{user(3, "1001", held(1, 1)), user(4, "100001", held(1, 1))}, "drop-user 1001"},
		{"who is new gets their own PIN", roster.Enforce, nil, []roster.Entry{known("100001", "1001", finger(1, 1))}, nil, "add-user 100001, add-finger 100001/1"},
		{"and finger by finger where none may be there twice", roster.Enforce, func(c *roster.Capabilities) { c.UniqueFinger = true },
			[]roster.Entry{entry("7", finger(1, 1), finger(2, 2))}, []roster.Held{user(3, "6", held(1, 1), held(2, 2))},
			"add-user 7, drop-finger 6/1, add-finger 7/1, drop-finger 6/2, add-finger 7/2, drop-user 6"},
		{"somebody with one finger there stays as they are", roster.Enforce, func(c *roster.Capabilities) { c.UniqueFinger = true },
			[]roster.Entry{entry("7", finger(1, 1))}, []roster.Held{user(3, "6", held(1, 1))},
			"add-user 7; only-finger add-finger 7/1, only-finger drop-user 6"},
		{"one template of two people belongs to nobody there", roster.Enforce, func(c *roster.Capabilities) { c.UniqueFinger = true },
			[]roster.Entry{entry("7", finger(1, 1)), entry("8", finger(1, 1))}, nil,
			"add-user 7, add-user 8; shared-finger add-finger 7/1, shared-finger add-finger 8/1"},
		{"a finger with other bytes is written over", roster.Enforce, nil, []roster.Entry{entry("7", finger(1, 1))}, []roster.Held{user(3, "7", held(1, 2))},
			"replace-finger 7/1"},
		{"an equivalent one is not", roster.Enforce, nil, []roster.Entry{entry("7", finger(1, 1))},
			[]roster.Held{user(3, "7", roster.HeldFinger{Number: 1, Algorithm: 10, Digest: digest(2), For: digest(1)})}, ""},
		{"add deletes nothing", roster.Add, nil, []roster.Entry{entry("7", finger(1, 1))}, []roster.Held{user(3, "6"), user(4, "7", held(1, 2), held(3, 3))},
			"; mode replace-finger 7/1, mode drop-user 6"},
		{"observe changes nothing", roster.Observe, nil, []roster.Entry{entry("7")}, nil, "; mode set-user 9, mode add-user 7, mode drop-user 6"},
		{"a wide PIN is not cut", roster.Enforce, func(c *roster.Capabilities) { c.PINWidth = 9 }, []roster.Entry{entry("198001012005011901")}, nil,
			"; pin-width add-user 198001012005011901"},
		{"letters need a terminal that takes them", roster.Enforce, func(c *roster.Capabilities) { c.PINLetters = false }, []roster.Entry{entry("A7")}, nil,
			"; pin-letters add-user A7"},
		{"no finger of another algorithm is written", roster.Enforce, func(c *roster.Capabilities) { c.Algorithm = 9 }, []roster.Entry{entry("7", finger(1, 1))}, nil,
			"add-user 7; algorithm add-finger 7/1"},
		{"who comes first gets the room", roster.Enforce, func(c *roster.Capabilities) { c.Users = 2 }, []roster.Entry{entry("7"), entry("8")}, nil,
			"add-user 7; users-full add-user 8"},
		{"room is made by who has no right to it", roster.Enforce, func(c *roster.Capabilities) { c.Users = 2 }, []roster.Entry{entry("7")}, []roster.Held{user(3, "6")},
			"drop-user 6, add-user 7"},
		{"fingers need room too", roster.Enforce, func(c *roster.Capabilities) { c.Fingers = 1 }, []roster.Entry{entry("7", finger(1, 1), finger(2, 2))}, nil,
			"add-user 7; fingers-full add-finger 7/1, fingers-full add-finger 7/2"},
		{"a terminal that cannot be written is left", roster.Enforce, func(c *roster.Capabilities) { c.ReadOnly = true }, []roster.Entry{entry("7")}, nil,
			"; read-only add-user 7"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := roster.Roster{Serial: "T1", AsOf: "2026-02-01", Mode: row.mode, Entries: append(slices.Clone(row.entries), boss)}
			slices.SortFunc(r.Entries, func(a, b roster.Entry) int { return strings.Compare(a.PIN, b.PIN) })
			inv := roster.Inventory{Serial: "T1", Capabilities: roster.Capabilities{Algorithm: 10, PINLetters: true, NameBytes: 24}, Users: append(slices.Clone(row.held), bossHeld)}
			if row.mode == roster.Observe {
				inv.Users = []roster.Held{user(3, "6"), user(90, "9", held(0, 90))}
			}
			if row.can != nil {
				row.can(&inv.Capabilities)
			}
			if inv.Capabilities.Algorithm == 9 {
				r.Entries[len(r.Entries)-1].Fingers = nil
			}
			if r.Check() != nil || inv.Check() != nil {
				t.Fatal(r.Check(), inv.Check())
			}
			if got := said(roster.Diff(r, inv)); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

// What somebody accepted stays in every mode, and nothing else does for it.
func TestWhatIsAcceptedStays(t *testing.T) {
	boss, bossHeld := entry("9", finger(0, 90)), admin(90, "9", held(0, 90))
	boss.Privilege = roster.Administrator
	named := entry("7", finger(1, 1))
	named.Name, named.Privilege = "Ani Demo", roster.Manager
	for _, row := range []struct {
		name    string
		unique  bool
		keep    []roster.Keep
		entries []roster.Entry
		held    []roster.Held
		want    string
	}{
		{"a user of nobody", false, []roster.Keep{{PIN: "6", User: true}}, nil, []roster.Held{user(3, "0006", held(1, 1)), user(4, "5")},
			"drop-user 5; accepted drop-user 0006"},
		{"somebody's absence", false, []roster.Keep{{PIN: "7", User: true}}, []roster.Entry{entry("7", finger(1, 1)), entry("8")}, nil,
			"add-user 8; accepted add-user 7"},
		{"a name, but not the right beside it", false, []roster.Keep{{PIN: "7", Name: true}}, []roster.Entry{named}, []roster.Held{user(3, "7", held(1, 1))},
			"set-user 7; accepted set-user 7"},
		{"a right, lower or higher", false, []roster.Keep{{PIN: "6", Privilege: true}, {PIN: "7", Privilege: true}},
			[]roster.Entry{entry("6"), named}, []roster.Held{admin(3, "6"), user(4, "7", held(1, 1))},
			"set-user 7; accepted set-user 7, accepted set-user 6"},
		{"a finger of another template, and one that is not there", false, []roster.Keep{{PIN: "7", Fingers: []uint8{1, 2}}},
			[]roster.Entry{entry("7", finger(1, 1), finger(2, 2), finger(3, 3))}, []roster.Held{user(3, "7", held(1, 5), held(3, 6))},
			"replace-finger 7/3; accepted replace-finger 7/1, accepted add-finger 7/2"},
		{"a finger that the roster does not name", false, []roster.Keep{{PIN: "7", Fingers: []uint8{4}}},
			[]roster.Entry{entry("7", finger(1, 1))}, []roster.Held{user(3, "7", held(1, 1), held(4, 4), held(5, 5))},
			"drop-finger 7/5; accepted drop-finger 7/4"},
		{"a finger in another algorithm", false, []roster.Keep{{PIN: "7", Fingers: []uint8{1}}},
			[]roster.Entry{entry("7", roster.Finger{Number: 1, Algorithm: 9, Digest: digest(1)}, roster.Finger{Number: 2, Algorithm: 9, Digest: digest(2)})}, []roster.Held{user(3, "7")},
			"; accepted add-finger 7/1, algorithm add-finger 7/2"},
		{"a finger that somebody else wants", true, []roster.Keep{{PIN: "6", User: true}},
			[]roster.Entry{entry("7", finger(1, 1), finger(2, 2))}, []roster.Held{user(3, "6", held(1, 1)), user(4, "7", held(2, 2))},
			"; accepted add-finger 7/1, accepted drop-user 6"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := roster.Roster{Serial: "T1", AsOf: "2026-02-01", Mode: roster.Enforce, Entries: append(row.entries, boss)}.Keeping(row.keep...)
			inv := roster.Inventory{Serial: "T1", Capabilities: roster.Capabilities{Algorithm: 10, PINLetters: true, NameBytes: 24, UniqueFinger: row.unique},
				Users: append(row.held, bossHeld)}
			if r.Check() != nil || inv.Check() != nil {
				t.Fatal(r.Check(), inv.Check())
			}
			if got := said(roster.Diff(r, inv)); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

func TestAcceptedAdministratorIsNoneTooMany(t *testing.T) {
	r := roster.Roster{Serial: "T1", AsOf: "2026-02-01", Mode: roster.Enforce, Entries: []roster.Entry{entry("7")}}
	inv := roster.Inventory{Serial: "T1", Users: []roster.Held{admin(1, "5"), admin(2, "6"), admin(3, "7")}}
	if got := said(roster.Diff(r, inv)); !strings.Contains(got, "last-administrator") {
		t.Fatalf("with nobody who may, the plan is %s", got)
	}
	plan := roster.Diff(r.Keeping(roster.Keep{PIN: "6", User: true}), inv)
	if got, want := said(plan), "set-user 7, drop-user 5; accepted drop-user 6"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, f := range plan.Findings {
		if f.PIN == "6" || f.Code == roster.NoAdministrator {
			t.Errorf("found %+v of whom somebody accepted", f)
		}
	}
}

func TestKeepingAddsUp(t *testing.T) {
	r := roster.Roster{}.Keeping(roster.Keep{PIN: "7", Fingers: []uint8{3, 1}}, roster.Keep{PIN: "6", Name: true}).
		Keeping(roster.Keep{PIN: "7", Fingers: []uint8{2, 1}, Privilege: true})
	r = r.Keeping(roster.Keep{PIN: "8"}) // nothing
	want := []roster.Keep{{PIN: "6", Name: true}, {PIN: "7", Privilege: true, Fingers: []uint8{1, 2, 3}}}
	if !reflect.DeepEqual(r.Keep, want) {
		t.Errorf("keeps %+v, want %+v", r.Keep, want)
	}
}

// said tells a plan in one line.
func said(p roster.Plan) string {
	say := func(c roster.Change) string {
		s := string(c.Act) + " " + c.PIN
		if strings.HasSuffix(string(c.Act), "-finger") {
			s += "/" + string(rune('0'+c.Finger.Number))
		}
		return s
	}
	var changes, blocked []string
	for _, c := range p.Changes {
		changes = append(changes, say(c))
	}
	for _, b := range p.Blocked {
		blocked = append(blocked, string(b.Reason)+" "+say(b.Change))
	}
	if len(blocked) == 0 {
		return strings.Join(changes, ", ")
	}
	return strings.Join(changes, ", ") + "; " + strings.Join(blocked, ", ")
}

func TestAnAdministratorAlwaysRemains(t *testing.T) {
	r := roster.Roster{Serial: "T1", AsOf: "2026-02-01", Mode: roster.Enforce, MaxAdmins: 1, Entries: []roster.Entry{entry("7")}}
	inv := roster.Inventory{Serial: "T1", Users: []roster.Held{admin(1, "7"), admin(2, "8")}}
	plan := roster.Diff(r, inv)
	if got, want := said(plan), "; last-administrator set-user 7, last-administrator drop-user 8"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want := []roster.Finding{{Code: roster.UnexpectedAdministrator, PIN: "7"}, {Code: roster.UnexpectedAdministrator, PIN: "8"}, {Code: roster.TooManyAdministrators}}
	if !slices.Equal(plan.Findings, want) {
		t.Errorf("findings %v", plan.Findings)
	}
	r.Entries[0].Privilege = roster.Administrator
	if got, want := said(roster.Diff(r, inv)), "drop-user 8"; got != want {
		t.Errorf("with one who may: got %s, want %s", got, want)
	}
	inv.Users = []roster.Held{user(1, "7")}
	if got := roster.Diff(r, inv); len(got.Findings) != 1 || got.Findings[0].Code != roster.NoAdministrator {
		t.Errorf("a terminal without an administrator: %v", got.Findings)
	}
}

func TestNameIsWhatTheTerminalShows(t *testing.T) {
	for _, row := range []struct {
		name  string
		bytes int
		ascii bool
		want  string
	}{
		{"Siti Rahma", 24, false, "Siti Rahma"},
		{"Siti Rahma", 8, false, "Siti Rah"},
		{"Siti Rahma", 5, false, "Siti"},
		{"José Müller", 24, true, "Jose Muller"},
		{"José Müller", 4, false, "Jos"}, // é has two bytes and is not cut
		{"Nur’aini", 24, true, "Nur'aini"},
		{"李 Budi", 24, true, "? Budi"},
	} {
		got := roster.Capabilities{NameBytes: row.bytes, NameASCII: row.ascii}.Name(row.name)
		if string(got) != row.want {
			t.Errorf("%q in %d bytes is %q, want %q", row.name, row.bytes, got, row.want)
		}
	}
}

func TestCheckRefusesWhatCannotBe(t *testing.T) {
	good := func() roster.Roster {
		return roster.Roster{Serial: "T1", AsOf: "2026-02-01", Mode: roster.Add, Entries: []roster.Entry{entry("7", finger(1, 1), finger(2, 2)), entry("8")}}
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*roster.Roster){
		"no serial":              func(r *roster.Roster) { r.Serial = "" },
		"a mode of tomorrow":     func(r *roster.Roster) { r.Mode = "replace" },
		"a date that is none":    func(r *roster.Roster) { r.AsOf = "2026-02-30" },
		"a PIN twice":            func(r *roster.Roster) { r.Entries[1].PIN = "7" },
		"another's PIN":          func(r *roster.Roster) { r.Entries[0].Also = []string{"8"} },
		"another PIN of two":     func(r *roster.Roster) { r.Entries[0].Also, r.Entries[1].Also = []string{"5"}, []string{"5"} },
		"another, padded PIN":    func(r *roster.Roster) { r.Entries[0].Also = []string{"05"} },
		"other PINs not in turn": func(r *roster.Roster) { r.Entries[0].Also = []string{"5", "4"} },
		"a padded PIN":           func(r *roster.Roster) { r.Entries[0].PIN = "07" },
		"an empty PIN":           func(r *roster.Roster) { r.Entries[0].PIN = "" },
		"an unknown privilege":   func(r *roster.Roster) { r.Entries[0].Privilege = "king" },
		"an eleventh finger":     func(r *roster.Roster) { r.Entries[0].Fingers[1].Number = 10 },
		"one finger twice":       func(r *roster.Roster) { r.Entries[0].Fingers[1] = finger(1, 3) },
		"one template twice":     func(r *roster.Roster) { r.Entries[0].Fingers[1] = finger(2, 1) },
		"an algorithm of nobody": func(r *roster.Roster) { r.Entries[0].Fingers[0].Algorithm = 11 },
		"no digest":              func(r *roster.Roster) { r.Entries[0].Fingers[0] = roster.Finger{Number: 1, Algorithm: 10} },
		"a padded PIN to keep":   func(r *roster.Roster) { r.Keep = []roster.Keep{{PIN: "07", User: true}} },
		"a PIN to keep twice":    func(r *roster.Roster) { r.Keep = []roster.Keep{{PIN: "7"}, {PIN: "7"}} },
		"an eleventh to keep":    func(r *roster.Roster) { r.Keep = []roster.Keep{{PIN: "7", Fingers: []uint8{10}}} },
		"a name of a page":       func(r *roster.Roster) { r.Entries[0].Name = strings.Repeat("a", 300) },
	} {
		r := good()
		spoil(&r)
		if r.Check() == nil {
			t.Errorf("%s passed", name)
		}
	}
	for name, inv := range map[string]roster.Inventory{
		"slot 0":             {Serial: "T1", Users: []roster.Held{user(0, "7")}},
		"a slot twice":       {Serial: "T1", Users: []roster.Held{user(1, "7"), user(1, "8")}},
		"a finger twice":     {Serial: "T1", Users: []roster.Held{user(1, "7", held(1, 1), held(1, 2))}},
		"a finger of no use": {Serial: "T1", Users: []roster.Held{user(1, "7", held(11, 1))}},
		"no serial":          {},
	} {
		if inv.Check() == nil {
			t.Errorf("an inventory with %s passed", name)
		}
	}
}

func TestDate(t *testing.T) {
	if d := roster.Date("2026-02-27").Add(3); d != "2026-03-02" {
		t.Errorf("three days later is %s", d)
	}
	if d := roster.Forever.Add(30); d != roster.Forever {
		t.Errorf("after for ever is %s", d)
	}
	for _, s := range []string{"", "2026-2-3", "2026-02-30", "20260203"} {
		if _, err := roster.ParseDate(s); err == nil {
			t.Errorf("%q passed as a date", s)
		}
	}
}
