package collect_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// TestLifeOfATerminal lets everything happen in any order, on all families: people,
// administrators, faults of the line and of the terminal, restarts of the agent. What
// the terminal held when it was last read, before rows were dropped, is kept once.
// SIDIK_SOAK=1 selects many lives; SIDIK_SEED repeats one that failed.
func TestLifeOfATerminal(t *testing.T) {
	lives := uint64(14)
	if os.Getenv("SIDIK_SOAK") == "1" {
		lives = 500
	}
	if testing.Short() {
		lives = 7
	}
	first := uint64(time.Now().UnixNano())
	if text := os.Getenv("SIDIK_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &first); err != nil {
			t.Fatalf("SIDIK_SEED: %v", err)
		}
		lives = 1
	}
	for seed := first; seed < first+lives; seed++ {
		t.Run(fmt.Sprintf("SIDIK_SEED=%d", seed), func(t *testing.T) {
			t.Parallel()
			live(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func live(t *testing.T, random *rand.Rand) {
	profiles := zktest.Profiles()
	profile := profiles[random.IntN(len(profiles))]
	network := []string{"tcp", "udp"}[random.IntN(2)]
	o := newOffice(t, network, zktest.Config{Profile: profile}, random.IntN(600))
	m := newMemory()
	r := o.collect(m, random.IntN(2) == 0)
	clock := time.Date(2027, 3, 1, 7, 0, 0, 0, time.UTC)
	punch := func(n int) {
		for range n {
			clock = clock.Add(time.Duration(random.IntN(3)) * time.Second)
			packed, _ := zk.PackTime(clock)
			if err := o.AddPunch(zk.Attendance{PIN: fmt.Sprint(zktest.FirstPIN + random.IntN(3)), Time: packed, Status: uint8(random.IntN(2)), Verify: 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	held := o.Punches()
	done := ""
	for range 25 {
		// Rows that are dropped before anybody read them are nobody's; so read before.
		read := func() {
			o.Lift()
			o.now(r)
			held = ever(held, o.Punches())
		}
		switch what := random.IntN(10); what {
		case 0, 1, 2:
			punch(random.IntN(400))
			done += " punch"
		case 3:
			read()
			o.ClearLog()
			done += " clear"
		case 4:
			read()
			o.Inject(zktest.Fault{Kind: zktest.ShuffledLog})
			done += " shuffle"
		case 5:
			clock = clock.Add(-time.Duration(random.IntN(3600)) * time.Second)
			done += " clock-back"
		case 6:
			read()
			done += " restart"
			r.stop()
			punch(random.IntN(50))
			r = o.collect(m, random.IntN(2) == 0)
		case 7:
			read()
			n := len(o.Punches())
			o.SetRecordCap(n + 20)
			punch(20 + random.IntN(n+1)) // the oldest are dropped, the new ones are not
			o.SetRecordCap(profile.RecordCap)
			done += " wrap"
		default:
			kinds := zktest.FaultKinds()
			f := zktest.Fault{Kind: kinds[random.IntN(len(kinds))], After: random.IntN(12), For: 100 * time.Millisecond}
			switch f.Kind {
			case zktest.LogCleared, zktest.LogGrows, zktest.FullLog, zktest.ImpossibleDates:
				continue // what they drop or change is not seen by this test
			}
			o.Inject(f)
			done += " " + string(f.Kind)
			_, _ = r.ReadNow(t.Context(), r.Terminals()[0].Serial, nil)
		}
		held = ever(held, o.Punches())
	}
	o.Lift()
	o.now(r)
	defer func() {
		if t.Failed() {
			t.Logf("%s over %s:%s", profile.Name, network, done)
		}
	}()
	o.equal(m.kept(), held)
	o.untouched()
}
