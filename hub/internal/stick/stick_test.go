package stick_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/stick"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/usbfile"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

const (
	demo  protocol.SiteID = "demo"
	ours  protocol.Serial = "DEMO1"
	other protocol.Serial = "DEMO2"
)

// office is a hub that knows a site without any agent, with two terminals.
type office struct {
	*stick.Stick
	t       *testing.T
	dsn     string
	dir     string
	holding *holding.Holding
	vault   *vault.Vault
	now     time.Time
}

func each(t *testing.T, body func(t *testing.T, o *office)) {
	t.Helper()
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		o := &office{t: t, dsn: dsn, dir: t.TempDir(), now: storetest.Morning()}
		s, err := store.Open(t.Context(), dsn)
		ok(t, err)
		t.Cleanup(func() { ok(t, s.Close()) })
		ok(t, s.AddSite(t.Context(), demo, storetest.NewAgent(t, demo).Key.Public().Fingerprint(), o.now))
		for _, serial := range []protocol.Serial{ours, other} {
			ok(t, s.AddTerminal(t.Context(), demo, serial, o.now))
		}
		o.holding = holding.New(s)
		o.vault, err = vault.Open(t.Context(), s, o.dir, func() time.Time { return o.now })
		ok(t, err)
		o.Stick = stick.New(o.holding, o.vault)
		body(t, o)
	})
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// staff is what a terminal holds: people from a number on, the first of them administrator
// with a password, each with two fingers of random bytes.
func staff(layout usbfile.UserLayout, a usbfile.Algorithm, from, n int) usbfile.Pair {
	random := rand.New(rand.NewPCG(uint64(from), uint64(a)))
	p := usbfile.Pair{Terminal: "demo", Users: usbfile.UserFile{Layout: layout}, Templates: usbfile.TemplateFile{Algorithm: a}}
	for i := range n {
		u := usbfile.User{Slot: uint16(i + 1), Name: fmt.Appendf(nil, "Demo %d", i+1), Group: 1, PIN: fmt.Sprint(from + i)}
		if i == 0 {
			u.Privilege, u.Password, u.Card = 14, usbfile.NewSecret([]byte("81726")), 77
		}
		p.Users.Users = append(p.Users.Users, u)
		for _, finger := range []uint8{6, 0} {
			data := make([]byte, 510)
			for i := range data {
				data[i] = byte(1 + random.IntN(255))
			}
			if a == usbfile.Algorithm10 { // its head says 500 bytes, a transfer has added ten
				copy(data[2:], "SS21\x00\x00\x01\xf4")
			}
			p.Templates.Templates = append(p.Templates.Templates, usbfile.NewTemplate(u.Slot, finger, 1, data))
		}
	}
	return p
}

// files are a pair as somebody brings it, copied half an hour ago.
func (o *office) files(p usbfile.Pair) stick.Files {
	o.t.Helper()
	f := stick.Files{Site: demo, Serial: ours, Algorithm: p.Templates.Algorithm, Copied: o.now.Add(-30 * time.Minute), At: o.now, By: "Ujang Demo"}
	var err error
	f.Users, err = p.Users.Append(nil)
	ok(o.t, err)
	f.Templates, err = p.Templates.Append(nil)
	ok(o.t, err)
	return f
}

// load brings a pair, an hour after the one before.
func (o *office) load(p usbfile.Pair) (stick.Report, error) {
	o.t.Helper()
	o.now = o.now.Add(time.Hour)
	return o.Load(o.t.Context(), o.files(p))
}

func (o *office) found() []vault.Found {
	o.t.Helper()
	found, err := o.vault.FoundAt(o.t.Context(), demo, ours)
	ok(o.t, err)
	return found
}

func TestFilesBecomeTheInventory(t *testing.T) {
	for _, layout := range []usbfile.UserLayout{usbfile.User28, usbfile.User72} {
		for _, a := range []usbfile.Algorithm{usbfile.Algorithm9, usbfile.Algorithm10} {
			each(t, func(t *testing.T, o *office) {
				p := staff(layout, a, 100001, 3)
				p.Users.Users[2].Privilege = 1
				p.Users.Users[1].Privilege = 2
				p.Templates.Templates[3].Flag = 0
				p.Templates.Templates = append(p.Templates.Templates, usbfile.NewTemplate(99, 1, 1, []byte("nobody's")))
				r, err := o.load(p)
				ok(t, err)
				want := stick.Report{Layout: layout, Algorithm: a, Users: 3, Fingers: 5, Invalid: 1, Orphans: 1, Kept: 5, Load: 1}
				if !reflect.DeepEqual(r, want) {
					t.Errorf("reported %+v, want %+v", r, want)
				}
				inv, err := o.holding.Inventory(t.Context(), demo, ours)
				ok(t, err)
				digest := func(n int) protocol.Hash {
					return protocol.Hash(zk.Template{Data: p.Templates.Templates[n].Data.Bytes()}.Digest()) // as an agent tells it
				}
				able := roster.Capabilities{Algorithm: uint8(a), NameBytes: 23, NameASCII: true}
				if layout == usbfile.User28 {
					able.NameBytes, able.PINWidth = 8, 9
				}
				held := func(number uint8, n int) roster.HeldFinger {
					return roster.HeldFinger{Number: number, Algorithm: uint8(a), Digest: digest(n)}
				}
				users := []roster.Held{
					{Slot: 1, PIN: "100001", Name: []byte("Demo 1"), Privilege: roster.Administrator, Password: true, Card: 77, Fingers: []roster.HeldFinger{held(0, 1), held(6, 0)}},
					{Slot: 2, PIN: "100002", Name: []byte("Demo 2"), Privilege: roster.Enroller, Fingers: []roster.HeldFinger{held(6, 2)}},
					{Slot: 3, PIN: "100003", Name: []byte("Demo 3"), Privilege: roster.User, Disabled: true, Fingers: []roster.HeldFinger{held(0, 5), held(6, 4)}},
				}
				if got := inv.Inventory; !reflect.DeepEqual(got, roster.Inventory{Serial: ours, Capabilities: able, Users: users}) || inv.By != "Ujang Demo" {
					t.Errorf("inventory by %q: %+v", inv.By, got)
				}
				found := o.found()
				if len(found) != 5 || found[0].Kind != vault.KindFound || found[0].PIN != "100001" || found[0].Digest != digest(1) || found[0].Algorithm != uint8(a) {
					t.Errorf("found: %+v", found)
				}
			})
		}
	}
}

func TestSecondLoadAddsNothing(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		p := staff(usbfile.User72, usbfile.Algorithm10, 100001, 4)
		_, err := o.load(p)
		ok(t, err)
		_, err = o.Load(t.Context(), o.files(p))
		is(t, err, holding.ErrReplay)
		r, err := o.load(p) // copied anew
		ok(t, err)
		if r.Kept != 0 || len(o.found()) != 8 {
			t.Errorf("kept %d, found %d", r.Kept, len(o.found()))
		}
	})
}

// What was destroyed does not come back from a terminal that still holds it.
func TestDestroyedTemplateStaysDestroyed(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		p := staff(usbfile.User72, usbfile.Algorithm10, 100001, 1)
		_, err := o.load(p)
		ok(t, err)
		_, err = o.vault.Accept(t.Context(), vault.By{Who: "Ani Demo", Why: "hers"}, o.found()[0].ID, 7, true)
		ok(t, err)
		_, err = o.vault.Destroy(t.Context(), vault.By{Who: "Ani Demo", Why: "has left"}, 7)
		ok(t, err)
		_, err = o.load(p)
		ok(t, err)
		if found := o.found(); len(found) != 1 {
			t.Errorf("found: %+v", found)
		}
	})
}

// Nothing is kept of files that are refused.
func TestRefusedFiles(t *testing.T) {
	for name, row := range map[string]struct {
		change func(f *stick.Files)
		want   error
	}{
		"nobody vouches":         {func(f *stick.Files) { f.By = "" }, stick.ErrWho},
		"copied tomorrow":        {func(f *stick.Files) { f.Copied = f.At.Add(time.Second) }, stick.ErrMoment},
		"copied years ago":       {func(f *stick.Files) { f.Copied = f.At.AddDate(-2, 0, 0) }, stick.ErrMoment},
		"an unknown terminal":    {func(f *stick.Files) { f.Serial = "DEMO9" }, holding.ErrNoTerminal},
		"exchanged":              {func(f *stick.Files) { f.Users, f.Templates = f.Templates, f.Users }, usbfile.ErrNotUsers},
		"of the wrong algorithm": {func(f *stick.Files) { f.Algorithm = usbfile.Algorithm9 }, usbfile.ErrNotTemplates},
		"a log":                  {func(f *stick.Files) { f.Users = []byte("   100001\t2026-01-05 07:21:04\t1\t0\t1\t0\r\n") }, usbfile.ErrNotUsers},
		"a user damaged":         {func(f *stick.Files) { copy(f.Users[72:], make([]byte, 40)) }, stick.ErrDamaged},
		"users cut off":          {func(f *stick.Files) { f.Users = f.Users[:len(f.Users)-9] }, stick.ErrDamaged},
		"templates cut off":      {func(f *stick.Files) { f.Templates = f.Templates[:len(f.Templates)-9] }, stick.ErrDamaged},
		"of two terminals":       {func(f *stick.Files) { f.Users = f.Users[:72] }, usbfile.ErrMixture},
		"one user twice":         {func(f *stick.Files) { f.Users = append(f.Users, f.Users[:72]...) }, usbfile.ErrMixture},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, o *office) {
				f := o.files(staff(usbfile.User72, usbfile.Algorithm10, 100001, 5))
				row.change(&f)
				r, err := o.Load(t.Context(), f)
				is(t, err, row.want)
				if row.want == stick.ErrDamaged && len(r.LostUsers)+len(r.LostTemplates) != 1 {
					t.Errorf("where it is damaged is not told: %+v", r)
				}
				if _, err := o.holding.Inventory(t.Context(), demo, ours); !errors.Is(err, holding.ErrNone) || len(o.found()) > 0 {
					t.Errorf("something was kept: %v", err)
				}
			})
		})
	}
}

// Files of another terminal are noticed by what is known, and need a reason.
func TestFilesOfAnotherTerminal(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		people, guests := staff(usbfile.User72, usbfile.Algorithm10, 100001, 6), staff(usbfile.User72, usbfile.Algorithm10, 100101, 6)
		_, err := o.load(people)
		ok(t, err)
		doubts := func(f stick.Files) (all []stick.Doubt) {
			t.Helper()
			before, err := o.holding.Inventory(t.Context(), demo, ours)
			ok(t, err)
			_, err = o.Load(t.Context(), f)
			doubt, is := errors.AsType[*stick.DoubtError](err)
			if !is {
				t.Fatalf("not doubted: %v", err)
			}
			after, err := o.holding.Inventory(t.Context(), demo, ours)
			ok(t, err)
			if after.Digest != before.Digest || len(o.found()) != 12 {
				t.Error("something was kept")
			}
			return doubt.Doubts
		}
		o.now = o.now.Add(time.Hour)
		theirs := o.files(guests)
		if all := doubts(theirs); !reflect.DeepEqual(all, []stick.Doubt{{Why: stick.Unlike, Of: 6}}) {
			t.Errorf("of people whom the terminal never held: %+v", all)
		}
		theirs.Serial = other
		_, err = o.Load(t.Context(), theirs)
		ok(t, err)
		o.now = o.now.Add(time.Hour)
		if all := doubts(o.files(guests)); !reflect.DeepEqual(all, []stick.Doubt{{Why: stick.Unlike, Of: 6},
			{Why: stick.Like, Site: demo, Serial: other, Shared: 6, Of: 6}}) {
			t.Errorf("of the neighbour: %+v", all)
		}
		old := staff(usbfile.User72, usbfile.Algorithm9, 100001, 6)
		if all := doubts(o.files(old)); !reflect.DeepEqual(all, []stick.Doubt{{Why: stick.Other}}) {
			t.Errorf("of another algorithm: %+v", all)
		}
		small := staff(usbfile.User28, usbfile.Algorithm10, 100001, 6)
		if all := doubts(o.files(small)); !reflect.DeepEqual(all, []stick.Doubt{{Why: stick.Other}}) {
			t.Errorf("of another kind: %+v", all)
		}
		f := o.files(guests)
		f.Reason = "mesin ditukar"
		_, err = o.Load(t.Context(), f)
		ok(t, err)
		all, err := o.holding.Sticks(t.Context(), demo, ours)
		ok(t, err)
		if all[0].Reason != f.Reason || all[0].UserFile.IsZero() || all[0].Templates.IsZero() {
			t.Errorf("written down: %+v", all[0])
		}
	})
}

// What an agent has asked the terminal stays true of it.
func TestCapabilitiesThatAreKnownStay(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		able := roster.Capabilities{Users: 3000, Fingers: 4000, Algorithm: 10, PINWidth: 14, NameBytes: 23, UniqueFinger: true}
		inv := roster.Inventory{Serial: ours, Capabilities: able}
		_, err := o.holding.TakeStick(t.Context(), holding.Stick{Site: demo, Serial: ours, Copied: o.now.Add(-time.Hour), By: "Ani Demo"}, []byte(
			`{"serial":"DEMO1","capabilities":{"users":3000,"fingers":4000,"algorithm":10,"pin_width":14,"name_bytes":23,"unique_finger":true},"users":[]}`))
		ok(t, err)
		_, err = o.load(staff(usbfile.User72, usbfile.Algorithm10, 100001, 2))
		ok(t, err)
		got, err := o.holding.Inventory(t.Context(), demo, ours)
		ok(t, err)
		if got.Capabilities != inv.Capabilities {
			t.Errorf("able: %+v", got.Capabilities)
		}
	})
}

// Nothing in database or folder shows a template or a password of the files.
func TestNothingIsKeptInClear(t *testing.T) {
	o := &office{t: t, dir: t.TempDir(), now: storetest.Morning()}
	o.dsn = filepath.Join(o.dir, "hub.db")
	s, err := store.Open(t.Context(), o.dsn)
	ok(t, err)
	ok(t, s.AddSite(t.Context(), demo, storetest.NewAgent(t, demo).Key.Public().Fingerprint(), o.now))
	ok(t, s.AddTerminal(t.Context(), demo, ours, o.now))
	o.holding = holding.New(s)
	o.vault, err = vault.Open(t.Context(), s, o.dir, func() time.Time { return o.now })
	ok(t, err)
	o.Stick = stick.New(o.holding, o.vault)
	p := staff(usbfile.User72, usbfile.Algorithm10, 100001, 3)
	r, err := o.load(p)
	ok(t, err)
	shown := fmt.Sprintf("%+v %#v", r, r)
	ok(t, s.Close())
	ok(t, filepath.WalkDir(o.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, m := range p.Templates.Templates {
			if bytes.Contains(content, m.Data.Bytes()[:24]) {
				t.Errorf("%s holds a template in clear", filepath.Base(path))
			}
		}
		if bytes.Contains(content, []byte("81726")) || strings.Contains(shown, "81726") {
			t.Errorf("%s or the report holds a password", filepath.Base(path))
		}
		return err
	}))
}
