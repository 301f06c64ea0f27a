package campaign_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/campaign"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/decision/decisiontest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/report"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
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

// office is one whose terminal is validated in campaigns.
type office struct {
	*decisiontest.Office
	campaigns *campaign.Campaigns
}

func each(t *testing.T, body func(t *testing.T, o *office)) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		o := &office{Office: decisiontest.New(t, dsn)}
		o.campaigns = campaign.New(campaign.Options{Database: o.Store, Directory: o.Directory, Survey: o.Survey, Decisions: o.Decisions})
		body(t, o)
	})
}

// begin makes a campaign over the unit above the terminal's.
func (o *office) begin(units ...placement.UnitID) int64 {
	o.T.Helper()
	n, err := o.campaigns.Add(o.T.Context(), o.By(), campaign.Campaign{Name: "Validasi Demo", From: "2026-01-30", To: "2026-02-07", Lead: "Citra Demo", Units: units})
	ok(o.T, err)
	return n
}

func (o *office) state(n int64) report.State {
	o.T.Helper()
	p, err := o.campaigns.Progress(o.T.Context(), n, roster.DateOf(o.Now))
	ok(o.T, err)
	if len(p.Summary.Lines) != 1 {
		o.T.Fatalf("the campaign has %d terminals", len(p.Summary.Lines))
	}
	return p.Summary.Lines[0].State
}

func paper(number string) campaign.Paper {
	return campaign.Paper{Number: number, Place: "Koba", Day: "2026-01-30", Agency: report.Signer{Name: "Eka Demo", NIP: "198001012005012901", Position: "Kepala Bidang"},
		Office: report.Signer{Name: "Gani Demo", Position: "Kepala UPTD"}}
}

func (o *office) sign(n int64, p campaign.Paper) (campaign.Signed, bool, error) {
	return o.campaigns.Sign(o.T.Context(), o.By(), n, o.Terminal, p)
}

func TestTerminalIsSignedWhenAllIsDecided(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.Now = o.Now.Add(-48 * time.Hour)
		o.Read() // before the campaign
		o.Now = o.Now.Add(48 * time.Hour)
		n := o.begin(o.OPD)
		if s := o.state(n); s != report.Unread {
			t.Errorf("the terminal is %s, want unread", s)
		}
		_, _, err := o.sign(n, paper("800/1"))
		decisiontest.Refused(t, err, "unread")
		o.Read()
		if s := o.state(n); s != report.Open {
			t.Errorf("the terminal is %s, want open", s)
		}
		_, _, err = o.sign(n, paper("800/1"))
		decisiontest.Refused(t, err, "undecided")
		_, err = o.campaigns.SetMode(ctx, o.By(), o.Terminal, roster.Enforce)
		decisiontest.Refused(t, err, "not-signed")
		for _, mode := range []roster.Mode{roster.Add, roster.Observe} {
			_, err := o.campaigns.SetMode(ctx, o.By(), o.Terminal, mode)
			ok(t, err)
		}

		_, err = o.Decide(validate.Unknown, decision.Choice{Act: validate.ActAccept, Reason: "tamu tetap"})
		ok(t, err)
		_, err = o.Decide(validate.Missing, decision.Choice{})
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
		o.Inventory.Users = nil
		o.Now = o.Now.Add(time.Hour)
		o.Read()
		again, fresh, err := o.sign(n, paper("800/2"))
		ok(t, err)
		if fresh || again.Digest != first.Digest || again.Number != "800/1" {
			t.Errorf("signed again it is %s of %s, want %s of 800/1", again.Digest, again.Number, first.Digest)
		}
		if s := o.state(n); s != report.Signed {
			t.Errorf("the terminal is %s, want signed", s)
		}
		_, err = o.campaigns.SetMode(ctx, o.By(), o.Terminal, roster.Enforce)
		ok(t, err)
		second := o.begin(o.UPTD)
		for _, class := range []validate.Class{validate.Missing, validate.Privilege} {
			_, err = o.Decide(class, decision.Choice{Act: validate.ActAccept, Reason: "cuti"})
			ok(t, err)
		}
		_, _, err = o.sign(second, paper("800/1"))
		decisiontest.Refused(t, err, "number-taken")
	})
}

// Rows are only added, whoever holds the database.
func TestNothingThatWasSignedCanBeChanged(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		o.Inventory.Users = nil
		o.Read()
		n := o.begin(o.UPTD)
		for _, class := range []validate.Class{validate.Missing, validate.Privilege} {
			_, err := o.Decide(class, decision.Choice{Act: validate.ActAccept, Reason: "cuti"})
			ok(t, err)
		}
		_, _, err := o.sign(n, paper("800/1"))
		ok(t, err)
		for _, change := range []string{"UPDATE minutes SET number = '1'", "DELETE FROM minutes", "UPDATE decision SET who = 'x'", "DELETE FROM decision", "UPDATE campaign SET name = 'x'"} {
			err := o.Store.Update(context.Background(), func(tx *sql.Tx) error {
				_, err := tx.Exec(change)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v, want that it is append-only", change, err)
			}
		}
		// Whoever owns the database can drop triggers; the digest tells.
		change := func(statement string) error {
			return o.Store.Update(context.Background(), func(tx *sql.Tx) error {
				_, err := tx.Exec(statement)
				return err
			})
		}
		if change("DROP TRIGGER minutes_update") != nil {
			ok(t, change("DROP TRIGGER minutes_change ON minutes"))
		}
		ok(t, o.Store.Update(context.Background(), func(tx *sql.Tx) error {
			var content []byte
			if err := tx.QueryRow("SELECT content FROM minutes").Scan(&content); err != nil {
				return err
			}
			_, err := tx.Exec("UPDATE minutes SET content = $1", bytes.Replace(content, []byte("Koba"), []byte("Kuba"), 1))
			return err
		}))
		if _, err := o.campaigns.Progress(t.Context(), n, roster.DateOf(o.Now)); err == nil || !strings.Contains(err.Error(), "changed after they were signed") {
			t.Errorf("changed minutes are read with %v", err)
		}
	})
}

func TestCampaignHasTheTerminalsOfItsUnits(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		ctx := t.Context()
		o.Read()
		if s := o.state(o.begin(o.UPTD)); s != report.Open {
			t.Errorf("the terminal of the unit is %s", s)
		}
		other := placement.UnitID(0)
		o.Edit(func(d *directory.Draft) error {
			u, err := d.AddUnit("2020-01-01", "2", "Dinas Lain", placement.OPD)
			other = u.ID
			return err
		})
		n := o.begin(other)
		p, err := o.campaigns.Progress(ctx, n, roster.DateOf(o.Now))
		ok(t, err)
		if len(p.Terminals) != 0 {
			t.Errorf("a campaign of another unit has %d terminals", len(p.Terminals))
		}
		_, _, err = o.sign(n, paper("800/1"))
		decisiontest.Refused(t, err, "not-in-campaign")
		decisiontest.Refused(t, o.campaigns.Visit(ctx, o.By(), n, o.Terminal, "2026-01-30", "Dedi Demo"), "not-in-campaign")

		n = o.begin(o.OPD)
		decisiontest.Refused(t, o.campaigns.Visit(ctx, o.By(), n, o.Terminal, "2026-03-01", "Dedi Demo"), "day-outside")
		decisiontest.Refused(t, o.campaigns.Visit(ctx, o.By(), n, o.Terminal, "2026-01-31", " "), "no-officer")
		for _, officer := range []string{"Dedi Demo", "Fitri Demo"} {
			ok(t, o.campaigns.Visit(ctx, o.By(), n, o.Terminal, "2026-01-31", officer))
		}
		p, err = o.campaigns.Progress(ctx, n, roster.DateOf(o.Now))
		ok(t, err)
		if l := p.Summary.Lines[0]; l.Planned != "2026-01-31" || l.Officer != "Fitri Demo" || l.Unit != "UPTD Demo" || p.Summary.Campaign.Units[0] != "Dinas Demo" {
			t.Errorf("the summary is %+v, want the newest plan", p.Summary)
		}
		all, err := o.campaigns.List(ctx)
		ok(t, err)
		if len(all) != 3 || all[0].N != n || !slices.Equal(all[0].Units, []placement.UnitID{o.OPD}) {
			t.Errorf("campaigns are %+v, want three, the newest first", all)
		}
	})
}

// What ended before a campaign is not of it; its first day begins on the terminals' walls.
func TestCampaignTellsWhatEndedInIt(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		end := func(at time.Time, class validate.Class, change func()) {
			o.Now = at
			o.Read()
			_, err := o.Decide(class, decision.Choice{})
			ok(t, err)
			change()
			o.Read()
			ok(t, o.Decisions.Settle(t.Context()))
		}
		end(time.Date(2026, 1, 29, 16, 59, 0, 0, time.UTC), validate.Unknown, func() { o.Inventory.Users = nil })
		end(time.Date(2026, 1, 29, 17, 1, 0, 0, time.UTC), validate.Missing, func() {
			o.Inventory.Users = []roster.Held{{Slot: 2, PIN: "100001", Name: []byte("Ani Demo"), Privilege: roster.User}}
		})
		p, err := o.campaigns.Progress(t.Context(), o.begin(o.UPTD), roster.DateOf(o.Now))
		ok(t, err)
		if ended := p.Terminals[0].Closed; len(ended) != 1 || ended[0].Class != validate.Missing || ended[0].Who != "Ani Demo" || p.Summary.Lines[0].Closed != 1 {
			t.Errorf("in the campaign ended %+v, want who was missing", ended)
		}
	})
}

func TestCampaignIsRefused(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		good := campaign.Campaign{Name: "Validasi Demo", From: "2026-01-30", To: "2026-02-07", Lead: "Citra Demo", Units: []placement.UnitID{o.OPD}}
		for code, spoil := range map[string]func(*campaign.Campaign){
			"no-name":  func(c *campaign.Campaign) { c.Name = " " },
			"no-days":  func(c *campaign.Campaign) { c.To = "2026-01-29" },
			"no-units": func(c *campaign.Campaign) { c.Units = []placement.UnitID{99} },
		} {
			bad := good
			spoil(&bad)
			_, err := o.campaigns.Add(t.Context(), o.By(), bad)
			decisiontest.Refused(t, err, code)
		}
		_, err := o.campaigns.Add(t.Context(), directory.By{At: o.Now}, good)
		decisiontest.Refused(t, err, "nobody")
		_, err = o.campaigns.Get(t.Context(), 1)
		decisiontest.Refused(t, err, "no-campaign")
	})
}
