package zkdriver_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/clienttest"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// TestClientsReadWhatWasWritten with the clients of other people, on every family whose
// user rows they know: users of all levels, one changed and one left alone, one gone,
// fingers that fill more than one piece of a transfer, one written over and one gone, and
// the log beside them.
func TestClientsReadWhatWasWritten(t *testing.T) {
	for _, client := range clienttest.Clients() {
		profiles := slices.DeleteFunc(zktest.Profiles(), func(p zktest.Profile) bool { return int(p.Users) != client.UserRow })
		if testing.Short() {
			profiles = profiles[:1]
		}
		for _, profile := range profiles {
			t.Run(client.Name+" reads "+profile.Name, func(t *testing.T) {
				sim, address := openStand(t, profile)
				put, want := people(profile)
				d := zkdriver.New(zkdriver.Config{Serial: protocol.Serial(sim.Serial()), Address: address, Network: "tcp"})
				err := hold(t, d, func(ctx context.Context, session terminal.Session) error {
					if _, err := session.Inventory(ctx); err != nil {
						return err
					}
					if err := session.Put(ctx, put...); err != nil {
						return err
					}
					return change(ctx, session, &want)
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				compare(t, client, client.People(t, address), want)
				if profile.Rows.Size() != client.LogRow {
					return
				}
				held, punches := client.Log(t, address), sim.Punches()
				if len(held) != len(punches) {
					t.Fatalf("%d punches, want %d", len(held), len(punches))
				}
				for i, p := range punches {
					if wall, ok := p.Time.Wall(); !ok || held[i].PIN != p.PIN || held[i].Time.Format(time.DateTime) != wall.Format(time.DateTime) {
						t.Errorf("punch %d is %+v, want %s at %v", i, held[i], p.PIN, p.Time)
					}
				}
			})
		}
	}
}

// openStand is a terminal that lets everybody in, and gives the clients time between two
// frames; each piece of a transfer is one frame, because they lose their place otherwise.
func openStand(t *testing.T, profile zktest.Profile) (sim *zktest.Terminal, address string) {
	t.Helper()
	sim, err := zktest.New(zktest.Config{
		Profile: profile, Form: zktest.Form{Gap: 4 * time.Millisecond, PacketSize: 65536},
		Clock: func() time.Time { return protocol.Wall(time.Now()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := sim.Fill(2, 0, 100); err != nil {
		t.Fatal(err)
	}
	for i, u := range sim.Users() { // what no roster names
		u.Password, u.Card, u.Group = fmt.Appendf(nil, "12%d", i), uint32(7_000_001+i), 2
		if err := sim.AddUser(u); err != nil {
			t.Fatal(err)
		}
	}
	at, err := sim.Listen("127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	return sim, at.String()
}

// people are what is put on an open stand, and what it holds then.
func people(profile zktest.Profile) (put []terminal.Put, want clienttest.People) {
	names, newcomers := [2]string{"Arum Contoh 1", "Dua"}, 60
	if profile.Users == zk.User28 {
		names[0] = "Arum1"
		newcomers = 30 // by UDP, where a client that gets more at once loses some
	}
	put = append(put, terminal.Put{Slot: 2, Name: []byte("Dua"), Privilege: roster.User})
	for i, privilege := range []uint8{14, 0} {
		want.Users = append(want.Users, clienttest.User{Slot: uint16(1 + i), PIN: fmt.Sprint(zktest.FirstPIN + i), Name: names[i],
			Privilege: privilege, Card: uint32(7_000_001 + i), Password: fmt.Sprintf("12%d", i)})
	}
	levels := []struct {
		level roster.Privilege
		wire  uint8
	}{{roster.User, 0x00}, {roster.Enroller, 0x02}, {roster.Manager, 0x06}, {roster.Administrator, 0x0E}}
	for i := range newcomers {
		// One client reads the high byte of a slot as something else.
		slot, card, level := uint16(100+i), uint32(1)<<31+uint32(i), levels[i%len(levels)]
		u := clienttest.User{Slot: slot, PIN: fmt.Sprint(10_001 + i), Name: fmt.Sprintf("Org %d", i), Privilege: level.wire, Card: card}
		p := terminal.Put{Slot: slot, New: true, PIN: u.PIN, Name: []byte(u.Name), Privilege: level.level, Card: &card}
		for _, finger := range []uint8{uint8(i % 6), 6 + uint8(i%4)} {
			template := bytes.Repeat([]byte{byte(i + 1), finger, 0x00, 0xFF}, 150+i)
			if profile.Algorithm == 10 {
				copy(template, "\x4D\x98SS21\x00\x00")
				template[8], template[9] = byte(len(template)>>8), byte(len(template))
			}
			p.Fingers = append(p.Fingers, terminal.PutFinger{Number: finger, Template: template})
			want.Fingers = append(want.Fingers, clienttest.Finger{Slot: slot, Finger: finger, Flag: 1, Template: string(template)})
		}
		put, want.Users = append(put, p), append(want.Users, u)
	}
	return put, want
}

// change writes a finger of the first newcomer over, takes one of the second, and the
// third altogether.
func change(ctx context.Context, session terminal.Session, people *clienttest.People) error {
	const first = 2 // behind those whom the stand had before
	over, gone, all := &people.Fingers[0], people.Fingers[3], people.Users[first+2].Slot
	template := []byte(over.Template)
	template[len(template)-1]++
	over.Template = string(template)
	err := session.Put(ctx, terminal.Put{Slot: over.Slot, Fingers: []terminal.PutFinger{{Number: over.Finger, Template: template}}})
	if err != nil {
		return err
	}
	people.Users = slices.Delete(people.Users, first+2, first+3)
	people.Fingers = slices.DeleteFunc(people.Fingers, func(f clienttest.Finger) bool {
		return f.Slot == all || f.Slot == gone.Slot && f.Finger == gone.Finger
	})
	return session.Drop(ctx, terminal.Drop{Slot: gone.Slot, Finger: gone.Finger}, terminal.Drop{Slot: all, User: true})
}

// compare fails where the client understood something else than was written.
func compare(t *testing.T, client clienttest.Client, held, want clienttest.People) {
	t.Helper()
	if !client.Cards {
		for i := range want.Users {
			want.Users[i].Card, want.Users[i].Password = 0, ""
		}
	}
	if !client.Fingers {
		want.Fingers = nil
	}
	if len(held.Users) != len(want.Users) || len(held.Fingers) != len(want.Fingers) {
		t.Fatalf("%d users with %d fingers, want %d with %d", len(held.Users), len(held.Fingers), len(want.Users), len(want.Fingers))
	}
	for i, u := range held.Users {
		if u != want.Users[i] {
			t.Errorf("user %d is %+v, want %+v", i, u, want.Users[i])
		}
	}
	if !slices.Equal(held.Fingers, want.Fingers) {
		t.Error("the fingers are others than were written")
	}
}
