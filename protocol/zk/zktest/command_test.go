package zktest_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func TestKeyIsAskedFor(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			_, address := start(t, zktest.Config{CommKey: 123456}, 1, 0, 1)
			c := dial(t, network, address)
			c.must(zk.CmdVersion, nil, zk.AckUnauth) // nothing before CONNECT
			answer := c.must(zk.CmdConnect, nil, zk.AckUnauth)
			c.session = answer.Session
			c.must(zk.CmdFreeSizes, nil, zk.AckUnauth)
			wrong, right := zk.Scramble(123457, c.session, 50), zk.Scramble(123456, c.session, 7)
			c.must(zk.CmdAuth, wrong[:], zk.AckUnauth)
			c.must(zk.CmdVersion, nil, zk.AckUnauth)
			c.must(zk.CmdAuth, right[:3], zk.AckUnauth)
			c.must(zk.CmdAuth, right[:], zk.AckOK)
			c.must(zk.CmdVersion, nil, zk.AckOK)
			c.must(zk.CmdConnect, nil, zk.AckUnauth) // again from the start
			c.must(zk.CmdExit, nil, zk.AckOK)
		})
	}
}

func TestConnectTwiceGivesTheSameSession(t *testing.T) {
	_, address := start(t, zktest.Config{}, 0, 0, 0)
	c := connected(t, "tcp", address)
	if p := c.must(zk.CmdConnect, nil, zk.AckOK); p.Session != c.session {
		t.Errorf("session %d, then %d", c.session, p.Session)
	}
}

func TestOptions(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		_, address := start(t, zktest.Config{Profile: profile, Serial: "SIM7770001"}, 0, 0, 0)
		c := connected(t, "tcp", address)
		for name, want := range map[string]string{
			"~SerialNumber\x00": "~SerialNumber=SIM7770001\x00",
			"~SerialNumber":     "~SerialNumber=SIM7770001\x00", // as node clients ask
			"~Platform\x00":     "~Platform=" + profile.Platform + "\x00",
		} {
			if p := c.must(zk.CmdOptionRead, []byte(name), zk.AckOK); string(p.Body) != want {
				t.Errorf("%s, %q: %q, want %q", profile.Name, name, p.Body, want)
			}
		}
		c.must(zk.CmdOptionRead, []byte("NoSuchOption\x00"), zk.AckError)
		c.must(zk.CmdOptionWrite, []byte("SDKBuild=1"), zk.AckOK)
		c.must(zk.CmdOptionWrite, []byte("LockOn=9\x00"), zk.AckOK)
		c.must(zk.CmdOptionWrite, []byte("nonsense\x00"), zk.AckError)
		if p := c.must(zk.CmdOptionRead, []byte("LockOn\x00"), zk.AckOK); string(p.Body) != "LockOn=9\x00" {
			t.Errorf("written option reads %q", p.Body)
		}
		if p := c.must(zk.CmdVersion, nil, zk.AckOK); string(p.Body) != profile.Firmware+"\x00" {
			t.Errorf("firmware %q", p.Body)
		}
	}
}

func TestSizesHaveTheLengthOfTheProfile(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		_, address := start(t, zktest.Config{Profile: profile}, 3, 2, 9)
		p := connected(t, "tcp", address).must(zk.CmdFreeSizes, nil, zk.AckOK)
		s := zk.ParseSizes(p.Body)
		if len(p.Body) != profile.Sizes {
			t.Errorf("%s: %d bytes, want %d", profile.Name, len(p.Body), profile.Sizes)
		}
		if s.Known && (s.Records != 9 || s.Users != 3 || s.Templates != 2 || s.Admins != 1 || s.RecordCap != profile.RecordCap || s.RecordsLeft != profile.RecordCap-9) {
			t.Errorf("%s: %+v", profile.Name, s)
		}
	}
}

func TestClock(t *testing.T) {
	terminal, address := start(t, zktest.Config{Clock: func() time.Time { return time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC) }}, 0, 0, 0)
	c := connected(t, "tcp", address)
	shows := func(want string) {
		t.Helper()
		p := c.must(zk.CmdGetTime, nil, zk.AckOK)
		if got := zk.Time(binary.LittleEndian.Uint32(p.Body)).String(); got != want {
			t.Errorf("the clock shows %s, want %s", got, want)
		}
	}
	shows("2026-03-01T07:00:00")
	c.must(zk.CmdSetTime, unhex("8037472e"), zk.AckOK)
	shows("2024-02-28T08:00:00")
	for _, impossible := range []string{"c0124a2e", "40535e2c", "40219d2e"} { // 30 and 29 February, 31 April
		c.must(zk.CmdSetTime, unhex(impossible), zk.AckError)
	}
	c.must(zk.CmdSetTime, []byte{1}, zk.AckError)
	shows("2024-02-28T08:00:00")
	terminal.SetClock(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
	shows("2030-01-02T03:04:05")
}

func unhex(text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestUsersAreWrittenAndDeleted(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		t.Run(profile.Name, func(t *testing.T) {
			terminal, address := start(t, zktest.Config{Profile: profile}, 2, 2, 3)
			c := connected(t, "tcp", address)
			row, err := profile.Users.Append(nil, zk.User{UID: 40000, Name: []byte("Baru"), PIN: "8021", Group: 1})
			if err != nil {
				t.Fatal(err)
			}
			c.must(zk.CmdUserWrite, row, zk.AckOK)
			c.must(zk.CmdUserWrite, row[:len(row)-1], zk.AckError)
			c.must(zk.CmdRefreshData, nil, zk.AckOK)
			users := terminal.Users()
			if len(users) != 3 || users[2].UID != 40000 || users[2].PIN != "8021" {
				t.Fatalf("%d users, the last %+v", len(users), users[len(users)-1])
			}
			if rows, err := c.read(zk.DatasetUsers, 4000); err != nil || !bytes.HasSuffix(rows, row) {
				t.Errorf("the written row is not read back: %v", err)
			}
			c.must(zk.CmdDeleteUser, []byte{1, 0}, zk.AckOK)
			c.must(zk.CmdDeleteUser, []byte{1, 0}, zk.AckError)
			c.must(zk.CmdDeleteUser, []byte{0x40, 0x9C}, zk.AckOK)
			if u, m, p := len(terminal.Users()), len(terminal.Templates()), len(terminal.Punches()); u != 1 || m != 1 || p != 3 {
				t.Errorf("%d users, %d templates, %d punches, want 1, 1 and all 3", u, m, p)
			}
		})
	}
}

func TestTemplateUploads(t *testing.T) {
	template := append(append([]byte("\x4D\x98SS21\x00\x00\x08\xFC\xDA\x04\x08\x05\x07\x09\xCE\xD0\x00\x00"), bytes.Repeat([]byte{7}, 2279)...), 9)
	upload := func(c *probe, data []byte) {
		c.must(zk.FreeData, nil, zk.AckOK)
		c.must(zk.PrepareData, binary.LittleEndian.AppendUint32(nil, uint32(len(data))), zk.AckOK)
		for rest := data; len(rest) > 0; rest = rest[min(1024, len(rest)):] {
			c.must(zk.Data, rest[:min(1024, len(rest))], zk.AckOK)
		}
	}
	t.Run("path A stores one template", func(t *testing.T) {
		terminal, address := start(t, zktest.Config{}, 2, 0, 0)
		c := connected(t, "tcp", address)
		upload(c, template)
		if p := c.must(zk.CmdChecksumBuffer, nil, zk.AckOK); len(p.Body) != 4 {
			t.Errorf("CHECKSUM_BUFFER gives %d bytes", len(p.Body))
		}
		write := func(uid, finger byte, n int) []byte {
			return binary.LittleEndian.AppendUint16([]byte{uid, 0, finger, 3}, uint16(n))
		}
		c.must(zk.CmdTempWrite, write(2, 4, len(template)-1), zk.AckError)
		c.must(zk.CmdTempWrite, write(9, 4, len(template)), zk.AckError) // no such user
		c.must(zk.CmdTempWrite, write(2, 4, len(template)), zk.AckOK)
		c.must(zk.FreeData, nil, zk.AckOK)
		c.must(zk.CmdTempWrite, write(2, 5, len(template)), zk.AckError)
		c.must(zk.Data, template[:10], zk.AckError) // nothing announced
		got := terminal.Templates()
		if len(got) != 1 || got[0].UID != 2 || got[0].Finger != 4 || got[0].Flag != 3 || !bytes.Equal(got[0].Data, template) {
			t.Errorf("%d templates", len(got))
		}
	})
	for _, profile := range []string{"tft-new", "bw-zem560"} {
		t.Run("path B stores users and templates on "+profile, func(t *testing.T) {
			p, err := zktest.ProfileByName(profile)
			if err != nil {
				t.Fatal(err)
			}
			terminal, address := start(t, zktest.Config{Profile: p}, 0, 0, 0)
			c := connected(t, "tcp", address)
			data, err := zk.Upload{
				Layout:    p.Users,
				Users:     []zk.User{{UID: 901, PIN: "901", Name: []byte("Bintang")}},
				Templates: []zk.Template{{UID: 901, Finger: 6, Flag: 1, Data: []byte("AAAA")}, {UID: 901, Finger: 7, Flag: 1, Data: template}},
			}.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			upload(c, data[:len(data)-1])
			c.must(zk.CmdSaveUserTemps, unhex("0c00000000000800"), zk.AckError)
			upload(c, data)
			c.must(zk.CmdSaveUserTemps, unhex("0c00000000000800"), zk.AckOK)
			users, templates := terminal.Users(), terminal.Templates()
			if len(users) != 1 || users[0].PIN != "901" || len(templates) != 2 || templates[1].Finger != 7 || !bytes.Equal(templates[1].Data, template) {
				t.Errorf("%d users, %d templates", len(users), len(templates))
			}
			pin := append([]byte("901"), make([]byte, 21)...)
			c.must(zk.CmdDeleteTemp, append(bytes.Clone(pin), 6), zk.AckOK)
			c.must(zk.CmdDeleteTemp, append(bytes.Clone(pin), 6), zk.AckError)
			c.must(zk.CmdDeleteUserTemp, []byte{0x85, 3, 7}, zk.AckOK)
			c.must(zk.CmdDeleteUserTemp, []byte{0x85, 3, 7}, zk.AckError)
		})
	}
	t.Run("path B for users that do not fit changes nothing", func(t *testing.T) {
		terminal, address := start(t, zktest.Config{}, 2, 2, 0)
		c := connected(t, "tcp", address)
		data, err := zk.Upload{Layout: zk.User72, Users: []zk.User{{UID: 7, PIN: "7"}}, Templates: []zk.Template{{UID: 8, Data: []byte("A")}}}.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		upload(c, data)
		c.must(zk.CmdSaveUserTemps, unhex("0c00000000000800"), zk.AckError)
		if len(terminal.Users()) != 2 || len(terminal.Templates()) != 2 {
			t.Errorf("%d users, %d templates, want 2 and 2", len(terminal.Users()), len(terminal.Templates()))
		}
	})
}

func TestClearing(t *testing.T) {
	for name, row := range map[string]struct {
		code                      zk.Code
		body                      []byte
		users, templates, punches int
	}{
		"CLEAR_ATTLOG clears punches":           {zk.CmdClearAttLog, nil, 3, 4, 0},
		"CLEAR_DATA 1 clears punches":           {zk.CmdClearData, []byte{1}, 3, 4, 0},
		"CLEAR_DATA 2 clears templates":         {zk.CmdClearData, []byte{2}, 3, 0, 5},
		"CLEAR_DATA 5 clears users":             {zk.CmdClearData, []byte{5}, 0, 0, 5},
		"CLEAR_DATA without a body clears all":  {zk.CmdClearData, nil, 0, 0, 0},
		"CLEAR_OPLOG leaves people and punches": {zk.CmdClearOpLog, nil, 3, 4, 5},
	} {
		t.Run(name, func(t *testing.T) {
			terminal, address := start(t, zktest.Config{}, 3, 4, 5)
			connected(t, "tcp", address).must(row.code, row.body, zk.AckOK)
			if u, m, p := len(terminal.Users()), len(terminal.Templates()), len(terminal.Punches()); u != row.users || m != row.templates || p != row.punches {
				t.Errorf("%d users, %d templates, %d punches", u, m, p)
			}
		})
	}
}

func TestDisableIsSeen(t *testing.T) {
	terminal, address := start(t, zktest.Config{}, 1, 0, 0)
	c := connected(t, "tcp", address)
	c.must(zk.CmdDisable, []byte{0, 0, 0, 0}, zk.AckOK) // as node clients send it
	if terminal.Enabled() || terminal.DisableCount() != 1 {
		t.Errorf("enabled %v, disabled %d times", terminal.Enabled(), terminal.DisableCount())
	}
	if p := c.must(zk.CmdState, nil, zk.AckOK); p.Session != 4 {
		t.Errorf("state %d, want 4", p.Session)
	}
	if err := terminal.Punch("1001", 0); err != zktest.ErrDisabled {
		t.Errorf("punch at a disabled terminal: %v", err)
	}
	c.must(zk.CmdEnable, nil, zk.AckOK)
	if p := c.must(zk.CmdState, nil, zk.AckOK); !terminal.Enabled() || p.Session != 2 {
		t.Errorf("enabled %v, state %d", terminal.Enabled(), p.Session)
	}
	c.must(zk.CmdDisable, []byte{1, 0, 0, 0}, zk.AckOK)
	if terminal.Enabled() {
		t.Error("enabled at once")
	}
	for end := time.Now().Add(5 * time.Second); !terminal.Enabled(); {
		if time.Now().After(end) {
			t.Fatal("disabled for one second, and still after five")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestUnknownCommandsAreAnswered(t *testing.T) {
	terminal, address := start(t, zktest.Config{}, 0, 0, 0)
	c := connected(t, "tcp", address)
	for _, code := range []zk.Code{zk.AckError, zk.AckUnknown, 6001, 1700, 0} {
		c.must(code, []byte("~ExtendFmt\x00"), zk.AckUnknown)
	}
	if terminal.Requests(6001) != 1 {
		t.Error("the request is not counted")
	}
}

func TestWrongChecksum(t *testing.T) {
	for _, drop := range []bool{false, true} {
		terminal, address := start(t, zktest.Config{DropBadChecksum: drop}, 0, 0, 0)
		c := connected(t, "udp", address)
		wire := zk.Packet{Code: zk.CmdVersion, Session: c.session, Reply: 9}.Append(nil)
		wire[2]--
		if _, err := c.conn.Write(wire); err != nil {
			t.Fatal(err)
		}
		if drop {
			if !c.silent() {
				t.Error("answered, though packets with a wrong checksum are dropped")
			}
		} else if p, err := c.receive(); err != nil || p.Code != zk.AckOK {
			t.Errorf("%v %v, want ACK_OK", p.Code, err)
		}
		if n := terminal.BadChecksums(); n != 1 {
			t.Errorf("%d wrong checksums counted", n)
		}
	}
}

func TestRestart(t *testing.T) {
	for _, silent := range []bool{false, true} {
		terminal, address := start(t, zktest.Config{SilentRestart: silent, Boot: 100 * time.Millisecond}, 1, 0, 1)
		c := connected(t, "tcp", address)
		c.must(zk.CmdDisable, nil, zk.AckOK)
		p, err := c.ask(zk.CmdRestart, nil)
		if silent == (err == nil) || !silent && p.Code != zk.AckOK {
			t.Errorf("silent %v: %v %v", silent, p.Code, err)
		}
		if _, err := c.ask(zk.CmdVersion, nil); err == nil {
			t.Error("the link outlives the restart")
		}
		again := reconnect(t, "tcp", address)
		compare(t, again, terminal)
		if !terminal.Enabled() {
			t.Error("disabled after the restart")
		}
	}
}

func TestSecondClient(t *testing.T) {
	alive := func(c *probe) bool { _, err := c.ask(zk.CmdVersion, nil); return err == nil }
	for policy, want := range map[zktest.Clients][2]bool{
		zktest.AllowMany: {true, true}, zktest.KickFirst: {false, true}, zktest.RefuseSecond: {true, false},
	} {
		_, address := start(t, zktest.Config{Clients: policy}, 0, 0, 0)
		first := connected(t, "tcp", address)
		second := tryConnect(t, "tcp", address)
		if got := [2]bool{alive(first), second != nil}; got != want {
			t.Errorf("policy %d: first and second served %v, want %v", policy, got, want)
		}
	}
}

func TestNoiseEndsOnlyItsLink(t *testing.T) {
	terminal, address := start(t, zktest.Config{}, 1, 0, 1)
	for _, noise := range []string{"GET / HTTP/1.1\r\n\r\n", "PP\x82\x7D\xFF\xFF\xFF\xFF", "PP\x82\x7D\x01\x00\x00\x00", "\xAA\x01\x00"} {
		c := dial(t, "tcp", address)
		if _, err := c.conn.Write([]byte(noise)); err != nil {
			t.Fatal(err)
		}
		if len(noise) < 8 {
			_ = c.conn.Close()
		} else if _, err := c.receive(); err == nil || isTimeout(err) {
			t.Errorf("%q: %v, want a closed link", noise, err)
		}
	}
	u := dial(t, "udp", address)
	for _, noise := range []string{"", "x", strings.Repeat("y", 5000)} {
		if _, err := u.conn.Write([]byte(noise)); err != nil {
			t.Fatal(err)
		}
	}
	compare(t, connected(t, "udp", address), terminal)
	compare(t, connected(t, "tcp", address), terminal)
}
