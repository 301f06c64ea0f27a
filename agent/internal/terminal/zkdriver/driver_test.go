package zkdriver_test

import (
	"fmt"
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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	for _, profile := range zktest.Profiles() {
		for _, network := range []string{"tcp", "udp"} {
			for _, live := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s live %v", profile.Name, network, live), func(t *testing.T) {
					t.Parallel()
					terminaltest.Run(t, func(t *testing.T) terminaltest.Stand {
						return newStand(t, network, zktest.Config{Profile: profile}, zkdriver.Config{Live: live})
					})
				})
			}
		}
	}
}
