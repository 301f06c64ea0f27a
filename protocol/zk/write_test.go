package zk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// finger is an invented template of so many bytes.
func finger(uid uint16, number uint8, length int) zk.Template {
	return zk.Template{UID: uid, Finger: number, Flag: 1, Data: bytes.Repeat([]byte{number + 1}, length)}
}

// TestConnWritesWhatTerminalHolds writes by both ways to every family and reads back.
func TestConnWritesWhatTerminalHolds(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(profile.Name+" by "+network, func(t *testing.T) {
				t.Parallel()
				ctx := t.Context()
				sim, address := terminal(t, zktest.Config{Profile: profile, CommKey: 1234}, 3, 3, 0)
				options := zk.Options{Address: address, Network: network, CommKey: 1234, Timeout: 5 * time.Second}
				c := session(t, options)
				check := func(what string, err error) {
					t.Helper()
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
				}
				rani := zk.User{UID: 40000, PIN: "8021", Name: []byte("Rani"), Group: 1, Card: 77}
				check("WriteUser", c.WriteUser(ctx, profile.Users, rani))
				check("WriteTemplate", c.WriteTemplate(ctx, finger(40000, 0, 1300)))
				check("WriteTemplate", c.WriteTemplate(ctx, finger(40000, 6, 1024)))
				check("Save", c.Save(ctx, zk.Upload{
					Layout:    profile.Users,
					Users:     []zk.User{{UID: 40001, PIN: "8022", Name: []byte("Sari"), Group: 1}, rani},
					Templates: []zk.Template{finger(40001, 5, 700), finger(40000, 6, 900)},
				}))
				check("Refresh", c.Refresh(ctx))
				for _, want := range []zk.Template{finger(40000, 0, 1300), finger(40000, 6, 900), finger(40001, 5, 700)} {
					got, err := c.ReadTemplate(ctx, want.UID, want.Finger)
					if err != nil || got.Flag != 1 || !bytes.Equal(got.Data, want.Data) {
						t.Errorf("ReadTemplate = %d bytes, flag %d, %v, want %d", len(got.Data), got.Flag, err, len(want.Data))
					}
				}
				checkTerminal(t, c, sim) // and closes the session
				c = session(t, options)
				if profile.Users == zk.User28 {
					check("DeleteTemplate", c.DeleteTemplate(ctx, 40000, 0))
				} else {
					check("DeleteTemplateOf", c.DeleteTemplateOf(ctx, "8021", 0))
				}
				if _, err := c.ReadTemplate(ctx, 40000, 0); !errors.Is(err, zk.ErrNoTemplate) {
					t.Errorf("ReadTemplate of a deleted finger = %v", err)
				}
				if _, err := c.ReadTemplate(ctx, 40000, 6); err != nil {
					t.Errorf("another finger is gone too: %v", err)
				}
				check("DeleteUser", c.DeleteUser(ctx, 40000))
				refusal := (*zk.Refusal)(nil)
				if err := c.DeleteUser(ctx, 40000); !errors.As(err, &refusal) || errors.Is(err, zk.ErrUnknownOutcome) {
					t.Errorf("DeleteUser of nobody = %v, want a plain refusal", err)
				}
				if u, m := len(sim.Users()), len(sim.Templates()); u != 4 || m != 4 {
					t.Errorf("%d users with %d fingers are left, want 4 and 4", u, m)
				}
				if n := sim.Requests(zk.FreeData); n < 3 {
					t.Errorf("FREE_DATA sent %d times for 3 uploads", n)
				}
				if !sim.Enabled() || sim.DisableCount() > 0 {
					t.Error("the terminal was disabled by a method that only writes")
				}
			})
		}
	}
}

// TestOutcomeOfAChange: an error without ErrUnknownOutcome says that nothing was done.
func TestOutcomeOfAChange(t *testing.T) {
	type outcome struct{ failed, unknown, done bool }
	write := func(ctx context.Context, c *zk.Conn) error {
		return c.WriteUser(ctx, zk.User72, zk.User{UID: 9, PIN: "9"})
	}
	save := func(ctx context.Context, c *zk.Conn) error {
		return c.Save(ctx, zk.Upload{Layout: zk.User72, Users: []zk.User{{UID: 9, PIN: "9"}}})
	}
	store := func(ctx context.Context, c *zk.Conn) error { return c.WriteTemplate(ctx, finger(2, 9, 40)) }
	after := func(kind zktest.FaultKind) zktest.Fault { return zktest.Fault{Kind: kind, For: time.Millisecond} }
	lost := func(command zk.Code, times int) zktest.Fault {
		return zktest.Fault{Kind: zktest.LostReply, Command: command, Times: times}
	}
	wide := func(ctx context.Context, c *zk.Conn) error {
		return c.WriteUser(ctx, zk.User72, zk.User{UID: 9, PIN: "4242"})
	}
	twice := func(ctx context.Context, c *zk.Conn) error {
		return errors.Join(c.WriteTemplate(ctx, finger(1, 9, 40)), c.WriteTemplate(ctx, finger(2, 9, 40)))
	}
	over := func(ctx context.Context, c *zk.Conn) error {
		return errors.Join(c.WriteTemplate(ctx, finger(2, 9, 50)), c.WriteTemplate(ctx, finger(2, 9, 40)))
	}
	done := func(sim *zktest.Terminal) bool {
		return len(sim.Users()) == 3 || slices.ContainsFunc(sim.Templates(), func(m zk.Template) bool {
			return m.UID == 2 && bytes.Equal(m.Data, finger(2, 9, 40).Data)
		})
	}
	covered := map[zktest.FaultKind]bool{}
	for _, row := range []struct {
		name, network string
		fault         zktest.Fault
		change        func(context.Context, *zk.Conn) error
		want          outcome
	}{
		{"an answer lost by tcp is unknown", "tcp", lost(zk.CmdUserWrite, 1), write, outcome{true, true, true}},
		{"an answer lost by udp is asked for again", "udp", lost(zk.CmdUserWrite, 1), write, outcome{false, false, true}},
		{"all answers lost by udp are unknown", "udp", lost(zk.CmdUserWrite, zktest.Always), write, outcome{true, true, true}},
		{"a request lost by tcp is unknown", "tcp", zktest.Fault{Kind: zktest.LostRequest, Command: zk.CmdUserWrite}, write, outcome{true, true, false}},
		{"a restart in its place is unknown", "tcp", zktest.Fault{Kind: zktest.Reboot, Command: zk.CmdUserWrite, For: time.Millisecond}, write, outcome{true, true, false}},
		{"an answer lost within an upload by tcp was not done", "tcp", lost(zk.Data, 1), save, outcome{true, false, false}},
		{"an answer lost within an upload by udp begins it anew", "udp", lost(zk.Data, 1), save, outcome{false, false, true}},
		{"a piece lost within an upload by udp begins it anew", "udp", zktest.Fault{Kind: zktest.LostRequest, Command: zk.Data}, save, outcome{false, false, true}},
		{"an answer lost at the end of an upload by tcp is unknown", "tcp", lost(zk.CmdSaveUserTemps, 1), save, outcome{true, true, true}},
		{"a line that drops in its place is unknown", "tcp", after(zktest.HangUp), write, outcome{true, true, false}},
		{"a line that drops after it is unknown", "tcp", after(zktest.HangUpAfter), write, outcome{true, true, true}},
		{"a session lost after it by udp is unknown", "udp", after(zktest.HangUpAfter), write, outcome{true, true, true}},
		{"a restart after it is unknown", "tcp", after(zktest.RebootAfter), save, outcome{true, true, true}},
		{"a freeze after it is unknown", "tcp", zktest.Fault{Kind: zktest.FreezeAfter}, write, outcome{true, true, true}},
		{"what is acknowledged and not made is not noticed", "tcp", after(zktest.Unstored), write, outcome{false, false, false}},
		{"what is refused was not done", "udp", after(zktest.RefuseWrite), write, outcome{true, false, false}},
		{"a terminal that is read-only did nothing", "tcp", after(zktest.ReadOnly), save, outcome{true, false, false}},
		{"a full terminal took no user", "udp", after(zktest.UsersFull), write, outcome{true, false, false}},
		{"a full terminal took no finger", "tcp", after(zktest.FingersFull), store, outcome{true, false, false}},
		{"a PIN that is too wide was not taken", "tcp", zktest.Fault{Kind: zktest.NarrowPIN, N: 3}, wide, outcome{true, false, false}},
		{"a finger that is somebody else's was not taken", "tcp", after(zktest.UniqueFinger), twice, outcome{true, false, false}},
		{"a finger that is not overwritten is not noticed", "tcp", after(zktest.KeepsFinger), over, outcome{false, false, false}},
		{"a finger in other bytes is not noticed", "tcp", after(zktest.ReEncodes), store, outcome{false, false, false}},
	} {
		covered[row.fault.Kind] = true
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			sim, address := terminal(t, zktest.Config{}, 2, 0, 0)
			c := session(t, zk.Options{Address: address, Network: row.network, Timeout: 200 * time.Millisecond})
			sim.Inject(row.fault)
			err := row.change(t.Context(), c)
			got := outcome{err != nil, errors.Is(err, zk.ErrUnknownOutcome), done(sim)}
			if got != row.want {
				t.Errorf("%v: %+v, want %+v", err, got, row.want)
			}
			if sim.Fired(row.fault.Kind) == 0 {
				t.Error("the fault did not happen")
			}
		})
	}
	for _, kind := range zktest.WriteFaultKinds() {
		if !covered[kind] {
			t.Errorf("no test of fault %s", kind)
		}
	}
	t.Run("a deletion whose first answer was lost is unknown when the second is refused", func(t *testing.T) {
		sim, address := terminal(t, zktest.Config{}, 2, 0, 0)
		c := session(t, zk.Options{Address: address, Network: "udp", Timeout: 200 * time.Millisecond})
		sim.Inject(lost(zk.CmdDeleteUser, 1))
		refusal := (*zk.Refusal)(nil)
		if err := c.DeleteUser(t.Context(), 1); !errors.Is(err, zk.ErrUnknownOutcome) || !errors.As(err, &refusal) || len(sim.Users()) != 1 {
			t.Errorf("DeleteUser = %v with %d users left", err, len(sim.Users()))
		}
	})
	t.Run("a context that has ended sends nothing", func(t *testing.T) {
		sim, address := terminal(t, zktest.Config{}, 2, 0, 0)
		c := session(t, zk.Options{Address: address})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := write(ctx, c); !errors.Is(err, context.Canceled) || errors.Is(err, zk.ErrUnknownOutcome) || sim.Requests(zk.CmdUserWrite) > 0 {
			t.Errorf("WriteUser = %v, %d sent", err, sim.Requests(zk.CmdUserWrite))
		}
	})
}

// TestUploadIsFreed whatever becomes of it: what stays would spoil the next read.
func TestUploadIsFreed(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault zktest.Fault
	}{
		{"refused at the end", zktest.Fault{}},
		{"silent in the middle", zktest.Fault{Kind: zktest.LostReply, Command: zk.Data}},
		{"silent at the end", zktest.Fault{Kind: zktest.LostReply, Command: zk.CmdTempWrite}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sim, address := terminal(t, zktest.Config{}, 2, 2, 30)
			s := session(t, zk.Options{Address: address})
			uid := uint16(99) // nobody: refused
			if c.fault.Kind != "" {
				sim.Inject(c.fault)
				uid = 1
			}
			if err := s.WriteTemplate(t.Context(), finger(uid, 3, 3000)); err == nil {
				t.Fatal("WriteTemplate succeeds")
			}
			if n := sim.Requests(zk.FreeData); n != 1 {
				t.Errorf("FREE_DATA sent %d times, want once", n)
			}
			checkTerminal(t, s, sim)
		})
	}
}

// TestUsersKeepWhatWeDoNotName: bytes of a row that mean nothing to us are the
// terminal's, and are written back as they were read.
func TestUsersKeepWhatWeDoNotName(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		t.Run(profile.Name, func(t *testing.T) {
			ctx := t.Context()
			sim, address := terminal(t, zktest.Config{Profile: profile}, 0, 0, 0)
			raw := make([]byte, profile.Users.Size())
			for i := range raw {
				raw[i] = byte(i%9 + '1')
			}
			copy(raw, []byte{7, 0, byte(zk.PrivilegeManager), '4', '7', 0, '8'}) // a password with something after its end
			if profile.Users == zk.User28 {
				copy(raw[20:], []byte{0, 3, 5, 6, 0xD2, 7, 0, 0})
			} else {
				copy(raw[48:], "2002\x00")
			}
			u, err := profile.Users.Parse(bytes.Clone(raw))
			if err != nil {
				t.Fatal(err)
			}
			if err := sim.AddUser(u); err != nil {
				t.Fatal(err)
			}
			c := session(t, zk.Options{Address: address})
			users, layout, err := c.Users(ctx)
			if err != nil || len(users) != 1 || !bytes.Equal(users[0].Raw, raw) {
				t.Fatalf("Users = %d, %v", len(users), err)
			}
			named := users[0]
			named.Name = []byte("Baru")
			if err := c.WriteUser(ctx, layout, named); err != nil {
				t.Fatal(err)
			}
			again, _, err := c.Users(ctx)
			if err != nil || len(again) != 1 {
				t.Fatalf("Users = %d, %v", len(again), err)
			}
			from, to := 8, 16
			if layout == zk.User72 {
				from, to = 11, 35
			}
			want := append(append(bytes.Clone(raw[:from]), append([]byte("Baru"), make([]byte, to-from-4)...)...), raw[to:]...)
			if !bytes.Equal(again[0].Raw, want) {
				t.Errorf("row %x, want %x", again[0].Raw, want)
			}
		})
	}
}

// TestReadTemplateByTheOlderCommand of a terminal that does not know the newer one.
func TestReadTemplateByTheOlderCommand(t *testing.T) {
	address := serveTCP(t, func(p zk.Packet) ([]byte, bool) {
		answer := zk.Packet{Code: zk.AckOK, Session: 1, Reply: p.Reply}
		switch p.Code {
		case zk.CmdTempRead:
			answer.Code = zk.AckUnknown
		case zk.CmdUserTempRead:
			answer.Code, answer.Body = zk.Data, []byte(fmt.Sprint("finger ", p.Body[2]))
		}
		return frame(answer), false
	})
	c := session(t, zk.Options{Address: address})
	m, err := c.ReadTemplate(t.Context(), 5, 3)
	if err != nil || string(m.Data) != "finger 3" || m.UID != 5 || m.Finger != 3 {
		t.Errorf("ReadTemplate = %+v, %v", m, err)
	}
}
