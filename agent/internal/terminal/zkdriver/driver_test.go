package zkdriver_test

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/terminaltest"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(childAddress); address != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(address))
		os.Exit(1)
	}
	flag.Parse()
	// The tests of faults wait far more than they work, so many can run at once.
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// stand is a simulated terminal as the suite wants it.
type stand struct {
	*zktest.Terminal
	t       testing.TB
	config  zkdriver.Config
	punched int
}

func newStand(t testing.TB, network string, c zktest.Config, d zkdriver.Config) *stand {
	t.Helper()
	c.CommKey, d.CommKey = 4711, 4711
	if c.Clock == nil {
		c.Clock = func() time.Time { return protocol.Wall(time.Now()) }
	}
	sim, err := zktest.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	address, err := sim.Listen("127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Fill(50, 0, 0); err != nil {
		t.Fatal(err)
	}
	d.Address, d.Network = address.String(), network
	d.Serial = protocol.Serial(sim.Serial())
	if d.Timeout == 0 {
		d.Timeout = 300 * time.Millisecond
	}
	d.KeepAlive = 200 * time.Millisecond
	return &stand{Terminal: sim, t: t, config: d}
}

func (s *stand) Source(serial protocol.Serial) terminal.Source {
	c := s.config
	c.Serial = serial
	return zkdriver.New(c)
}

func (s *stand) Serial() protocol.Serial { return s.config.Serial }

// Punch lets people punch one second after another; each tenth row is equal to the
// one before.
func (s *stand) Punch(people int) {
	s.t.Helper()
	for range people {
		second := s.punched
		if second%10 == 9 {
			second--
		}
		packed, _ := zk.PackTime(time.Date(2026, 1, 2, 7, 0, second, 0, time.UTC))
		if err := s.AddPunch(zk.Attendance{PIN: fmt.Sprint(zktest.FirstPIN + second%50), Time: packed, Status: uint8(second % 2), Verify: 1}); err != nil {
			s.t.Fatal(err)
		}
		s.punched++
	}
}

func (s *stand) Rows() []terminal.Row { return rowsOf(s.Terminal) }

// rowsOf is what a perfect driver reads.
func rowsOf(sim *zktest.Terminal) (rows []terminal.Row) {
	for _, a := range sim.Punches() {
		only := sim.Profile().Rows == zk.Row8A || sim.Profile().Rows == zk.Row8B
		rows = append(rows, terminal.Row{
			PIN: a.PIN, Slot: a.Slot, SlotOnly: only, Time: protocol.LocalTime(a.Time.String()),
			Status: a.Status, Verify: a.Verify, WorkCode: a.WorkCode, Raw: a.Raw,
		})
	}
	return rows
}

func (s *stand) Clear()  { s.ClearLog() }
func (s *stand) HangUp() { s.Reboot(0) }
func (s *stand) Freeze() { s.Inject(zktest.Fault{Kind: zktest.Freeze}) }
func (s *stand) Thaw()   { s.Lift() }

func (s *stand) Untouched() error {
	if n := s.DisableCount(); n > 0 || !s.Enabled() {
		return fmt.Errorf("enabled %v, disabled %d times", s.Enabled(), n)
	}
	for _, c := range []zk.Code{zk.CmdClearData, zk.CmdClearAttLog, zk.CmdUserWrite, zk.CmdDeleteUser, zk.CmdSetTime, zk.CmdOptionWrite} {
		if s.Requests(c) > 0 {
			return fmt.Errorf("%s was sent", c)
		}
	}
	return nil
}

func TestSuite(t *testing.T) {
	cores := make(chan struct{}, runtime.GOMAXPROCS(0)) // unlike the tests of faults, these work
	for _, profile := range zktest.Profiles() {
		for _, network := range []string{"tcp", "udp"} {
			for _, live := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s live %v", profile.Name, network, live), func(t *testing.T) {
					t.Parallel()
					cores <- struct{}{}
					defer func() { <-cores }()
					terminaltest.Run(t, func(t *testing.T) terminaltest.Stand {
						return newStand(t, network, zktest.Config{Profile: profile}, zkdriver.Config{Live: live})
					})
				})
			}
		}
	}
}

// TestLogClearedWhileItIsRead keeps what the terminal had prepared: nobody else has it
// any more.
func TestLogClearedWhileItIsRead(t *testing.T) {
	s := newStand(t, "tcp", zktest.Config{}, zkdriver.Config{})
	s.Punch(3000)
	held := s.Rows()
	r, err := s.Source(s.Serial()).Read(t.Context(), terminal.Ask{Mode: terminal.Whole, Progress: func(int, int) { s.Clear() }})
	if err != nil || !reflect.DeepEqual(r.Rows, held) {
		t.Errorf("Read = %d rows, %v, want the %d that were there", len(r.Rows), err, len(held))
	}
}

// TestFullLogIsReadThoughItsCountStandsStill: each punch drops the oldest row.
func TestFullLogIsReadThoughItsCountStandsStill(t *testing.T) {
	s := newStand(t, "tcp", zktest.Config{}, zkdriver.Config{})
	s.Punch(300)
	ask := terminal.Ask{Known: 300, Overlap: 20, Layout: "40"}
	from := s.Source(s.Serial())
	if r, err := from.Read(t.Context(), ask); err != nil || !r.Unchanged || r.Full {
		t.Fatalf("Read = %+v, %v, want unchanged", r, err)
	}
	s.SetRecordCap(300)
	s.Punch(5)
	r, err := from.Read(t.Context(), ask)
	if held := s.Rows(); err != nil || !r.Full || r.First != 280 || !reflect.DeepEqual(r.Rows, held[280:]) {
		t.Errorf("Read = %d rows from %d, full %v, %v, want the last 20 of a full log", len(r.Rows), r.First, r.Full, err)
	}
}

// TestLogThatIsCutOff is no whole log, however often it is cut off in the same way.
func TestLogThatIsCutOff(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault zktest.FaultKind
		cause string
	}{
		{"fewer rows than are counted are refused", zktest.CutRows, "incomplete"},
		{"a count above the rows is refused", zktest.CountHigh, "incomplete"},
		{"a count below the rows is overruled by reading twice", zktest.CountLow, ""},
		{"a terminal that does not count is read twice", zktest.ShortSizes, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t, "tcp", zktest.Config{}, zkdriver.Config{})
			s.Punch(300)
			s.Inject(zktest.Fault{Kind: c.fault, Times: zktest.Always})
			r, err := s.Source(s.Serial()).Read(t.Context(), terminal.Ask{Mode: terminal.Whole})
			if terminal.Cause(err) != c.cause {
				t.Fatalf("Read = %v with cause %q, want %q", err, terminal.Cause(err), c.cause)
			}
			if err == nil && (len(r.Rows) != 300 || r.Proof != terminal.ProofRepeat) {
				t.Errorf("Read = %d rows proven by %q, want 300 by repeating", len(r.Rows), r.Proof)
			}
		})
	}
}

// TestSlotsThatChangeHands: the PIN of a row that has only a slot is that of the user
// who has the slot in the same session.
func TestSlotsThatChangeHands(t *testing.T) {
	for _, name := range []string{"bw-zem500", "bw-old"} {
		profile, err := zktest.ProfileByName(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			s := newStand(t, "udp", zktest.Config{Profile: profile}, zkdriver.Config{})
			s.Punch(1) // of the user in slot 1
			pin := func() (string, string) {
				r, err := s.Source(s.Serial()).Read(t.Context(), terminal.Ask{Mode: terminal.Whole})
				if err != nil || len(r.Rows) != 1 || !r.Rows[0].SlotOnly || r.Rows[0].Slot != 1 {
					t.Fatalf("Read = %+v, %v, want one row of slot 1", r.Rows, err)
				}
				return r.Rows[0].PIN, r.Rows[0].Identifier()
			}
			check := func(want string) {
				t.Helper()
				if got, id := pin(); got != want || id != "slot:1" {
					t.Errorf("PIN %q, identifier %q, want %q and slot:1", got, id, want)
				}
			}
			check("1001")
			s.DeleteUser(1)
			check("slot:1")
			if err := s.AddUser(zk.User{UID: 1, PIN: "2002"}); err != nil {
				t.Fatal(err)
			}
			check("2002")
		})
	}
}

// TestCauses says to people what they can do something about.
func TestCauses(t *testing.T) {
	panel := listen(t, []byte{0xAA, 1, 0, 0, 0, 0, 0, 0})
	web := listen(t, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	s := newStand(t, "tcp", zktest.Config{}, zkdriver.Config{})
	closed := listen(t, nil)
	for _, c := range []struct {
		name, cause string
		change      func(*zkdriver.Config)
	}{
		{"wrong key", "key", func(c *zkdriver.Config) { c.CommKey++ }},
		{"access panel", "not-terminal", func(c *zkdriver.Config) { c.Address = panel }},
		{"web server", "not-terminal", func(c *zkdriver.Config) { c.Address = web }},
		{"nobody there", "unreachable", func(c *zkdriver.Config) { c.Address = closed }},
		{"nobody there by UDP", "unreachable", func(c *zkdriver.Config) { c.Address, c.Network = closed, "udp" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := s.config
			c.change(&config)
			_, err := zkdriver.New(config).Read(t.Context(), terminal.Ask{})
			if cause := terminal.Cause(err); cause != c.cause {
				t.Errorf("Read = %v with cause %q, want %q", err, cause, c.cause)
			}
		})
	}
}

// listen is somebody who greets whoever comes; with no greeting the address is free.
func listen(t *testing.T, greeting []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if greeting == nil {
		_ = l.Close()
		return address
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write(greeting)
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return address
}

// TestClockOffset is that of the terminal's clock, whatever the zone of ours.
func TestClockOffset(t *testing.T) {
	for _, ahead := range []time.Duration{0, -90 * time.Second, 3 * time.Hour} {
		s := newStand(t, "tcp", zktest.Config{}, zkdriver.Config{})
		s.SetClock(protocol.Wall(time.Now()).Add(ahead))
		r, err := s.Source(s.Serial()).Read(t.Context(), terminal.Ask{})
		if off := time.Duration(r.Offset)*time.Second - ahead; err != nil || off.Abs() > time.Second || r.Clock == "" {
			t.Errorf("offset %d, clock %q, %v, want %v", r.Offset, r.Clock, err, ahead)
		}
	}
}
