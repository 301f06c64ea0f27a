package sidik_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/clienttest"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// told is one user of a terminal with their fingers, as a client understood them.
type told struct {
	name      string
	privilege uint8
	card      uint32
	fingers   [10]string // the template, or nothing
}

// TestOtherClientsReadTheRoster that the hub issued and the agent wrote: the programs of
// other people, at a terminal with long user rows and at one with short ones.
func TestOtherClientsReadTheRoster(t *testing.T) {
	w := newWorld(t, nil)
	w.form = zktest.Form{Gap: 4 * time.Millisecond} // which these clients need
	w.startHub()
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	agency := w.keptOffice(op, "bkpsdmd", "agency")
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	for n, finger := range []uint8{0, 1, 6} {
		if err := agency.terminal.AddTemplate(zk.Template{UID: uint16(1 + (n+1)/2), Finger: finger, Flag: 1, Data: template(n)}); err != nil {
			t.Fatal(err)
		}
	}
	boss := op.newcomer("Admin Demo", "198001012005011901")
	long := op.newcomer("Kusumawardani Demo Panjang Sekali", "199001012015012902")
	zoe := op.newcomer("Zoë Demo", "199001012015012903")
	op.says("employee", "set", long, "--card", "4000000001", "--from", "2026-01-01")
	offices := map[int]*office{
		72: w.keptOffice(op, "samsat-belitung", "samsat"),
		28: w.keptOfficeOf(op, "kec-membalong", "membalong", "bw-zem560"),
	}
	for _, o := range offices {
		op.says("terminal", "grant", boss, "--serial", o.terminal.Serial(), "--from", "2026-01-01")
		for _, pin := range []string{boss, long, zoe} {
			op.says("place", pin, "--unit", o.unit, "--from", "2026-01-01", "--sk", "800/1/2026")
		}
	}
	agency.start()
	var found string
	eventually(t, func() bool {
		found = op.says("finger", "found")
		return strings.Count(found, "\n") == 3
	}, func() string { return "the agency's fingers did not come: " + found })
	users := agency.terminal.Users()
	op.says(append([]string{"finger", "accept", "--employee", boss}, ids(found, users[0].PIN)...)...)
	op.says(append([]string{"finger", "accept", "--employee", long}, ids(found, users[1].PIN)...)...)
	for _, o := range offices {
		o.start()
		op.enforce(o)
		o.holds(boss+"/1", long+"/2", zoe+"/0")
	}

	for _, client := range clienttest.Clients() {
		o := offices[client.UserRow]
		want := map[string]told{
			boss: {name: "Admin Demo", privilege: 14, fingers: [10]string{0: string(template(0))}},
			long: {name: "Kusumawardani Demo Panj", card: 4000000001, fingers: [10]string{1: string(template(1)), 6: string(template(2))}},
			zoe:  {name: "ZoC+ Demo"}, // UTF-8; the clients drop the highest bit of each byte
		}
		if client.UserRow == 28 {
			want[boss] = told{name: "Admin De", privilege: 14, fingers: want[boss].fingers}
			want[long] = told{name: "Kusumawa", fingers: want[long].fingers}
			want[zoe] = told{name: "Zoe Demo"} // a terminal of this kind has no letters beyond ASCII
		}
		t.Run(client.Name+" at "+string(o.site), func(t *testing.T) {
			got := toldByPIN(client.People(t, o.config.Terminals[0].Address))
			if len(got) != len(want) {
				t.Errorf("the client sees %d people, want %d", len(got), len(want))
			}
			for pin, p := range want {
				if !client.Fingers {
					p.fingers = [10]string{}
				}
				g := got[pin]
				if g.name != p.name || g.privilege != p.privilege || g.card != p.card {
					t.Errorf("PIN %s is %q with privilege %d and card %d, want %q, %d, %d", pin, g.name, g.privilege, g.card, p.name, p.privilege, p.card)
				}
				if g.fingers != p.fingers {
					t.Errorf("the fingers of PIN %s are others than those that were recorded", pin)
				}
			}
		})
	}
}

// toldByPIN is whom a client saw, by PIN.
func toldByPIN(people clienttest.People) map[string]told {
	byPIN := map[string]told{}
	for _, u := range people.Users {
		p := told{name: u.Name, privilege: u.Privilege, card: u.Card}
		for _, f := range people.Fingers {
			if f.Slot == u.Slot {
				p.fingers[f.Finger] = f.Template
			}
		}
		byPIN[u.PIN] = p
	}
	return byPIN
}
