package zk_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests of faults wait far more than they work, so many can run at once. A
	// fuzz test only works: there the flag is the number of workers.
	if flag.Lookup("test.fuzz").Value.String() == "" {
		if err := flag.Set("test.parallel", "12"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// terminal is a simulated terminal and where it listens.
func terminal(t testing.TB, cfg zktest.Config, users, templates, punches int) (*zktest.Terminal, string) {
	t.Helper()
	sim, err := zktest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	if err := sim.Fill(users, templates, punches); err != nil {
		t.Fatal(err)
	}
	address, err := sim.Listen("127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	return sim, address.String()
}

// session dials with a short timeout, since faults are silent here.
func session(t testing.TB, options zk.Options) *zk.Conn {
	t.Helper()
	if options.Timeout == 0 {
		options.Timeout = 500 * time.Millisecond
	}
	c, err := zk.Dial(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// nextEvent does not wait for ever.
func nextEvent(t *testing.T, c *zk.Conn) (zk.Event, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return c.NextEvent(ctx)
}

// checkRows compares a reading with what the terminal holds.
func checkRows(t *testing.T, r zk.Reading, sim *zktest.Terminal) {
	t.Helper()
	held := sim.Punches()
	if len(r.Rows) != len(held) {
		t.Fatalf("%d rows, the terminal holds %d", len(r.Rows), len(held))
	}
	if len(held) > 0 && r.Layout != sim.Profile().Rows && !r.Skipped {
		t.Errorf("layout %s, the terminal has %s", r.Layout, sim.Profile().Rows)
	}
	for i, want := range held {
		if sim.Profile().Rows.Size() == 8 {
			want.PIN = "" // the row has only the slot
		}
		if !reflect.DeepEqual(r.Rows[i], want) {
			t.Fatalf("row %d = %+v, want %+v", i, r.Rows[i], want)
		}
	}
}

func TestConnReadsWhatTerminalHolds(t *testing.T) {
	sizes := []struct{ users, templates, punches int }{{0, 0, 0}, {1, 1, 1}, {60, 90, 1000}, {60, 0, 100000}}
	if testing.Short() {
		sizes = sizes[:3]
	}
	for _, profile := range zktest.Profiles() {
		for _, size := range sizes {
			for _, network := range []string{"tcp", "udp"} {
				t.Run(fmt.Sprintf("%s with %d punches by %s", profile.Name, size.punches, network), func(t *testing.T) {
					t.Parallel()
					sim, address := terminal(t, zktest.Config{Profile: profile, CommKey: 1234}, size.users, size.templates, size.punches)
					// Busy test machines lose time, not packets.
					c := session(t, zk.Options{Address: address, Network: network, CommKey: 1234, Timeout: 5 * time.Second})
					checkTerminal(t, c, sim)
				})
			}
		}
	}
}

func checkTerminal(t *testing.T, c *zk.Conn, sim *zktest.Terminal) {
	t.Helper()
	ctx, profile := t.Context(), sim.Profile()
	r, err := c.Attendance(ctx, zk.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkRows(t, r, sim)
	wantProof := zk.ProofCount
	if profile.Sizes < 80 {
		wantProof = zk.ProofRepeat
	}
	if r.Proof != wantProof || r.Legacy {
		t.Errorf("proof %q, legacy %t, want %q", r.Proof, r.Legacy, wantProof)
	}
	users, layout, err := c.Users(ctx)
	if err != nil || len(users) != len(sim.Users()) || len(users) > 0 && layout != profile.Users {
		t.Fatalf("%d users of layout %d, %v; the terminal holds %d", len(users), layout, err, len(sim.Users()))
	}
	for i, want := range sim.Users() {
		got := users[i]
		got.Raw, want.Raw = nil, nil
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("user %d = %+v, want %+v", i, got, want)
		}
	}
	templates, err := c.Templates(ctx)
	if err != nil || len(templates) != len(sim.Templates()) {
		t.Fatalf("%d templates, %v; the terminal holds %d", len(templates), err, len(sim.Templates()))
	}
	for i, want := range sim.Templates() {
		if templates[i].UID != want.UID || templates[i].Finger != want.Finger || templates[i].Digest() != want.Digest() {
			t.Errorf("template %d is another", i)
		}
	}
	if serial, err := c.Option(ctx, "~SerialNumber"); err != nil || serial != sim.Serial() {
		t.Errorf("serial %q, %v", serial, err)
	}
	if platform, err := c.Option(ctx, "~Platform"); err != nil || platform != profile.Platform {
		t.Errorf("platform %q, %v", platform, err)
	}
	if version, err := c.Version(ctx); err != nil || version != profile.Firmware {
		t.Errorf("version %q, %v", version, err)
	}
	var refusal *zk.Refusal
	if _, err := c.Option(ctx, "NoSuchOption"); !errors.As(err, &refusal) || refusal.Command != zk.CmdOptionRead || refusal.Code != zk.AckError {
		t.Errorf("unknown option: %v, want a Refusal of OPTIONS_RRQ with ACK_ERROR", err)
	}
	if sim.DisableCount() != 0 || !sim.Enabled() {
		t.Errorf("reading disabled the terminal")
	}
	if prepared, freed := sim.Requests(zk.PrepareBuffer), sim.Requests(zk.FreeData); freed < prepared {
		t.Errorf("%d data sets prepared, %d freed", prepared, freed)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	eventually(t, "EXIT arrived", func() bool { return sim.Requests(zk.CmdExit) == 1 })
}

// eventually waits for what the other side does in its own time.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// Old terminals cut, join and number differently; what is read is the same.
func TestConnReadsEveryForm(t *testing.T) {
	forms := map[string]zktest.Form{
		"1008 bytes a packet":            {PacketSize: 1008},
		"coalesced":                      {PacketSize: 1008, Coalesce: true},
		"one DATA a chunk":               {Single: true},
		"direct answers":                 {Direct: 1 << 19},
		"fragments of 7 bytes":           {PacketSize: 1008, Fragment: 7},
		"coalesced, fragments of 1000":   {PacketSize: 1008, Coalesce: true, Fragment: 1000},
		"never direct, 333 bytes":        {PacketSize: 333, Direct: -1},
		"one byte a write, small packet": {PacketSize: 100, Fragment: 1},
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			punches := 2000
			if form.Fragment == 1 {
				punches = 200
			}
			sim, address := terminal(t, zktest.Config{Form: form}, 40, 5, punches)
			checkTerminal(t, session(t, zk.Options{Address: address, Timeout: 5 * time.Second}), sim)
		})
	}
}

func TestCommKey(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		for _, test := range []struct {
			name         string
			set, offered uint32
			want         error
		}{
			{"right key", 123456, 123456, nil},
			{"wrong key", 123456, 123457, zk.ErrKey},
			{"no key where one is set", 5, 0, zk.ErrKey},
			{"a key where none is set", 0, 77, nil},
		} {
			t.Run(network+" "+test.name, func(t *testing.T) {
				sim, address := terminal(t, zktest.Config{CommKey: test.set}, 1, 0, 1)
				c, err := zk.Dial(t.Context(), zk.Options{Address: address, Network: network, CommKey: test.offered, Timeout: time.Second})
				if !errors.Is(err, test.want) {
					t.Fatalf("Dial: %v, want %v", err, test.want)
				}
				if err == nil {
					if sim.Requests(zk.CmdEnable) != 1 {
						t.Errorf("%d ENABLEDEVICE after connecting, want 1", sim.Requests(zk.CmdEnable))
					}
					_ = c.Close()
				}
			})
		}
	}
}

// A terminal that fails is read whole or not at all, and the next session finds it well.
func TestFaults(t *testing.T) {
	const once, always = 1, zktest.Always
	type outcome string
	const (
		whole outcome = "read whole"
		fails outcome = "read fails"
	)
	tests := []struct {
		fault zktest.Fault
		tcp   outcome
		udp   outcome
	}{
		{zktest.Fault{Kind: zktest.CutOff, After: 3, Times: once}, fails, whole},
		{zktest.Fault{Kind: zktest.CutOff, Times: always}, fails, fails},
		{zktest.Fault{Kind: zktest.WrongChecksum, After: 2, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.WrongChecksum, Times: always}, fails, fails},
		{zktest.Fault{Kind: zktest.Garbled, After: 2, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.Garbled, Times: always}, fails, fails},
		{zktest.Fault{Kind: zktest.BadMagic, Command: zk.ReadBuffer, Times: once}, fails, whole},
		{zktest.Fault{Kind: zktest.HugeFrame, Command: zk.ReadBuffer, Times: once}, fails, whole},
		{zktest.Fault{Kind: zktest.Duplicate, Times: always}, whole, whole},
		{zktest.Fault{Kind: zktest.Stale, Times: always}, whole, whole},
		{zktest.Fault{Kind: zktest.Late, For: 60 * time.Millisecond, Times: 3}, whole, whole},
		{zktest.Fault{Kind: zktest.Late, For: 700 * time.Millisecond, Command: zk.ReadBuffer, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.Freeze, Command: zk.ReadBuffer, After: 1}, fails, fails},
		{zktest.Fault{Kind: zktest.Reboot, Command: zk.ReadBuffer, After: 1, For: time.Minute}, fails, fails},
		{zktest.Fault{Kind: zktest.HangUp, Command: zk.ReadBuffer, Times: once}, fails, fails},
		{zktest.Fault{Kind: zktest.LostRequest, Command: zk.ReadBuffer, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.LostReply, Command: zk.ReadBuffer, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.LostPacket, After: 2, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.LostPacket, Times: always}, fails, fails},
		{zktest.Fault{Kind: zktest.Reordered, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.CountHigh, N: 5, Times: always}, fails, fails},
		{zktest.Fault{Kind: zktest.CountHigh, N: 5, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.CountLow, N: 5, Times: always}, whole, whole},
		{zktest.Fault{Kind: zktest.ShortSizes, Times: always}, whole, whole},
		{zktest.Fault{Kind: zktest.RefuseBulk, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.RefuseBulk, Times: always}, whole, whole},
		{zktest.Fault{Kind: zktest.RefuseRead, Times: 2}, whole, whole},
		{zktest.Fault{Kind: zktest.RefuseRead, Times: always}, fails, fails},
		{zktest.Fault{Kind: zktest.LengthHigh, N: 9, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.LengthHigh, N: 9, Times: always}, fails, fails},
		{zktest.Fault{Kind: zktest.LengthLow, N: 9, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.LengthLow, N: 9, Times: always}, fails, fails},
		{zktest.Fault{Kind: zktest.TotalHigh, N: 40, Times: always}, fails, fails},
		{zktest.Fault{Kind: zktest.TotalLow, N: 40, Times: always}, fails, fails},
		{zktest.Fault{Kind: zktest.TotalLow, N: 40, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.CutRows, N: 7, Times: always}, fails, fails},
		{zktest.Fault{Kind: zktest.CutRows, N: 7, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.NoFinalAck, Times: always}, whole, whole},
		{zktest.Fault{Kind: zktest.EventInside, Times: always}, whole, whole},
		{zktest.Fault{Kind: zktest.LogCleared, Times: once}, whole, whole},
		{zktest.Fault{Kind: zktest.ImpossibleDates, N: 3}, whole, whole},
		{zktest.Fault{Kind: zktest.ShuffledLog}, whole, whole},
	}
	covered := map[zktest.FaultKind]bool{zktest.LogGrows: true, zktest.FullLog: true, zktest.ClockJump: true, zktest.LegacyGarbage: true} // own tests
	for _, kind := range zktest.WriteFaultKinds() {
		covered[kind] = true // TestOutcomeOfAChange
	}
	for _, test := range tests {
		covered[test.fault.Kind] = true
		for network, want := range map[string]outcome{"tcp": test.tcp, "udp": test.udp} {
			t.Run(fmt.Sprintf("%s %d times by %s, %s", test.fault.Kind, test.fault.Times, network, want), func(t *testing.T) {
				t.Parallel()
				sim, address := terminal(t, zktest.Config{Form: zktest.Form{PacketSize: 1008}}, 20, 0, 2000)
				options := zk.Options{Address: address, Network: network, Timeout: 400 * time.Millisecond, ChunkSize: 16384}
				c := session(t, options)
				sim.Inject(test.fault)
				start := time.Now()
				r, err := c.Attendance(t.Context(), zk.ReadOptions{})
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("took %s", took)
				}
				if (err == nil) != (want == whole) {
					t.Errorf("Attendance: proof %q, %v", r.Proof, err)
				}
				if err == nil {
					if r.Proof == zk.ProofNone {
						t.Errorf("no error and no proof")
					}
					checkRows(t, r, sim)
				} else if r.Proof != zk.ProofNone {
					t.Errorf("an error and the proof %q", r.Proof)
				}
				_ = c.Close()
				sim.Lift()
				if sim.DisableCount() != 0 || !sim.Enabled() {
					t.Errorf("the terminal is disabled")
				}
				r, err = session(t, zk.Options{Address: address, Network: network, Timeout: 5 * time.Second}).Attendance(t.Context(), zk.ReadOptions{})
				if err != nil {
					t.Fatalf("after the fault: %v", err)
				}
				checkRows(t, r, sim)
			})
		}
	}
	for _, kind := range zktest.FaultKinds() {
		if !covered[kind] {
			t.Errorf("no test of fault %s", kind)
		}
	}
}

// A terminal that does not count, and whose log is another when it is read again.
func TestReadingsThatDifferProveNothing(t *testing.T) {
	sim, address := terminal(t, zktest.Config{}, 3, 0, 2000)
	sim.Inject(zktest.Fault{Kind: zktest.ShortSizes, Times: zktest.Always})
	others := sim.Punches()
	others[1000].Status ^= 1
	others[1000].Raw = nil
	changed := false
	r, err := session(t, zk.Options{Address: address}).Attendance(t.Context(), zk.ReadOptions{Progress: func(done, total int) {
		if done == total && !changed {
			changed = true
			if err := sim.SetPunches(others); err != nil {
				t.Error(err)
			}
		}
	}})
	if !errors.Is(err, zk.ErrUnproven) || r.Proof != zk.ProofNone || len(r.Rows) != 2000 {
		t.Errorf("%d rows, proof %q, %v, want ErrUnproven", len(r.Rows), r.Proof, err)
	}
}

// An announced total beyond the data is known when the log is opened.
func TestOpenLogRefusesALyingTotal(t *testing.T) {
	sim, address := terminal(t, zktest.Config{}, 3, 0, 2000)
	sim.Inject(zktest.Fault{Kind: zktest.TotalHigh, N: 40, Times: zktest.Always})
	c := session(t, zk.Options{Address: address})
	if l, err := c.OpenLog(t.Context(), 2000); !errors.Is(err, zk.ErrGarbled) {
		t.Errorf("OpenLog: %+v, %v, want ErrGarbled", l, err)
	}
	if sim.Requests(zk.FreeData) != 1 {
		t.Errorf("%d FREE_DATA, want 1", sim.Requests(zk.FreeData))
	}
}

// A refused data set is freed, asked for again, and freed again.
func TestRefusalIsFreedAndRepeated(t *testing.T) {
	sim, address := terminal(t, zktest.Config{}, 3, 0, 20)
	sim.Inject(zktest.Fault{Kind: zktest.RefuseBulk, Times: 1})
	r, err := session(t, zk.Options{Address: address}).Attendance(t.Context(), zk.ReadOptions{})
	if err != nil || r.Legacy {
		t.Fatalf("legacy %t, %v", r.Legacy, err)
	}
	if sim.Requests(zk.PrepareBuffer) != 2 || sim.Requests(zk.FreeData) != 2 || sim.Requests(zk.CmdAttLogRead) != 0 {
		t.Errorf("%d PREPARE_BUFFER, %d FREE_DATA, %d ATTLOG_RRQ, want 2, 2, 0",
			sim.Requests(zk.PrepareBuffer), sim.Requests(zk.FreeData), sim.Requests(zk.CmdAttLogRead))
	}
}

func TestLenientTakesWrongChecksums(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		sim, address := terminal(t, zktest.Config{}, 3, 0, 2000)
		sim.Inject(zktest.Fault{Kind: zktest.WrongChecksum, Times: zktest.Always})
		if _, err := zk.Dial(t.Context(), zk.Options{Address: address, Network: network, Timeout: time.Second}); !errors.Is(err, zk.ErrChecksum) {
			t.Errorf("%s: strict Dial: %v, want ErrChecksum", network, err)
		}
		r, err := session(t, zk.Options{Address: address, Network: network, Lenient: true}).Attendance(t.Context(), zk.ReadOptions{})
		if err != nil {
			t.Fatalf("%s: %v", network, err)
		}
		checkRows(t, r, sim)
	}
}

// The years of the rows are judged by the later of two clocks, either of which may have
// lost its time.
func TestRowsFromTheTerminalsFuture(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		sim, address := terminal(t, zktest.Config{Profile: profile}, 3, 0, 0)
		wall := time.Date(time.Now().Year()+6, 5, 4, 3, 2, 1, 0, time.UTC)
		sim.SetClock(wall)
		stamp, _ := zk.PackTime(wall.AddDate(0, 0, -1))
		for i := range 60 {
			if err := sim.AddPunch(zk.Attendance{PIN: fmt.Sprint(zktest.FirstPIN + i%3), Time: stamp + zk.Time(i), Verify: 1}); err != nil {
				t.Fatal(err)
			}
		}
		l, err := session(t, zk.Options{Address: address}).OpenLog(t.Context(), -1)
		if err != nil || l.Layout != profile.Rows || l.Rows() != 60 {
			t.Fatalf("%s: %+v, %v", profile.Name, l, err)
		}
	}
}

func TestLegacyGarbageIsRefused(t *testing.T) {
	sim, address := terminal(t, zktest.Config{}, 20, 0, 300)
	sim.Inject(zktest.Fault{Kind: zktest.RefuseBulk, Times: zktest.Always})
	sim.Inject(zktest.Fault{Kind: zktest.LegacyGarbage, Times: zktest.Always})
	r, err := session(t, zk.Options{Address: address}).Attendance(t.Context(), zk.ReadOptions{})
	if !errors.Is(err, zk.ErrGarbled) || len(r.Rows) != 0 {
		t.Errorf("%d rows, %v, want ErrGarbled", len(r.Rows), err)
	}
}

func TestLegacyAnswerIsMarked(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		sim, address := terminal(t, zktest.Config{Profile: profile}, 20, 0, 300)
		sim.Inject(zktest.Fault{Kind: zktest.RefuseBulk, Times: zktest.Always})
		c := session(t, zk.Options{Address: address})
		r, err := c.Attendance(t.Context(), zk.ReadOptions{})
		if err != nil || !r.Legacy {
			t.Fatalf("%s: legacy %t, %v", profile.Name, r.Legacy, err)
		}
		checkRows(t, r, sim)
		if users, _, err := c.Users(t.Context()); err != nil || len(users) != 20 {
			t.Errorf("%s: %d users, %v", profile.Name, len(users), err)
		}
	}
}

// People punch while the log is read: what is read is the log as it was prepared.
func TestLogGrowsWhileItIsRead(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		sim, address := terminal(t, zktest.Config{}, 20, 0, 5000)
		c := session(t, zk.Options{Address: address, Network: network, ChunkSize: 10000})
		if err := c.RegisterEvents(t.Context(), zk.EventAttLog); err != nil {
			t.Fatal(err)
		}
		before := len(sim.Punches())
		sim.Inject(zktest.Fault{Kind: zktest.LogGrows, Times: 6})
		r, err := c.Attendance(t.Context(), zk.ReadOptions{})
		if err != nil || r.Proof != zk.ProofCount || len(r.Rows) < before || len(r.Rows) > len(sim.Punches()) {
			t.Fatalf("%s: %d rows, proof %q, %v", network, len(r.Rows), r.Proof, err)
		}
		for range 6 {
			e, err := nextEvent(t, c)
			if err != nil || !e.Punched || e.PIN == "" {
				t.Fatalf("%s: event %+v, %v", network, e, err)
			}
		}
	}
}

func TestFullLogIsRead(t *testing.T) {
	sim, address := terminal(t, zktest.Config{}, 20, 0, 500)
	sim.Inject(zktest.Fault{Kind: zktest.FullLog})
	for range 3 {
		if err := sim.Punch(fmt.Sprint(zktest.FirstPIN), 0); err != nil {
			t.Fatal(err)
		}
	}
	r, err := session(t, zk.Options{Address: address}).Attendance(t.Context(), zk.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkRows(t, r, sim)
}

func TestClock(t *testing.T) {
	sim, address := terminal(t, zktest.Config{}, 0, 0, 0)
	c := session(t, zk.Options{Address: address})
	sim.Inject(zktest.Fault{Kind: zktest.ClockJump, For: -48 * time.Hour})
	jumped, err := c.Time(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wall, ok := jumped.Wall()
	if now := time.Now(); !ok || wall.YearDay() == now.YearDay() {
		t.Errorf("clock %s after it jumped two days back", jumped)
	}
	set, _ := zk.PackTime(time.Date(2024, 2, 29, 23, 59, 0, 0, time.UTC))
	if err := c.SetTime(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Time(t.Context()); err != nil || got < set || got > set+30 {
		t.Errorf("clock %s, %v, want %s", got, err, set)
	}
}

func TestEmptyCountSkipsTheRead(t *testing.T) {
	sim, address := terminal(t, zktest.Config{}, 3, 0, 0)
	c := session(t, zk.Options{Address: address})
	r, err := c.Attendance(t.Context(), zk.ReadOptions{})
	if err != nil || !r.Skipped || r.Proof != zk.ProofCount || sim.Requests(zk.PrepareBuffer) != 0 {
		t.Errorf("skipped %t, proof %q, %v, %d PREPARE_BUFFER", r.Skipped, r.Proof, err, sim.Requests(zk.PrepareBuffer))
	}
	r, err = c.Attendance(t.Context(), zk.ReadOptions{Force: true})
	if err != nil || r.Skipped || r.Proof != zk.ProofCount || sim.Requests(zk.PrepareBuffer) != 1 {
		t.Errorf("forced: skipped %t, proof %q, %v, %d PREPARE_BUFFER", r.Skipped, r.Proof, err, sim.Requests(zk.PrepareBuffer))
	}
}

func TestOpenLogGivesTheTail(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(profile.Name+" by "+network, func(t *testing.T) {
				sim, address := terminal(t, zktest.Config{Profile: profile}, 20, 0, 3000)
				c := session(t, zk.Options{Address: address, Network: network})
				l, err := c.OpenLog(t.Context(), -1)
				if err != nil {
					t.Fatal(err)
				}
				if l.Rows() != 3000 || l.Layout != profile.Rows || l.Legacy {
					t.Fatalf("%d rows of layout %s, legacy %t", l.Rows(), l.Layout, l.Legacy)
				}
				held := sim.Punches()
				for _, span := range [][2]int{{2900, 3000}, {0, 5}, {10, 2800}, {3000, 3000}} {
					size := l.Layout.Size()
					b := make([]byte, (span[1]-span[0])*size)
					if err := l.ReadAt(t.Context(), b, span[0]*size); err != nil {
						t.Fatal(err)
					}
					for i := span[0]; i < span[1]; i++ {
						if row := b[(i-span[0])*size:][:size]; !bytes.Equal(row, held[i].Raw) {
							t.Fatalf("row %d = %x, want %x", i, row, held[i].Raw)
						}
					}
				}
				if err := l.ReadAt(t.Context(), make([]byte, 1), l.Size()); err == nil {
					t.Errorf("a byte past the end was read")
				}
				if _, err := c.OpenLog(t.Context(), -1); !errors.Is(err, zk.ErrBusy) {
					t.Errorf("second log: %v, want ErrBusy", err)
				}
				if _, err := c.Time(t.Context()); err != nil {
					t.Errorf("clock while a log is open: %v", err)
				}
				freed := sim.Requests(zk.FreeData)
				if err := l.Close(); err != nil || sim.Requests(zk.FreeData) != freed+1 {
					t.Errorf("Close: %v, %d FREE_DATA", err, sim.Requests(zk.FreeData)-freed)
				}
				if err := l.ReadAt(t.Context(), make([]byte, 2000), 0); err == nil {
					t.Errorf("a closed log was read")
				}
				if _, _, err := c.Users(t.Context()); err != nil {
					t.Errorf("users after the log: %v", err)
				}
			})
		}
	}
}

func TestEventsArriveAndAreAcknowledged(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(profile.Name+" by "+network, func(t *testing.T) {
				sim, address := terminal(t, zktest.Config{Profile: profile}, 3, 0, 0)
				c := session(t, zk.Options{Address: address, Network: network})
				if err := c.RegisterEvents(t.Context(), zk.EventAttLog); err != nil {
					t.Fatal(err)
				}
				pin := fmt.Sprint(zktest.FirstPIN + 1)
				if err := sim.Punch(pin, 1); err != nil {
					t.Fatal(err)
				}
				e, err := nextEvent(t, c)
				if err != nil || e.Code != zk.EventAttLog || !e.Punched || e.Status != 1 || e.Verify != profile.Verify {
					t.Fatalf("event %+v, %v", e, err)
				}
				if e.PIN != pin && e.Slot != 2 {
					t.Errorf("event of pin %q, slot %d, want pin %s or slot 2", e.PIN, e.Slot, pin)
				}
				if held := sim.Punches(); e.Time != held[0].Time {
					t.Errorf("event at %s, stored at %s", e.Time, held[0].Time)
				}
				if _, err := c.Time(t.Context()); err != nil {
					t.Fatal(err)
				}
				eventually(t, "one event is acknowledged", func() bool { return sim.Requests(zk.AckOK) == 1 })
			})
		}
	}
}

// An end of the context interrupts at once, whatever is under way, and the session goes
// on where it was.
func TestContextInterrupts(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run("silent terminal by "+network, func(t *testing.T) {
			sim, address := terminal(t, zktest.Config{}, 3, 0, 10)
			c := session(t, zk.Options{Address: address, Network: network, Timeout: 20 * time.Second})
			sim.Inject(zktest.Fault{Kind: zktest.Late, For: time.Second, Command: zk.CmdGetTime})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			start := time.Now()
			if _, err := c.Time(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 800*time.Millisecond {
				t.Errorf("Time: %v after %s", err, time.Since(start))
			}
			// The answer that comes too late is not taken for this one.
			if version, err := c.Version(t.Context()); err != nil || version != sim.Profile().Firmware {
				t.Errorf("Version afterwards: %q, %v", version, err)
			}
		})
		t.Run("in the midst of a log by "+network, func(t *testing.T) {
			sim, address := terminal(t, zktest.Config{Form: zktest.Form{PacketSize: 1008}}, 3, 0, 20000)
			c := session(t, zk.Options{Address: address, Network: network, ChunkSize: 8000})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := c.Attendance(ctx, zk.ReadOptions{Progress: func(done, total int) {
				if done > total/2 {
					cancel()
				}
			}})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Attendance: %v, want it cancelled", err)
			}
			if sim.Requests(zk.FreeData) != 1 {
				t.Errorf("%d FREE_DATA after the end of the context, want 1", sim.Requests(zk.FreeData))
			}
			r, err := c.Attendance(t.Context(), zk.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			checkRows(t, r, sim)
		})
		t.Run("waiting for events by "+network, func(t *testing.T) {
			sim, address := terminal(t, zktest.Config{}, 3, 0, 10)
			c := session(t, zk.Options{Address: address, Network: network})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			if _, err := c.NextEvent(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("NextEvent: %v", err)
			}
			r, err := c.Attendance(t.Context(), zk.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			checkRows(t, r, sim)
		})
	}
}

func TestCloseEndsWithinASecond(t *testing.T) {
	sim, address := terminal(t, zktest.Config{}, 3, 0, 10)
	c := session(t, zk.Options{Address: address, Timeout: time.Minute})
	if err := c.Disable(t.Context(), time.Minute); err != nil || sim.Enabled() {
		t.Fatalf("Disable: %v, enabled %t", err, sim.Enabled())
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := c.NextEvent(context.Background())
		waiting <- err
	}()
	sim.Inject(zktest.Fault{Kind: zktest.Freeze})
	start := time.Now()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second { // a busy machine's second, far from the timeout
		t.Errorf("Close took %s", took)
	}
	if err := <-waiting; err == nil {
		t.Errorf("NextEvent of a closed session gave an event")
	}
	if _, err := c.Time(t.Context()); err == nil {
		t.Errorf("a closed session gave the time")
	}
}

func TestTerminalIsEnabledAgain(t *testing.T) {
	sim, address := terminal(t, zktest.Config{}, 3, 0, 10)
	c := session(t, zk.Options{Address: address})
	if err := c.Disable(t.Context(), 5*time.Minute); err != nil || sim.Enabled() {
		t.Fatalf("Disable: %v, enabled %t", err, sim.Enabled())
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	eventually(t, "the terminal is enabled", sim.Enabled)
}

func TestACommunicationKeyIsAskedOfWhoeverComesNext(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			sim, address := terminal(t, zktest.Config{}, 3, 0, 0)
			c := session(t, zk.Options{Address: address, Network: network})
			if c.Keyed() {
				t.Error("a terminal without a key asked for one")
			}
			if err := c.WriteOption(t.Context(), zk.OptionCommKey, "123456"); err != nil {
				t.Fatal(err)
			}
			if sim.Requests(zk.CmdRefreshOption) != 1 {
				t.Error("the terminal was not told to take it into use")
			}
			if _, err := c.Sizes(t.Context()); err != nil {
				t.Errorf("the session that set it: %v", err)
			}
			if _, err := zk.Dial(t.Context(), zk.Options{Address: address, Network: network}); !errors.Is(err, zk.ErrKey) {
				t.Errorf("without the key: %v", err)
			}
			if again := session(t, zk.Options{Address: address, Network: network, CommKey: 123456}); !again.Keyed() {
				t.Error("a terminal with a key did not ask for it")
			}
			var refusal *zk.Refusal
			if err := c.WriteOption(t.Context(), zk.OptionCommKey, "1000000"); !errors.As(err, &refusal) || sim.CommKey() != 123456 {
				t.Errorf("a key that is too long: %v, it has %d", err, sim.CommKey())
			}
		})
	}
}
