package zktest_test

import (
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// faultCase is one fault, injected while a client is connected, and what the client sees.
type faultCase struct {
	fault   zktest.Fault
	network string // empty: tcp
	sees    func(t *testing.T, terminal *zktest.Terminal, c *probe)
}

// readFails says that a strict read of the punches ends in an error like the one given.
func readFails(want error) func(*testing.T, *zktest.Terminal, *probe) {
	return func(t *testing.T, _ *zktest.Terminal, c *probe) {
		c.wait = 300 * time.Millisecond
		if _, err := c.read(zk.DatasetAttendance, 4000); !errors.Is(err, want) {
			t.Errorf("read: %v, want %v", err, want)
		}
	}
}

func readFailsSaying(words string) func(*testing.T, *zktest.Terminal, *probe) {
	return func(t *testing.T, _ *zktest.Terminal, c *probe) {
		if _, err := c.read(zk.DatasetAttendance, 4000); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("read: %v, want one that says %q", err, words)
		}
	}
}

func counts(want int) func(*testing.T, *zktest.Terminal, *probe) {
	return func(t *testing.T, _ *zktest.Terminal, c *probe) {
		if s, err := c.sizes(); err != nil || s.Records != want {
			t.Errorf("count %d, %v, want %d", s.Records, err, want)
		}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

var setTime = binary.LittleEndian.AppendUint32(nil, 0x2E374780) // 2024-02-28 08:00:00

func faultCases() map[string]faultCase {
	return map[string]faultCase{
		"cut off in the second DATA": {fault: zktest.Fault{Kind: zktest.CutOff, After: 1}, sees: readFails(io.ErrUnexpectedEOF)},
		"cut off by udp is silence": {fault: zktest.Fault{Kind: zktest.CutOff, After: 5}, network: "udp",
			sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
				c.wait = 150 * time.Millisecond
				if _, err := c.read(zk.DatasetAttendance, 4000); !isTimeout(err) {
					t.Errorf("read: %v, want a timeout", err)
				}
			}},
		"wrong checksum":    {fault: zktest.Fault{Kind: zktest.WrongChecksum, Command: zk.ReadBuffer}, sees: readFails(zk.ErrChecksum)},
		"garbled bytes":     {fault: zktest.Fault{Kind: zktest.Garbled}, sees: readFails(zk.ErrChecksum)},
		"garbled datagram":  {fault: zktest.Fault{Kind: zktest.Garbled}, network: "udp", sees: readFails(zk.ErrChecksum)},
		"other magic":       {fault: zktest.Fault{Kind: zktest.BadMagic}, sees: readFails(zk.ErrMagic)},
		"frame of 4 GB":     {fault: zktest.Fault{Kind: zktest.HugeFrame}, sees: readFails(zk.ErrTooLong)},
		"stale reply first": {fault: zktest.Fault{Kind: zktest.Stale}, sees: readFails(errStale)},
		"duplicate reply": {fault: zktest.Fault{Kind: zktest.Duplicate}, sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
			c.must(zk.CmdVersion, nil, zk.AckOK)
			if _, err := c.ask(zk.CmdGetTime, nil); !errors.Is(err, errStale) {
				t.Errorf("next request: %v, want the old answer", err)
			}
		}},
		"late answer": {fault: zktest.Fault{Kind: zktest.Late, For: 200 * time.Millisecond}, sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
			before := time.Now()
			c.must(zk.CmdVersion, nil, zk.AckOK)
			if took := time.Since(before); took < 200*time.Millisecond {
				t.Errorf("answered after %v", took)
			}
		}},
		"freeze until lifted": {fault: zktest.Fault{Kind: zktest.Freeze, After: 1}, sees: func(t *testing.T, terminal *zktest.Terminal, c *probe) {
			c.must(zk.CmdVersion, nil, zk.AckOK)
			c.wait = 100 * time.Millisecond
			for range 2 {
				if _, err := c.ask(zk.CmdVersion, nil); !isTimeout(err) {
					t.Errorf("frozen terminal: %v, want a timeout", err)
				}
			}
			terminal.Lift()
			c.wait = 5 * time.Second
			c.must(zk.CmdVersion, nil, zk.AckOK)
		}},
		"freeze for a while": {fault: zktest.Fault{Kind: zktest.Freeze, For: 50 * time.Millisecond}, network: "udp",
			sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
				c.wait = 300 * time.Millisecond // longer than it is frozen: what it did not answer then it never does
				if _, err := c.ask(zk.CmdVersion, nil); !isTimeout(err) {
					t.Errorf("frozen terminal: %v, want a timeout", err)
				}
				c.wait = 5 * time.Second
				c.must(zk.CmdVersion, nil, zk.AckOK)
			}},
		"reboot drops the link and refuses": {fault: zktest.Fault{Kind: zktest.Reboot, For: time.Second, Command: zk.ReadBuffer},
			sees: func(t *testing.T, terminal *zktest.Terminal, c *probe) {
				c.must(zk.CmdDisable, nil, zk.AckOK)
				if _, err := c.read(zk.DatasetAttendance, 4000); err == nil || isTimeout(err) {
					t.Errorf("read: %v, want a dropped link", err)
				}
				if again := tryConnect(t, "tcp", c.conn.RemoteAddr().String()); again != nil {
					t.Error("it can be reached while it boots")
				}
				if !terminal.Enabled() {
					t.Error("disabled after reboot")
				}
			}},
		"reboot is silence by udp": {fault: zktest.Fault{Kind: zktest.Reboot, For: 100 * time.Millisecond}, network: "udp",
			sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
				c.wait = 50 * time.Millisecond
				if _, err := c.ask(zk.CmdVersion, nil); !isTimeout(err) {
					t.Errorf("while it boots: %v, want a timeout", err)
				}
				p, err := c.ask(zk.CmdVersion, nil)
				for end := time.Now().Add(5 * time.Second); isTimeout(err) && time.Now().Before(end); {
					p, err = c.ask(zk.CmdVersion, nil)
				}
				if err != nil || p.Code != zk.AckUnauth {
					t.Errorf("after boot: %v %v, want ACK_UNAUTH because the session is gone", p.Code, err)
				}
			}},
		"lost request changes nothing": {fault: zktest.Fault{Kind: zktest.LostRequest}, network: "udp",
			sees: func(t *testing.T, terminal *zktest.Terminal, c *probe) {
				c.wait = 100 * time.Millisecond
				if _, err := c.ask(zk.CmdSetTime, setTime); !isTimeout(err) || terminal.ClockOffset() != 0 {
					t.Errorf("%v and offset %v, want a timeout and no change", err, terminal.ClockOffset())
				}
			}},
		"lost reply has changed the terminal": {fault: zktest.Fault{Kind: zktest.LostReply}, network: "udp",
			sees: func(t *testing.T, terminal *zktest.Terminal, c *probe) {
				c.wait = 100 * time.Millisecond
				if _, err := c.ask(zk.CmdSetTime, setTime); !isTimeout(err) || terminal.ClockOffset() == 0 {
					t.Errorf("%v and offset %v, want a timeout and a set clock", err, terminal.ClockOffset())
				}
			}},
		"lost packet":     {fault: zktest.Fault{Kind: zktest.LostPacket, After: 2}, network: "udp", sees: readFailsSaying("number 3, want DATA number 2")},
		"swapped packets": {fault: zktest.Fault{Kind: zktest.Reordered}, network: "udp", sees: readFailsSaying("number 1, want DATA number 0")},
		"count too high":  {fault: zktest.Fault{Kind: zktest.CountHigh, N: 5}, sees: counts(305)},
		"count too low":   {fault: zktest.Fault{Kind: zktest.CountLow, N: 5}, sees: counts(295)},
		"sizes of 4 bytes": {fault: zktest.Fault{Kind: zktest.ShortSizes}, sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
			if p := c.must(zk.CmdFreeSizes, nil, zk.AckOK); len(p.Body) != 4 {
				t.Errorf("sizes of %d bytes", len(p.Body))
			}
		}},
		"4989 to a bulk read": {fault: zktest.Fault{Kind: zktest.RefuseBulk}, sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
			c.must(zk.PrepareBuffer, zk.DatasetUsers.Request(), 4989)
		}},
		"refused part":     {fault: zktest.Fault{Kind: zktest.RefuseRead, After: 1}, sees: readFailsSaying("READ_BUFFER answered ACK_ERROR")},
		"announces more":   {fault: zktest.Fault{Kind: zktest.LengthHigh, N: 4}, sees: readFailsSaying("announces 4004 bytes, want 4000")},
		"announces fewer":  {fault: zktest.Fault{Kind: zktest.LengthLow, N: 4}, sees: readFailsSaying("announces 3996 bytes, want 4000")},
		"total says more":  {fault: zktest.Fault{Kind: zktest.TotalHigh, N: 40}, sees: readFailsSaying("says another total")},
		"total says fewer": {fault: zktest.Fault{Kind: zktest.TotalLow, N: 40}, sees: readFailsSaying("says another total")},
		"rows missing at the end": {fault: zktest.Fault{Kind: zktest.CutRows, N: 3}, sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
			if rows, err := c.read(zk.DatasetAttendance, 4000); err != nil || len(rows) != 297*40 {
				t.Errorf("%d bytes, %v, want 297 rows and no sign of it", len(rows), err)
			}
		}},
		"no final ack": {fault: zktest.Fault{Kind: zktest.NoFinalAck}, sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
			c.wait = 150 * time.Millisecond
			if _, err := c.read(zk.DatasetAttendance, 4000); !isTimeout(err) || !strings.Contains(err.Error(), "final ACK") {
				t.Errorf("read: %v, want a timeout of the final ACK", err)
			}
		}},
		"stale memory to the old command": {fault: zktest.Fault{Kind: zktest.LegacyGarbage}, sees: func(t *testing.T, terminal *zktest.Terminal, c *probe) {
			data, err := c.bulk(nil, zk.CmdAttLogRead, nil, -1)
			if err != nil || len(data) != 4+300*40 {
				t.Fatalf("%d bytes, %v, want the right size", len(data), err)
			}
			if data, err = withoutTotal(data); err != nil || slices.Equal(data[:40], terminal.Punches()[0].Raw) {
				t.Errorf("the first row is the right one, %v", err)
			}
		}},
		"event inside a transfer": {fault: zktest.Fault{Kind: zktest.EventInside}, sees: readFails(errStale)},
		"log grows during the read": {fault: zktest.Fault{Kind: zktest.LogGrows, N: 2}, sees: func(t *testing.T, terminal *zktest.Terminal, c *probe) {
			rows, err := c.read(zk.DatasetAttendance, 4000)
			if held := len(terminal.Punches()); err != nil || len(rows) != 300*40 || held != 302 {
				t.Errorf("%d bytes read, %v, %d held, want 300 rows and 302", len(rows), err, held)
			}
		}},
		"log cleared after the count": {fault: zktest.Fault{Kind: zktest.LogCleared}, sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
			counts(300)(t, nil, c)
			if rows, err := c.read(zk.DatasetAttendance, 4000); err != nil || len(rows) != 0 {
				t.Errorf("%d bytes, %v, want none", len(rows), err)
			}
		}},
		"full log drops the oldest": {fault: zktest.Fault{Kind: zktest.FullLog}, sees: func(t *testing.T, terminal *zktest.Terminal, c *probe) {
			before := terminal.Punches()
			if err := terminal.Punch("1001", 0); err != nil {
				t.Fatal(err)
			}
			s, err := c.sizes()
			after := terminal.Punches()
			if err != nil || s.Records != 300 || s.RecordCap != 300 || s.RecordsLeft != 0 || !reflect.DeepEqual(after[:299], before[1:]) {
				t.Errorf("sizes %+v, %v; the oldest is %+v", s, err, after[0])
			}
		}},
		"clock jumps back": {fault: zktest.Fault{Kind: zktest.ClockJump, For: -48 * time.Hour}, sees: func(t *testing.T, _ *zktest.Terminal, c *probe) {
			p := c.must(zk.CmdGetTime, nil, zk.AckOK)
			shown, _ := zk.Time(binary.LittleEndian.Uint32(p.Body)).Wall()
			now := time.Now()
			behind := time.Date(now.Year(), now.Month(), now.Day(), now.Hour(), now.Minute(), now.Second(), 0, time.UTC).Sub(shown)
			if behind < 46*time.Hour || behind > 50*time.Hour { // a change to summer time may lie between
				t.Errorf("terminal is %v behind", behind)
			}
		}},
		"impossible dates": {fault: zktest.Fault{Kind: zktest.ImpossibleDates, N: 10}, sees: func(t *testing.T, terminal *zktest.Terminal, c *probe) {
			impossible := 0
			for _, a := range terminal.Punches() {
				if _, exists := a.Time.Wall(); !exists {
					impossible++
				}
			}
			if impossible != 30 {
				t.Errorf("%d impossible dates, want 30", impossible)
			}
			compare(t, c, terminal)
		}},
		"log in another order": {fault: zktest.Fault{Kind: zktest.ShuffledLog}, sees: func(t *testing.T, terminal *zktest.Terminal, c *probe) {
			if slices.IsSortedFunc(terminal.Punches(), func(a, b zk.Attendance) int { return int(a.Time) - int(b.Time) }) {
				t.Error("the order is as before")
			}
			compare(t, c, terminal)
		}},
	}
}

func TestEachFaultDoesWhatItSays(t *testing.T) {
	tested := map[zktest.FaultKind]bool{}
	cases := faultCases()
	maps.Copy(cases, writeFaultCases())
	for name, row := range cases {
		tested[row.fault.Kind] = true
		t.Run(name, func(t *testing.T) {
			terminal, address := start(t, zktest.Config{}, 10, 2, 300)
			network := row.network
			if network == "" {
				network = "tcp"
			}
			c := connected(t, network, address)
			terminal.Inject(row.fault)
			row.sees(t, terminal, c)
			if n := terminal.Fired(row.fault.Kind); n != 1 {
				t.Errorf("%s fired %d times, want once", row.fault.Kind, n)
			}
			_ = c.conn.Close()
			compare(t, reconnect(t, network, address), terminal)
		})
	}
	for _, kind := range zktest.FaultKinds() {
		if !tested[kind] {
			t.Errorf("fault %s has no row", kind)
		}
	}
}

// reconnect tries until the terminal has booted.
func reconnect(t *testing.T, network, address string) *probe {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		if c := tryConnect(t, network, address); c != nil {
			return c
		}
	}
	t.Fatal("the terminal does not come back")
	return nil
}

// tryConnect gives nil when the terminal cannot be reached.
func tryConnect(t *testing.T, network, address string) *probe {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &probe{t: t, conn: conn, tcp: network == "tcp", wait: time.Second}
	p, err := c.ask(zk.CmdConnect, nil)
	if err != nil || p.Code != zk.AckOK {
		return nil
	}
	c.session, c.wait = p.Session, 5*time.Second
	return c
}

func TestFaultAlwaysAndAfter(t *testing.T) {
	terminal, address := start(t, zktest.Config{}, 1, 0, 10)
	c := connected(t, "tcp", address)
	terminal.Inject(zktest.Fault{Kind: zktest.ShortSizes, After: 2, Times: zktest.Always})
	var lengths []int
	for range 5 {
		lengths = append(lengths, len(c.must(zk.CmdFreeSizes, nil, zk.AckOK).Body))
	}
	terminal.Lift()
	lengths = append(lengths, len(c.must(zk.CmdFreeSizes, nil, zk.AckOK).Body))
	if want := []int{92, 92, 4, 4, 4, 92}; !slices.Equal(lengths, want) {
		t.Errorf("sizes of %v bytes, want %v", lengths, want)
	}
}

func TestParseFault(t *testing.T) {
	got, err := zktest.ParseFault("late-answer,after=3,times=always,for=2s,n=7,command=1504")
	want := zktest.Fault{Kind: zktest.Late, After: 3, Times: zktest.Always, For: 2 * time.Second, N: 7, Command: zk.ReadBuffer}
	if err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if got, err := zktest.ParseFault("freeze,command=changes"); err != nil || got != (zktest.Fault{Kind: zktest.Freeze, Changes: true}) {
		t.Errorf("%+v, %v, want a freeze at a change", got, err)
	}
	for _, kind := range zktest.FaultKinds() {
		if f, err := zktest.ParseFault(string(kind)); err != nil || f.Kind != kind {
			t.Errorf("%s: %+v, %v", kind, f, err)
		}
	}
	for bad, says := range map[string]string{
		"":                  "choose one of",
		"unheard":           "choose one of",
		"freeze,for=soon":   "soon",
		"freeze,after=x":    "after=x",
		"freeze,often=1":    "write after=",
		"freeze,times=many": "times=many",
	} {
		if _, err := zktest.ParseFault(bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want an error that says %q", bad, err, says)
		}
	}
}
