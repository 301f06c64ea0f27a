package sidik_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// BenchmarkPlacement is the time from a placement that the operator's command has
// saved to the terminal being equal to its roster, on an idle site with the simulated
// terminal, which takes no time of its own. The goal for the median is 2 s.
func BenchmarkPlacement(b *testing.B) {
	w := newWorld(b, nil)
	w.startHub()
	op := operator{w, filepath.Join(build(b), "sidik-hub")}
	agency, samsat := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "samsat-belitung", "samsat")
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	op.says("terminal", "mode", "add", "--serial", samsat.terminal.Serial())
	people := agency.terminal.Users()
	var pins []string
	for n, u := range people {
		for i, finger := range []uint8{1, 6} {
			if err := agency.terminal.AddTemplate(zk.Template{UID: u.UID, Finger: finger, Flag: 1, Data: template(2*n + i)}); err != nil {
				b.Fatal(err)
			}
		}
		pins = append(pins, op.newcomer(fmt.Sprintf("Pegawai Demo %d", n), fmt.Sprintf("19900101201501%d%03d", 2, 901+n)))
	}
	agency.start()
	samsat.start()
	var found string
	eventually(b, func() bool {
		found = op.says("finger", "found")
		return strings.Count(found, "\n") == 2*len(people)
	}, func() string { return found })
	for n, u := range people {
		op.says(append([]string{"finger", "accept", "--employee", pins[n]}, ids(found, u.PIN)...)...)
	}
	var took []time.Duration
	place := func(pin string) {
		op.says("place", pin, "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/1/2026")
		began := time.Now()
		for deadline := began.Add(patience); !samsat.has(pin, 2); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				b.Fatal("the newcomer never came")
			}
		}
		took = append(took, time.Since(began))
	}
	for _, pin := range pins { // whatever b.N is: the same people cannot come twice
		place(pin)
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds(), "s-median")
	b.ReportMetric(took[len(took)-1].Seconds(), "s-longest")
	b.ReportMetric(0, "ns/op")
}

// has tells whether the terminal has a user with so many fingers.
func (o *office) has(pin string, fingers int) bool {
	for _, u := range o.terminal.Users() {
		if protocol.NormalPIN(u.PIN) != pin {
			continue
		}
		n := 0
		for _, f := range o.terminal.Templates() {
			if f.UID == u.UID {
				n++
			}
		}
		return n == fingers
	}
	return false
}
