package collect_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
	"github.com/bkpsdmd-babel/sidik/agent/internal/collect"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// office is a simulated terminal that somebody collects from.
type office struct {
	*zktest.Terminal
	t       testing.TB
	network string
	address string
}

func newOffice(t testing.TB, network string, c zktest.Config, punches int) *office {
	t.Helper()
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
	if err := sim.Fill(60, 0, punches); err != nil {
		t.Fatal(err)
	}
	return &office{sim, t, network, address.String()}
}

// terminal is how the office's terminal is collected from; without live only
// ReadNow and the first read do.
func (o *office) terminal(live bool) collect.Terminal {
	serial := protocol.Serial(o.Serial())
	return collect.Terminal{Serial: serial, Address: func() string { return o.address }, Every: time.Hour, Live: live, Source: zkdriver.New(zkdriver.Config{
		Serial: serial, Address: o.address, Network: o.network, Live: live, Timeout: 250 * time.Millisecond, KeepAlive: 250 * time.Millisecond,
	})}
}

func (o *office) collect(m collect.Buffer, live bool) running {
	o.t.Helper()
	return start(o.t, collect.Config{
		Terminals: []collect.Terminal{o.terminal(live)}, Buffer: m,
		Policy: collect.Policy{HintGap: 20 * time.Millisecond, RetryFirst: 20 * time.Millisecond},
	})
}

// now reads until a read succeeds, as people would.
func (o *office) now(r running) {
	o.t.Helper()
	eventually(o.t, "a good read", func() bool {
		_, err := r.ReadNow(context.Background(), protocol.Serial(o.Serial()), nil)
		return err == nil
	})
}

// equal compares what was kept with punches that the terminal held, field by field,
// equal rows with their running numbers, without regard to order.
func (o *office) equal(got []protocol.Record, held []zk.Attendance) {
	o.t.Helper()
	if len(got) != len(held) {
		o.t.Fatalf("%d punches were kept, the terminal held %d", len(got), len(held))
	}
	type key struct {
		pin, time string
		status    uint8
	}
	seen := map[key]uint32{}
	want := map[string]int{}
	for _, a := range held {
		k := key{a.PIN, a.Time.String(), a.Status}
		want[fmt.Sprintln(o.Serial(), a.PIN, a.Time, a.Status, a.Verify, a.WorkCode, "zk", a.Raw, seen[k])]++
		seen[k]++
	}
	for _, r := range got {
		line := fmt.Sprintln(r.Serial, r.PIN, r.Time, r.Status, r.Verify, r.WorkCode, r.Source, r.Raw, r.Nth)
		if want[line]--; want[line] < 0 {
			o.t.Fatalf("kept, but not in the terminal: %s", line)
		}
		if off := r.Offset - protocol.Offset(o.ClockOffset()/time.Second); off < -1 || off > 1 {
			o.t.Fatalf("clock offset %d, the terminal's is %s", r.Offset, o.ClockOffset())
		}
		if r.Read == "" {
			o.t.Fatal("a punch without the read that brought it")
		}
	}
}

// untouched checks that reading did the terminal no harm.
func (o *office) untouched() {
	o.t.Helper()
	if n := o.DisableCount(); n > 0 || !o.Enabled() {
		o.t.Errorf("after reading: enabled %v, disabled %d times", o.Enabled(), n)
	}
}

func TestCollectsWhatTheTerminalHolds(t *testing.T) {
	many := 100_000
	if testing.Short() {
		many = 10_000
	}
	for _, profile := range zktest.Profiles() {
		for _, network := range []string{"tcp", "udp"} {
			for _, n := range []int{0, 1, 1000, many} {
				t.Run(fmt.Sprintf("%s %s %d", profile.Name, network, n), func(t *testing.T) {
					o := newOffice(t, network, zktest.Config{Profile: profile}, n)
					m := newMemory()
					r := o.collect(m, false)
					o.now(r)
					o.equal(m.kept(), o.Punches())
					o.untouched()
					if shown := r.Terminals()[0]; shown.Serial != protocol.Serial(o.Serial()) || shown.LastRead == nil || shown.LastError != "" ||
						shown.Model != profile.Device || n > 0 && shown.Watermark == "" {
						t.Errorf("shown: %+v", shown)
					}
				})
			}
		}
	}
}

// TestCollectsWhilePeoplePunch hears of each punch by a live event.
func TestCollectsWhilePeoplePunch(t *testing.T) {
	for _, profile := range zktest.Profiles() {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(profile.Name+" "+network, func(t *testing.T) {
				o := newOffice(t, network, zktest.Config{Profile: profile}, 400)
				m := newMemory()
				o.collect(m, true)
				eventually(t, "the first read", func() bool { return len(m.kept()) == 400 })
				for i := range 10 {
					if err := o.Punch(fmt.Sprint(zktest.FirstPIN+i%3), 0); err != nil { // several in a second
						t.Fatal(err)
					}
					eventually(t, "the punch", func() bool { return len(m.kept()) == 401+i })
				}
				o.equal(m.kept(), o.Punches())
				o.untouched()
			})
		}
	}
}

// faults are all ways in which a terminal fails, some of them more than once. Those
// that last make the first reads fail until they are lifted.
func faults() (all []zktest.Fault) {
	for _, kind := range zktest.FaultKinds() {
		f := zktest.Fault{Kind: kind}
		switch kind {
		case zktest.Late:
			f.For = 400 * time.Millisecond
		case zktest.Freeze, zktest.Reboot:
			f.For = 300 * time.Millisecond
		case zktest.HugeFrame, zktest.BadMagic, zktest.LostReply, zktest.LostRequest:
			f.After = 4
		case zktest.LogGrows:
			f.N = 3
		case zktest.ClockJump:
			f.For = -48 * time.Hour
		}
		all = append(all, f)
		switch kind {
		case zktest.FullLog, zktest.ClockJump, zktest.ImpossibleDates, zktest.ShuffledLog, zktest.LogCleared, zktest.LogGrows:
			continue
		}
		late := f
		late.After += 9
		always := f
		always.Times = zktest.Always
		all = append(all, late, always)
	}
	return all
}

// TestFaults lets a terminal fail in each way: a read fails as a whole or is
// complete, nothing of it is kept twice, and all is well again without a restart.
func TestFaults(t *testing.T) {
	profile := zktest.Profiles()[1] // small packets, so that a read has many of them
	for _, network := range []string{"tcp", "udp"} {
		for _, f := range faults() {
			name := fmt.Sprintf("%s %s after %d times %d", network, f.Kind, f.After, cmp.Or(f.Times, 1))
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, network, zktest.Config{Profile: profile}, 1500)
				m := newMemory()
				o.Inject(f)
				before := o.Punches()
				r := o.collect(m, true)
				for range 2 {
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					_, err := r.ReadNow(ctx, protocol.Serial(o.Serial()), nil)
					cancel()
					if err != nil && terminal.Cause(err) == "" {
						t.Fatalf("ReadNow = %v without a cause", err)
					}
					if n := len(m.kept()); n != 0 && n < len(before) {
						t.Fatalf("%d of %d punches were kept", n, len(before))
					}
					if err == nil && f.Kind != zktest.LogCleared && len(m.kept()) < len(before) {
						t.Fatalf("a read that brought %d of %d punches succeeded", len(m.kept()), len(before))
					}
				}
				o.Lift()
				if err := o.Punch("1001", 0); err != nil {
					t.Fatal(err)
				}
				o.now(r)
				want := o.Punches()
				if f.Kind == zktest.FullLog { // what was dropped had been read
					want = ever(before, want)
				}
				o.equal(m.kept(), want)
				o.untouched()
				if c := r.Terminals()[0].LastError; c != "" {
					t.Errorf("last error %q after a good read", c)
				}
			})
		}
	}
}

// ever is what a terminal held at one time or another: of equal rows as many as it
// held at once.
func ever(held, now []zk.Attendance) []zk.Attendance {
	type key struct {
		pin    string
		time   zk.Time
		status uint8
	}
	known := map[key]int{}
	for _, a := range held {
		known[key{a.PIN, a.Time, a.Status}]++
	}
	held = slices.Clone(held)
	for _, a := range now {
		if k := (key{a.PIN, a.Time, a.Status}); known[k] > 0 {
			known[k]--
		} else {
			held = append(held, a)
		}
	}
	return held
}

// TestLogsThatPeopleAndTerminalsChange keeps every punch once, whatever became of it.
func TestLogsThatPeopleAndTerminalsChange(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(o *office)
	}{
		{"cleared", func(o *office) { o.ClearLog() }},
		{"cleared and full again", func(o *office) { o.ClearLog(); o.punches(700, 0) }},
		{"wrapped", func(o *office) { o.Inject(zktest.Fault{Kind: zktest.FullLog}); o.punches(100, 0) }},
		{"wrapped more than once", func(o *office) { o.Inject(zktest.Fault{Kind: zktest.FullLog}); o.punches(400, 0) }},
		{"reordered", func(o *office) { o.Inject(zktest.Fault{Kind: zktest.ShuffledLog}) }},
		{"reordered and grown", func(o *office) { o.punches(30, 0); o.Inject(zktest.Fault{Kind: zktest.ShuffledLog}) }},
		{"clock set back", func(o *office) { o.punches(30, -100*24*time.Hour) }},
		{"clock set far ahead", func(o *office) { o.punches(30, 3000*24*time.Hour) }},
	} {
		for _, live := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s live %v", c.name, live), func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, "tcp", zktest.Config{}, 600)
				m := newMemory()
				r := o.collect(m, live)
				o.now(r)
				all := o.Punches()
				c.change(o)
				o.now(r)
				all = ever(all, o.Punches())
				o.equal(m.kept(), all)
				// A scheduled read and one more whole read find nothing more.
				o.now(r)
				if n := len(m.kept()); n != len(all) {
					t.Errorf("another read kept %d punches more", n-len(all))
				}
				o.untouched()
			})
		}
	}
}

// punches lets people punch at times from an offset of today on.
func (o *office) punches(n int, ahead time.Duration) {
	o.t.Helper()
	at := time.Date(2026, 6, 1, 7, 0, 0, 0, time.UTC).Add(ahead)
	for i := range n {
		packed, _ := zk.PackTime(at.Add(time.Duration(i) * 10 * time.Second))
		if err := o.AddPunch(zk.Attendance{PIN: fmt.Sprint(zktest.FirstPIN + i%60), Time: packed, Verify: 1}); err != nil {
			o.t.Fatal(err)
		}
	}
}

// TestCrashBetweenFlushes ends an agent after each number of flushes, in the first
// read of a terminal and in a later one; the next agent keeps the rest, once, when it
// starts.
func TestCrashBetweenFlushes(t *testing.T) {
	for _, before := range []int{0, 600} {
		for died := range 5 {
			t.Run(fmt.Sprintf("after %d flushes beyond %d rows", died, before), func(t *testing.T) {
				o := newOffice(t, "tcp", zktest.Config{}, before)
				m := newMemory()
				r := o.collect(m, false)
				o.now(r)
				r.stop()
				o.punches(4500, 400*24*time.Hour) // later than all others
				left := died
				m.refusing(func(buffer.Flush) error {
					if left--; left < 0 {
						return errors.New("the agent is dead")
					}
					return nil
				})
				r = o.collect(m, false)
				eventually(t, "its death", func() bool { return r.Terminals()[0].LastError == "buffer-failing" })
				r.stop()
				if n := len(m.kept()); n != before+died*1000 {
					t.Fatalf("%d punches were kept before it died", n)
				}
				m.refusing(nil)
				r = o.collect(m, false)
				eventually(t, "a read", func() bool { return r.Terminals()[0].LastRead != nil })
				o.equal(m.kept(), o.Punches())
				o.untouched()
			})
		}
	}
}

func TestStrangerIsNotRead(t *testing.T) {
	o := newOffice(t, "tcp", zktest.Config{Serial: "SIM0000002"}, 100)
	m := newMemory()
	own := o.terminal(true)
	own.Serial = "SIM0000001"
	own.Source = zkdriver.New(zkdriver.Config{Serial: own.Serial, Address: o.address, Network: "tcp", Live: true, Timeout: time.Second})
	r := start(t, collect.Config{Terminals: []collect.Terminal{own}, Buffer: m})
	_, err := r.ReadNow(t.Context(), "SIM0000001", nil)
	if _, ok := errors.AsType[*terminal.StrangerError](err); !ok {
		t.Fatalf("ReadNow = %v, want a StrangerError", err)
	}
	if len(m.kept()) > 0 || o.Requests(zk.PrepareBuffer) > 0 || o.Requests(zk.CmdFreeSizes) > 0 {
		t.Error("something of a stranger was read")
	}
	conditions := r.Conditions()
	if len(conditions) != 1 || conditions[0].Code != "terminal-stranger" || conditions[0].Args["got"] != "SIM0000002" {
		t.Errorf("conditions %+v, want the stranger's", conditions)
	}
	o.untouched()
}

// TestReadNow shows progress and can be given up.
func TestReadNow(t *testing.T) {
	o := newOffice(t, "tcp", zktest.Config{}, 20_000)
	m := newMemory()
	r := o.collect(m, true)
	var last collect.Progress
	result, err := r.ReadNow(t.Context(), protocol.Serial(o.Serial()), func(p collect.Progress) {
		if p.Done < last.Done || p.Total != 20_000*40 {
			t.Errorf("progress %+v after %+v", p, last)
		}
		last = p
	})
	if err != nil || result.Rows != 20_000 || last.Done != last.Total || result.Proof != terminal.ProofCount {
		t.Errorf("ReadNow = %+v, %v with progress %+v", result, err, last)
	}
	if _, err := r.ReadNow(t.Context(), "NOBODY", nil); !errors.Is(err, collect.ErrNoTerminal) {
		t.Errorf("ReadNow of an unknown terminal = %v, want ErrNoTerminal", err)
	}
	o.Inject(zktest.Fault{Kind: zktest.Freeze})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	if _, err := r.ReadNow(ctx, protocol.Serial(o.Serial()), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadNow that was given up = %v", err)
	}
	o.Lift()
	o.now(r)
	r.stop()
	if _, err := r.ReadNow(t.Context(), protocol.Serial(o.Serial()), nil); !errors.Is(err, collect.ErrEnded) {
		t.Errorf("ReadNow after the end = %v, want ErrEnded", err)
	}
}
