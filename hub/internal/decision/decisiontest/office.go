// Package decisiontest is an office to decide about: a unit below another, and a
// terminal that holds somebody whom nobody knows, and not the one who is placed there.
//
// It knows the hub's rooms that deciding needs. Beware: its clock is the field Now, and
// stands still.
package decisiontest

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/decision"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
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

// Serial is the terminal's.
const Serial protocol.Serial = "DEMO1"

// Office is all of it, in an empty database.
type Office struct {
	T         *testing.T
	Store     *store.Store
	Directory *directory.Directory
	Holding   *holding.Holding
	Survey    *survey.Survey
	Decisions *decision.Decisions
	Now       time.Time
	OPD, UPTD placement.UnitID // the terminal is the lower one's
	Terminal  placement.TerminalID
	Ani       *directory.Employee // who is placed there
	Inventory roster.Inventory    // what the terminal holds; Read lets it come

	agent   *storetest.Agent
	sealing seal.SealingPublic
	counter uint64
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// New makes one in the empty database of a test.
func New(t *testing.T, dsn string) *Office {
	ctx := t.Context()
	o := &Office{T: t, Now: time.Date(2026, 1, 30, 3, 0, 0, 0, time.UTC), agent: storetest.NewAgent(t, "samsat-demo")}
	var err error
	o.Store, err = store.Open(ctx, dsn)
	ok(t, err)
	t.Cleanup(func() { ok(t, o.Store.Close()) })
	ok(t, o.Store.AddSite(ctx, o.agent.Site, o.agent.Key.Public().Fingerprint(), o.Now))
	ok(t, o.Store.AddTerminal(ctx, o.agent.Site, Serial, o.Now))
	o.Directory, o.Holding = directory.New(o.Store, placement.Usual()), holding.New(o.Store)
	v, err := vault.Open(ctx, o.Store, t.TempDir(), func() time.Time { return o.Now })
	ok(t, err)
	o.Survey = survey.New(o.Directory, v, o.Holding, placement.Usual())
	o.Decisions = decision.New(decision.Options{Database: o.Store, Directory: o.Directory, Survey: o.Survey, Holding: o.Holding, Every: time.Millisecond,
		Now: func() time.Time { return o.Now }, Logger: slog.New(slog.DiscardHandler)})
	key, err := seal.GenerateSealingKey()
	ok(t, err)
	o.sealing = key.Public()
	_, err = o.Directory.Edit(ctx, o.By(), func(d *directory.Draft) error {
		opd, err := d.AddUnit("2020-01-01", "1", "Dinas Demo", placement.OPD)
		if err != nil {
			return err
		}
		uptd, err := d.AddUnit("2020-01-01", "1.1", "UPTD Demo", placement.UPTD)
		if err != nil {
			return err
		}
		o.OPD, o.UPTD = opd.ID, uptd.ID
		for _, terminal := range d.Terminals {
			o.Terminal = terminal.ID
		}
		o.Ani = d.AddEmployee()
		id := int64(o.Ani.ID)
		_, placed := d.Place(directory.Placement{Placement: placement.Placement{Employee: o.Ani.ID, Unit: uptd.ID, Kind: placement.Definitive,
			Period: placement.Period{From: "2020-01-01"}}}, true)
		return errors.Join(placed, d.Set(directory.AboutUnit, int64(uptd.ID), directory.UnitParent, "2020-01-01", fmt.Sprint(int64(opd.ID))),
			d.Serve(directory.Serving{Terminal: o.Terminal, Serving: placement.Serving{Unit: uptd.ID, Responsible: true, Period: placement.Period{From: "2020-01-01"}}}),
			d.Set(directory.AboutEmployee, id, directory.EmployeeName, "2020-01-01", "Ani Demo"),
			d.Set(directory.AboutEmployee, id, directory.EmployeeKind, "2020-01-01", string(placement.NonASN)))
	})
	ok(t, err)
	o.Inventory = roster.Inventory{Serial: Serial, Capabilities: roster.Capabilities{Algorithm: 10, NameBytes: 24}, Users: []roster.Held{
		{Slot: 1, PIN: "77", Name: []byte("TAMU"), Privilege: roster.Administrator, Fingers: []roster.HeldFinger{{Number: 6, Algorithm: 10, Digest: protocol.Hash{7}}}},
	}}
	return o
}

// By is who decides.
func (o *Office) By() directory.By { return directory.By{Who: "Eka Demo", At: o.Now, Act: "test"} }

// Read lets an inventory come.
func (o *Office) Read() {
	o.T.Helper()
	text, err := json.Marshal(o.Inventory)
	ok(o.T, err)
	o.counter++
	ok(o.T, o.Holding.TakeInventory(o.T.Context(), holding.Said{Site: o.agent.Site, Serial: Serial, Agent: o.agent.Key.Public().KeyID(),
		Seq: protocol.Seq{Life: 1, Counter: o.counter}, At: o.Now.Add(time.Duration(o.counter) * time.Millisecond)}, o.sealing, text, o.Inventory))
}

// Look is the terminal with its findings and their decisions.
func (o *Office) Look() (survey.Terminal, []decision.Judged) {
	o.T.Helper()
	v, err := o.Survey.Look(o.T.Context(), roster.DateOf(o.Now), func(*directory.Terminal) bool { return true })
	ok(o.T, err)
	judged, err := o.Decisions.Judge(o.T.Context(), v)
	ok(o.T, err)
	return v.Terminals[0], judged[0]
}

// Decide decides about the one finding of a class.
func (o *Office) Decide(class validate.Class, ch decision.Choice) (decision.Effect, error) {
	o.T.Helper()
	t, all := o.Look()
	i := slices.IndexFunc(all, func(j decision.Judged) bool { return j.Class == class })
	if i < 0 {
		o.T.Fatalf("there is no finding of class %s among %+v", class, all)
	}
	return o.Decisions.Decide(o.T.Context(), o.By(), t, all[i].Named, ch)
}

// Edit changes the register.
func (o *Office) Edit(change func(*directory.Draft) error) {
	o.T.Helper()
	_, err := o.Directory.Edit(o.T.Context(), o.By(), change)
	ok(o.T, err)
}

// Refused fails unless an error is a refusal, for which there is a sentence.
func Refused(t *testing.T, err error, code string) {
	t.Helper()
	var r decision.Refusal
	if !errors.As(err, &r) || r.Code != code {
		t.Errorf("error %v, want the refusal %s", err, code)
	}
	if catalogue := phrase.New(); !catalogue.Has("campaign.error-" + code) {
		t.Errorf("the catalogue has no sentence for %s", code)
	}
}
