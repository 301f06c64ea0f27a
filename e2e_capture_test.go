package sidik_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

// refuses runs one command of sidik-hub that has to fail, and returns what it says.
func (o operator) refuses(args ...string) string {
	o.w.t.Helper()
	cmd := exec.Command(o.program, append(args, "--data", o.w.hubData())...)
	cmd.Env = append(cmd.Environ(), "SIDIK_LANG=en")
	said, err := cmd.CombinedOutput()
	if err == nil {
		o.w.t.Fatalf("sidik-hub %s succeeded: %s", strings.Join(args, " "), said)
	}
	return string(said)
}

// following is a command of sidik-hub that runs while somebody is at a terminal.
type following struct {
	o    operator
	cmd  *exec.Cmd
	said bytes.Buffer
}

func (o operator) follows(args ...string) *following {
	o.w.t.Helper()
	f := &following{o: o, cmd: exec.Command(o.program, append(args, "--follow", "--data", o.w.hubData())...)}
	f.cmd.Env = append(f.cmd.Environ(), "SIDIK_LANG=en")
	f.cmd.Stdout, f.cmd.Stderr = &f.said, &f.said
	if err := f.cmd.Start(); err != nil {
		o.w.t.Fatal(err)
	}
	return f
}

// ends waits for the command and looks for what it said.
func (f *following) ends(well bool, want ...string) {
	t := f.o.w.t
	t.Helper()
	if err := f.cmd.Wait(); (err == nil) != well {
		t.Fatalf("the command that follows: %v\n%s", err, &f.said)
	}
	for _, w := range want {
		if !strings.Contains(f.said.String(), w) {
			t.Errorf("the command that follows does not say %q:\n%s", w, &f.said)
		}
	}
}

// asks waits until the terminal asks somebody for a finger.
func (o *office) asks(pin string, finger uint8) {
	o.w.t.Helper()
	eventually(o.w.t, func() bool {
		p, f, asked := o.terminal.Asked()
		return asked && p == pin && f == finger
	}, func() string {
		return fmt.Sprintf("terminal of %s does not ask PIN %s for finger %d", o.site, pin, finger)
	})
}

// quiet waits until the terminal asks nobody.
func (o *office) isQuiet() {
	o.w.t.Helper()
	eventually(o.w.t, func() bool {
		_, _, asked := o.terminal.Asked()
		return !asked
	}, func() string { return fmt.Sprintf("terminal of %s still asks for a finger", o.site) })
}

// places puts a finger on the sensor, as often as there are words about its images.
func (o *office) places(template []byte, good ...bool) {
	o.w.t.Helper()
	for _, g := range good {
		if err := o.terminal.PlaceFinger(template, g); err != nil {
			o.w.t.Fatal(err)
		}
	}
}

// pins are the PINs that a terminal holds.
func (o *office) pins() (list []string) {
	for _, u := range o.terminal.Users() {
		list = append(list, u.PIN)
	}
	return list
}

// TestTheWayOfACapture orders fingers at the agency's terminal of enrolment and follows
// them to the terminal of the place that somebody is assigned to, and to no other, on
// every broker, by the operators' own commands.
func TestTheWayOfACapture(t *testing.T) {
	program := filepath.Join(build(t), "sidik-hub")
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		op := operator{w, program}
		agency, samsat, school := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "samsat-belitung", "samsat"), w.keptOffice(op, "smkn-1", "school")
		strangers := agency.pins()
		if err := agency.terminal.AddTemplate(zk.Template{UID: agency.terminal.Users()[0].UID, Finger: 0, Flag: 1, Data: template(9)}); err != nil {
			t.Fatal(err)
		}
		ani := op.newcomer("Ani Demo", "199001012015012902")
		budi := op.newcomer("Budi Demo", "199101012015011903")
		op.says("terminal", "mode", "add", "--serial", samsat.terminal.Serial())
		op.says("terminal", "mode", "add", "--serial", school.terminal.Serial())
		op.says("place", ani, "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/2/2026")
		for _, o := range []*office{agency, samsat, school} {
			o.start()
		}
		samsat.gives(ani)

		// Without a terminal of enrolment, and without the notice, nothing is asked for.
		ask := func(employee string, fingers ...string) []string {
			args := []string{"capture", "start", "--site", "bkpsdmd", "--serial", agency.terminal.Serial(), "--employee", employee, "--by", "operator"}
			for _, f := range fingers {
				args = append(args, "--finger", f)
			}
			return args
		}
		if said := op.refuses(append(ask(ani, "1"), "--notice-shown")...); !strings.Contains(said, "none of enrolment") {
			t.Errorf("at a terminal that is none of enrolment: %s", said)
		}
		op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
		if said := op.refuses(ask(ani, "1")...); !strings.Contains(said, "notice") {
			t.Errorf("without the notice: %s", said)
		}

		// Two fingers, one after the other; the first image is a bad one.
		follow := op.follows(append(ask(ani, "1", "6"), "--notice-shown")...)
		agency.asks(ani, 1)
		agency.places(template(1), false, true, true, true)
		agency.asks(ani, 6)
		agency.places(template(6), true, true, true)
		follow.ends(true, "the template is in the vault")
		list := op.says("finger", "list", ani)
		if strings.Count(list, "recorded at terminal SIM-bkpsdmd, bkpsdmd") != 2 || strings.Count(list, "*") != 2 {
			t.Errorf("the vault holds:\n%s", list)
		}
		if found := op.says("finger", "found"); strings.Contains(found, ani) {
			t.Errorf("what was captured is found as well:\n%s", found)
		}
		samsat.gives(ani, template(1), template(6))
		// The terminal of enrolment does not fill with people.
		agency.holdsOnly(strangers)
		if slices.Contains(school.pins(), ani) {
			t.Error("a terminal where nobody has placed them has the person")
		}

		// A finger that is somebody else's already, and one that is cancelled.
		follow = op.follows(append(ask(budi, "1"), "--notice-shown")...)
		agency.asks(budi, 1)
		agency.places(template(9), true, true, true)
		follow.ends(false, "enrolled for somebody else", "Two are recommended")
		follow = op.follows(append(ask(budi, "1"), "--notice-shown")...)
		agency.asks(budi, 1)
		id, _, _ := strings.Cut(strings.Split(op.says("capture", "list", "--open"), "\n")[1], " ")
		op.says("capture", "cancel", id, "--by", "operator")
		follow.ends(false, "cancelled")
		agency.isQuiet()
		agency.holdsOnly(strangers)
		if said := op.says("finger", "missing"); !strings.Contains(said, budi) || strings.Contains(said, ani) {
			t.Errorf("who has no finger:\n%s", said)
		}
		if !agency.terminal.Enabled() || !samsat.terminal.Enabled() {
			t.Error("a terminal is left disabled")
		}
	})
}

// gives waits until somebody is at the terminal with exactly these fingers, byte for byte.
func (o *office) gives(pin string, fingers ...[]byte) {
	o.w.t.Helper()
	eventually(o.w.t, func() bool {
		i := slices.IndexFunc(o.terminal.Users(), func(u zk.User) bool { return u.PIN == pin })
		if i < 0 {
			return false
		}
		var held [][]byte
		for _, f := range o.terminal.Templates() {
			if f.UID == o.terminal.Users()[i].UID {
				held = append(held, f.Data)
			}
		}
		return slices.EqualFunc(held, fingers, bytes.Equal)
	}, func() string {
		return fmt.Sprintf("terminal of %s does not have PIN %s with %d fingers: %v", o.site, pin, len(fingers), o.pins())
	})
}

// holdsOnly waits until the terminal has exactly these PINs.
func (o *office) holdsOnly(want []string) {
	o.w.t.Helper()
	slices.Sort(want)
	var got []string
	eventually(o.w.t, func() bool {
		got = o.pins()
		slices.Sort(got)
		return slices.Equal(got, want)
	}, func() string { return fmt.Sprintf("terminal of %s has %v, want %v", o.site, got, want) })
}
