package sidik_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// An operator's commands, on a running hub.
type operator struct {
	w       *world
	program string
}

// says runs one command of sidik-hub and returns what it prints.
func (o operator) says(args ...string) string {
	o.w.t.Helper()
	cmd := exec.Command(o.program, append(args, "--data", o.w.hubData())...)
	cmd.Env = append(cmd.Environ(), "SIDIK_LANG=en")
	said, err := cmd.CombinedOutput()
	if err != nil {
		o.w.t.Fatalf("sidik-hub %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return string(said)
}

// newcomer adds an employee and returns the PIN that the hub issues.
func (o operator) newcomer(name, nip string) (pin string) {
	o.w.t.Helper()
	o.says("employee", "add", name, "--kind", "pns", "--nip", nip, "--from", "2026-01-01", "--status", "aktif")
	list := o.says("employee", "show", nip)
	found := regexp.MustCompile(`(?m)^pin\s+(\d+)`).FindStringSubmatch(list)
	if found == nil {
		o.w.t.Fatalf("no PIN in %s", list)
	}
	return found[1]
}

// keptOffice is an office whose terminal is kept at its roster.
func (w *world) keptOffice(op operator, site, unit string) *office {
	w.t.Helper()
	return w.keptOfficeOf(op, site, unit, "tft-new")
}

func (w *world) keptOfficeOf(op operator, site, unit, profile string) *office {
	w.t.Helper()
	o := w.newOffice(site, profile, 0)
	o.config.Apply = config.Apply{Rush: []config.Span{}, MaxDeletedUsers: 100, MaxDeletedPercent: 100}
	o.admit()
	o.unit = unit
	op.says("unit", "add", unit, "Unit "+unit, "--kind", "uptd", "--from", "2026-01-01")
	op.says("terminal", "serve", "--serial", o.terminal.Serial(), "--unit", unit, "--responsible", "--from", "2026-01-01")
	return o
}

// enforce lets the office's terminal be made equal to its roster, in the only way there
// is: its running agent has read it, each finding is decided, as proposed or by another
// act, and the minutes are signed.
func (o operator) enforce(at *office, act ...string) {
	o.w.t.Helper()
	serial := at.terminal.Serial()
	eventually(o.w.t, func() bool {
		return strings.Contains(o.says("finding", "list", serial), ", read ")
	}, func() string {
		return fmt.Sprintf("terminal %s was not read; its agent: %+v", serial, at.live.Load().Status())
	})
	said := o.says("campaign", "add", "Validasi Demo", "--unit", at.unit, "--lead", "Citra Demo")
	campaign := regexp.MustCompile(`Campaign (\d+)`).FindStringSubmatch(said)[1]
	o.says(append([]string{"finding", "decide", serial, "--class", "a,b,c,d,e,f,g,h,i,j"}, act...)...)
	o.says("campaign", "sign", campaign, "--serial", serial, "--number", "800/"+campaign, "--place", "Pangkalpinang",
		"--agency-name", "Eka Demo", "--agency-position", "Kepala Bidang", "--office-name", "Gani Demo", "--office-position", "Kepala")
	o.says("terminal", "mode", "enforce", "--serial", serial)
}

// holds waits until the terminal has exactly these users, PIN and number of fingers.
func (o *office) holds(want ...string) {
	t := o.w.t
	t.Helper()
	var got []string
	eventually(t, func() bool {
		fingers := map[uint16]int{}
		for _, f := range o.terminal.Templates() {
			fingers[f.UID]++
		}
		got = nil
		for _, u := range o.terminal.Users() {
			got = append(got, fmt.Sprintf("%s/%d", u.PIN, fingers[u.UID]))
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	}, func() string {
		return fmt.Sprintf("terminal of %s holds %v, want %v", o.site, got, want)
	})
}

// TestTheWayOfATemplate follows fingers from the agency's terminal of enrolment to the
// terminal of the place that somebody is assigned to, on every broker, by the
// operators' own commands.
func TestTheWayOfATemplate(t *testing.T) {
	program := filepath.Join(build(t), "sidik-hub")
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		op := operator{w, program}
		agency, samsat := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "samsat-belitung", "samsat")
		op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
		boss := op.newcomer("Admin Demo", "198001012005011901")
		ani := op.newcomer("Ani Demo", "199001012015012902")
		op.says("terminal", "grant", boss, "--serial", samsat.terminal.Serial(), "--from", "2026-01-01")
		op.says("place", boss, "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/1/2026")

		// Two people are recorded at the agency, and somebody says who they are.
		for n, finger := range []uint8{0, 1, 6} {
			uid := uint16(1)
			if n > 0 {
				uid = 2
			}
			if err := agency.terminal.AddTemplate(zk.Template{UID: uid, Finger: finger, Flag: 1, Data: template(n)}); err != nil {
				t.Fatal(err)
			}
		}
		agency.start()
		samsat.start()
		op.enforce(samsat)
		var found string
		eventually(t, func() bool {
			found = op.says("finger", "found")
			return strings.Count(found, "\n") == 3
		}, func() string { return "the agency's fingers did not come: " + found })
		users := agency.terminal.Users()
		op.says(append([]string{"finger", "accept", "--employee", boss}, ids(found, users[0].PIN)...)...)
		op.says(append([]string{"finger", "accept", "--employee", ani}, ids(found, users[1].PIN)...)...)

		// The samsat's terminal lets go of whom nobody has placed there, and has its
		// administrator; the agency's is only observed.
		samsat.holds(boss + "/1")
		if n := len(agency.terminal.Users()); n != 10 {
			t.Errorf("the observed terminal has %d users, want 10", n)
		}
		// A newcomer is placed, and a finger is where it belongs; then moves away.
		op.says("place", ani, "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/2/2026")
		samsat.holds(boss+"/1", ani+"/2")
		var given [][]byte
		for _, f := range samsat.terminal.Templates() {
			given = append(given, f.Data)
		}
		for n := range 3 {
			if !slices.ContainsFunc(given, func(b []byte) bool { return bytes.Equal(b, template(n)) }) {
				t.Errorf("template %d is not at the terminal byte for byte", n)
			}
		}
		if err := samsat.terminal.Punch(ani, 0); err != nil {
			t.Fatal(err)
		}
		samsat.arriveWrittenTo()
		op.says("employee", "set", ani, "--status", "pensiun", "--from", "2026-01-02")
		samsat.holds(boss + "/1")
		if !samsat.terminal.Enabled() {
			t.Error("the terminal is left disabled")
		}
		eventually(t, func() bool {
			return regexp.MustCompile(`samsat-belitung.*equal`).MatchString(op.says("terminal", "holdings"))
		}, func() string { return op.says("terminal", "holdings") })
	})
}

// template is the n-th finger of these tests: of nobody, in the form of algorithm 10.
func template(n int) []byte {
	b := append([]byte{0x4d, 0x98}, "SS21\x00\x00\x00\x00"...)
	b = append(b, bytes.Repeat([]byte{byte(n + 1)}, 500)...)
	b[8], b[9] = byte(len(b)>>8), byte(len(b))
	return b
}

// ids are the ids of what was found under a PIN.
func ids(found, pin string) (list []string) {
	for _, line := range strings.Split(found, "\n") {
		if regexp.MustCompile(`\bPIN ` + pin + `\b`).MatchString(line) {
			list = append(list, strings.Fields(line)[0])
		}
	}
	return list
}
