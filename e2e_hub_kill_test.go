package sidik_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/hub"
)

// The hub is killed at each step of its conversation with an agent that claims, and with
// one that renews: whatever it had written down by then, and whatever of its answer got
// there, the agent is in with the next attempt, by the key that the hub holds.
func TestAHubThatIsKilledAtEachStepLetsTheAgentIn(t *testing.T) {
	step := int64(600) // bytes; all of a conversation are about 8000
	if testing.Short() {
		step = 2400
	}
	w := certifiedWorld(t, 0)
	program := filepath.Join(build(t), "sidik-hub")
	lasting := newProcess(t, program, w.hubArgs()...)
	fleeting := newProcess(t, program, append(w.hubArgs(), "--certificate-life", "1s")...)
	o := w.newOffice("samsat-belitung", "tft-new", 20)
	way := newRoad(t, w.door)
	o.config.Hub.Address = "https://" + way.address
	machines := 0
	machine := func() { // another one, with a code
		machines++
		o.config.Data = filepath.Join(w.dir, fmt.Sprint("machine ", machines))
		o.admit()
	}
	in := func(before string) {
		t.Helper()
		eventually(t, func() bool {
			_, err := os.Stat(filepath.Join(o.config.Data, "claim"))
			return o.pass() != before && os.IsNotExist(err)
		}, func() string {
			return fmt.Sprintf("machine %d is not in: %+v", machines, o.live.Load().Status().State.Conditions)
		})
	}

	lasting.start()
	claims, whole := 0, int64(0)
	for cut := int64(1); whole == 0; cut += step {
		machine()
		began, broke := way.carried(), way.breaksAfter(cut)
		o.start()
		eventually(t, func() bool { return o.pass() != "" || closed(broke) }, func() string { return "neither broken nor in" })
		if closed(broke) {
			lasting.kill()
			lasting.start()
			claims++
		} else {
			whole = way.carried() - began // the last cut was behind the end
		}
		in("")
		o.stop()
	}
	lasting.kill()

	fleeting.start()
	machine()
	o.start()
	in("")
	renewals := 0
	for cut := int64(1); cut < whole; cut += step {
		broke := way.breaksAfter(cut)
		eventually(t, func() bool { return closed(broke) }, func() string { return "the agent does not renew" })
		fleeting.kill()
		before := o.pass()
		fleeting.start()
		in(before)
		renewals++
	}
	fleeting.kill()
	lasting.start()
	o.arrive()
	key, created, err := agent.LoadKey(o.config.Data)
	if err != nil || created {
		t.Fatalf("the agent's key: made now %v, %v", created, err)
	}
	s, err := hub.OpenStore(t.Context(), w.hubData(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	keys := 0
	if err := s.Query(t.Context(), func(rows *sql.Rows) error { return rows.Scan(&keys) }, "SELECT COUNT(*) FROM agent_key"); err != nil || keys != machines {
		t.Errorf("%d machines have %d keys, %v", machines, keys, err)
	}
	if held, err := s.Agent(t.Context(), o.site); err != nil || held.Key != key.Public() {
		t.Errorf("the site's key is another one than the newest machine's, %v", err)
	}
	operator{w, program}.says("verify")
	t.Logf("killed in %d claims and %d renewals of %d bytes", claims, renewals, whole)
}

// closed tells whether something has happened.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// The hub is killed again and again while it orders other settings and communication keys
// of a terminal. In the end the agent runs with what was set last, and the hub has the key
// that the terminal has.
func TestAHubThatIsKilledWhileItOrders(t *testing.T) {
	kills := 8
	if testing.Short() {
		kills = 4
	}
	w := certifiedWorld(t, 0)
	w.commKey = 4711
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	h := newProcess(t, op.program, w.hubArgs()...)
	h.start()
	o := w.newOffice("samsat-belitung", "tft-new", 20)
	o.admit()
	o.start()
	o.arrive()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for n := range kills {
		op.may("site", "errand", string(o.site), "key-make", "--only-reader") // the one before may be open yet
		op.set(o, fmt.Sprintf("[buffer]\nretention_days = %d\n", 30+n))
		pause := time.NewTimer(time.Duration(random.IntN(2000)+50) * time.Millisecond)
		<-pause.C
		h.kill()
		if key := o.terminal.CommKey(); key != 4711 && !strings.Contains(op.commKeys(o), fmt.Sprint(key)) {
			t.Fatalf("the terminal has a key of which the hub has no copy")
		}
		h.start()
	}
	op.sees(o, "runs with these settings")
	if set := op.says("site", "settings", string(o.site)); !strings.Contains(set, fmt.Sprintf("retention_days = %d\n", 30+kills-1)) {
		t.Errorf("the agent runs with %s", set)
	}
	eventually(t, func() bool {
		op.may("site", "errand", string(o.site), "key-make", "--only-reader") // who was interrupted is asked again
		return o.terminal.CommKey() != 4711
	}, func() string { return op.says("site", "errands", string(o.site)) })
	if key := o.terminal.CommKey(); !strings.Contains(op.commKeys(o), fmt.Sprint(key)) {
		t.Error("the terminal has a key of which the hub has no copy")
	}
	o.punch(3)
	o.arrive()
}
