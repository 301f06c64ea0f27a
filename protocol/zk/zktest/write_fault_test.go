package zktest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// row is a user's row as a client of the default profile writes it.
func row(t *testing.T, u zk.User) []byte {
	t.Helper()
	b, err := zk.User72.Append(nil, u)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writeFinger uploads a template and asks for it to be stored.
func writeFinger(c *probe, uid uint16, finger byte, data string, want zk.Code) {
	c.t.Helper()
	c.must(zk.PrepareData, binary.LittleEndian.AppendUint32(nil, uint32(len(data))), zk.AckOK)
	c.must(zk.Data, []byte(data), zk.AckOK)
	body := append(binary.LittleEndian.AppendUint16(nil, uid), finger, 1)
	c.must(zk.CmdTempWrite, binary.LittleEndian.AppendUint16(body, uint16(len(data))), want)
}

// noAnswer writes a user and expects none; done says whether the user is there after.
func noAnswer(want error, done bool) func(*testing.T, *zktest.Terminal, *probe) {
	return func(t *testing.T, terminal *zktest.Terminal, c *probe) {
		t.Helper()
		c.wait = 150 * time.Millisecond
		if _, err := c.ask(zk.CmdUserWrite, row(t, zk.User{UID: 50, PIN: "50"})); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("the answer is %v, want %v", err, want)
		}
		terminal.Lift()
		if got := len(terminal.Users()) == 11; got != done {
			t.Errorf("the user is there: %v, want %v", got, done)
		}
	}
}

// writes writes a user, then deletes one, and expects these answers.
func writes(first, second zk.Code, users int) func(*testing.T, *zktest.Terminal, *probe) {
	return func(t *testing.T, terminal *zktest.Terminal, c *probe) {
		t.Helper()
		c.must(zk.CmdUserWrite, row(t, zk.User{UID: 50, PIN: "50"}), first)
		c.must(zk.CmdDeleteUser, []byte{5, 0}, second)
		if n := len(terminal.Users()); n != users {
			t.Errorf("%d users, want %d", n, users)
		}
	}
}

func writeFaultCases() map[string]faultCase {
	change := func(kind zktest.FaultKind) zktest.Fault { return zktest.Fault{Kind: kind, Changes: true} }
	return map[string]faultCase{
		"hang up in place of a change":     {fault: change(zktest.HangUp), sees: noAnswer(io.EOF, false)},
		"freeze in place of a change":      {fault: change(zktest.Freeze), sees: noAnswer(nil, false)},
		"hang up after a change":           {fault: change(zktest.HangUpAfter), sees: noAnswer(io.EOF, true)},
		"freeze after a change":            {fault: change(zktest.FreezeAfter), sees: noAnswer(nil, true)},
		"freeze after a change by udp":     {fault: change(zktest.FreezeAfter), network: "udp", sees: noAnswer(nil, true)},
		"restart after a change":           {fault: zktest.Fault{Kind: zktest.RebootAfter, For: 50 * time.Millisecond}, sees: noAnswer(io.EOF, true)},
		"acknowledged and not made":        {fault: change(zktest.Unstored), sees: writes(zk.AckOK, zk.AckOK, 9)},
		"one change refused":               {fault: change(zktest.RefuseWrite), sees: writes(zk.AckError, zk.AckOK, 9)},
		"the second change refused":        {fault: zktest.Fault{Kind: zktest.RefuseWrite, After: 1}, sees: writes(zk.AckOK, zk.AckError, 11)},
		"all changes refused":              {fault: zktest.Fault{Kind: zktest.ReadOnly}, sees: writes(zk.AckError, zk.AckError, 10)},
		"no place for a user":              {fault: zktest.Fault{Kind: zktest.UsersFull}, sees: writes(zk.AckError, zk.AckOK, 9)},
		"reading is no change":             {fault: change(zktest.HangUp), sees: readsThenHangsUp},
		"hang up by udp loses the session": {fault: change(zktest.HangUpAfter), network: "udp", sees: noAnswer(nil, true)},
		"no place for a finger": {fault: zktest.Fault{Kind: zktest.FingersFull}, sees: func(_ *testing.T, _ *zktest.Terminal, c *probe) {
			writeFinger(c, 5, 3, "new", zk.AckError)
			writeFinger(c, 1, 6, "over the one that is there", zk.AckOK)
		}},
		"a finger in other bytes": {fault: zktest.Fault{Kind: zktest.ReEncodes}, sees: func(t *testing.T, terminal *zktest.Terminal, c *probe) {
			writeFinger(c, 9, 3, "in our words", zk.AckOK)
			first := terminal.Templates()[2].Data
			writeFinger(c, 9, 3, string(first), zk.AckOK)
			again := terminal.Templates()[2].Data
			if string(first) == "in our words" || !bytes.Equal(first, again) {
				t.Errorf("kept as %q, then as %q, want other bytes, twice the same", first, again)
			}
		}},
		"a finger that is not overwritten": {fault: zktest.Fault{Kind: zktest.KeepsFinger}, sees: func(t *testing.T, terminal *zktest.Terminal, c *probe) {
			writeFinger(c, 9, 3, "first", zk.AckOK)
			writeFinger(c, 9, 3, "second", zk.AckOK)
			if held := string(terminal.Templates()[2].Data); held != "first" {
				t.Errorf("it holds %q, want the first", held)
			}
		}},
		"a finger that is refused over another": {fault: zktest.Fault{Kind: zktest.KeepsFinger, N: 2}, sees: func(_ *testing.T, _ *zktest.Terminal, c *probe) {
			writeFinger(c, 9, 3, "first", zk.AckOK)
			writeFinger(c, 9, 3, "second", zk.AckError)
		}},
		"a finger under two PINs": {fault: zktest.Fault{Kind: zktest.UniqueFinger}, sees: func(_ *testing.T, _ *zktest.Terminal, c *probe) {
			writeFinger(c, 9, 3, "a finger", zk.AckOK)
			writeFinger(c, 9, 4, "a finger", zk.AckOK)
			writeFinger(c, 8, 3, "a finger", zk.AckError)
		}},
		"a PIN that is too wide": {fault: zktest.Fault{Kind: zktest.NarrowPIN, N: 6}, sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
			c.must(zk.CmdUserWrite, row(t, zk.User{UID: 50, PIN: "1234567"}), zk.AckError)
			c.must(zk.CmdUserWrite, row(t, zk.User{UID: 50, PIN: "123456"}), zk.AckOK)
			if _, value := zk.ParseOption(c.must(zk.CmdOptionRead, []byte("~PIN2Width\x00"), zk.AckOK).Body); value != "6" {
				t.Errorf("it says that PINs have %s digits", value)
			}
		}},
	}
}

func readsThenHangsUp(t *testing.T, terminal *zktest.Terminal, c *probe) {
	c.must(zk.CmdVersion, nil, zk.AckOK)
	if _, err := c.read(zk.DatasetUsers, 4000); err != nil {
		t.Errorf("a read failed: %v", err)
	}
	noAnswer(io.EOF, false)(t, terminal, c)
}

// TestLettersInAPIN are a matter of the profile.
func TestLettersInAPIN(t *testing.T) {
	for name, want := range map[string]zk.Code{"tft-new": zk.AckError, "vl-49": zk.AckOK} {
		profile, err := zktest.ProfileByName(name)
		if err != nil {
			t.Fatal(err)
		}
		_, address := start(t, zktest.Config{Profile: profile}, 1, 0, 0)
		c := connected(t, "tcp", address)
		c.must(zk.CmdUserWrite, row(t, zk.User{UID: 50, PIN: "A-17"}), want)
	}
}
