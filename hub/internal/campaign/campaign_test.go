package campaign_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/campaign"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/survey"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// office is a unit below another, with a terminal that holds somebody whom nobody
// knows, and not the one who is placed there.
type office struct {
	t         *testing.T
	store     *store.Store
	directory *directory.Directory
	holding   *holding.Holding
	survey    *survey.Survey
	decisions *decision.Decisions
	campaigns *campaign.Campaigns
	agent     *storetest.Agent
	sealing   seal.SealingPublic
	counter   uint64
	now       time.Time
	opd, uptd placement.UnitID
	terminal  placement.TerminalID
	ani       *directory.Employee
	inv       roster.Inventory
}

const serial protocol.Serial = "DEMO1"

func each(t *testing.T, body func(t *testing.T, o *office)) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) { body(t, newOffice(t, dsn)) })
}

func newOffice(t *testing.T, dsn string) *office {
	ctx := t.Context()
	o := &office{t: t, now: time.Date(2026, 1, 30, 3, 0, 0, 0, time.UTC), agent: storetest.NewAgent(t, "samsat-demo")}
	var err error
	o.store, err = store.Open(ctx, dsn)
	ok(t, err)
	t.Cleanup(func() { ok(t, o.store.Close()) })
	ok(t, o.store.AddSite(ctx, o.agent.Site, o.agent.Key.Public().Fingerprint(), o.now))
	ok(t, o.store.AddTerminal(ctx, o.agent.Site, serial, o.now))
	o.directory, o.holding = directory.New(o.store, placement.Usual()), holding.New(o.store)
	v, err := vault.Open(ctx, o.store, t.TempDir(), func() time.Time { return o.now })
	ok(t, err)
	o.survey = survey.New(o.directory, v, o.holding, placement.Usual())
	o.decisions = decision.New(decision.Options{Database: o.store, Directory: o.directory, Survey: o.survey, Holding: o.holding,
		Now: func() time.Time { return o.now }, Logger: slog.New(slog.DiscardHandler)})
	o.campaigns = campaign.New(campaign.Options{Database: o.store, Directory: o.directory, Survey: o.survey, Decisions: o.decisions})
	key, err := seal.GenerateSealingKey()
	ok(t, err)
	o.sealing = key.Public()
	_, err = o.directory.Edit(ctx, o.by(), func(d *directory.Draft) error {
		opd, err := d.AddUnit("2020-01-01", "1", "Dinas Demo", placement.OPD)
		if err != nil {
			return err
		}
		uptd, err := d.AddUnit("2020-01-01", "1.1", "UPTD Demo", placement.UPTD)
		if err != nil {
			return err
		}
		o.opd, o.uptd = opd.ID, uptd.ID
		for _, terminal := range d.Terminals {
			o.terminal = terminal.ID
		}
		o.ani = d.AddEmployee()
		id := int64(o.ani.ID)
		_, placed := d.Place(directory.Placement{Placement: placement.Placement{Employee: o.ani.ID, Unit: uptd.ID, Kind: placement.Definitive,
			Period: placement.Period{From: "2020-01-01"}}}, true)
		return errors.Join(placed, d.Set(directory.AboutUnit, int64(uptd.ID), directory.UnitParent, "2020-01-01", fmt.Sprint(int64(opd.ID))),
			d.Serve(directory.Serving{Terminal: o.terminal, Serving: placement.Serving{Unit: uptd.ID, Responsible: true, Period: placement.Period{From: "2020-01-01"}}}),
			d.Set(directory.AboutEmployee, id, directory.EmployeeName, "2020-01-01", "Ani Demo"),
			d.Set(directory.AboutEmployee, id, directory.EmployeeKind, "2020-01-01", string(placement.NonASN)))
	})
	ok(t, err)
	o.inv = roster.Inventory{Serial: serial, Capabilities: roster.Capabilities{Algorithm: 10, NameBytes: 24}, Users: []roster.Held{
		{Slot: 1, PIN: "77", Name: []byte("TAMU"), Privilege: roster.Administrator, Fingers: []roster.HeldFinger{{Number: 6, Algorithm: 10, Digest: protocol.Hash{7}}}},
	}}
	return o
}

func (o *office) by() directory.By { return directory.By{Who: "Eka Demo", At: o.now, Act: "test"} }

// read lets an inventory come.
func (o *office) read() {
	o.t.Helper()
	text, err := json.Marshal(o.inv)
	ok(o.t, err)
	o.counter++
	ok(o.t, o.holding.TakeInventory(o.t.Context(), holding.Said{Site: o.agent.Site, Serial: serial, Agent: o.agent.Key.Public().KeyID(),
		Seq: protocol.Seq{Life: 1, Counter: o.counter}, At: o.now.Add(time.Duration(o.counter) * time.Millisecond)}, o.sealing, text, o.inv))
}

// look is the terminal with its findings and their decisions.
func (o *office) look() (survey.Terminal, []decision.Judged) {
	o.t.Helper()
	v, err := o.survey.Look(o.t.Context(), roster.DateOf(o.now), func(*directory.Terminal) bool { return true })
	ok(o.t, err)
	judged, err := o.decisions.Judge(o.t.Context(), v)
	ok(o.t, err)
	return v.Terminals[0], judged[0]
}

// decide decides about the one finding of a class.
func (o *office) decide(class validate.Class, ch decision.Choice) (decision.Effect, error) {
	o.t.Helper()
	t, all := o.look()
	i := slices.IndexFunc(all, func(j decision.Judged) bool { return j.Class == class })
	if i < 0 {
		o.t.Fatalf("there is no finding of class %s among %+v", class, all)
	}
	return o.decisions.Decide(o.t.Context(), o.by(), t, all[i].Named, ch)
}

func refused(t *testing.T, err error, code string) {
	t.Helper()
	var r decision.Refusal
	if !errors.As(err, &r) || r.Code != code {
		t.Errorf("error %v, want the refusal %s", err, code)
	}
	if catalogue := phrase.New(); !catalogue.Has("campaign.error-" + code) {
		t.Errorf("the catalogue has no sentence for %s", code)
	}
}

func (o *office) edit(change func(*directory.Draft) error) {
	o.t.Helper()
	_, err := o.directory.Edit(o.t.Context(), o.by(), change)
	ok(o.t, err)
}

// begin makes a campaign over the unit above the terminal's.
func (o *office) begin(units ...placement.UnitID) int64 {
	o.t.Helper()
	n, err := o.campaigns.Add(o.t.Context(), o.by(), campaign.Campaign{Name: "Validasi Demo", From: "2026-01-30", To: "2026-02-07", Lead: "Citra Demo", Units: units})
	ok(o.t, err)
	return n
}

func (o *office) state(n int64) report.State {
	o.t.Helper()
	p, err := o.campaigns.Progress(o.t.Context(), n, roster.DateOf(o.now))
	ok(o.t, err)
	if len(p.Summary.Lines) != 1 {
		o.t.Fatalf("the campaign has %d terminals", len(p.Summary.Lines))
	}
	return p.Summary.Lines[0].State
}

func paper(number string) campaign.Paper {
	return campaign.Paper{Number: number, Place: "Koba", Day: "2026-01-30", Agency: report.Signer{Name: "Eka Demo", NIP: "198001012005012901", Position: "Kepala Bidang"},
		Office: report.Signer{Name: "Gani Demo", Position: "Kepala UPTD"}}
}

func (o *office) sign(n int64, p campaign.Paper) (campaign.Signed, bool, error) {
	return o.campaigns.Sign(o.t.Context(), o.by(), n, o.terminal, p)
}

func TestTerminalIsSignedWhenAllIsDecided(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.now = o.now.Add(-48 * time.Hour)
		o.read() // before the campaign
		o.now = o.now.Add(48 * time.Hour)
		n := o.begin(o.opd)
		if s := o.state(n); s != report.Unread {
			t.Errorf("the terminal is %s, want unread", s)
		}
		_, _, err := o.sign(n, paper("800/1"))
		refused(t, err, "unread")
		o.read()
		if s := o.state(n); s != report.Open {
			t.Errorf("the terminal is %s, want open", s)
		}
		_, _, err = o.sign(n, paper("800/1"))
		refused(t, err, "undecided")
		_, err = o.campaigns.SetMode(ctx, o.by(), o.terminal, roster.Enforce)
		refused(t, err, "not-signed")
		for _, mode := range []roster.Mode{roster.Add, roster.Observe} {
			_, err := o.campaigns.SetMode(ctx, o.by(), o.terminal, mode)
			ok(t, err)
		}

		_, err = o.decide(validate.Unknown, decision.Choice{Act: validate.ActAccept, Reason: "tamu tetap"})
		ok(t, err)
		_, err = o.decide(validate.Missing, decision.Choice{})
		ok(t, err)
		if s := o.state(n); s != report.Decided {
			t.Errorf("the terminal is %s, want decided", s)
		}
		for name, spoil := range map[string]func(*campaign.Paper){
			"number": func(p *campaign.Paper) { p.Number = " " }, "place": func(p *campaign.Paper) { p.Place = "" },
			"name": func(p *campaign.Paper) { p.Office.Name = "" }, "position": func(p *campaign.Paper) { p.Agency.Position = "" },
		} {
			bad := paper("800/1")
			spoil(&bad)
			if _, _, err := o.sign(n, bad); err == nil {
				t.Errorf("signed without a %s", name)
			}
		}
		bad := paper("800/1")
		bad.Agency.NIP = "123"
		if _, _, err := o.sign(n, bad); err == nil {
			t.Error("signed with a NIP that is none")
		}

		first, fresh, err := o.sign(n, paper("800/1"))
		ok(t, err)
		if !fresh || len(first.Rows) != 2 || first.Rows[0].Act != validate.ActAccept || first.Terminal.Users != 1 || first.Digest.IsZero() {
			t.Errorf("signed %+v (fresh: %t)", first, fresh)
		}
		o.inv.Users = nil
		o.now = o.now.Add(time.Hour)
		o.read()
		again, fresh, err := o.sign(n, paper("800/2"))
		ok(t, err)
		if fresh || again.Digest != first.Digest || again.Number != "800/1" {
			t.Errorf("signed again it is %s of %s, want %s of 800/1", again.Digest, again.Number, first.Digest)
		}
		if s := o.state(n); s != report.Signed {
			t.Errorf("the terminal is %s, want signed", s)
		}
		_, err = o.campaigns.SetMode(ctx, o.by(), o.terminal, roster.Enforce)
		ok(t, err)
		second := o.begin(o.uptd)
		for _, class := range []validate.Class{validate.Missing, validate.Privilege} {
			_, err = o.decide(class, decision.Choice{Act: validate.ActAccept, Reason: "cuti"})
			ok(t, err)
		}
		_, _, err = o.sign(second, paper("800/1"))
		refused(t, err, "number-taken")
	})
}

// Rows are only added, whoever holds the database.
func TestNothingThatWasSignedCanBeChanged(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.inv.Users = nil
		o.read()
		n := o.begin(o.uptd)
		for _, class := range []validate.Class{validate.Missing, validate.Privilege} {
			_, err := o.decide(class, decision.Choice{Act: validate.ActAccept, Reason: "cuti"})
			ok(t, err)
		}
		_, _, err := o.sign(n, paper("800/1"))
		ok(t, err)
		for _, change := range []string{"UPDATE minutes SET number = '1'", "DELETE FROM minutes", "UPDATE decision SET who = 'x'", "DELETE FROM decision", "UPDATE campaign SET name = 'x'"} {
			err := o.store.Update(context.Background(), func(tx *sql.Tx) error {
				_, err := tx.Exec(change)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v, want that it is append-only", change, err)
			}
		}
		// Whoever owns the database can drop triggers; the digest tells.
		change := func(statement string) error {
			return o.store.Update(context.Background(), func(tx *sql.Tx) error {
				_, err := tx.Exec(statement)
				return err
			})
		}
		if change("DROP TRIGGER minutes_update") != nil {
			ok(t, change("DROP TRIGGER minutes_change ON minutes"))
		}
		ok(t, o.store.Update(context.Background(), func(tx *sql.Tx) error {
			var content []byte
			if err := tx.QueryRow("SELECT content FROM minutes").Scan(&content); err != nil {
				return err
			}
			_, err := tx.Exec("UPDATE minutes SET content = $1", bytes.Replace(content, []byte("Koba"), []byte("Kuba"), 1))
			return err
		}))
		if _, err := o.campaigns.Progress(t.Context(), n, roster.DateOf(o.now)); err == nil || !strings.Contains(err.Error(), "changed after they were signed") {
			t.Errorf("changed minutes are read with %v", err)
		}
	})
}

func TestCampaignHasTheTerminalsOfItsUnits(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.read()
		if s := o.state(o.begin(o.uptd)); s != report.Open {
			t.Errorf("the terminal of the unit is %s", s)
		}
		other := placement.UnitID(0)
		o.edit(func(d *directory.Draft) error {
			u, err := d.AddUnit("2020-01-01", "2", "Dinas Lain", placement.OPD)
			other = u.ID
			return err
		})
		n := o.begin(other)
		p, err := o.campaigns.Progress(ctx, n, roster.DateOf(o.now))
		ok(t, err)
		if len(p.Terminals) != 0 {
			t.Errorf("a campaign of another unit has %d terminals", len(p.Terminals))
		}
		_, _, err = o.sign(n, paper("800/1"))
		refused(t, err, "not-in-campaign")
		refused(t, o.campaigns.Visit(ctx, o.by(), n, o.terminal, "2026-01-30", "Dedi Demo"), "not-in-campaign")

		n = o.begin(o.opd)
		refused(t, o.campaigns.Visit(ctx, o.by(), n, o.terminal, "2026-03-01", "Dedi Demo"), "day-outside")
		refused(t, o.campaigns.Visit(ctx, o.by(), n, o.terminal, "2026-01-31", " "), "no-officer")
		for _, officer := range []string{"Dedi Demo", "Fitri Demo"} {
			ok(t, o.campaigns.Visit(ctx, o.by(), n, o.terminal, "2026-01-31", officer))
		}
		p, err = o.campaigns.Progress(ctx, n, roster.DateOf(o.now))
		ok(t, err)
		if l := p.Summary.Lines[0]; l.Planned != "2026-01-31" || l.Officer != "Fitri Demo" || l.Unit != "UPTD Demo" || p.Summary.Campaign.Units[0] != "Dinas Demo" {
			t.Errorf("the summary is %+v, want the newest plan", p.Summary)
		}
		all, err := o.campaigns.List(ctx)
		ok(t, err)
		if len(all) != 3 || all[0].N != n || !slices.Equal(all[0].Units, []placement.UnitID{o.opd}) {
			t.Errorf("campaigns are %+v, want three, the newest first", all)
		}
	})
}

// What ended before a campaign is not of it; its first day begins on the terminals' walls.
func TestCampaignTellsWhatEndedInIt(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		end := func(at time.Time, class validate.Class, change func()) {
			o.now = at
			o.read()
			_, err := o.decide(class, decision.Choice{})
			ok(t, err)
			change()
			o.read()
			ok(t, o.decisions.Settle(t.Context()))
		}
		end(time.Date(2026, 1, 29, 16, 59, 0, 0, time.UTC), validate.Unknown, func() { o.inv.Users = nil })
		end(time.Date(2026, 1, 29, 17, 1, 0, 0, time.UTC), validate.Missing, func() {
			o.inv.Users = []roster.Held{{Slot: 2, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.User}}
		})
		p, err := o.campaigns.Progress(t.Context(), o.begin(o.uptd), roster.DateOf(o.now))
		ok(t, err)
		if ended := p.Terminals[0].Closed; len(ended) != 1 || ended[0].Class != validate.Missing || ended[0].Who != "Ani Demo" || p.Summary.Lines[0].Closed != 1 {
			t.Errorf("in the campaign ended %+v, want who was missing", ended)
		}
	})
}

func TestCampaignIsRefused(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		good := campaign.Campaign{Name: "Validasi Demo", From: "2026-01-30", To: "2026-02-07", Lead: "Citra Demo", Units: []placement.UnitID{o.opd}}
		for code, spoil := range map[string]func(*campaign.Campaign){
			"no-name":  func(c *campaign.Campaign) { c.Name = " " },
			"no-days":  func(c *campaign.Campaign) { c.To = "2026-01-29" },
			"no-units": func(c *campaign.Campaign) { c.Units = []placement.UnitID{99} },
		} {
			bad := good
			spoil(&bad)
			_, err := o.campaigns.Add(t.Context(), o.by(), bad)
			refused(t, err, code)
		}
		_, err := o.campaigns.Add(t.Context(), directory.By{At: o.now}, good)
		refused(t, err, "nobody")
		_, err = o.campaigns.Get(t.Context(), 1)
		refused(t, err, "no-campaign")
	})
}
