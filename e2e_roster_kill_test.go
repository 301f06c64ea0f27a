package sidik_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// TestKillsWhileRostersConverge kills hub and agents at random moments while the
// terminals of many offices get their people: half of them have been there for years,
// under numbers of their own; the others come with fingers recorded at the agency. At every moment each old finger is on its terminal; in the end each
// terminal has exactly its people with their fingers, and is enabled.
func TestKillsWhileRostersConverge(t *testing.T) {
	offices, people, kills := 6, 8, 12
	if os.Getenv("SIDIK_SOAK") != "" {
		offices, people, kills = 300, 8, 300
	}
	programs := build(t)
	w := newWorld(t, nil)
	op := operator{w, filepath.Join(programs, "sidik-hub")}
	hub := newProcess(t, op.program, w.hubArgs()...)
	hub.start()

	agency := w.keptOffice(op, "bkpsdmd", "agency")
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	boss := op.newcomer("Admin Demo", "198001012005011901")
	var list strings.Builder
	list.WriteString("nip;nama;jenis_pegawai;kode_unor;tmt_penempatan;no_sk;status;pin_lama\n")
	all := make([]*office, offices)
	for n := range all {
		unit := fmt.Sprintf("unit-%03d", n)
		all[n] = w.keptOffice(op, fmt.Sprintf("kantor-%03d", n), unit)
		for _, u := range all[n].terminal.Users() {
			all[n].terminal.DeleteUser(u.UID)
		}
		if err := all[n].terminal.AddUser(zk.User{UID: 1, PIN: boss, Name: []byte("Admin Demo"), Group: 1, Privilege: zk.PrivilegeAdmin}); err != nil {
			t.Fatal(err)
		}
		for i := range people {
			person := n*people + i
			u := zk.User{UID: uint16(100 + person), PIN: fmt.Sprint(5001 + person), Name: []byte("Demo"), Group: 1}
			finger := zk.Template{UID: u.UID, Finger: 1, Flag: 1, Data: ofPerson(person, 1)}
			at := []*office{agency, all[n]}
			if i%2 == 1 { // recorded, and not at the office yet
				at = at[:1]
			}
			for _, o := range at {
				if err := o.terminal.AddUser(u); err != nil {
					t.Fatal(err)
				}
				if err := o.terminal.AddTemplate(finger); err != nil {
					t.Fatal(err)
				}
			}
			fmt.Fprintf(&list, "1990%02d%02d20%02d%02d1%03d;Pegawai Demo %d;PNS;%s;2026-01-01;800/%d/2026;aktif;%s\n",
				1+person%12, 1+person%28, 10+person/1200, 1+person/100%12, 900+person%100, person, unit, n, u.PIN)
		}
	}
	file := filepath.Join(w.dir, "pegawai.csv")
	if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	op.says("register", "import", file)
	op.says("terminal", "grant", boss, "--all", "--from", "2026-01-01")
	agents := make([]*process, 0, offices+1)
	for _, o := range append(slices.Clone(all), agency) {
		p := newProcess(t, filepath.Join(programs, "sidik-agent"), "run", "--config", o.writeConfig())
		p.start()
		agents = append(agents, p)
	}
	eventually(t, func() bool {
		return strings.Count(op.says("finger", "found", "--site", "bkpsdmd"), "\n") == offices*people
	}, func() string { return "the fingers of the agency did not come" })
	op.says("finger", "adopt", "--site", "bkpsdmd")

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	nobodyLost := func() {
		t.Helper()
		for n, o := range all {
			held := o.terminal.Templates()
			for i := 0; i < people; i += 2 {
				mine := ofPerson(n*people+i, 1)
				if !slices.ContainsFunc(held, func(f zk.Template) bool { return bytes.Equal(f.Data, mine) }) {
					t.Fatalf("a finger that was at office %d for years is gone", n)
				}
			}
		}
	}
	counts := map[string]int{}
	strike := func() {
		wait := time.NewTimer(time.Duration(random.IntN(500)) * time.Millisecond)
		<-wait.C
		victim, name := agents[random.IntN(len(agents))], "agent"
		if random.IntN(4) == 0 {
			victim, name = hub, "hub"
		}
		victim.kill()
		nobodyLost()
		victim.start()
		counts[name]++
	}
	for n, o := range all {
		op.enforce(o)
		for counts["hub"]+counts["agent"] < (n+1)*kills/2/offices {
			strike()
		}
	}
	for counts["hub"]+counts["agent"] < kills {
		strike()
	}
	t.Logf("killed %v", counts)
	for n, o := range all {
		want := make([]string, people+1)
		want[0] = boss + "/0"
		for i := range people {
			want[i+1] = fmt.Sprintf("%d/1", 100_002+n*people+i)
			if i%2 == 0 {
				want[i+1] = fmt.Sprintf("%d/1", 5001+n*people+i)
			}
		}
		slices.Sort(want)
		o.holds(want...)
		if !o.terminal.Enabled() {
			t.Errorf("the terminal of office %d is left disabled", n)
		}
	}
	nobodyLost()
}
