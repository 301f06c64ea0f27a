package terminaltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// Desk is a terminal under test whose users and fingers are seen from behind. It holds
// at least six users, with fingers 6 and 7 of users 1 to 4 and finger 0 of user 2, in
// slots 1 to 6, the first an administrator; and no slot above 50.
type Desk interface {
	Keeper() terminal.Keeper
	Serial() protocol.Serial
	Held() []Person // by slot
	Enabled() bool
	// Break lets a fault happen once after so many changes went well, until Mend.
	Break(f Fault, after int)
	Broke() bool // it has happened
	Mend()
	// Refuse lets the terminal take nothing from here on.
	Refuse()
}

// Person is one user as the terminal stores it.
type Person struct {
	Slot    uint16
	PIN     string
	Name    string
	Card    uint32
	Level   roster.Privilege
	Rest    string           // of the row, without what is named above
	Fingers map[uint8]string // templates
}

// Fault is one way of failing while a change is made.
type Fault string

// The faults. In the first of each pair the change was not made, in the second it was.
const (
	Silent      Fault = "silent in place of it"
	SilentAfter Fault = "silent after it"
	Gone        Fault = "line dropped in place of it"
	GoneAfter   Fault = "line dropped after it"
	Away        Fault = "restart in place of it"
	AwayAfter   Fault = "restart after it"
	LostRequest Fault = "request lost"
	LostAnswer  Fault = "answer lost"
	Refused     Fault = "refused"
	Forgotten   Fault = "acknowledged and not made"
)

// Faults lists them all.
func Faults() []Fault {
	return []Fault{Silent, SilentAfter, Gone, GoneAfter, Away, AwayAfter, LostRequest, LostAnswer, Refused, Forgotten}
}

// RunKeeper runs the suite of terminal.Keeper. open gives a new Desk.
func RunKeeper(t *testing.T, open func(t *testing.T) Desk) {
	for _, part := range []struct {
		name string
		test func(*testing.T, context.Context, Desk)
	}{
		{"an inventory is what the terminal holds", func(t *testing.T, ctx context.Context, d Desk) { look(t, ctx, d) }},
		{"writing without an inventory is refused", blind},
		{"what a plan wants is what stands there after", settled},
		{"what is not named stays byte for byte", unnamed},
		{"a user can be put again in the same session", twice},
		{"one finger is dropped and no other", oneFinger},
		{"what is not there is dropped", nothing},
		{"two users with one PIN are not made", samePIN},
		{"a slot is not given to two", sameSlot},
		{"a terminal that refuses keeps what it holds", refused},
		{"a context that ends in the middle leaves the terminal enabled", cancelled},
		{"an error of the caller is returned and the terminal enabled", failing},
		{"reads wait until a session has ended", waiting},
	} {
		t.Run(part.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			d := open(t)
			part.test(t, ctx, d)
			if !d.Enabled() {
				t.Error("the terminal is disabled")
			}
		})
	}
}

// RunKeeperFaults runs what is left of the suite when the terminal fails.
func RunKeeperFaults(t *testing.T, open func(t *testing.T) Desk) {
	often := []int{0, 1, 4}
	if testing.Short() {
		often = often[1:2]
	}
	for _, fault := range Faults() {
		for _, after := range often {
			t.Run(fmt.Sprintf("%s, after %d changes", fault, after), func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
				defer cancel()
				failed(t, ctx, open(t), fault, after)
			})
		}
	}
}

// failed converges, fails in the middle, and converges again.
func failed(t *testing.T, ctx context.Context, d Desk, fault Fault, after int) {
	k, want := d.Keeper(), goal(d.Held())
	d.Break(fault, after)
	err := settle(ctx, k, want)
	if silent := fault == Silent || fault == SilentAfter; !silent && !d.Enabled() {
		t.Errorf("disabled after %v", err)
	}
	d.Mend()
	look(t, ctx, d) // with a session of somebody else
	if !d.Enabled() {
		t.Errorf("disabled by %v, and a new session did not enable it", err)
	}
	if err := settle(ctx, k, want); err != nil {
		t.Errorf("after %v: %v", err, err)
	}
	check(t, d, want)
	if !d.Enabled() {
		t.Error("disabled in the end")
	}
}

// look reads the inventory and compares it with the truth.
func look(t *testing.T, ctx context.Context, d Desk) {
	t.Helper()
	var got roster.Inventory
	err := d.Keeper().Hold(ctx, func(ctx context.Context, s terminal.Session) (err error) {
		if got, err = s.Inventory(ctx); err != nil {
			return err
		}
		for _, p := range d.Held() {
			for number, template := range p.Fingers {
				if b, err := s.Template(ctx, p.Slot, number); err != nil || string(b) != template {
					t.Errorf("Template of finger %d of slot %d = %d bytes, %v, want %d", number, p.Slot, len(b), err, len(template))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Inventory: %v", err)
	}
	if err := got.Check(); err != nil || got.Serial != d.Serial() {
		t.Errorf("inventory of %q: %v", got.Serial, err)
	}
	held := d.Held()
	if len(got.Users) != len(held) {
		t.Fatalf("%d users, the terminal holds %d", len(got.Users), len(held))
	}
	for i, p := range held {
		u := got.Users[i]
		if u.Slot != p.Slot || u.PIN != p.PIN || string(u.Name) != p.Name || u.Card != p.Card || u.Privilege != p.Level || len(u.Fingers) != len(p.Fingers) {
			t.Errorf("user %+v, want slot %d with %d fingers", u, p.Slot, len(p.Fingers))
		}
		for _, f := range u.Fingers {
			if f.Digest != protocol.Hash(sha256.Sum256([]byte(p.Fingers[f.Number]))) {
				t.Errorf("finger %d of slot %d has another digest than its template", f.Number, u.Slot)
			}
		}
	}
}

// template is an invented finger.
func template(slot uint16, number uint8) string {
	return string(bytes.Repeat([]byte{byte(slot), number + 1, 0x55}, 300+10*int(number)))
}

// goal is what the terminal should hold in the end: a new user, one gone, a finger gone,
// one replaced, one added, a name, a level and a card changed.
func goal(held []Person) []Person {
	var want []Person
	for _, p := range held {
		fingers := map[uint8]string{}
		for number, t := range p.Fingers {
			fingers[number] = t
		}
		p.Fingers = fingers
		switch p.Slot {
		case 2:
			delete(p.Fingers, 6)
		case 3:
			p.Fingers[7] = template(3, 7)
			p.Card = 0x00ABCDEF
		case 4:
			continue
		case 5:
			p.Fingers[0] = template(5, 0)
			p.Name, p.Level = "Wulan", roster.Enroller
		}
		want = append(want, p)
	}
	for slot := uint16(61); slot <= 63; slot++ {
		p := Person{Slot: slot, PIN: fmt.Sprint(7000 + slot), Name: "Baru", Level: roster.User, Fingers: map[uint8]string{}}
		for number := uint8(5); number < 8; number++ {
			p.Fingers[number] = template(slot, number)
		}
		want = append(want, p)
	}
	return want
}

// settle does what is missing: a difference that is simple and complete.
func settle(ctx context.Context, k terminal.Keeper, want []Person) error {
	return k.Hold(ctx, func(ctx context.Context, s terminal.Session) error {
		inv, err := s.Inventory(ctx)
		if err != nil {
			return err
		}
		var puts []terminal.Put
		var drops []terminal.Drop
		for _, p := range want {
			i := slices.IndexFunc(inv.Users, func(u roster.Held) bool { return u.Slot == p.Slot })
			put := terminal.Put{Slot: p.Slot, New: i < 0, PIN: p.PIN, Name: []byte(p.Name), Privilege: p.Level, Card: &p.Card}
			have := map[uint8]protocol.Hash{}
			if i >= 0 {
				u := inv.Users[i]
				if u.PIN != p.PIN {
					return fmt.Errorf("slot %d has changed hands", p.Slot)
				}
				for _, f := range u.Fingers {
					if have[f.Number] = f.Digest; p.Fingers[f.Number] == "" {
						drops = append(drops, terminal.Drop{Slot: p.Slot, Finger: f.Number})
					}
				}
				if string(u.Name) == p.Name {
					put.Name = nil
				}
				if u.Privilege == p.Level {
					put.Privilege = ""
				}
				if u.Card == p.Card {
					put.Card = nil
				}
			}
			for number := range uint8(10) {
				if t := p.Fingers[number]; t != "" && have[number] != protocol.Hash(sha256.Sum256([]byte(t))) {
					put.Fingers = append(put.Fingers, terminal.PutFinger{Number: number, Template: []byte(t)})
				}
			}
			if put.New || put.Name != nil || put.Privilege != "" || put.Card != nil || put.Fingers != nil {
				puts = append(puts, put)
			}
		}
		for _, u := range inv.Users {
			if !slices.ContainsFunc(want, func(p Person) bool { return p.Slot == u.Slot }) {
				drops = append(drops, terminal.Drop{Slot: u.Slot, User: true})
			}
		}
		for _, put := range puts { // one by one, so that there are changes to fail after
			if err := s.Put(ctx, put); err != nil {
				return err
			}
		}
		if len(drops) == 0 {
			return nil
		}
		return s.Drop(ctx, drops...)
	})
}

// check compares the terminal with what is wanted. What a new user's row has beyond its
// names is the driver's business.
func check(t *testing.T, d Desk, want []Person) {
	t.Helper()
	held := d.Held()
	if len(held) != len(want) {
		t.Fatalf("%d users, want %d", len(held), len(want))
	}
	for i, p := range held {
		if want := want[i]; want.Rest == "" {
			p.Rest = ""
		}
		if !reflect.DeepEqual(p, want[i]) {
			t.Errorf("slot %d holds PIN %s, name %q, card %d, level %s, %d fingers, rest %x; want %s, %q, %d, %s, %d, %x", p.Slot,
				p.PIN, p.Name, p.Card, p.Level, len(p.Fingers), p.Rest,
				want[i].PIN, want[i].Name, want[i].Card, want[i].Level, len(want[i].Fingers), want[i].Rest)
		}
	}
}

// session calls do after an inventory.
func session(t *testing.T, ctx context.Context, d Desk, do func(s terminal.Session) error) error {
	t.Helper()
	return d.Keeper().Hold(ctx, func(ctx context.Context, s terminal.Session) error {
		if _, err := s.Inventory(ctx); err != nil {
			t.Fatalf("Inventory: %v", err)
		}
		return do(s)
	})
}

func blind(t *testing.T, ctx context.Context, d Desk) {
	held := d.Held()
	err := d.Keeper().Hold(ctx, func(ctx context.Context, s terminal.Session) error {
		if s.Put(ctx, terminal.Put{Slot: 1, Name: []byte("X")}) == nil || s.Drop(ctx, terminal.Drop{Slot: 1, User: true}) == nil {
			t.Error("something was written over rows that nobody read")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	check(t, d, held)
}

func settled(t *testing.T, ctx context.Context, d Desk) {
	want := goal(d.Held())
	for range 2 {
		if err := settle(ctx, d.Keeper(), want); err != nil {
			t.Fatal(err)
		}
		check(t, d, want)
		look(t, ctx, d)
	}
}

func unnamed(t *testing.T, ctx context.Context, d Desk) {
	want := d.Held()
	err := session(t, ctx, d, func(s terminal.Session) error {
		for i, p := range want {
			put := terminal.Put{Slot: p.Slot}
			switch i {
			case 0: // nothing is named
			case 1:
				put.Name, want[i].Name = []byte("Ratu"), "Ratu"
			case 2:
				put.Privilege, want[i].Level = roster.Manager, roster.Manager
			case 3:
				card := uint32(99)
				put.Card, want[i].Card = &card, 99
			default:
				put.Fingers = []terminal.PutFinger{{Number: 1, Template: []byte(template(p.Slot, 1))}}
				want[i].Fingers = map[uint8]string{1: template(p.Slot, 1)}
				for number, t := range p.Fingers {
					want[i].Fingers[number] = t
				}
			}
			if err := s.Put(ctx, put); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	check(t, d, want)
}

func twice(t *testing.T, ctx context.Context, d Desk) {
	want := append(d.Held(), Person{Slot: 61, PIN: "7061", Name: "Dua", Level: roster.User, Fingers: map[uint8]string{1: template(61, 1), 2: template(61, 2)}})
	err := session(t, ctx, d, func(s terminal.Session) error {
		for _, put := range []terminal.Put{
			{Slot: 61, New: true, PIN: "7061", Name: []byte("Satu"), Privilege: roster.User, Fingers: []terminal.PutFinger{{Number: 1, Template: []byte(template(61, 2))}}},
			{Slot: 61, Name: []byte("Dua"), Fingers: []terminal.PutFinger{{Number: 2, Template: []byte(template(61, 2))}, {Number: 1, Template: []byte(template(61, 1))}}},
		} {
			if err := s.Put(ctx, put); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	check(t, d, want)
}

func oneFinger(t *testing.T, ctx context.Context, d Desk) {
	want := d.Held()
	for _, number := range []uint8{0, 7} { // finger 0 of a slot means all of it, in some commands of some terminals
		delete(want[1].Fingers, number)
		if err := session(t, ctx, d, func(s terminal.Session) error { return s.Drop(ctx, terminal.Drop{Slot: 2, Finger: number}) }); err != nil {
			t.Error(err)
		}
		check(t, d, want)
	}
}

func nothing(t *testing.T, ctx context.Context, d Desk) {
	want := d.Held()
	err := session(t, ctx, d, func(s terminal.Session) error {
		return s.Drop(ctx, terminal.Drop{Slot: 1, Finger: 9}, terminal.Drop{Slot: 60, User: true}, terminal.Drop{Slot: 60, Finger: 3})
	})
	if err != nil {
		t.Errorf("Drop of what is not there: %v", err)
	}
	check(t, d, want)
}

func samePIN(t *testing.T, ctx context.Context, d Desk) {
	want := d.Held()
	if err := session(t, ctx, d, func(s terminal.Session) error {
		return s.Put(ctx, terminal.Put{Slot: 61, New: true, PIN: "000" + want[0].PIN})
	}); err == nil {
		t.Error("two users have one PIN")
	}
	check(t, d, want)
}

func sameSlot(t *testing.T, ctx context.Context, d Desk) {
	want := d.Held()
	for _, put := range []terminal.Put{{Slot: 1, New: true, PIN: "7061"}, {Slot: 61, PIN: "7061"}} {
		if err := session(t, ctx, d, func(s terminal.Session) error { return s.Put(ctx, put) }); err == nil {
			t.Errorf("Put %+v succeeds", put)
		}
	}
	check(t, d, want)
}

func refused(t *testing.T, ctx context.Context, d Desk) {
	want := d.Held()
	d.Refuse()
	for name, change := range map[string]func(s terminal.Session) error{
		"a new user": func(s terminal.Session) error {
			return s.Put(ctx, terminal.Put{Slot: 61, New: true, PIN: "7061"})
		},
		"a finger in place of another": func(s terminal.Session) error {
			return s.Put(ctx, terminal.Put{Slot: 2, Fingers: []terminal.PutFinger{{Number: 6, Template: []byte(template(2, 6))}}})
		},
		"a user gone":   func(s terminal.Session) error { return s.Drop(ctx, terminal.Drop{Slot: 2, User: true}) },
		"a finger gone": func(s terminal.Session) error { return s.Drop(ctx, terminal.Drop{Slot: 2, Finger: 6}) },
	} {
		if err := session(t, ctx, d, change); terminal.Cause(err) != "refused" {
			t.Errorf("%s: %v with cause %q, want refused", name, err, terminal.Cause(err))
		}
		if !d.Enabled() {
			t.Errorf("%s: disabled", name)
		}
	}
	check(t, d, want)
}

func cancelled(t *testing.T, ctx context.Context, d Desk) {
	d.Break(Silent, 1)
	writing, end := context.WithCancel(ctx)
	defer end()
	err := d.Keeper().Hold(writing, func(ctx context.Context, s terminal.Session) error {
		if _, err := s.Inventory(ctx); err != nil {
			return err
		}
		if err := s.Put(ctx, terminal.Put{Slot: 61, New: true, PIN: "7061"}); err != nil {
			return err
		}
		go func() { // the terminal says nothing for much longer
			for ; !d.Broke() && ctx.Err() == nil; time.Sleep(time.Millisecond) {
			}
			end()
		}()
		return s.Put(ctx, terminal.Put{Slot: 62, New: true, PIN: "7062"})
	})
	if !errors.Is(err, context.Canceled) || terminal.Cause(err) != "" {
		t.Errorf("Hold = %v with cause %q, want the end of the context", err, terminal.Cause(err))
	}
	d.Mend()
	look(t, ctx, d)
}

func failing(t *testing.T, ctx context.Context, d Desk) {
	want := fmt.Errorf("the caller's own")
	if err := session(t, ctx, d, func(s terminal.Session) error {
		if err := s.Put(ctx, terminal.Put{Slot: 61, New: true, PIN: "7061"}); err != nil {
			t.Error(err)
		}
		return want
	}); err != want {
		t.Errorf("Hold = %v, want the caller's error", err)
	}
}

func waiting(t *testing.T, ctx context.Context, d Desk) {
	k := d.Keeper()
	source, ok := k.(terminal.Source)
	if !ok {
		t.Fatal("a Keeper is no Source")
	}
	var ended atomic.Bool
	early := make(chan bool, 1)
	err := k.Hold(ctx, func(ctx context.Context, s terminal.Session) error {
		begun := make(chan struct{})
		go func() {
			close(begun)
			_, err := source.Read(ctx, terminal.Ask{Mode: terminal.Whole})
			if err != nil {
				t.Errorf("Read: %v", err)
			}
			early <- !ended.Load()
		}()
		<-begun
		for range 20 {
			if _, err := s.Inventory(ctx); err != nil {
				return err
			}
		}
		ended.Store(true)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if <-early {
		t.Error("a read ended while the session went on")
	}
}
