package zkdriver_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/terminaltest"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// desk is a simulated terminal whose users and fingers are seen from behind. Whatever
// bytes of their rows mean nothing to us are not zero.
type desk struct {
	*stand
	broken *zktest.FaultKind
}

func newDesk(t *testing.T, network string, profile zktest.Profile, live bool) desk {
	t.Helper()
	s := newStand(t, network, zktest.Config{Profile: profile, EnrolByHand: true}, zkdriver.Config{Live: live, Timeout: time.Second, Patience: 2 * time.Second})
	if err := s.Fill(8, 0, 0); err != nil {
		t.Fatal(err)
	}
	for i, u := range s.Users() {
		row, err := profile.Users.Append(nil, u)
		if err != nil {
			t.Fatal(err)
		}
		copy(row[3:], "47\x00x") // a password, and something after its end
		if profile.Users == zk.User28 {
			copy(row[21:], []byte{2, 0x31, 0x32})
		} else {
			copy(row[39:], "\x02\x01\x00\x03\x00\x31\x32\x33\x34")
			copy(row[60:], "after a PIN")
		}
		if row[2] |= 1; i == 0 {
			row[2] &^= 1
		}
		if u, err = profile.Users.Parse(row); err != nil {
			t.Fatal(err)
		}
		if err := s.AddUser(u); err != nil {
			t.Fatal(err)
		}
		for _, number := range []uint8{0, 6, 7} {
			if number > 0 && i < 4 || i == 1 {
				if err := s.AddTemplate(zk.Template{UID: u.UID, Finger: number, Flag: 1 + 2*(number&1), Data: bytes.Repeat([]byte{byte(i), number, 1}, 250)}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return desk{s, new(zktest.FaultKind)}
}

func (d desk) Keeper() terminal.Keeper {
	k := zkdriver.New(d.config)
	d.t.Cleanup(func() { _ = k.Close() })
	return k
}

// Held takes the rows apart by where their fields are, not by package zk.
func (d desk) Held() (people []terminaltest.Person) {
	layout := d.Profile().Users
	templates := d.Templates()
	for _, u := range d.Users() {
		row, err := layout.Append(nil, u)
		if err != nil {
			d.t.Fatal(err)
		}
		name, card, length := 8, 16, 8
		if layout == zk.User72 {
			name, card, length = 11, 35, 24
		}
		p := terminaltest.Person{Slot: u.UID, PIN: u.PIN, Fingers: map[uint8]string{}}
		shown, _, _ := bytes.Cut(row[name:name+length], []byte{0})
		p.Name = string(shown)
		for i := range 4 {
			p.Card |= uint32(row[card+i]) << (8 * i)
		}
		p.Level = map[byte]roster.Privilege{0: roster.User, 2: roster.Enroller, 6: roster.Manager, 14: roster.Administrator}[row[2]&0x0E]
		row[2] &^= 0x0E
		clear(row[name : name+length])
		clear(row[card : card+4])
		p.Rest = string(row)
		for _, m := range templates {
			if m.UID == u.UID {
				p.Fingers[m.Finger] = string(m.Data)
			}
		}
		people = append(people, p)
	}
	return people
}

func (d desk) Refuse() { d.Inject(zktest.Fault{Kind: zktest.ReadOnly}) }
func (d desk) Mend()   { d.Lift() }

func (d desk) Break(f terminaltest.Fault, after int) {
	kinds := map[terminaltest.Fault]zktest.Fault{
		terminaltest.Silent:      {Kind: zktest.Freeze},
		terminaltest.SilentAfter: {Kind: zktest.FreezeAfter},
		terminaltest.Gone:        {Kind: zktest.HangUp},
		terminaltest.GoneAfter:   {Kind: zktest.HangUpAfter},
		terminaltest.Away:        {Kind: zktest.Reboot, For: time.Minute},
		terminaltest.AwayAfter:   {Kind: zktest.RebootAfter, For: time.Minute},
		terminaltest.LostRequest: {Kind: zktest.LostRequest},
		terminaltest.LostAnswer:  {Kind: zktest.LostReply},
		terminaltest.Refused:     {Kind: zktest.RefuseWrite},
		terminaltest.Forgotten:   {Kind: zktest.Unstored},
	}
	fault, found := kinds[f]
	if !found {
		d.t.Fatalf("no fault %q", f)
	}
	fault.Changes, fault.After = true, after
	d.Inject(fault)
	*d.broken = fault.Kind
	d.t.Cleanup(func() {
		if !d.Broke() {
			d.t.Errorf("fault %q did not happen", f)
		}
	})
}

// booth is a desk in front of which somebody stands.
type booth struct{ desk }

func (b booth) Await(ctx context.Context) error {
	for !b.Asks() {
		select {
		case <-b.Changed():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (b booth) Asks() bool {
	_, _, asked := b.Asked()
	return asked
}

func (b booth) Place(template string, good bool) error { return b.PlaceFinger([]byte(template), good) }

func (b booth) Leave(why error) error {
	result, found := map[error]uint16{terminal.ErrNobody: 4, terminal.ErrDuplicate: 5, terminal.ErrCapture: 6}[why]
	if !found {
		return fmt.Errorf("no result for %w", why)
	}
	return b.EndEnrolment(result)
}

func (b booth) HangUp() { b.Terminal.HangUp() } // without the restart of stand's

func (d desk) Broke() bool { return d.Fired(*d.broken) > 0 }

func TestCapturer(t *testing.T) {
	for _, name := range []string{"tft-new", "bw-zem560"} { // both forms of asking
		profile, err := zktest.ProfileByName(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, network := range []string{"tcp", "udp"} {
			t.Run(profile.Name+" "+network, func(t *testing.T) {
				t.Parallel()
				terminaltest.RunCapturer(t, func(t *testing.T) terminaltest.Booth {
					return booth{newDesk(t, network, profile, network == "udp")}
				})
			})
		}
	}
}

func TestKeeper(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(profile.Name+" "+network, func(t *testing.T) {
				t.Parallel()
				terminaltest.RunKeeper(t, func(t *testing.T) terminaltest.Desk {
					return newDesk(t, network, profile, network == "tcp")
				})
			})
		}
	}
}

func TestKeeperFaults(t *testing.T) {
	for _, name := range []string{"tft-new", "bw-zem560"} { // both ways of writing
		profile, err := zktest.ProfileByName(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, network := range []string{"tcp", "udp"} {
			t.Run(fmt.Sprintf("%s %s", name, network), func(t *testing.T) {
				t.Parallel()
				terminaltest.RunKeeperFaults(t, func(t *testing.T) terminaltest.Desk {
					return newDesk(t, network, profile, false)
				})
			})
		}
	}
}
