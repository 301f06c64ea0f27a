package roster_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// digest is the n-th template that these tests know.
func digest(n int) (h protocol.Hash) {
	h[0], h[1] = byte(n), 1
	return h
}

func finger(number, n int) roster.Finger {
	return roster.Finger{Number: uint8(number), Algorithm: 10, Digest: digest(n)}
}

func held(number, n int) roster.HeldFinger {
	return roster.HeldFinger{Number: uint8(number), Algorithm: 10, Digest: digest(n)}
}

// drawRoster makes a roster in which PINs, fingers and cards often meet those of drawInventory.
func drawRoster(t *rapid.T) roster.Roster {
	r := roster.Roster{Serial: "T1", AsOf: "2026-02-01", Mode: rapid.SampledFrom([]roster.Mode{roster.Observe, roster.Add, roster.Enforce, roster.Enforce}).Draw(t, "mode")}
	for pin := 1; pin <= 6; pin++ {
		if !rapid.Bool().Draw(t, "in roster") {
			continue
		}
		e := roster.Entry{PIN: fmt.Sprint(pin), Privilege: roster.User, Name: rapid.SampledFrom([]string{"", "Ani", "Budi Sedan"}).Draw(t, "name")}
		if pin == 6 && rapid.Bool().Draw(t, "letters") {
			e.PIN = "A6"
		}
		if rapid.IntRange(0, 3).Draw(t, "admin") == 0 {
			e.Privilege = roster.Administrator
		}
		if rapid.Bool().Draw(t, "has card") {
			card := rapid.Uint32Range(0, 2).Draw(t, "card")
			e.Card = &card
		}
		seen := map[int]bool{}
		for number := range 3 {
			n := rapid.IntRange(0, 9).Draw(t, "template")
			if n == 0 || seen[n] {
				continue
			}
			seen[n] = true
			f := finger(number, n)
			if n == 9 {
				f.Algorithm = 9
			}
			e.Fingers = append(e.Fingers, f)
		}
		r.Entries = append(r.Entries, e)
	}
	slices.SortFunc(r.Entries, func(a, b roster.Entry) int { return cmp.Compare(a.PIN, b.PIN) })
	for pin := 1; pin <= 9; pin++ { // by which the terminal may know somebody of the roster
		own := func(e roster.Entry) bool { return e.PIN == fmt.Sprint(pin) }
		if len(r.Entries) == 0 || slices.ContainsFunc(r.Entries, own) || !rapid.Bool().Draw(t, "known by another PIN") {
			continue
		}
		e := &r.Entries[rapid.IntRange(0, len(r.Entries)-1).Draw(t, "who is known")]
		e.Also = append(e.Also, fmt.Sprint(pin))
	}
	for range rapid.SampledFrom([]int{0, 0, 1, 2, 3}).Draw(t, "accepted") {
		k := roster.Keep{PIN: fmt.Sprint(rapid.IntRange(1, 9).Draw(t, "accepted PIN"))}
		switch rapid.IntRange(0, 3).Draw(t, "accepted what") {
		case 0:
			k.User = true
		case 1:
			k.Name = true
		case 2:
			k.Privilege = true
		case 3:
			k.Fingers = []uint8{uint8(rapid.IntRange(0, 3).Draw(t, "accepted finger"))}
		}
		r = r.Keeping(k)
	}
	return r
}

func drawInventory(t *rapid.T) roster.Inventory {
	inv := roster.Inventory{Serial: "T1", Capabilities: roster.Capabilities{
		Algorithm: 10, NameBytes: rapid.SampledFrom([]int{0, 4, 24}).Draw(t, "name bytes"),
		PINWidth: rapid.SampledFrom([]int{0, 9}).Draw(t, "PIN width"), PINLetters: rapid.Bool().Draw(t, "PIN letters"),
		ReadOnly:     rapid.IntRange(0, 9).Draw(t, "read-only") == 0,
		UniqueFinger: rapid.Bool().Draw(t, "unique finger"),
	}}
	used := map[int]bool{}
	for slot := uint16(1); slot <= 7; slot++ {
		if !rapid.Bool().Draw(t, "held") {
			continue
		}
		pin := rapid.IntRange(1, 9).Draw(t, "PIN")
		h := roster.Held{
			Slot: slot, PIN: fmt.Sprint(pin), Name: []byte(rapid.SampledFrom([]string{"", "Ani", "Budi"}).Draw(t, "held name")),
			Privilege: rapid.SampledFrom([]roster.Privilege{roster.User, roster.User, roster.Manager, roster.Administrator}).Draw(t, "held privilege"),
			Disabled:  rapid.IntRange(0, 9).Draw(t, "disabled") == 0,
			Password:  rapid.Bool().Draw(t, "password"), Card: rapid.Uint32Range(0, 2).Draw(t, "held card"),
		}
		for number := range 4 {
			n := rapid.IntRange(0, 8).Draw(t, "held template")
			if n == 0 || inv.Capabilities.UniqueFinger && used[n] {
				continue
			}
			used[n] = true
			h.Fingers = append(h.Fingers, held(number, n))
		}
		inv.Users = append(inv.Users, h)
	}
	if rapid.Bool().Draw(t, "limited") {
		inv.Capabilities.Users = len(inv.Users) + rapid.IntRange(0, 3).Draw(t, "free users")
		fingers := 0
		for _, u := range inv.Users {
			fingers += len(u.Fingers)
		}
		inv.Capabilities.Fingers = fingers + rapid.IntRange(0, 4).Draw(t, "free fingers")
	}
	return inv
}

// step carries out one change as a terminal does: it refuses what it cannot hold.
func step(t *rapid.T, inv roster.Inventory, c roster.Change, free *uint16) roster.Inventory {
	*free++
	next := inv.Apply(c, *free)
	can := inv.Capabilities
	if err := next.Check(); err != nil {
		t.Fatalf("%+v makes %v", c, err)
	}
	fingers, seen := 0, map[protocol.Hash]bool{}
	for _, u := range next.Users {
		fingers += len(u.Fingers)
		for _, f := range u.Fingers {
			if can.UniqueFinger && seen[f.Digest] {
				t.Fatalf("%+v leaves one finger twice", c)
			}
			seen[f.Digest] = true
		}
	}
	if can.ReadOnly || can.Users > 0 && len(next.Users) > can.Users || can.Fingers > 0 && fingers > can.Fingers {
		t.Fatalf("%+v is more than the terminal takes: %d users, %d fingers, %+v", c, len(next.Users), fingers, can)
	}
	return next
}

// canPunch is who of the roster can punch: as themselves, under any of their PINs, or as
// a user whom no entry names.
func canPunch(r roster.Roster, inv roster.Inventory) map[string]bool {
	owners := map[string]string{}
	for _, e := range r.Entries {
		for _, pin := range append([]string{e.PIN}, e.Also...) {
			owners[pin] = e.PIN
		}
	}
	who := map[string]bool{}
	for _, e := range r.Entries {
		for _, u := range inv.Users {
			if owner, named := owners[u.PIN]; named && owner != e.PIN {
				continue
			}
			for _, f := range u.Fingers {
				for _, want := range e.Fingers {
					who[e.PIN] = who[e.PIN] || f.Digest == want.Digest
				}
			}
		}
	}
	return who
}

func administrators(inv roster.Inventory) (n int) {
	for _, u := range inv.Users {
		if u.Privilege == roster.Administrator && !u.Disabled {
			n++
		}
	}
	return n
}

// lines tells changes in short.
func lines(changes []roster.Change) (list []string) {
	for _, c := range changes {
		list = append(list, fmt.Sprintf("%s %s(%d) %s %d:%x", c.Act, c.PIN, c.Slot, c.Privilege, c.Finger.Number, c.Finger.Digest[:1]))
	}
	return list
}

// content is an inventory without its slots: what counts in the end.
func content(inv roster.Inventory) []string {
	var lines []string
	for _, u := range inv.Users {
		lines = append(lines, fmt.Sprintf("%s %q %s %t %t %d", u.PIN, u.Name, u.Privilege, u.Disabled, u.Password, u.Card))
		for _, f := range u.Fingers {
			lines[len(lines)-1] += fmt.Sprintf(" %d:%x", f.Number, f.Digest[:1])
		}
	}
	slices.Sort(lines)
	return lines
}

// many is rapid.Check, with more cases than the usual hundred.
func many(t *testing.T, property func(*rapid.T)) {
	rounds := 20
	if testing.Short() { // then each has a fifth of the cases
		rounds = 100
	}
	if os.Getenv("SIDIK_SOAK") != "" {
		rounds = 1000
	}
	for range rounds {
		rapid.Check(t, property)
	}
}

func TestDiffConvergesSafelyWhereverItIsInterrupted(t *testing.T) {
	compared := 0
	acts, accepted := map[roster.Act]int{}, map[roster.Act]int{}
	many(t, func(t *rapid.T) {
		r, inv := drawRoster(t), drawInventory(t)
		if err := r.Check(); err != nil {
			t.Fatal(err)
		}
		if err := inv.Check(); err != nil {
			t.Fatal(err)
		}
		free := uint16(100)
		plan := roster.Diff(r, inv)
		states := []roster.Inventory{inv}
		could, admins := canPunch(r, inv), administrators(inv)
		for i, c := range plan.Changes {
			acts[c.Act]++
			now := states[i]
			next := step(t, now, c, &free)
			if r.Mode != roster.Enforce && c.Deletes() || r.Mode == roster.Observe {
				t.Fatalf("mode %s: %+v", r.Mode, c)
			}
			for pin := range could {
				if could[pin] && !canPunch(r, next)[pin] {
					t.Fatalf("after %d of %+v nobody can punch as %s any more", i, lines(plan.Changes), pin)
				}
			}
			if administrators(next) == 0 && admins > 0 {
				t.Fatalf("after %d of %+v nobody administers the terminal", i, lines(plan.Changes))
			}
			untouched(t, now, next, c)
			if broken := breaks(r, now, c); broken != "" {
				t.Fatalf("%+v changes %s, which was accepted: %+v", c, broken, r.Keep)
			}
			states = append(states, next)
		}
		for _, b := range plan.Blocked {
			accepted[b.Change.Act] += map[bool]int{true: 1}[b.Reason == roster.ReasonAccepted]
		}
		end := states[len(states)-1]
		rest := roster.Diff(r, end)
		if len(rest.Changes) > 0 {
			t.Fatalf("after %+v\nthere is still %+v", lines(plan.Changes), lines(rest.Changes))
		}
		for i, state := range states {
			for _, c := range roster.Diff(r, state).Changes {
				state = step(t, state, c, &free)
			}
			stays := roster.Diff(r, state)
			if len(stays.Changes) > 0 {
				t.Fatalf("interrupted after %d of %+v it does not converge", i, lines(plan.Changes))
			}
			if misfit(rest) || misfit(stays) {
				continue
			}
			compared++
			if !slices.Equal(content(state), content(end)) {
				t.Fatalf("interrupted after %d of %+v it ends\n%q, else\n%q", i, lines(plan.Changes), content(state), content(end))
			}
		}
	})
	if compared == 0 {
		t.Error("no roster fitted its terminal: this run proved nothing")
	}
	for _, act := range []roster.Act{roster.AddUser, roster.SetUser, roster.AddFinger, roster.ReplaceFinger, roster.DropFinger, roster.DropUser} {
		if acts[act] == 0 || accepted[act] == 0 {
			t.Errorf("%d %s were made and %d accepted ones left: this run proved nothing about it", acts[act], act, accepted[act])
		}
	}
}

// breaks tells what a change would do to something that was accepted, under the PIN that
// it names or the one of its user.
func breaks(r roster.Roster, now roster.Inventory, c roster.Change) (what string) {
	pins := []string{protocol.NormalPIN(c.PIN)}
	for _, u := range now.Users {
		if u.Slot == c.Slot && c.Act != roster.DropUser {
			pins = append(pins, u.PIN)
		}
	}
	for _, k := range r.Keep {
		if slices.Contains(pins, k.PIN) {
			what += broken(k, c)
		}
	}
	return what
}

func broken(k roster.Keep, c roster.Change) string {
	switch c.Act {
	case roster.AddUser, roster.DropUser:
		if k.User {
			return "a user"
		}
	case roster.SetUser:
		if k.Name && c.Name != nil {
			return "a name"
		}
		if k.Privilege && c.Privilege != "" {
			return "a right"
		}
	case roster.AddFinger, roster.ReplaceFinger, roster.DropFinger:
		if slices.Contains(k.Fingers, c.Finger.Number) {
			return "a finger"
		}
	}
	return ""
}

// misfit tells whether the roster is more than the terminal can hold. Then no change
// does harm, but who got the room depends on who came first.
func misfit(p roster.Plan) bool {
	return slices.ContainsFunc(p.Blocked, func(b roster.Blocked) bool {
		switch b.Reason {
		case roster.ReasonUsersFull, roster.ReasonFingersFull, roster.ReasonPINWidth, roster.ReasonPINLetters, roster.ReasonOnlyFinger:
			return true
		}
		return false
	})
}

// untouched fails when a change reached what the roster does not name.
func untouched(t *rapid.T, before, after roster.Inventory, c roster.Change) {
	for _, old := range before.Users {
		for _, u := range after.Users {
			if u.Slot == old.Slot && (u.PIN != old.PIN || u.Password != old.Password || u.Disabled != old.Disabled || c.Card == nil && u.Card != old.Card) {
				t.Fatalf("%+v made %+v of %+v", c, u, old)
			}
		}
	}
}
