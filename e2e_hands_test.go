package sidik_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent"
	"github.com/bkpsdmd-babel/sidik/agent/config"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// handsWorld is a hub with a certified office whose agent knows the time.
func handsWorld(t *testing.T) (*office, operator) {
	w := certifiedWorld(t, 0)
	w.startHub()
	o := w.newOffice("samsat-belitung", "tft-new", 50)
	o.config.Apply.Rush = []config.Span{} // at any hour of the test's day
	o.kernel = func() protocol.ClockState { return protocol.ClockSynchronised }
	o.admit()
	o.start()
	o.arrive()
	return o, operator{w, filepath.Join(build(t), "sidik-hub")}
}

// A terminal is read and the agent started anew from the agency, each once; what a site
// that is away was asked for expires, and is not done when it comes back.
func TestTheAgencyReadsAndRestarts(t *testing.T) {
	o, op := handsWorld(t)
	site := string(o.site)
	op.follows("site", "errand", site, "read").ends(true, "done", "50 punches read, 0 of them new")
	before := o.live.Load()
	op.follows("site", "errand", site, "restart").ends(true, "done")
	eventually(t, func() bool { return o.live.Load() != before }, func() string { return "the agent was not started anew" })
	after := o.live.Load()
	op.follows("site", "errand", site, "read", "--serial", o.terminal.Serial()).ends(true, "done")
	if o.live.Load() != after {
		t.Error("the agent was started anew twice")
	}
	if said := op.refuses("site", "errand", site, "read", "--serial", "NOBODYS"); !strings.Contains(said, "not registered") {
		t.Errorf("a terminal of nobody: %s", said)
	}
	if said := op.refuses("site", "errand", "nowhere", "restart"); !strings.Contains(said, "not registered") {
		t.Errorf("a site of nobody: %s", said)
	}

	o.stop()
	op.follows("site", "errand", site, "restart", "--for", "2s").ends(false, "expired")
	o.start()
	first := o.live.Load()
	o.punch(3)
	o.arrive()
	op.follows("site", "errand", site, "read").ends(true, "done") // had the restart been heard, it were done by now
	if o.live.Load() != first {
		t.Error("an errand that had expired was done")
	}
	if said := op.says("site", "errands", site); strings.Count(said, "  done") != 4 || strings.Count(said, "expired") != 1 {
		t.Errorf("the list of errands:\n%s", said)
	}
}

// A terminal's clock is set from the agency, never back over punches without a person.
func TestTheAgencySetsAClock(t *testing.T) {
	o, op := handsWorld(t)
	site := string(o.site)
	if wall := protocol.Wall(time.Now()); wall.Hour() == 23 && wall.Minute() >= 40 || wall.Hour() == 0 && wall.Minute() < 20 {
		op.refusesClockAtMidnight(site)
		return
	}
	off := func(d time.Duration) { o.terminal.SetClock(protocol.Wall(time.Now().Add(d))) }
	right := func() {
		t.Helper()
		if d := o.terminal.ClockOffset(); d.Abs() > 2*time.Second {
			t.Errorf("the terminal's clock is off by %s", d)
		}
	}
	op.follows("site", "errand", site, "clock").ends(false, "right enough")
	off(-3 * time.Minute)
	op.follows("site", "errand", site, "clock").ends(true, "clock was off by -18", "punches read")
	right()
	off(7 * time.Minute)
	o.punch(2)
	op.follows("site", "errand", site, "clock").ends(false, "--force")
	if d := o.terminal.ClockOffset(); d < 6*time.Minute {
		t.Errorf("the clock was set back over punches, to %s", d)
	}
	op.follows("site", "errand", site, "clock", "--force").ends(true, "clock was off by 4")
	right()
	o.arrive()
}

// The agency gets a diagnosis: what the doctor found and the newest lines of the log, with
// nothing in it that is personal or secret.
func TestTheAgencyGetsADiagnosis(t *testing.T) {
	w := certifiedWorld(t, 0)
	w.commKey = 908172
	w.startHub()
	o := w.newOffice("samsat-belitung", "tft-new", 50)
	code := o.code()
	if err := agent.PutClaim(o.config.Data, code); err != nil {
		t.Fatal(err)
	}
	o.start()
	o.arrive()
	o.punch(2)
	o.arrive()
	op := operator{w, filepath.Join(build(t), "sidik-hub")}
	site := string(o.site)
	for range 7 {
		op.follows("site", "errand", site, "diagnose").ends(true, "done")
	}
	var report protocol.DiagnosisReport
	said := op.printed("site", "diagnosis", site, "7")
	if err := json.Unmarshal([]byte(said), &report); err != nil {
		t.Fatal(err)
	}
	if report.Version != "test" || report.Goroutines == 0 || report.DiskFree <= 0 || len(report.Terminals) != 1 ||
		!slices.ContainsFunc(report.Findings, func(f protocol.DiagnosisFinding) bool { return f.Code == "line-up" && f.OK }) {
		t.Errorf("the diagnosis lacks what it is for: %s", said)
	}
	if !strings.Contains(report.Log, "punches collected") || !strings.Contains(report.Log, "level=INFO") {
		t.Errorf("the log of the diagnosis: %s", report.Log)
	}
	secrets := map[string]string{"the communication key": "908172", "the claim code": code.Text(), "the claim code without hyphens": strings.ReplaceAll(code.Text(), "-", "")}
	for _, p := range o.terminal.Punches() {
		if wall, exists := p.Time.Wall(); exists {
			secrets["the time of a punch but the newest"] = string(protocol.NewLocalTime(wall))
			break
		}
	}
	files, err := filepath.Glob(filepath.Join(o.config.Data, "*.key"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no key file: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		secrets[filepath.Base(file)] = strings.TrimSpace(string(text))
	}
	for what, secret := range secrets {
		if secret == "" || strings.Contains(said, secret) || strings.Contains(report.Log, secret) {
			t.Errorf("%s is in the diagnosis, or empty", what)
		}
	}
	if said := op.refuses("site", "diagnosis", site, "2"); !strings.Contains(said, "no errand or diagnosis") {
		t.Errorf("the sixth diagnosis is still there: %s", said)
	}
}

// An operator at another machine sees what a site's doctor says, and its log.
func TestAnOperatorLooksIntoASite(t *testing.T) {
	o, _ := handsWorld(t)
	p := newProvider(t, o.w)
	site := string(o.site)
	out := p.does("site", "doctor", site)
	if !strings.Contains(out, "✓") || !strings.Contains(out, o.terminal.Serial()) || strings.Contains(out, "✗") || strings.Contains(out, "doctor.") {
		t.Errorf("the doctor says:\n%s", out)
	}
	if out = p.does("site", "logs", site, "--lines", "2"); strings.Count(out, "\n") != 1 || !strings.Contains(out, "level=") {
		t.Errorf("two lines of the log:\n%s", out)
	}
	if _, said, err := p.tries("site", "doctor", "nowhere"); err == nil || !strings.Contains(said+err.Error(), "site list") {
		t.Errorf("of a site that is none: %v %s", err, said)
	}
}

// refusesClockAtMidnight is what there is to see of clocks around midnight.
func (o operator) refusesClockAtMidnight(site string) {
	o.follows("site", "errand", site, "clock").ends(false, "not done")
}
