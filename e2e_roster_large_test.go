package sidik_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// TestALargeRosterTravels brings a terminal's whole population, with three fingers each,
// from the agency to another terminal: the roster is larger than one message. The
// long form is a full terminal, on each broker.
func TestALargeRosterTravels(t *testing.T) {
	people, on := 420, func(t *testing.T, scenario func(*testing.T, *world)) { scenario(t, newWorld(t, nil)) }
	switch {
	case os.Getenv("SIDIK_SOAK") != "":
		people, on = 2980, onEachBroker
	case testing.Short():
		people = 60
	}
	program := filepath.Join(build(t), "sidik-hub")
	on(t, func(t *testing.T, w *world) {
		w.room = 3 * people
		w.startHub()
		op := operator{w, program}
		agency, school := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "smkn-1-koba", "smkn1")
		op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
		op.says("terminal", "mode", "add", "--serial", school.terminal.Serial())
		var list strings.Builder
		list.WriteString("nip;nama;jenis_pegawai;kode_unor;tmt_penempatan;no_sk;status;pin_lama\n")
		for n := range people {
			uid := uint16(100 + n)
			nip := fmt.Sprintf("19%02d%02d%02d2015011%03d", 60+n/336, 1+n/28%12, 1+n%28, 900+n%100)
			if err := agency.terminal.AddUser(zk.User{UID: uid, PIN: fmt.Sprint(50_000 + n), Name: []byte("Demo"), Group: 1}); err != nil {
				t.Fatal(err)
			}
			for finger := range uint8(3) {
				if err := agency.terminal.AddTemplate(zk.Template{UID: uid, Finger: finger, Flag: 1, Data: ofPerson(n, finger)}); err != nil {
					t.Fatal(err)
				}
			}
			fmt.Fprintf(&list, "%s;Pegawai Demo Nomor %d;PNS;smkn1;2026-01-01;800/1/2026;aktif;%d\n", nip, n, 50_000+n)
		}
		agency.start()
		school.start()
		found := 0
		within(t, 10*patience, func() bool {
			found = strings.Count(op.says("finger", "found"), "\n")
			return found == 3*people
		}, func() string { return fmt.Sprintf("%d of %d fingers came", found, 3*people) })
		file := filepath.Join(w.dir, "pegawai.csv")
		if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		op.says("register", "import", file)
		op.says("finger", "adopt")
		within(t, 10*patience, func() bool { return len(school.terminal.Templates()) == 3*people }, func() string {
			return fmt.Sprintf("%d of %d fingers are at the terminal\n%s", len(school.terminal.Templates()), 3*people, op.says("terminal", "holdings"))
		})
		if n := len(school.terminal.Users()); n != people+10 {
			t.Errorf("%d users, want %d", n, people+10)
		}
	})
}

// ofPerson is a finger of the n-th of these people.
func ofPerson(n int, finger uint8) []byte {
	b := template(int(finger))
	b[20], b[21], b[22] = byte(n>>8), byte(n), finger+100
	return b
}
