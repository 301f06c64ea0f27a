package sidik_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/config"
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

// BenchmarkThousandPlacements is the time from a thousand placements, saved by one
// import, to all of these people having their fingers on the terminals of 300 offices,
// with hub and agents on the same machine. The goal is 60 s on two cores.
func BenchmarkThousandPlacements(b *testing.B) {
	const offices, people = 300, 1000
	w, programs := newWorld(b, nil), build(b)
	w.startHub()
	op := operator{w, filepath.Join(programs, "sidik-hub")}
	agency := w.keptOffice(op, "bkpsdmd", "agency")
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	all := make([]*office, offices)
	for n := range all {
		all[n] = w.keptOffice(op, fmt.Sprintf("kantor-%03d", n), fmt.Sprintf("unit-%03d", n))
		op.says("terminal", "mode", "add", "--serial", all[n].terminal.Serial())
	}
	list := func(head string, row func(person int) string) string {
		text := head
		for person := range people {
			text += fmt.Sprintf("\n1990%02d%02d20%02d%02d1%03d;", 1+person%12, 1+person%28, 10+person/1200, 1+person/100%12, 900+person%100) + row(person)
		}
		file := filepath.Join(w.dir, "pegawai.csv")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		return file
	}
	op.says("register", "import", list("nip;nama;jenis_pegawai;status;pin_lama", func(person int) string {
		u := zk.User{UID: uint16(100 + person), PIN: fmt.Sprint(5001 + person), Name: []byte("Demo"), Group: 1}
		if err := agency.terminal.AddUser(u); err != nil {
			b.Fatal(err)
		}
		for finger := range uint8(2) {
			if err := agency.terminal.AddTemplate(zk.Template{UID: u.UID, Finger: finger, Flag: 1, Data: ofPerson(person, finger)}); err != nil {
				b.Fatal(err)
			}
		}
		return fmt.Sprintf("Pegawai Demo %d;PNS;aktif;%s", person, u.PIN)
	}))
	agency.start()
	found := 0
	eventually(b, func() bool {
		found = strings.Count(op.says("finger", "found"), "\n")
		return found == 2*people
	}, func() string { return fmt.Sprintf("%d fingers came", found) })
	op.says("finger", "adopt")
	for _, o := range all { // as they are in an office: reading twice a minute
		o.config.Terminals[0].Every = config.Duration(30 * time.Second)
		newProcess(b, filepath.Join(programs, "sidik-agent"), "run", "--config", o.writeConfig()).start()
	}
	read := 0
	eventually(b, func() bool {
		read = strings.Count(op.says("terminal", "holdings"), "10/0")
		return read == offices
	}, func() string { return fmt.Sprintf("%d terminals were read", read) })
	placements := list("nip;nama;kode_unor;tmt_penempatan;no_sk", func(person int) string {
		return fmt.Sprintf("Pegawai Demo %d;unit-%03d;2026-01-01;800/%d/2026", person, person%offices, person)
	})
	began := time.Now()
	op.says("register", "import", placements)
	saved, left := time.Since(began), 0
	eventually(b, func() bool {
		left = people
		for _, o := range all {
			left -= len(o.terminal.Templates()) / 2
		}
		return left == 0
	}, func() string { return fmt.Sprintf("%d people are not on their terminals", left) })
	b.ReportMetric(saved.Seconds(), "s-import")
	b.ReportMetric(time.Since(began).Seconds(), "s-converged")
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
