package sidik_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// The agent is killed while the terminal asks. A finger that is placed meanwhile is the
// one that was asked for; one that is not leaves nothing behind. In neither case is
// the job begun again.
func TestAgentKilledWhileAFingerIsCaptured(t *testing.T) {
	programs := build(t)
	w := newWorld(t, nil)
	w.startHub()
	op := operator{w, filepath.Join(programs, "sidik-hub")}
	agency := w.keptOffice(op, "bkpsdmd", "agency")
	strangers := agency.pins()
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	ani := op.newcomer("Ani Demo", "199001012015012902")
	agent := newProcess(t, filepath.Join(programs, "sidik-agent"), "run", "--config", agency.writeConfig())
	agent.start()

	follow := op.follows("capture", "start", "--serial", agency.terminal.Serial(), "--employee", ani, "--finger", "1", "--notice-shown", "--by", "operator")
	agency.asks(ani, 1)
	agent.kill()
	agency.places(template(1), true, true, true)
	agent.start()
	follow.ends(true, "the template is in the vault")
	agency.holdsOnly(strangers)

	follow = op.follows("capture", "start", "--serial", agency.terminal.Serial(), "--employee", ani, "--finger", "6", "--notice-shown", "--by", "operator")
	agency.asks(ani, 6)
	agent.kill()
	agency.asks(ani, 6) // the terminal goes on by itself
	agent.start()
	follow.ends(false, "interrupted")
	agency.isQuiet()
	agency.holdsOnly(strangers)
	agent.end()
}

// Hub and agent are killed at random moments while fingers are asked for and people put
// them on the sensor. In the end everybody has the fingers that were ordered, each once;
// no job was begun twice, and the terminal is as it was before.
func TestKillsWhileFingersAreCaptured(t *testing.T) {
	people, kills, fingers := 3, 8, []string{"1", "6"}
	if os.Getenv("SIDIK_SOAK") != "" {
		people, kills, fingers = 9, 80, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	}
	programs := build(t)
	w := newWorld(t, nil)
	op := operator{w, filepath.Join(programs, "sidik-hub")}
	hub := newProcess(t, op.program, w.hubArgs()...)
	hub.start()
	agency := w.keptOffice(op, "bkpsdmd", "agency")
	strangers := agency.pins()
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	agent := newProcess(t, filepath.Join(programs, "sidik-agent"), "run", "--config", agency.writeConfig())
	agent.start()

	var pins []string
	ordered := 0
	order := func(pin string, fingers ...string) {
		op.says("capture", "start", "--serial", agency.terminal.Serial(), "--employee", pin, "--finger", strings.Join(fingers, ","), "--notice-shown", "--by", "operator")
		ordered += len(fingers)
	}
	for n := range people {
		pin := op.newcomer(fmt.Sprintf("Pegawai Demo %d", n), fmt.Sprintf("19900101201501290%d", n+1))
		pins = append(pins, pin)
		order(pin, fingers...)
	}
	defer agency.obliging()()

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	for range kills {
		pause := time.NewTimer(time.Duration(random.IntN(1500)+50) * time.Millisecond)
		<-pause.C
		if random.IntN(3) == 0 {
			hub.kill()
			hub.start()
			continue
		}
		agent.kill()
		agent.start()
	}
	// What was interrupted is ordered again, as a person would.
	for lacking := true; lacking; {
		eventually(t, func() bool { return strings.Count(op.says("capture", "list", "--open"), "\n") == 1 },
			func() string { return op.says("capture", "list") })
		lacking = false
		for _, pin := range pins {
			held := op.says("finger", "list", pin)
			for _, finger := range fingers {
				switch strings.Count("\n"+held, "\n"+finger+" ") {
				case 0:
					lacking = true
					order(pin, finger)
				case 1:
				default:
					t.Fatalf("PIN %s has a finger twice:\n%s", pin, held)
				}
			}
		}
		if ordered > 10*people*len(fingers) {
			t.Fatalf("it does not come to an end:\n%s", op.says("capture", "list"))
		}
	}
	agency.holdsOnly(strangers)
	agency.isQuiet()
	if asked := agency.terminal.Requests(zk.CmdStartEnroll); asked > ordered {
		t.Errorf("the terminal was made to ask %d times for %d jobs", asked, ordered)
	}
	t.Logf("%d jobs for %d fingers", ordered, people*len(fingers))
	agent.end()
	hub.end()
}

// obliging lets everybody who is asked for a finger place it, until stop is called.
func (o *office) obliging() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var people sync.WaitGroup
	people.Go(func() {
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if pin, finger, asked := o.terminal.Asked(); asked {
				// An error is that the terminal has stopped asking in between.
				_ = o.terminal.PlaceFinger(ownTemplate(pin, finger), true)
			}
		}
	})
	return func() { cancel(); people.Wait() }
}

// ownTemplate is a finger that nobody else has who has another last digit.
func ownTemplate(pin string, finger uint8) []byte {
	return template(int(pin[len(pin)-1]-'0')*10 + int(finger))
}
