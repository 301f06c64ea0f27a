package validate_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// twice tells whether two users have a PIN.
func (o *office) twice(pin string) bool {
	n := 0
	for _, u := range o.inv.Users {
		if u.PIN == pin {
			n++
		}
	}
	return n > 1
}

func evidence(all []validate.Finding) (list []string) {
	for _, f := range all {
		list = append(list, f.Evidence.String())
	}
	slices.Sort(list)
	return list
}

// Whatever is accepted at a terminal stays as it was found when the roster has done
// all that it may, and nothing else comes up for it.
func TestWhatIsAcceptedIsFoundAgainAndUnchanged(t *testing.T) {
	accepted, rounds := map[validate.Class]int{}, 20
	if testing.Short() { // then each has a fifth of the cases
		rounds = 100
	}
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			o := drawOffice(t)
			for range rapid.IntRange(1, 3).Draw(t, "faults") {
				o.damage(t)
			}
			if o.inv.Check() != nil || o.twice("77") {
				t.Skip() // two faults made of it what no terminal can hold, or two users that a roster cannot tell apart
			}
			c := o.validation()
			found := validate.Find(c)
			r := c.Roster
			r.Mode = roster.Enforce
			for _, f := range found {
				accepted[f.Class]++
				r = f.Accept(r)
			}
			if err := r.Check(); err != nil {
				t.Fatal(err)
			}
			for i, change := range roster.Diff(r, o.inv).Changes {
				o.inv = o.inv.Apply(change, uint16(100+i))
			}
			if again := o.find(); !slices.Equal(evidence(found), evidence(again)) {
				t.Fatalf("accepted %v, and then there is %v\nkept %+v", short(found), short(again), r.Keep)
			}
		})
	}
	for _, class := range []validate.Class{validate.Unknown, validate.Missing, validate.Misplaced, validate.Name, validate.Foreign,
		validate.Fingers, validate.Template, validate.Twice, validate.Privilege} {
		if accepted[class] == 0 {
			t.Errorf("nothing of class %s was accepted: this run proved nothing about it", class)
		}
	}
}

func TestEvidenceIsAllThatWasSeenButTheSlot(t *testing.T) {
	for name, c := range map[string]struct {
		first, then func(o *office)
		same        bool
	}{
		"another slot is the same finding": {func(o *office) { o.join("77", "Tamu") }, func(o *office) { o.at("77").Slot = 40 }, true},
		"padding of the PIN too":           {func(o *office) { o.join("77", "Tamu") }, func(o *office) { o.at("77").PIN = "0077" }, true},
		"what the agent thinks of a template too": {func(o *office) { o.join("77", "Tamu", held(9, 0)) },
			func(o *office) { o.at("77").Fingers[0].For = protocol.Hash{7} }, true},
		"a guest with another name is another":   {func(o *office) { o.join("77", "Tamu") }, func(o *office) { o.at("77").Name = []byte("Lain") }, false},
		"a guest with a finger more is another":  {func(o *office) { o.join("77", "Tamu") }, func(o *office) { o.at("77").Fingers = []roster.HeldFinger{held(9, 0)} }, false},
		"a guest who rises is another":           {func(o *office) { o.join("77", "Tamu") }, func(o *office) { o.at("77").Privilege = roster.Manager }, false},
		"another name at the terminal":           {func(o *office) { o.user(2).Name = []byte("A") }, func(o *office) { o.user(2).Name = []byte("B") }, false},
		"another name in a code page":            {func(o *office) { o.user(2).Name = []byte{0xfe} }, func(o *office) { o.user(2).Name = []byte{0xff} }, false},
		"another template":                       {func(o *office) { o.user(2).Fingers[0].Digest[0]++ }, func(o *office) { o.user(2).Fingers[0].Digest[0]++ }, false},
		"another template in the vault":          {func(o *office) { o.user(2).Fingers[0].Digest[0]++ }, func(o *office) { o.stored[2].Digest[1]++ }, false},
		"the name is no part of another finding": {func(o *office) { o.user(2).Fingers = o.user(2).Fingers[:1] }, func(o *office) { o.user(2).Card = 7 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(3)
			o.fill()
			c.first(o)
			before := o.find()
			if len(before) != 1 {
				t.Fatalf("found %v, want one", short(before))
			}
			o.inv.Users = slices.Clone(o.inv.Users)
			c.then(o)
			if after := o.find(); len(after) != 1 || (before[0].Evidence == after[0].Evidence) != c.same || (before[0].ID() == after[0].ID()) != c.same {
				t.Errorf("found %v as %s, then %v as %s", short(before), before[0].ID(), short(after), after[0].ID())
			}
		})
	}
}

// What is accepted of somebody whom the terminal knows by an alias would be written
// anew under the hub's PIN: both stay as they are.
func TestAcceptedUnderAnAliasKeepsBothPINs(t *testing.T) {
	o := newOffice(2)
	o.fill()
	o.user(2).PIN = "77"
	o.aliases["77"] = placement.EmployeeID(2)
	o.at("77").Name = []byte("Lain")
	found := o.find()
	want := []roster.Keep{{PIN: pin(2), User: true}, {PIN: "77", User: true}}
	if len(found) != 1 {
		t.Fatalf("found %v, want one", short(found))
	}
	if kept := found[0].Accept(roster.Roster{}).Keep; !reflect.DeepEqual(kept, want) {
		t.Errorf("keeps %+v, want %+v", kept, want)
	}
}

func TestNeedsIsTheModeThatLetsAnActHappen(t *testing.T) {
	for _, class := range slices.Sorted(maps.Keys(faultActs)) {
		o := seeded()
		i := slices.IndexFunc(o.find(), func(f validate.Finding) bool { return f.Class == class })
		f := o.find()[i]
		act := faultActs[class]
		for _, mode := range []roster.Mode{roster.Observe, roster.Add, roster.Enforce} {
			r := o.validation().Roster
			r.Mode = mode
			inv := o.inv
			for n, change := range roster.Diff(r, inv).Changes {
				inv = inv.Apply(change, uint16(100+n))
			}
			left := *o
			left.inv = inv
			stays := slices.ContainsFunc(left.find(), func(g validate.Finding) bool { return g.Evidence == f.Evidence })
			order := []roster.Mode{roster.Observe, roster.Add, roster.Enforce}
			if ended := slices.Index(order, mode) >= slices.Index(order, f.Needs(act)); ended == stays {
				t.Errorf("class %s, act %s needs %s, and under %s the finding stays: %t", class, act, f.Needs(act), mode, stays)
			}
		}
	}
}

// faultActs are the acts that the roster carries out for the faults of seeded.
var faultActs = map[validate.Class]validate.Act{
	validate.Unknown: validate.ActDelete, validate.Missing: validate.ActAdd, validate.Misplaced: validate.ActDelete, validate.Name: validate.ActRename,
	validate.Foreign: validate.ActDelete, validate.Fingers: validate.ActAdd, validate.Template: validate.ActAdd, validate.Twice: validate.ActDelete,
	validate.Privilege: validate.ActGrant,
}

func TestAcceptedNumberOfAdministratorsIsNotJudged(t *testing.T) {
	o := newOffice(2)
	o.snapshot.Terminals[0].MaxAdmins, o.snapshot.Grants[0].Terminal = since(1), 0
	g := o.snapshot.Grants[0]
	g.ID, g.Employee = 2, 2
	o.snapshot.Grants = append(o.snapshot.Grants, g)
	o.fill()
	found := o.find()
	r := o.validation().Roster
	if len(found) != 1 || len(roster.Diff(r, o.inv).Findings) != 1 {
		t.Fatalf("found %v, the plan %+v, want too many administrators", short(found), roster.Diff(r, o.inv))
	}
	if left := roster.Diff(found[0].Accept(r), o.inv).Findings; len(left) > 0 {
		t.Errorf("accepted, and still %+v", left)
	}
}
