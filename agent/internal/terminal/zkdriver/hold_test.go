package zkdriver_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

var _ terminal.Keeper = (*zkdriver.Driver)(nil)

// hold calls do in a session of a new driver.
func hold(t *testing.T, d *zkdriver.Driver, do func(ctx context.Context, s terminal.Session) error) error {
	t.Helper()
	t.Cleanup(func() { _ = d.Close() })
	return d.Hold(t.Context(), do)
}

// TestCapabilities are what each family says about itself, or its row in the table.
func TestCapabilities(t *testing.T) {
	for profile, want := range map[string]roster.Capabilities{
		"tft-new":   {Users: 3000, Fingers: 3000, Algorithm: 10, PINWidth: 14, NameBytes: 23},
		"tft-k40":   {Users: 1000, Fingers: 1000, Algorithm: 10, PINWidth: 9, NameBytes: 23, NameASCII: true},
		"bw-zem500": {Users: 1500, Fingers: 1500, Algorithm: 9, PINWidth: 5, NameBytes: 8, NameASCII: true},
		"d2-wl20":   {Algorithm: 10, PINWidth: 9, NameBytes: 23, NameASCII: true},
	} {
		for _, users := range []int{0, 4} {
			t.Run(fmt.Sprintf("%s with %d users", profile, users), func(t *testing.T) {
				p, err := zktest.ProfileByName(profile)
				if err != nil {
					t.Fatal(err)
				}
				s := newStand(t, "tcp", zktest.Config{Profile: p}, zkdriver.Config{})
				if err := s.Fill(users, 0, 0); err != nil {
					t.Fatal(err)
				}
				err = hold(t, zkdriver.New(s.config), func(ctx context.Context, session terminal.Session) error {
					inv, err := session.Inventory(ctx)
					if inv.Capabilities != want {
						t.Errorf("capabilities %+v, want %+v", inv.Capabilities, want)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestFingersOfNobody are not held, and a new user does not inherit them.
func TestFingersOfNobody(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		t.Run(profile.Name, func(t *testing.T) {
			s := newStand(t, "tcp", zktest.Config{Profile: profile}, zkdriver.Config{})
			state := s.State()
			for _, finger := range []uint8{0, 3} {
				state.Templates = append(state.Templates, zk.Template{UID: 60, Finger: finger, Flag: 1, Data: []byte("somebody else's")})
			}
			if err := s.Restore(state); err != nil {
				t.Fatal(err)
			}
			err := hold(t, zkdriver.New(s.config), func(ctx context.Context, session terminal.Session) error {
				inv, err := session.Inventory(ctx)
				if err != nil {
					return err
				}
				if len(inv.Users) != 50 {
					t.Errorf("%d users, want 50", len(inv.Users))
				}
				return session.Put(ctx, terminal.Put{Slot: 60, New: true, PIN: "4242", Fingers: []terminal.PutFinger{{Number: 6, Template: []byte("mine")}}})
			})
			if err != nil {
				t.Fatal(err)
			}
			if held := s.Templates(); len(held) != 1 || string(held[0].Data) != "mine" {
				t.Errorf("%d templates are left, want the new user's own", len(held))
			}
		})
	}
}

// TestInventoryThatIsNotProven: what the terminal counts and what it gives differ.
func TestInventoryThatIsNotProven(t *testing.T) {
	s := newStand(t, "tcp", zktest.Config{}, zkdriver.Config{})
	state := s.State()
	state.Users = append(state.Users, state.Users[49]) // two rows for one slot
	if err := s.Restore(state); err != nil {
		t.Fatal(err)
	}
	err := hold(t, zkdriver.New(s.config), func(ctx context.Context, session terminal.Session) error {
		_, err := session.Inventory(ctx)
		return err
	})
	if terminal.Cause(err) != "incomplete" {
		t.Errorf("Inventory = %v with cause %q, want incomplete", err, terminal.Cause(err))
	}
}

// TestDigestOfAFinger is that of the template cut to the length in its head.
func TestDigestOfAFinger(t *testing.T) {
	s := newStand(t, "tcp", zktest.Config{}, zkdriver.Config{})
	template := append([]byte("\x4D\xFDSS21\x00\x00\x00\x40\xBE\x04\x08\x05\x07\x09\xCE\xD0"), bytes.Repeat([]byte{5}, 46)...)
	if err := s.AddTemplate(zk.Template{UID: 2, Finger: 4, Flag: 3, Data: append(bytes.Clone(template), 0, 0, 0, 9)}); err != nil {
		t.Fatal(err)
	}
	err := hold(t, zkdriver.New(s.config), func(ctx context.Context, session terminal.Session) error {
		inv, err := session.Inventory(ctx)
		if err != nil {
			return err
		}
		want := roster.HeldFinger{Number: 4, Algorithm: 10, Digest: sha256.Sum256(template)}
		if got := inv.Users[1].Fingers; len(got) != 1 || got[0] != want {
			t.Errorf("fingers %+v, want %+v", got, want)
		}
		got, err := session.Template(ctx, 2, 4)
		if !bytes.Equal(got, template) {
			t.Errorf("template of %d bytes, want %d", len(got), len(template))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestHoldKeepsAKeptSession only if it is alive.
func TestHoldKeepsAKeptSession(t *testing.T) {
	s := newStand(t, "tcp", zktest.Config{}, zkdriver.Config{Live: true})
	d := zkdriver.New(s.config)
	look := func() error {
		return hold(t, d, func(ctx context.Context, session terminal.Session) error {
			_, err := session.Inventory(ctx)
			return err
		})
	}
	for i, want := range []int{1, 1, 2} {
		if i == 2 {
			s.Reboot(0)
		}
		if err := look(); err != nil {
			t.Fatal(err)
		}
		if n := s.Requests(zk.CmdConnect); n != want {
			t.Errorf("after %d sessions %d connections, want %d", i+1, n, want)
		}
	}
}

// TestManyUsers travel in batches, within a fair time.
func TestManyUsers(t *testing.T) {
	people := 1000
	if testing.Short() {
		people = 100
	}
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			s := newStand(t, network, zktest.Config{}, zkdriver.Config{Timeout: 5 * time.Second})
			var puts []terminal.Put
			for i := range people {
				put := terminal.Put{Slot: uint16(100 + i), New: true, PIN: fmt.Sprint(100001 + i), Name: []byte("Contoh")}
				for f := range uint8(3) {
					put.Fingers = append(put.Fingers, terminal.PutFinger{Number: f, Template: bytes.Repeat([]byte{byte(i), f, byte(i >> 8)}, 400)})
				}
				if 3*i+3 > s.Profile().TemplateCap {
					put.Fingers = nil
				}
				puts = append(puts, put)
			}
			began := time.Now()
			err := hold(t, zkdriver.New(s.config), func(ctx context.Context, session terminal.Session) error {
				if _, err := session.Inventory(ctx); err != nil {
					return err
				}
				if err := session.Put(ctx, puts...); err != nil {
					return err
				}
				inv, err := session.Inventory(ctx)
				if len(inv.Users) != 50+people {
					t.Errorf("%d users, want %d", len(inv.Users), 50+people)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d users with 3 fingers each in %v, %d uploads", people, time.Since(began).Round(time.Millisecond), s.Requests(zk.CmdSaveUserTemps))
		})
	}
}
