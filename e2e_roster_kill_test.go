package sidik_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestKillsWhileRostersConverge kills the hub and stops agents at random moments while
// a whole list of employees goes to the terminals of several offices. In the end
// every terminal has exactly its people, each once, and is enabled.
func TestKillsWhileRostersConverge(t *testing.T) {
	offices, people, kills := 6, 20, 6
	if os.Getenv("SIDIK_SOAK") != "" {
		offices, people, kills = 40, 60, 60
	}
	programs := build(t)
	w := newWorld(t, nil)
	op := operator{w, filepath.Join(programs, "sidik-hub")}
	hub := newProcess(t, op.program, w.hubArgs()...)
	hub.start()
	var all []*office
	var list strings.Builder
	list.WriteString("nip;nama;jenis_pegawai;kode_unor;tmt_penempatan;no_sk;status\n")
	for n := range offices {
		unit := fmt.Sprintf("unit-%02d", n)
		o := w.keptOffice(op, fmt.Sprintf("kantor-%02d", n), unit)
		for i := range people {
			fmt.Fprintf(&list, "1990%02d%02d2015011%03d;Pegawai Demo %d %d;PNS;%s;2026-01-01;800/%d/2026;aktif\n", 1+n%12, 1+i%28, 900+(n*people+i)%100, n, i, unit, n)
		}
		all = append(all, o)
		o.start()
		op.enforce(o)
	}
	file := filepath.Join(w.dir, "pegawai.csv")
	if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	op.says("register", "import", file)
	boss := op.newcomer("Admin Demo", "198001012005011901")
	for _, o := range all {
		op.says("terminal", "grant", boss, "--serial", o.terminal.Serial(), "--from", "2026-01-01")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range kills {
		wait := time.NewTimer(time.Duration(random.IntN(700)) * time.Millisecond)
		<-wait.C
		if random.IntN(2) == 0 {
			hub.kill()
			hub.start()
			continue
		}
		o := all[random.IntN(len(all))]
		o.stop()
		o.start()
	}
	for n, o := range all {
		var got []string
		eventually(t, func() bool {
			got = nil
			for _, u := range o.terminal.Users() {
				got = append(got, u.PIN)
			}
			slices.Sort(got)
			return len(got) == people+1 && slices.Contains(got, boss) && o.terminal.Enabled()
		}, func() string {
			return fmt.Sprintf("office %d: %d users, enabled %t: %v\n%s", n, len(got), o.terminal.Enabled(), got, op.says("terminal", "holdings"))
		})
		if len(slices.Compact(got)) != people+1 {
			t.Errorf("office %d has somebody twice: %v", n, got)
		}
	}
}
