package sidik_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
)

// commKeys are the communication keys of the office's terminal that the hub has.
func (op operator) commKeys(o *office) string {
	op.w.t.Helper()
	return op.says("site", "comm-key", string(o.site), o.terminal.Serial())
}

// may runs a command that may be refused, and returns what it prints.
func (op operator) may(args ...string) string {
	printed, _ := exec.Command(op.program, append(args, "--data", op.w.hubData())...).Output()
	return string(printed)
}

// A terminal that let everybody in gets a key that its agent made, of which the hub has
// the copy before anything is written; its punches go on arriving.
func TestATerminalGetsAKeyOfItsOwn(t *testing.T) {
	w := certifiedWorld(t, time.Hour)
	w.startHub()
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	o := w.newOffice("samsat-belitung", "tft-new", 30)
	o.admit()
	o.start()
	o.arrive()
	if said := op.refuses("site", "errand", string(o.site), "key-make"); !strings.Contains(said, "--only-reader") {
		t.Errorf("nobody was asked who else reads the terminal: %s", said)
	}
	op.says("site", "errand", string(o.site), "key-make", "--only-reader")
	eventually(t, func() bool { return o.terminal.CommKey() != 0 }, func() string { return op.says("site", "errands", string(o.site)) })
	eventually(t, func() bool { return strings.Contains(op.commKeys(o), "opened the terminal") }, func() string { return op.commKeys(o) })
	if said := op.commKeys(o); !strings.Contains(said, fmt.Sprint(o.terminal.CommKey())) {
		t.Errorf("the terminal has another key than the hub says:\n%s", said)
	}
	if err := o.terminal.Punch(o.terminal.Users()[0].PIN, 0); err != nil {
		t.Fatal(err)
	}
	o.arrive()
	o.stop()
	o.start() // with what is on its disk
	if err := o.terminal.Punch(o.terminal.Users()[0].PIN, 1); err != nil {
		t.Fatal(err)
	}
	o.arrive()
	store, err := hub.OpenStore(t.Context(), w.hubData(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	written := 0 // who looked at the key
	err = store.Query(t.Context(), func(rows *sql.Rows) error { return rows.Scan(&written) },
		"SELECT COUNT(*) FROM account_log WHERE detail LIKE 'site comm-key%'")
	if err != nil || written == 0 {
		t.Errorf("nobody wrote down who looked at the key (%v)", err)
	}
}

// An agent is killed again and again while keys change. In the end it gets in, and the hub
// has the key that the terminal has.
func TestKillsWhileAKeyChanges(t *testing.T) {
	w := certifiedWorld(t, time.Hour)
	w.commKey = 4711
	w.startHub()
	programs := build(t)
	op := operator{w, filepath.Join(programs, "sidik-hub")}
	o := w.newOffice("samsat-belitung", "tft-new", 20)
	o.admit()
	process := newProcess(t, filepath.Join(programs, "sidik-agent"), "run", "--config", o.writeConfig())
	stop := o.punching(20 * time.Millisecond)
	defer stop()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	made := func() int { // below a head; none is refused
		return max(0, strings.Count(op.may("site", "comm-key", string(o.site), o.terminal.Serial()), "\n")-1)
	}
	for kills, longest, before := 0, time.Second, 0; kills < 10 || made() < 2 && kills < 40; kills++ {
		process.start()
		op.may("site", "errand", string(o.site), "key-make", "--only-reader") // the one before may be open yet
		pause := time.NewTimer(100*time.Millisecond + time.Duration(random.Int64N(int64(longest))))
		<-pause.C
		process.kill()
		if now := made(); now == before { // this machine is slow: later kills see more of it
			longest = min(longest*3/2, 8*time.Second)
		} else {
			before = now
		}
		if key := o.terminal.CommKey(); key != 4711 && !strings.Contains(op.commKeys(o), fmt.Sprint(key)) {
			t.Fatalf("the terminal has a key of which the hub has no copy")
		}
	}
	stop()
	process.start()
	o.arrive()
	process.end()
	if made() < 2 {
		t.Errorf("%d keys were made, the test proves nothing", made())
	}
	t.Logf("%d keys were made, the terminal has one of them: %t", made(), o.terminal.CommKey() != 4711)
}
