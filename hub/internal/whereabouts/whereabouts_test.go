package whereabouts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/hub/internal/whereabouts"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// province is a register of two offices, and what their terminals are said to hold.
type province struct {
	t         testing.TB
	directory *directory.Directory
	store     *store.Store
	terminals []holding.Terminal
	held      map[protocol.Serial][]roster.Held
	rosters   map[protocol.Serial]roster.Roster
	fingers   []vault.Held
}

func (p *province) All(context.Context) ([]vault.Held, error) { return p.fingers, nil }

func (p *province) Terminals(context.Context) ([]holding.Terminal, error) { return p.terminals, nil }

func (p *province) Roster(_ context.Context, _ protocol.SiteID, serial protocol.Serial) (holding.Revision, roster.Roster, error) {
	return holding.Revision{Order: protocol.Seq{Life: 1, Counter: 7}, At: now.Add(-2 * time.Hour)}, p.rosters[serial], nil
}

func (p *province) Inventory(_ context.Context, _ protocol.SiteID, serial protocol.Serial) (holding.Inventory, error) {
	if p.held[serial] == nil {
		return holding.Inventory{}, holding.ErrNone
	}
	return holding.Inventory{At: now.Add(-time.Hour), Inventory: roster.Inventory{Serial: serial, Users: p.held[serial], Capabilities: roster.Capabilities{Algorithm: 10}}}, nil
}

func (p *province) Outcomes(context.Context, protocol.SiteID, protocol.Serial, string) ([]holding.Outcome, error) {
	return nil, nil
}

func (p *province) edit(change func(*directory.Draft) error) {
	p.t.Helper()
	_, err := p.directory.Edit(p.t.Context(), directory.By{Who: "Ujang Demo", At: now, Act: "test"}, change)
	ok(p.t, err)
}

func newProvince(t *testing.T, dsn string) *province {
	s, err := store.Open(t.Context(), dsn)
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	p := &province{t: t, directory: directory.New(s, placement.Settings{PrepareDays: 3, GraceDays: 2}), store: s,
		held: map[protocol.Serial][]roster.Held{}, rosters: map[protocol.Serial]roster.Roster{}}
	for _, site := range []protocol.SiteID{"a", "b"} {
		serial := protocol.Serial("T-" + site)
		ok(t, s.AddSite(t.Context(), site, storetest.NewAgent(t, site).Key.Public().Fingerprint(), now))
		ok(t, s.AddTerminal(t.Context(), site, serial, now))
		p.terminals = append(p.terminals, holding.Terminal{Site: site, Serial: serial, Sealed: true, Mode: roster.Enforce,
			Read: now.Add(-time.Hour), Results: protocol.Results{Roster: protocol.Seq{Life: 1, Counter: 7}, State: protocol.StandingEqual}})
		p.rosters[serial] = roster.Roster{Serial: serial, Mode: roster.Enforce}
		p.edit(func(d *directory.Draft) error {
			u, err := d.AddUnit("2020-01-01", string(site), "Unit "+string(site), placement.UPTD)
			if err != nil {
				return err
			}
			terminal, _ := d.TerminalBy(site, serial)
			return d.Serve(directory.Serving{Terminal: terminal.ID, Serving: placement.Serving{Unit: u.ID, Period: placement.Period{From: "2020-01-01", To: roster.Forever}}})
		})
	}
	return p
}

// person adds somebody who is placed at a unit during a period.
func (p *province) person(unit string, from, to roster.Date) (pin string) {
	p.t.Helper()
	p.edit(func(d *directory.Draft) error {
		e := d.AddEmployee()
		pin = e.PINText()
		u, _ := d.UnitByCode(unit, from)
		_, failed := d.Place(directory.Placement{Placement: placement.Placement{Employee: e.ID, Unit: u.ID, Kind: placement.Definitive,
			Period: placement.Period{From: from, To: to}}}, true)
		return errors.Join(failed,
			d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, "2020-01-01", "Demo "+pin),
			d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeKind, "2020-01-01", string(placement.NonASN)))
	})
	return pin
}

func (p *province) where() *whereabouts.Whereabouts {
	return whereabouts.New(whereabouts.Options{Register: p.directory.Register, Holding: p, State: p.store.State,
		Vault: p, Settings: placement.Settings{PrepareDays: 3, GraceDays: 2}})
}

// TestTasksAreDatedByTheRegisterAndPutTogether: one line for each terminal, act and
// reason, the longest due first.
func TestTasksAreDatedByTheRegisterAndPutTogether(t *testing.T) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		p := newProvince(t, dsn)
		left := p.person("a", "2020-01-01", "2026-02-10")   // 2 days of grace: due on the 12th
		sooner := p.person("a", "2020-01-01", "2026-02-01") // due on the 3rd
		comes := p.person("b", "2026-02-22", roster.Forever)
		never := p.person("b", "2020-01-01", roster.Forever) // stands on terminal a and never belonged there
		p.held["T-a"] = []roster.Held{user(1, left), user(2, sooner), user(3, never)}
		p.held["T-b"] = []roster.Held{user(1, never)}
		p.rosters["T-b"] = roster.Roster{Serial: "T-b", Mode: roster.Enforce, Entries: []roster.Entry{wanting(comes), wanting(never)}}

		tasks, err := p.where().Tasks(t.Context(), "", now)
		ok(t, err)
		var got []string
		for _, task := range tasks {
			got = append(got, fmt.Sprint(task.Site, " ", task.Act, " ", task.Why, " ", task.Since, " ", task.Employees))
		}
		want := []string{"a must-go working 2026-02-03 [1 2 4]", "b must-come working 2026-02-19 [3]"}
		if !slices.Equal(got, want) {
			t.Errorf("tasks\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if tasks, err = p.where().Tasks(t.Context(), "b", now); err != nil || len(tasks) != 1 || tasks[0].Site != "b" {
			t.Errorf("tasks of b: %+v, %v", tasks, err)
		}
		for e, want := range map[placement.EmployeeID]string{1: "a 2026-02-12", 2: "a 2026-02-03", 3: "b 2026-02-19", 4: "a ; b -"} {
			places, err := p.where().Of(t.Context(), e, now)
			ok(t, err)
			var got []string
			for _, place := range places {
				since := "-"
				if place.Open != nil {
					since = string(place.Open.Since)
				}
				got = append(got, fmt.Sprint(place.Site, " ", since))
			}
			if said := strings.Join(got, "; "); said != want {
				t.Errorf("of %d: %q, want %q", e, said, want)
			}
		}
	})
}

func TestReachedIsTheNewestWord(t *testing.T) {
	agent := storetest.NewAgent(t, "a")
	hour := func(n int) *time.Time { at := now.Add(time.Duration(n) * time.Hour); return &at }
	for _, row := range []struct {
		name    string
		status  protocol.Status
		read    *time.Time
		failing string
		want    whereabouts.Why
		reached time.Time
	}{
		{"its agent read it a while ago", protocol.StatusReady, hour(-1), "", whereabouts.Working, now.Add(-time.Hour)},
		{"its agent's clock runs ahead", protocol.StatusReady, hour(+9), "", whereabouts.Working, now.Add(-30 * time.Minute)},
		{"its agent cannot read it", protocol.StatusReady, hour(-1), "unreachable", whereabouts.Unreached, now.Add(-time.Hour)},
		{"the site is lost", protocol.StatusLost, hour(-2), "", whereabouts.Unreached, now.Add(-2 * time.Hour)},
		{"nobody read it for days", protocol.StatusReady, hour(-72), "", whereabouts.Unreached, now.Add(-48 * time.Hour)},
		{"it was never read", protocol.StatusReady, nil, "", whereabouts.Unreached, now.Add(-48 * time.Hour)},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newProvince(t, t.TempDir()+"/hub.db")
			state := protocol.State{Status: row.status, Key: agent.Key.Public(), Terminals: []protocol.Terminal{{Serial: "T-a", LastRead: row.read, LastError: row.failing}}}
			message, err := protocol.Seal(protocol.Envelope{Kind: protocol.KindState, Site: "a", Seq: protocol.Seq{Life: 1, Counter: 1}}, state, agent.Key)
			ok(t, err)
			_, err = p.store.SaveState(t.Context(), store.State{Site: "a", Seq: protocol.Seq{Life: 1, Counter: 1}, Message: message, Received: now.Add(-30 * time.Minute)})
			ok(t, err)
			pin := p.person("a", "2020-01-01", roster.Forever)
			p.terminals[0].Read = now.Add(-48 * time.Hour)
			p.held["T-a"] = []roster.Held{}
			p.rosters["T-a"] = roster.Roster{Serial: "T-a", Mode: roster.Enforce, Entries: []roster.Entry{wanting(pin)}}
			places, err := p.where().Of(t.Context(), 1, now)
			ok(t, err)
			if len(places) != 1 || places[0].Open == nil || places[0].Open.Why != row.want || !places[0].Open.Reached.Equal(row.reached) {
				t.Errorf("places %+v, want %s, reached %s", says(places), row.want, row.reached)
			}
		})
	}
}

// TestAnOldCopyIsStillTheOwners: who was recorded anew and has left is not gone while a
// terminal has the copy of before, under whatever PIN.
func TestAnOldCopyIsStillTheOwners(t *testing.T) {
	p := newProvince(t, t.TempDir()+"/hub.db")
	p.person("a", "2020-01-01", "2026-02-01")
	for text, best := range map[string]bool{"old": false, "new": true} {
		p.fingers = append(p.fingers, vault.Held{Best: best, Ref: vault.Ref{Employee: 1, Finger: 3, Algorithm: 10, Digest: digest(text)}})
	}
	p.held["T-a"] = []roster.Held{user(1, "5, 3:old")}
	places, err := p.where().Of(t.Context(), 1, now)
	ok(t, err)
	if got, want := says(places), "1 is[5][3] must-go working"; got != want {
		t.Errorf("places %q, want %q", got, want)
	}
}

// TestOneStepAboutTwoPeopleIsDueForEachOnTheirOwnDay: a user goes with another's finger.
func TestOneStepAboutTwoPeopleIsDueForEachOnTheirOwnDay(t *testing.T) {
	p := newProvince(t, t.TempDir()+"/hub.db")
	left := p.person("a", "2020-01-01", "2026-02-10") // 2 days of grace: due on the 12th
	p.person("b", "2020-01-01", "2026-02-01")         // never belonged on terminal a, where a finger is
	p.fingers = []vault.Held{{Ref: vault.Ref{Employee: 2, Finger: 3, Algorithm: 10, Digest: digest("other")}}}
	p.held["T-a"] = []roster.Held{user(1, left+", 3:other")}
	tasks, err := p.where().Tasks(t.Context(), "a", now)
	ok(t, err)
	if len(tasks) != 1 || len(tasks[0].Employees) != 2 || tasks[0].Since != "2026-02-12" {
		t.Errorf("tasks %+v, want one about two people, due since the 12th", tasks)
	}
}
