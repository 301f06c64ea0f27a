package rosters_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/rosters"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// province is two offices with a terminal each, and one employee.
type province struct {
	t          *testing.T
	directory  *directory.Directory
	vault      *vault.Vault
	holding    *holding.Holding
	rosters    *rosters.Rosters
	decisions  *decision.Decisions
	settings   placement.Settings
	generation func(context.Context) (protocol.Generation, error)
	employee   placement.EmployeeID
	pin        string

	mu      sync.Mutex
	now     time.Time
	changed []protocol.SiteID
}

const (
	agency protocol.SiteID = "bkpsdmd"
	samsat protocol.SiteID = "samsat-belitung"
)

func each(t *testing.T, body func(p *province)) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		p := &province{t: t, now: time.Date(2026, 1, 20, 5, 0, 0, 0, time.UTC)}
		s, err := store.Open(t.Context(), dsn)
		ok(t, err)
		t.Cleanup(func() { ok(t, s.Close()) })
		for _, site := range []protocol.SiteID{agency, samsat} {
			ok(t, s.AddSite(t.Context(), site, storetest.NewAgent(t, site).Key.Public().Fingerprint(), p.now))
			ok(t, s.AddTerminal(t.Context(), site, serial(site), p.now))
		}
		settings := placement.Settings{PrepareDays: 3, GraceDays: 2}
		p.settings = settings
		p.directory, p.holding = directory.New(s, settings), holding.New(s)
		p.vault, err = vault.Open(t.Context(), s, t.TempDir(), p.clock)
		ok(t, err)
		p.decisions = decision.New(decision.Options{Database: s, Directory: p.directory, Holding: p.holding, Now: p.clock, Logger: slog.New(slog.DiscardHandler),
			Survey: survey.New(p.directory, p.vault, p.holding, settings)})
		p.generation = s.Generation
		p.rosters = p.with(p.decisions)
		p.edit(func(d *directory.Draft) error {
			var units []placement.UnitID
			for _, code := range []string{"bkpsdmd", "samsat-belitung"} {
				u, err := d.AddUnit("2026-01-01", code, "Unit "+code, placement.UnitKind("uptd"))
				if err != nil {
					return err
				}
				units = append(units, u.ID)
			}
			for _, terminal := range d.Terminals {
				unit := units[0]
				if terminal.Site == samsat {
					unit = units[1]
				}
				err := errors.Join(
					d.Serve(directory.Serving{Terminal: terminal.ID, Serving: placement.Serving{Unit: unit, Responsible: true, Period: always("2026-01-01")}}),
					d.Set(directory.AboutTerminal, int64(terminal.ID), directory.TerminalMode, "2026-01-01", string(roster.Enforce)))
				if err != nil {
					return err
				}
			}
			e := d.AddEmployee()
			p.employee, p.pin = e.ID, e.PINText()
			err := errors.Join(d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, "2026-01-01", "Ani Demo"),
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeNIP, "2026-01-01", "199001012015012901"),
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeKind, "2026-01-01", string(placement.PNS)),
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeStatus, "2026-01-01", string(placement.Active)))
			if err != nil {
				return err
			}
			_, err = d.Place(directory.Placement{Placement: placement.Placement{Employee: e.ID, Unit: units[0], Kind: placement.Definitive, Period: always("2026-01-01")}}, true)
			return err
		})
		body(p)
	})
}

// with are rosters that follow some decisions.
func (p *province) with(decisions rosters.Decisions) *rosters.Rosters {
	return rosters.New(rosters.Options{
		Directory: p.directory, Vault: p.vault, Holding: p.holding, Decisions: decisions, Settings: p.settings, Generation: p.generation,
		Changed: func(site protocol.SiteID) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.changed = append(p.changed, site)
		},
		Now: p.clock, Logger: slog.New(slog.DiscardHandler), Every: time.Millisecond,
	})
}

func always(from roster.Date) placement.Period {
	return placement.Period{From: from, To: roster.Forever}
}

func serial(site protocol.SiteID) protocol.Serial { return protocol.Serial("DEMO-" + site) }

func (p *province) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// on moves the clock to the noon of a day, and reckons.
func (p *province) on(day roster.Date) {
	p.t.Helper()
	at, err := time.Parse(time.DateOnly, string(day))
	ok(p.t, err)
	p.mu.Lock()
	p.now = at.Add(5 * time.Hour)
	p.mu.Unlock()
	ok(p.t, p.rosters.Reckon(p.t.Context(), p.clock()))
}

func (p *province) edit(change func(*directory.Draft) error) {
	p.t.Helper()
	_, err := p.directory.Edit(p.t.Context(), directory.By{Who: "Ujang Demo", At: p.clock(), Act: "test"}, change)
	ok(p.t, err)
}

// there tells on which terminals the employee should be.
func (p *province) there() string {
	p.t.Helper()
	var on []string
	for _, site := range []protocol.SiteID{agency, samsat} {
		_, r, err := p.holding.Roster(p.t.Context(), site, serial(site))
		ok(p.t, err)
		if slices.ContainsFunc(r.Entries, func(e roster.Entry) bool { return e.PIN == p.pin }) {
			on = append(on, string(site))
		}
	}
	return strings.Join(on, " ")
}

// A move by a decree of 1 February: the new terminal is ready days before, the old one
// lets go days after.
func TestAMoveAddsAndRemovesOnTheRightDays(t *testing.T) {
	each(t, func(p *province) {
		p.on("2026-01-20")
		if got := p.there(); got != "bkpsdmd" {
			t.Fatalf("before the move: %q", got)
		}
		p.edit(func(d *directory.Draft) error {
			unit, _ := d.UnitByCode("samsat-belitung", "2026-01-20")
			_, err := d.Place(directory.Placement{Placement: placement.Placement{Employee: p.employee, Unit: unit.ID, Kind: placement.Definitive, Period: always("2026-02-01")}}, true)
			return err
		})
		for _, row := range []struct {
			day  roster.Date
			want string
		}{
			{"2026-01-28", "bkpsdmd"},
			{"2026-01-29", "bkpsdmd samsat-belitung"}, // three days before
			{"2026-02-01", "bkpsdmd samsat-belitung"},
			{"2026-02-02", "bkpsdmd samsat-belitung"},
			{"2026-02-03", "samsat-belitung"}, // two days after
		} {
			p.on(row.day)
			if got := p.there(); got != row.want {
				t.Errorf("on %s the employee is on %q, want %q", row.day, got, row.want)
			}
		}
	})
}

func TestTheVaultsBestFingersAreOnTheRoster(t *testing.T) {
	each(t, func(p *province) {
		template := []byte("not a finger of anybody")
		digest := protocol.Hash(sha256.Sum256(template))
		ok(p.t, p.vault.Put(t.Context(), vault.By{Who: "Ujang Demo", Why: "test"}, vault.Template{
			Held:  vault.Held{Ref: vault.Ref{Employee: int64(p.employee), Finger: 6, Algorithm: 10, Digest: digest}, Origin: "test"},
			Plain: vault.NewPlain(template),
		}))
		p.on("2026-01-20")
		_, r, err := p.holding.Roster(t.Context(), agency, serial(agency))
		ok(t, err)
		want := []roster.Finger{{Number: 6, Algorithm: 10, Digest: digest}}
		if len(r.Entries) != 1 || !slices.Equal(r.Entries[0].Fingers, want) || r.Mode != roster.Enforce {
			t.Errorf("roster %+v", r)
		}
	})
}

// What nobody changed is not issued again, and a change in the register or in the vault
// is seen by itself.
func TestRunFollowsWhatOthersChange(t *testing.T) {
	each(t, func(p *province) {
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { ok(t, p.rosters.Run(ctx)) })
		defer running.Wait()
		defer stop()
		waitFor := func(what string, done func() bool) {
			t.Helper()
			for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("never: " + what)
				}
			}
		}
		order := func(site protocol.SiteID) protocol.Seq {
			revision, _, err := p.holding.Roster(t.Context(), site, serial(site))
			if err != nil && !errors.Is(err, holding.ErrNone) {
				t.Fatal(err)
			}
			return revision.Order
		}
		waitFor("the first rosters", func() bool { return order(agency).Counter == 1 && order(samsat).Counter == 1 })
		p.edit(func(d *directory.Draft) error {
			return d.Set(directory.AboutEmployee, int64(p.employee), directory.EmployeeStatus, "2026-01-20", string(placement.Retired))
		})
		waitFor("the retirement", func() bool { return order(agency).Counter == 2 })
		if p.there() != "" || order(samsat).Counter != 1 {
			t.Errorf("retired, and on %q; the other terminal's roster is %s", p.there(), order(samsat))
		}
	})
}
