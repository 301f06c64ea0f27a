package sidik_test

import (
	"crypto/sha256"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
	"github.com/bkpsdmd-babel/sidik/protocol/mqtt/mqtttest"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// TestAHostileBrokerCapturesNothing lets fingers be asked for while the broker does what
// it can. Nobody is asked for a finger that nobody ordered, nowhere and never twice; in
// the end each finger that was ordered is in the vault as its own person's.
func TestAHostileBrokerCapturesNothing(t *testing.T) {
	attacks := 900
	if testing.Short() {
		attacks = 300
	}
	w := newWorld(t, nil)
	w.startHub()
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	far := mqtttest.StartMosquitto(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := startCourier(t, seed, w.brokers(), far.URLs())
	agency, school := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "smkn-1-koba", "school")
	strangers := agency.pins()
	for _, o := range []*office{agency, school} {
		op.says("terminal", "mode", "--serial", o.terminal.Serial(), "--enrolment", "yes")
		o.config.Hub.Broker = far.URLs()[0]
		o.start()
		defer o.obliging()()
	}
	ani, budi, citra := op.newcomer("Ani Demo", "199001012015012901"), op.newcomer("Budi Demo", "199001012015011902"), op.newcomer("Citra Demo", "199001012015012903")
	order := func(pin, fingers string) {
		op.says("capture", "start", "--serial", agency.terminal.Serial(), "--employee", pin, "--finger", fingers, "--notice-shown", "--by", "operator")
	}
	order(ani, "1") // while he is honest, so that there is something to replay
	eventually(t, func() bool { return strings.Contains(op.says("capture", "list"), "vault") }, func() string { return op.says("capture", "list") })

	c.mu.Lock()
	c.cruel = true
	c.mu.Unlock()
	c.storm(attacks, func(i int) {
		switch i {
		case attacks / 10:
			order(ani, "6")
		case attacks / 3:
			order(budi, "1,6")
		}
		if asked := agency.terminal.Requests(zk.CmdStartEnroll); asked > 4 {
			t.Fatalf("attack %d: the terminal was made to ask %d times for 4 jobs", i, asked)
		}
	})
	c.calm()
	far.Stop()
	far.Start()
	w.stopHub()
	w.startHub()
	eventually(t, func() bool { return strings.Count(op.says("capture", "list"), "vault") == 4 }, func() string { return op.says("capture", "list") })

	for pin, fingers := range map[string][]int{ani: {1, 6}, budi: {1, 6}, citra: nil} {
		list := op.says("finger", "list", pin)
		if strings.Count(list, "\n") != len(fingers) {
			t.Errorf("PIN %s has in the vault:\n%s", pin, list)
		}
		for _, finger := range fingers {
			digest := protocol.Hash(sha256.Sum256(ownTemplate(pin, uint8(finger))))
			if !strings.Contains(list, digest.Short()) {
				t.Errorf("PIN %s does not have their own finger %s:\n%s", pin, strconv.Itoa(finger), list)
			}
		}
	}
	// Every job that was ever said, once more.
	c.mu.Lock()
	said := append([]mqtt.Message(nil), c.seen[protocol.KindJobs]...)
	c.mu.Unlock()
	for _, m := range said {
		_ = c.publish(officeSide, m)
	}
	order(budi, "2") // it comes after them
	eventually(t, func() bool { return strings.Count(op.says("capture", "list"), "vault") == 5 }, func() string { return op.says("capture", "list") })
	agency.holdsOnly(strangers)
	if asked := agency.terminal.Requests(zk.CmdStartEnroll); asked != 5 || len(said) < 4 {
		t.Errorf("after %d jobs were said again the terminal was made to ask %d times for 5 jobs", len(said), asked)
	}
	if asked := school.terminal.Requests(zk.CmdStartEnroll); asked != 0 {
		t.Errorf("a terminal for which nothing was ordered asked %d times", asked)
	}
	t.Logf("attacks: %v", c.done)
}
