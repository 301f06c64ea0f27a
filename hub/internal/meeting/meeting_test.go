package meeting_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/meeting"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

var noon = time.Date(2026, 2, 20, 5, 0, 0, 0, time.UTC)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is two offices with a terminal each, the agency's terminal of enrolment and
// one that nobody has given to a unit yet.
type world struct {
	t         testing.TB
	store     *store.Store
	directory *directory.Directory
	agent     *storetest.Agent
	units     map[string]placement.UnitID
}

func newWorld(t testing.TB, dsn string) *world {
	t.Helper()
	s, err := store.Open(t.Context(), dsn)
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	w := &world{t: t, store: s, directory: directory.New(s, placement.Usual()), agent: storetest.NewAgent(t, "demo"), units: map[string]placement.UnitID{}}
	ok(t, s.AddSite(t.Context(), "demo", w.agent.Key.Public().Fingerprint(), noon))
	ok(t, s.LearnKey(t.Context(), "demo", w.agent.Key.Public(), noon))
	for _, serial := range []protocol.Serial{"A", "B", "RECORDING", "NOBODYS"} {
		ok(t, s.AddTerminal(t.Context(), "demo", serial, noon))
	}
	w.edit(func(d *directory.Draft) error {
		for _, name := range []string{"A", "B", "RECORDING"} {
			u, err := d.AddUnit("2020-01-01", name, "Unit "+name, placement.UPTD)
			if err != nil {
				return err
			}
			w.units[name] = u.ID
			if err := d.Serve(directory.Serving{Terminal: w.terminal(d.Register, name), Serving: placement.Serving{Unit: u.ID, Period: from("2020-01-01")}}); err != nil {
				return err
			}
		}
		return d.Set(directory.AboutTerminal, int64(w.terminal(d.Register, "RECORDING")), directory.TerminalEnrolment, "2026-01-15", "yes")
	})
	return w
}

func (w *world) edit(change func(*directory.Draft) error) {
	w.t.Helper()
	_, err := w.directory.Edit(w.t.Context(), directory.By{Who: "Ujang Demo", At: noon, Act: "test"}, change)
	ok(w.t, err)
}

func (w *world) terminal(reg *directory.Register, serial string) placement.TerminalID {
	w.t.Helper()
	t, found := reg.TerminalBy("demo", protocol.Serial(serial))
	if !found {
		w.t.Fatalf("no terminal %s", serial)
	}
	return t.ID
}

func from(day roster.Date) placement.Period {
	return placement.Period{From: day, To: roster.Forever}
}

// person adds an active employee who is placed at a unit.
func (w *world) person(name, unit string, since roster.Date) (id placement.EmployeeID) {
	w.t.Helper()
	w.edit(func(d *directory.Draft) error {
		e := d.AddEmployee()
		id = e.ID
		_, failed := d.Place(directory.Placement{Placement: placement.Placement{Employee: id, Unit: w.units[unit], Kind: placement.Definitive, Period: from(since)}}, true)
		return errors.Join(failed,
			d.Set(directory.AboutEmployee, int64(id), directory.EmployeeName, "2020-01-01", name),
			d.Set(directory.AboutEmployee, int64(id), directory.EmployeeKind, "2020-01-01", string(placement.NonASN)),
			d.Set(directory.AboutEmployee, int64(id), directory.EmployeeStatus, "2020-01-01", string(placement.Active)))
	})
	return id
}

// punched stores punches, each written as "SERIAL PIN TIME".
func (w *world) punched(lines ...string) {
	w.t.Helper()
	var records []protocol.Record
	for i, line := range lines {
		f := strings.Fields(line)
		records = append(records, protocol.Record{Serial: protocol.Serial(f[0]), PIN: f[1], Time: protocol.LocalTime(f[2]), Verify: 1,
			Source: protocol.SourceZK, Read: "read-1", Raw: fmt.Appendf(nil, "row %d of %d", i, w.agent.Last)})
	}
	w.keep(records)
}

func (w *world) keep(records []protocol.Record) {
	w.t.Helper()
	segment, message := w.agent.Segment(w.t, records...)
	links, err := segment.Links()
	ok(w.t, err)
	verdicts, err := w.store.Accept(w.t.Context(), []store.Incoming{{Site: "demo", From: w.agent.Key.Public().KeyID(), Message: message,
		Segment: segment, Links: links, Received: noon}})
	ok(w.t, err)
	if verdicts[0].New != len(records) {
		w.t.Fatalf("stored %+v of %d", verdicts[0], len(records))
	}
}

// says is every wanted punch as "PIN TIME owner flags".
func (w *world) says(f meeting.Filter) (lines []string) {
	w.t.Helper()
	reg, err := w.directory.Register(w.t.Context())
	ok(w.t, err)
	for p, err := range meeting.New(reg, placement.Usual()).Punches(w.t.Context(), w.store, f) {
		ok(w.t, err)
		lines = append(lines, strings.Join(append(slices.DeleteFunc([]string{p.PIN, string(p.Time), p.Name()}, empty), p.Flags.Names()...), " "))
	}
	return lines
}

func empty(s string) bool { return s == "" }

func (w *world) want(f meeting.Filter, want ...string) {
	w.t.Helper()
	if got := w.says(f); !slices.Equal(got, want) {
		w.t.Errorf("the punches are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func each(t *testing.T, body func(t *testing.T, w *world)) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) { body(t, newWorld(t, dsn)) })
}

func TestAnAliasOfThePastGivesOldPunchesTheirOwner(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ani := w.person("Ani Demo", "A", "2020-01-01")
		w.punched("A 0077 2026-01-05T07:00:00", "A 77 2026-01-09T07:00:00", "A 77 2026-01-10T07:00:00", "A 100001 2026-01-10T16:00:00")
		w.want(meeting.Filter{}, "0077 2026-01-05T07:00:00 unknown-pin", "77 2026-01-09T07:00:00 unknown-pin", "77 2026-01-10T07:00:00 unknown-pin",
			"100001 2026-01-10T16:00:00 Ani Demo")
		w.edit(func(d *directory.Draft) error {
			return d.AddAlias(directory.Alias{Employee: ani, PIN: "77", Period: placement.Period{From: "2026-01-01", To: "2026-01-10"}})
		})
		w.want(meeting.Filter{}, "0077 2026-01-05T07:00:00 Ani Demo", "77 2026-01-09T07:00:00 Ani Demo", "77 2026-01-10T07:00:00 unknown-pin",
			"100001 2026-01-10T16:00:00 Ani Demo")
		w.want(meeting.Filter{Employee: ani}, "0077 2026-01-05T07:00:00 Ani Demo", "77 2026-01-09T07:00:00 Ani Demo", "100001 2026-01-10T16:00:00 Ani Demo")
		w.want(meeting.Filter{Flags: store.FlagUnknownPIN}, "77 2026-01-10T07:00:00 unknown-pin")
		w.want(meeting.Filter{Employee: 99})
	})
}

func TestAPlacementOfThePastPutsOldPunchesInTheirPlace(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ani := w.person("Ani Demo", "A", "2026-01-01")
		w.punched("A 100001 2026-02-01T07:00:00", "B 100001 2026-02-01T16:00:00", "B 100001 2026-02-02T07:00:00")
		w.want(meeting.Filter{Flags: store.FlagNotPlaced}, "100001 2026-02-01T16:00:00 Ani Demo not-placed", "100001 2026-02-02T07:00:00 Ani Demo not-placed")
		w.edit(func(d *directory.Draft) error {
			_, err := d.Place(directory.Placement{Placement: placement.Placement{Employee: ani, Unit: w.units["B"], Kind: placement.Lent, Period: from("2026-02-02")}}, false)
			return err
		})
		w.want(meeting.Filter{Flags: store.FlagNotPlaced}, "100001 2026-02-01T16:00:00 Ani Demo not-placed")
	})
}

func TestWhatTheRegisterSaysOfOnePunch(t *testing.T) {
	for _, row := range []struct{ name, punch, want string }{
		{"placed here", "A 100001 2026-01-20T07:00:00", "Ani Demo"},
		{"placed elsewhere", "B 100001 2026-01-20T07:00:00", "Ani Demo not-placed"},
		{"prepared, but not placed yet", "A 100001 2025-12-30T07:00:00", "Ani Demo not-placed"},
		{"retired since", "A 100001 2026-02-01T07:00:00", "Ani Demo not-placed"},
		{"nobody's", "A 5 2026-01-20T07:00:00", "unknown-pin"},
		{"nobody's at a terminal of no unit", "NOBODYS 5 2026-01-20T07:00:00", "unknown-pin no-unit"},
		{"at a terminal of no unit", "NOBODYS 100001 2026-01-20T07:00:00", "Ani Demo no-unit"},
		{"where fingers are recorded", "RECORDING 100001 2026-01-20T07:00:00", "Ani Demo enrolment"},
		{"where fingers were not recorded yet", "RECORDING 100001 2026-01-10T07:00:00", "Ani Demo not-placed"},
		{"at a time that names no date", "A 100001 zk:4294967295", "impossible-time"},
		{"of a slot without a user", "A " + protocol.SlotPIN(7) + " 2026-01-20T07:00:00", "unknown-pin"},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				ani := w.person("Ani Demo", "A", "2026-01-01")
				w.edit(func(d *directory.Draft) error {
					return d.Set(directory.AboutEmployee, int64(ani), directory.EmployeeStatus, "2026-02-01", string(placement.Retired))
				})
				w.punched(row.punch)
				fields := strings.Fields(row.punch)
				w.want(meeting.Filter{}, fields[1]+" "+fields[2]+" "+row.want)
			})
		})
	}
}

func TestARegisterWithoutEmployeesDoubtsNobody(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.punched("A 5 2026-01-20T07:00:00", "NOBODYS 5 2026-01-20T07:01:00")
		w.want(meeting.Filter{}, "5 2026-01-20T07:00:00", "5 2026-01-20T07:01:00")
	})
}

// A limit counts what is wanted, not what was looked at.
func TestTheLimitCountsWhatIsWanted(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.person("Ani Demo", "A", "2020-01-01")
		w.punched("A 100001 2026-01-05T07:00:00", "A 5 2026-01-05T07:01:00", "A 100001 2026-01-05T07:02:00", "A 6 2026-01-05T07:03:00", "A 7 2026-01-05T07:04:00")
		w.want(meeting.Filter{Flags: store.FlagUnknownPIN, Filter: store.Filter{Limit: 2}}, "5 2026-01-05T07:01:00 unknown-pin", "6 2026-01-05T07:03:00 unknown-pin")
		w.want(meeting.Filter{Filter: store.Filter{Limit: 1}}, "100001 2026-01-05T07:00:00 Ani Demo")
	})
}

// BenchmarkMeet annotates 100 000 punches of a year of a province: 10 000 employees
// with a legacy PIN each, 350 terminals. Reading them is not counted.
func BenchmarkMeet(b *testing.B) {
	const people, terminals, punches = 10_000, 350, 100_000
	w := &world{t: b}
	s, err := store.Open(b.Context(), b.TempDir()+"/hub.db")
	ok(b, err)
	defer func() { ok(b, s.Close()) }()
	w.store, w.directory = s, directory.New(s, placement.Usual())
	ok(b, s.AddSite(b.Context(), "demo", storetest.NewAgent(b, "demo").Key.Public().Fingerprint(), noon))
	for n := range terminals {
		ok(b, s.AddTerminal(b.Context(), "demo", protocol.Serial(fmt.Sprint("T", n)), noon))
	}
	var ids []placement.TerminalID
	w.edit(func(d *directory.Draft) error {
		var failed []error
		var units []placement.UnitID
		for _, t := range directory.Sorted(d.Terminals) {
			u, err := d.AddUnit("2020-01-01", fmt.Sprint("U", t.ID), fmt.Sprint("Unit ", t.ID), placement.UPTD)
			failed = append(failed, err, d.Serve(directory.Serving{Terminal: t.ID, Serving: placement.Serving{Unit: u.ID, Period: from("2020-01-01")}}))
			ids, units = append(ids, t.ID), append(units, u.ID)
		}
		for n := range people {
			e := d.AddEmployee()
			_, err := d.Place(directory.Placement{Placement: placement.Placement{Employee: e.ID, Unit: units[n%terminals], Kind: placement.Definitive, Period: from("2020-01-01")}}, true)
			failed = append(failed, err,
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, "2020-01-01", fmt.Sprint("Demo ", n)),
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeKind, "2020-01-01", string(placement.NonASN)),
				d.AddAlias(directory.Alias{Employee: e.ID, PIN: fmt.Sprint(500_000 + n), Period: from("2020-01-01")}))
		}
		return errors.Join(failed...)
	})
	reg, err := w.directory.Register(b.Context())
	ok(b, err)
	all := make([]store.Punch, punches)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range all {
		at := start.Add(time.Duration(i) * 365 * 24 * time.Hour / punches)
		pin := fmt.Sprint(100_001 + i%people)
		if i%2 == 1 {
			pin = fmt.Sprint(500_000 + i%people)
		}
		all[i] = store.Punch{Record: protocol.Record{PIN: pin, Time: protocol.NewLocalTime(at)}, Normal: pin, Terminal: int64(ids[i%people%terminals])}
	}
	for b.Loop() {
		m := meeting.New(reg, placement.Usual())
		for _, p := range all {
			if met := m.Meet(p); met.Employee == nil || met.Flags != 0 {
				b.Fatalf("PIN %s at %s is met as %+v", p.PIN, p.Time, met.Flags.Names())
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/100k")
}
