package usbfile

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func demoPair(a Algorithm) Pair {
	return Pair{"DEMO1", UserFile{Layout: User72, Users: staff(4)}, TemplateFile{Algorithm: a, Templates: fingers(3, a)}}
}

func TestPair(t *testing.T) {
	for _, a := range []Algorithm{Algorithm9, Algorithm10} {
		p := demoPair(a)
		users, templates, err := p.Files()
		if err != nil {
			t.Fatal(err)
		}
		f, err := ParseUsers(users.Bytes())
		if err != nil || len(f.Users) != 4 || f.Layout != User72 {
			t.Fatal(len(f.Users), err)
		}
		m, err := ParseTemplates(templates.Bytes(), a)
		if err != nil || len(m.Templates) != 6 {
			t.Fatal(len(m.Templates), err)
		}
		count := Pair{"DEMO1", f, m}.Fingers()
		if len(count) != 4 || count[1] != 2 || count[3] != 2 || count[4] != 0 {
			t.Error("fingers by slot:", count)
		}
	}
}

// What could bring one person's finger to another is never written.
func TestMixtureIsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*Pair)
		want   error
	}{
		"of no named terminal": {func(p *Pair) { p.Terminal = "" }, ErrMixture},
		"a finger of nobody":   {func(p *Pair) { p.Users.Users = p.Users.Users[1:] }, ErrMixture},
		"one slot twice":       {func(p *Pair) { p.Users.Users[3].Slot = 1 }, ErrMixture},
		"one PIN twice":        {func(p *Pair) { p.Users.Users[3].PIN = p.Users.Users[0].PIN }, ErrMixture},
		"one finger twice":     {func(p *Pair) { p.Templates.Templates = append(p.Templates.Templates, p.Templates.Templates[0]) }, ErrMixture},
		"templates of the other algorithm": {func(p *Pair) {
			p.Templates.Templates[2].Data = NewSecret(append([]byte("\x01\x02SS21\x00\x00\x01\xf4"), make([]byte, 490)...))
		}, ErrMixture},
		"users that were lost":         {func(p *Pair) { p.Users.Lost = []Loss{{0, 72, FaultSlot}} }, ErrIncomplete},
		"templates that were lost":     {func(p *Pair) { p.Templates.Lost = []Loss{{0, 72, FaultSize}} }, ErrIncomplete},
		"a user who does not fit":      {func(p *Pair) { p.Users.Layout = User28; p.Users.Users[0].PIN = "A1" }, ErrTooLong},
		"a template that does not fit": {func(p *Pair) { p.Templates.Templates[0].Finger = 10 }, ErrTooLong},
	} {
		p := demoPair(Algorithm9)
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		row.change(&p)
		if users, templates, err := p.Files(); !errors.Is(err, row.want) || !users.IsZero() || !templates.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOrphans(t *testing.T) {
	p := demoPair(Algorithm10)
	p.Users.Users = p.Users.Users[2:]
	want := []Place{{1, 0}, {1, 6}, {2, 0}, {2, 6}}
	if got := p.Orphans(); !slices.Equal(got, want) {
		t.Error("orphans:", got)
	}
}

// Whatever users and templates a terminal has, what is written is read back the same.
func TestRandomPairsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layout := rapid.SampledFrom([]UserLayout{User28, User72}).Draw(t, "layout")
		algorithm := rapid.SampledFrom([]Algorithm{Algorithm9, Algorithm10}).Draw(t, "algorithm")
		p := Pair{"DEMO1", UserFile{Layout: layout}, TemplateFile{Algorithm: algorithm}}
		slots := rapid.SliceOfNDistinct(rapid.Uint16Min(1), 1, 12, rapid.ID[uint16]).Draw(t, "slots")
		for i, slot := range slots {
			u := User{Slot: slot, Privilege: rapid.SampledFrom([]uint8{0, 1, 2, 3, 6, 7, 10, 11, 14, 15}).Draw(t, "privilege"),
				Password: NewSecret([]byte(rapid.StringMatching(`[0-9]{0,5}`).Draw(t, "password"))),
				Name:     []byte(rapid.StringMatching(`[A-Za-z .']{0,8}`).Draw(t, "name")),
				Card:     rapid.Uint32().Draw(t, "card"), Group: rapid.Uint8().Draw(t, "group"), PIN: string(rune('1'+i%9)) + rapid.StringMatching(`[0-9]{4}`).Draw(t, "PIN") + string(rune('0'+i/9))}
			u.Zones[0] = rapid.Uint16().Draw(t, "zone")
			if layout == User72 {
				u.OwnZones = rapid.Uint16Max(1).Draw(t, "own")
				u.Zones[1], u.Zones[2] = rapid.Uint16().Draw(t, "zone"), rapid.Uint16().Draw(t, "zone")
				u.PIN += rapid.StringMatching(`[A-Za-z0-9]{0,18}`).Draw(t, "letters")
			}
			p.Users.Users = append(p.Users.Users, u)
			for finger := range rapid.Uint8Max(3).Draw(t, "fingers") {
				data := rapid.SliceOfN(rapid.ByteMin(1), 1, 602).Draw(t, "template")
				p.Templates.Templates = append(p.Templates.Templates, NewTemplate(slot, finger, rapid.SampledFrom([]uint8{0, 1, 3}).Draw(t, "flag"), data))
			}
		}
		first, second, err := p.Files()
		if err != nil {
			t.Fatal(err)
		}
		f := parseUsers(first.Bytes(), layout)
		if told(UserFile{layout, f.Users, f.Lost}) != toldAt(p.Users) {
			t.Fatalf("users read\n%s", told(f))
		}
		m, err := ParseTemplates(second.Bytes(), algorithm)
		if err != nil || len(m.Templates) != len(p.Templates.Templates) {
			t.Fatalf("%d templates read of %d, lost %v: %v", len(m.Templates), len(p.Templates.Templates), m.Lost, err)
		}
		for i, w := range p.Templates.Templates {
			if g := m.Templates[i]; g.Slot != w.Slot || g.Finger != w.Finger || g.Flag != w.Flag || !bytes.Equal(g.Bytes(), w.Data.Bytes()) {
				t.Fatalf("template %d is another", i)
			}
		}
	})
}

// toldAt is told for users that were not read, at the places where they will stand.
func toldAt(f UserFile) string {
	for i := range f.Users {
		f.Users[i].offset = i * int(f.Layout)
	}
	return told(f)
}
