package zktest_test

import (
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func TestFillIsTheSameEachTime(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, profile := range zktest.Profiles() {
		var states [2]zktest.State
		for i := range states {
			terminal, err := zktest.New(zktest.Config{Profile: profile, Clock: func() time.Time { return noon }})
			if err != nil {
				t.Fatal(err)
			}
			if err := terminal.Fill(30, 45, 2000); err != nil {
				t.Fatal(err)
			}
			states[i] = terminal.State()
			equal := 0
			punches := terminal.Punches()
			for k, a := range punches {
				wall, exists := a.Time.Wall()
				if !exists || !wall.Before(noon) || wall.Year() < 2010 || wall.Hour() < 7 || wall.Hour() > 16 {
					t.Fatalf("%s: punch %d at %v", profile.Name, k, a.Time)
				}
				if k > 0 && reflect.DeepEqual(a, punches[k-1]) {
					equal++
				}
				if k > 0 && a.Time < punches[k-1].Time {
					t.Fatalf("%s: punch %d before the one before", profile.Name, k)
				}
			}
			if equal < 2000/50-1 {
				t.Errorf("%s: %d punches equal to the one before", profile.Name, equal)
			}
			for _, m := range terminal.Templates() {
				if m.Algorithm() != 0 && zk.TemplateLength(m.Data) != len(m.Data) || (profile.Algorithm == 10) != (m.Algorithm() == 10) {
					t.Fatalf("%s: template of algorithm %d, %d bytes, head says %d", profile.Name, m.Algorithm(), len(m.Data), zk.TemplateLength(m.Data))
				}
			}
		}
		if !reflect.DeepEqual(states[0], states[1]) {
			t.Errorf("%s: two fills differ", profile.Name)
		}
	}
}

func TestFillRefusesWhatDoesNotFit(t *testing.T) {
	terminal, err := zktest.New(zktest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range [][3]int{{-1, 0, 0}, {1 << 20, 0, 0}, {1, 11, 0}, {1, 0, 1 << 30}} {
		if terminal.Fill(n[0], n[1], n[2]) == nil {
			t.Errorf("Fill%v is accepted", n)
		}
	}
}

func TestStateRestores(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		t.Run(profile.Name, func(t *testing.T) {
			one, address := start(t, zktest.Config{Profile: profile, Serial: "A1"}, 5, 5, 300)
			one.Inject(zktest.Fault{Kind: zktest.ClockJump, For: time.Hour})
			one.Inject(zktest.Fault{Kind: zktest.ImpossibleDates})
			row, err := profile.Users.Append(nil, zk.User{UID: 9, PIN: "77", Name: []byte{0xC4, 0xE3}}) // not UTF-8
			if err != nil {
				t.Fatal(err)
			}
			connected(t, "tcp", address).must(zk.CmdUserWrite, row, zk.AckOK)
			text, err := json.Marshal(one.State())
			if err != nil {
				t.Fatal(err)
			}
			var state zktest.State
			if err := json.Unmarshal(text, &state); err != nil {
				t.Fatal(err)
			}
			two, address := start(t, zktest.Config{Profile: profile, Serial: "A1"}, 0, 0, 0)
			if err := two.Restore(state); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(one.Punches(), two.Punches()) || two.ClockOffset() != time.Hour {
				t.Errorf("punches or clock differ, offset %v", two.ClockOffset())
			}
			compare(t, connected(t, "tcp", address), two)
			other, err := zktest.New(zktest.Config{Profile: profile, Serial: "B2"})
			if err != nil {
				t.Fatal(err)
			}
			if other.Restore(state) == nil {
				t.Error("the state of another terminal is accepted")
			}
		})
	}
}

func TestChangedTellsOfEachChange(t *testing.T) {
	terminal, _ := start(t, zktest.Config{}, 2, 0, 2)
	for _, row := range []struct {
		name   string
		change func() error
	}{
		{"punch", func() error { return terminal.Punch("1001", 0) }},
		{"user", func() error { return terminal.AddUser(zk.User{PIN: "5"}) }},
		{"template", func() error { return terminal.AddTemplate(zk.Template{UID: 1, Data: []byte{1}}) }},
		{"clear", func() error { terminal.ClearLog(); return nil }},
		{"clock", func() error { terminal.SetClock(time.Now().Add(time.Hour)); return nil }},
		{"delete", func() error { terminal.DeleteUser(1); return nil }},
	} {
		select {
		case <-terminal.Changed():
		default:
		}
		if err := row.change(); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		select {
		case <-terminal.Changed():
		default:
			t.Errorf("%s is not told", row.name)
		}
	}
}

func TestPunchesKeepWhatTheRowCannotSay(t *testing.T) {
	profile, err := zktest.ProfileByName("bw-zem500")
	if err != nil {
		t.Fatal(err)
	}
	terminal, _ := start(t, zktest.Config{Profile: profile}, 2, 0, 0)
	if err := terminal.SetPunches([]zk.Attendance{{PIN: "1002", Time: 5}, {Slot: 1, Time: 6, Status: 4}}); err != nil {
		t.Fatal(err)
	}
	terminal.DeleteUser(2)
	got := terminal.Punches()
	if got[0].PIN != "1002" || got[0].Slot != 2 || got[1].PIN != "1001" || got[1].Status != 4 || len(got[1].Raw) != 8 {
		t.Errorf("%+v", got)
	}
	if err := terminal.AddPunch(zk.Attendance{Slot: 99, Time: 5}); err == nil {
		t.Error("a punch of nobody is accepted")
	}
	if err := terminal.AddPunch(zk.Attendance{PIN: "5005", Time: 5}); err == nil {
		t.Error("a punch without a slot is accepted")
	}
}

// Close in the middle of everything leaves nothing: goleak looks at the end of the package.
func TestCloseEndsAllLinks(t *testing.T) {
	terminal, err := zktest.New(zktest.Config{Form: zktest.Form{Gap: 50 * time.Millisecond, PacketSize: 1008}})
	if err != nil {
		t.Fatal(err)
	}
	if err := terminal.Fill(5, 0, 100000); err != nil {
		t.Fatal(err)
	}
	address, err := terminal.Listen("127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	var probes []*probe
	for i := range 8 {
		c := dial(t, []string{"tcp", "udp"}[i%2], address.String())
		if err := c.send(zk.Packet{Code: zk.CmdConnect}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.receive(); err != nil {
			t.Fatal(err)
		}
		probes = append(probes, c)
	}
	terminal.Inject(zktest.Fault{Kind: zktest.Late, For: time.Hour, Times: zktest.Always, Command: zk.CmdVersion})
	for _, c := range probes {
		for _, code := range []zk.Code{zk.RegEvent, zk.CmdAttLogRead, zk.CmdVersion} {
			if err := c.send(zk.Packet{Code: code, Body: all}); err != nil {
				t.Fatal(err)
			}
		}
	}
	done := make(chan error)
	go func() { done <- terminal.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Close does not return")
	}
	if err := terminal.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if _, err := terminal.Listen("127.0.0.1:0", false); err == nil {
		t.Error("a closed terminal listens")
	}
	for i, c := range probes {
		if !c.tcp {
			continue
		}
		for {
			if _, err := c.receive(); isTimeout(err) {
				t.Fatalf("link %d is still open", i)
			} else if err != nil {
				break
			}
		}
	}
	if conn, err := net.Dial("tcp", address.String()); err == nil {
		_ = conn.Close()
		t.Error("the port is still served")
	}
}

func TestProfileNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range zktest.Profiles() {
		got, err := zktest.ProfileByName(p.Name)
		if seen[p.Name] || err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("profile %s: %v", p.Name, err)
		}
		seen[p.Name] = true
	}
	if _, err := zktest.ProfileByName("unheard"); err == nil {
		t.Error("an unheard profile is found")
	}
}

func ExampleTerminal() {
	terminal, err := zktest.New(zktest.Config{Serial: "SIM0000042"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer terminal.Close()
	if err := terminal.Fill(2, 0, 10); err != nil {
		fmt.Println(err)
	}
	terminal.Inject(zktest.Fault{Kind: zktest.CutOff, After: 1})
	fmt.Println(terminal.Serial(), len(terminal.Punches()), terminal.DisableCount())
	// Output: SIM0000042 10 0
}
