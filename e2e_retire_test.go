package sidik_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// where waits until what the hub says of somebody's place at an office fits.
func (o operator) where(pin string, at *office, want string) {
	o.w.t.Helper()
	line := regexp.MustCompile(`(?m)^` + string(at.site) + ` .*` + want)
	var said string
	eventually(o.w.t, func() bool {
		said = o.says("employee", "where", pin)
		return line.MatchString(said)
	}, func() string { return "of " + string(at.site) + " is not said " + want + ":\n" + said })
}

// recorded starts the agency's agent on a terminal where one finger of somebody and two
// of somebody else were recorded, and says whose they are.
func (o operator) recorded(agency *office, first, second string) {
	o.w.t.Helper()
	agency.record(101, 0, template(0))
	agency.record(102, 1, template(1))
	agency.record(102, 6, template(2))
	agency.start()
	agency.accept(o, 101, 1, first)
	agency.accept(o, 102, 2, second)
}

// TestWhoRetiresIsGoneFromEveryTerminalWithProof: the terminals that can be reached let
// go at once, each with its proof; the one that cannot stays an open task until it can.
func TestWhoRetiresIsGoneFromEveryTerminalWithProof(t *testing.T) {
	program := filepath.Join(build(t), "sidik-hub")
	onEachBroker(t, func(t *testing.T, w *world) {
		w.startHub()
		op := operator{w, program}
		agency, samsat, forest := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "samsat-belitung", "samsat"), w.keptOffice(op, "kphl-belantu", "forest")
		op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
		boss, ani := op.newcomer("Admin Demo", "198001012005011901"), op.newcomer("Ani Demo", "199001012015012902")
		for _, o := range []*office{agency, samsat, forest} {
			op.says("terminal", "grant", boss, "--serial", o.terminal.Serial(), "--from", "2026-01-01")
		}
		op.says("place", ani, "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/1/2026")
		op.says("place", ani, "--unit", "forest", "--from", "2026-01-01", "--sk", "800/2/2026", "--keep", "--kind", "titipan")
		op.recorded(agency, boss, ani)
		samsat.start()
		forest.start()
		op.enforce(agency, "--act", "delete") // the numbers under which fingers were recorded mean nobody
		op.enforce(samsat)
		op.enforce(forest)
		agency.holds(boss + "/1")
		for _, o := range []*office{samsat, forest} {
			o.holds(boss+"/1", ani+"/2")
			op.where(ani, o, `there, fingers 1, 6 +there, fingers 1, 6 .* as it should be`)
		}
		if said := op.says("task", "list"); !strings.Contains(said, "0 tasks are open") {
			t.Errorf("before anybody retires:\n%s", said)
		}

		forest.stop()
		op.says("employee", "set", ani, "--status", "pensiun", "--from", "2026-02-01")
		samsat.holds(boss + "/1")
		op.where(ani, samsat, `not there +not there .* gone: reported .* proven by the inventory of`)
		op.where(ani, forest, `not there +there, fingers 1, 6 .* open since 2026-02-01. Operator of site kphl-belantu: check power and network`)
		task := regexp.MustCompile(`2026-02-01  kphl-belantu/\S+  1 people or their fingers must go from the terminal: ` + ani + ` Ani Demo`)
		if said := op.says("task", "list"); !task.MatchString(said) || !strings.Contains(said, "1 tasks are open") {
			t.Errorf("while an office cannot be reached:\n%s", said)
		}
		forest.holds(boss+"/1", ani+"/2")
		if err := forest.terminal.Punch(ani, 0); err != nil { // it does not know yet
			t.Fatal(err)
		}

		forest.start()
		forest.holds(boss + "/1")
		eventually(t, func() bool {
			return regexp.MustCompile(ani + ` +Ani Demo +kphl-belantu .* not placed here`).MatchString(op.says("punches", "--unplaced"))
		}, func() string { return "the punch of somebody retired is not flagged:\n" + op.says("punches") })
		for _, o := range []*office{samsat, forest} {
			op.where(ani, o, `gone: reported .* proven by the inventory of`)
		}
		eventually(t, func() bool { return strings.Contains(op.says("task", "list"), "0 tasks are open") },
			func() string { return "in the end:\n" + op.says("task", "list") })
	})
}

// calendar is a hub's clock that a test moves.
type calendar struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *calendar) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// on makes it noon of a day, at the terminals.
func (c *calendar) on(t testing.TB, day string) {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at.Add(5 * time.Hour)
}

// TestAMoveIsOnTheTerminalsOnItsDays follows a move by its TMT over the days of preparing
// and of grace. On each day that is looked at somebody else comes or goes too, so that a
// terminal that is as it should be has been reckoned for that very day.
func TestAMoveIsOnTheTerminalsOnItsDays(t *testing.T) {
	program := filepath.Join(build(t), "sidik-hub")
	w := newWorld(t, nil)
	days := &calendar{}
	days.on(t, "2027-01-20")
	w.now = days.Now
	w.startHub()
	op := operator{w, program}
	agency, samsat, forest := w.keptOffice(op, "bkpsdmd", "agency"), w.keptOffice(op, "samsat-belitung", "samsat"), w.keptOffice(op, "kphl-belantu", "forest")
	op.says("terminal", "mode", "--serial", agency.terminal.Serial(), "--enrolment", "yes")
	boss, ani := op.newcomer("Admin Demo", "198001012005011901"), op.newcomer("Ani Demo", "199001012015012902")
	budi, citra := op.newcomer("Budi Demo", "199001012015011903"), op.newcomer("Citra Demo", "199001012015012904")
	dedi := op.newcomer("Dedi Demo", "199001012015011905")
	for _, o := range []*office{samsat, forest} {
		op.says("terminal", "grant", boss, "--serial", o.terminal.Serial(), "--from", "2026-01-01")
		o.start()
	}
	op.says("place", ani, "--unit", "samsat", "--from", "2026-01-01", "--sk", "800/1/2026")
	op.recorded(agency, boss, ani)
	for _, o := range []*office{samsat, forest} {
		op.enforce(o)
	}
	samsat.holds(boss+"/1", ani+"/2")
	forest.holds(boss + "/1")

	op.says("place", ani, "--unit", "forest", "--from", "2027-02-01", "--sk", "800/2/2027")
	op.says("place", budi, "--unit", "forest", "--from", "2027-01-31", "--sk", "800/3/2027")
	op.says("place", citra, "--unit", "forest", "--from", "2027-02-06", "--sk", "800/4/2027")
	op.says("place", dedi, "--unit", "samsat", "--from", "2027-02-06", "--sk", "800/5/2027")
	for _, day := range []struct {
		day            string
		samsat, forest []string
	}{
		{"2027-01-28", []string{boss + "/1", ani + "/2"}, []string{boss + "/1", budi + "/0"}},
		{"2027-01-29", []string{boss + "/1", ani + "/2"}, []string{boss + "/1", ani + "/2", budi + "/0"}},                            // prepared
		{"2027-02-03", []string{boss + "/1", ani + "/2", dedi + "/0"}, []string{boss + "/1", ani + "/2", budi + "/0", citra + "/0"}}, // still in grace
		{"2027-02-04", []string{boss + "/1", dedi + "/0"}, []string{boss + "/1", ani + "/2", budi + "/0", citra + "/0"}},
	} {
		days.on(t, day.day)
		forest.holds(day.forest...)
		samsat.holds(day.samsat...)
	}
	op.where(ani, samsat, `not there +not there .* gone: reported .* proven by the inventory of`)
}
