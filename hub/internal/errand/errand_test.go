package errand_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/errand"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/phrase"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

const (
	one protocol.SiteID = "samsat-koba"    // with one terminal
	two protocol.SiteID = "samsat-toboali" // with two
)

func noon() time.Time { return time.Date(2026, 1, 20, 5, 0, 0, 0, time.UTC) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type office struct {
	*errand.Errands
	t *testing.T
}

func each(t *testing.T, body func(t *testing.T, o office)) {
	t.Helper()
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		s, err := store.Open(t.Context(), dsn)
		ok(t, err)
		t.Cleanup(func() { ok(t, s.Close()) })
		for site, serials := range map[protocol.SiteID][]protocol.Serial{one: {"K1"}, two: {"T1", "T2"}} {
			ok(t, s.AddSite(t.Context(), site, storetest.NewAgent(t, site).Key.Public().Fingerprint(), noon()))
			for _, serial := range serials {
				ok(t, s.AddTerminal(t.Context(), site, serial, noon()))
			}
		}
		body(t, office{errand.New(s), t})
	})
}

func (o office) start(kind protocol.JobKind) errand.Errand {
	o.t.Helper()
	e, err := o.Start(o.t.Context(), errand.Order{Site: one, Kind: kind, Who: "operator"}, noon())
	ok(o.t, err)
	return e
}

// tell is what the agent says of an errand.
func (o office) tell(e errand.Errand, ended protocol.Ending, at time.Time) error {
	o.t.Helper()
	p := protocol.Progress{Job: e.Number, Kind: e.Kind, Serial: e.Serial, Step: protocol.StepBegun, Ended: ended}
	if ended == protocol.EndedDone && e.Serial != "" {
		p.Result = &protocol.ErrandResult{Rows: 7, New: 3, Before: -90, After: 1}
	}
	ok(o.t, p.Check())
	return o.Tell(o.t.Context(), e.Site, p, at)
}

func (o office) is(e errand.Errand, state errand.State, ended protocol.Ending) errand.Errand {
	o.t.Helper()
	got, err := o.Get(o.t.Context(), e.Site, e.ID)
	ok(o.t, err)
	if got.State != state || got.Ended != ended {
		o.t.Errorf("errand %d is %s, %q, want %s, %q", e.ID, got.State, got.Ended, state, ended)
	}
	return got
}

func (o office) due(at time.Time, want int) []errand.Errand {
	o.t.Helper()
	due, err := o.Due(o.t.Context(), at)
	ok(o.t, err)
	if len(due) != want {
		o.t.Errorf("%d errands are due at %s, want %d", len(due), at, want)
	}
	return due
}

func TestAnErrandIsOrderedOrRefused(t *testing.T) {
	catalogue := phrase.New()
	each(t, func(t *testing.T, o office) {
		for _, row := range []struct {
			name  string
			order errand.Order
			want  errand.Refusal
		}{
			{"of nowhere", errand.Order{Site: "nowhere", Kind: protocol.JobRestart, Who: "operator"}, errand.ErrSite},
			{"of a capture", errand.Order{Site: one, Kind: protocol.JobCapture, Who: "operator"}, errand.ErrKind},
			{"by nobody", errand.Order{Site: one, Kind: protocol.JobRestart}, errand.ErrWho},
			{"forced", errand.Order{Site: one, Kind: protocol.JobRead, Force: true, Who: "operator"}, errand.ErrForce},
			{"of one of two terminals", errand.Order{Site: two, Kind: protocol.JobRead, Who: "operator"}, errand.ErrTerminal},
			{"of another's terminal", errand.Order{Site: one, Kind: protocol.JobRead, Serial: "T1", Who: "operator"}, errand.ErrTerminal},
			{"to restart a terminal", errand.Order{Site: one, Kind: protocol.JobRestart, Serial: "K1", Who: "operator"}, errand.ErrTerminal},
			{"for ever", errand.Order{Site: one, Kind: protocol.JobRestart, For: 8 * 24 * time.Hour, Who: "operator"}, errand.ErrTime},
			{"for no time", errand.Order{Site: one, Kind: protocol.JobRestart, For: -time.Second, Who: "operator"}, errand.ErrTime},
		} {
			if _, err := o.Start(t.Context(), row.order, noon()); !errors.Is(err, row.want) {
				t.Errorf("an errand %s: %v, want %v", row.name, err, row.want)
			}
			if !catalogue.Has("errand.refused-" + string(row.want)) {
				t.Errorf("no sentence for %s", row.want)
			}
		}
		e := o.start(protocol.JobRead)
		if e.Serial != "K1" || e.Number.Counter != 1 || e.Number.Life == 0 || !e.Expires.Equal(noon().Add(errand.Lasts)) {
			t.Errorf("made %+v", e)
		}
		if _, err := o.Start(t.Context(), errand.Order{Site: one, Kind: protocol.JobRead, Serial: "K1", Who: "operator"}, noon()); !errors.Is(err, errand.ErrBusy) {
			t.Errorf("the same again: %v", err)
		}
		if next := o.start(protocol.JobClock); next.Number.Counter != 2 {
			t.Errorf("the next has the number %s", next.Number)
		}
		if _, err := o.Get(t.Context(), two, e.ID); !errors.Is(err, errand.ErrNone) {
			t.Errorf("shown to another site: %v", err)
		}
	})
}

func TestWhatAnAgentSaysOfAnErrand(t *testing.T) {
	each(t, func(t *testing.T, o office) {
		read := o.start(protocol.JobRead)
		due := o.due(noon(), 1)
		ok(t, due[0].Message().Check())
		ok(t, o.tell(read, "", noon()))
		o.is(read, errand.Begun, "")
		o.due(noon(), 1)
		ok(t, o.tell(read, protocol.EndedDone, noon()))
		ok(t, o.tell(read, "", noon())) // overtaken by its end
		ok(t, o.tell(read, protocol.EndedFailed, noon()))
		if got := o.is(read, errand.Done, protocol.EndedDone); got.Result == nil || got.Result.New != 3 || got.Result.Before != -90 || got.EndedAt.IsZero() {
			t.Errorf("result %+v", got.Result)
		}
		o.due(noon(), 0)

		blocked := o.start(protocol.JobClock)
		ok(t, o.tell(blocked, protocol.EndedBlocked, noon()))
		o.is(blocked, errand.Failed, protocol.EndedBlocked)

		other := blocked
		other.Serial = "K2"
		if err := o.tell(other, protocol.EndedDone, noon()); !errors.Is(err, errand.ErrNone) {
			t.Errorf("of another terminal: %v", err)
		}
		other = blocked
		other.Site = two
		if err := o.tell(other, protocol.EndedDone, noon()); !errors.Is(err, errand.ErrNone) {
			t.Errorf("by another site: %v", err)
		}
	})
}

func TestErrandsEndByThemselves(t *testing.T) {
	each(t, func(t *testing.T, o office) {
		unheard, begun := o.start(protocol.JobRestart), o.start(protocol.JobRead)
		ok(t, o.tell(begun, "", noon()))
		o.due(unheard.Expires.Add(-time.Millisecond), 2)
		o.due(unheard.Expires, 1) // the agent may know what became of the other
		o.is(unheard, errand.Expired, protocol.EndedExpired)
		o.due(unheard.Expires.Add(time.Hour), 0)
		o.is(begun, errand.Failed, errand.Unanswered)
		ok(t, o.tell(unheard, protocol.EndedDone, noon()))
		o.is(unheard, errand.Expired, protocol.EndedExpired)
		ok(t, o.tell(begun, protocol.EndedDone, noon())) // it knows better
		o.is(begun, errand.Done, protocol.EndedDone)
	})
}

func TestADiagnosisIsKeptSealedAndOnlyTheNewest(t *testing.T) {
	key, err := seal.GenerateSealingKey()
	ok(t, err)
	other, err := seal.GenerateSealingKey()
	ok(t, err)
	each(t, func(t *testing.T, o office) {
		var made []errand.Errand
		for range 6 {
			e := o.start(protocol.JobDiagnose)
			made = append(made, e)
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			ok(t, json.NewEncoder(z).Encode(protocol.DiagnosisReport{Version: e.Number.String()}))
			ok(t, z.Close())
			doc, _, err := protocol.SealDocument(key.Public(), protocol.DiagnosisPurpose(one, e.Number), packed.Bytes())
			ok(t, err)
			d := protocol.Diagnosis{Job: e.Number, Doc: doc}
			if err := o.Landed(t.Context(), two, d, noon()); !errors.Is(err, errand.ErrNone) {
				t.Errorf("a diagnosis of another site: %v", err)
			}
			ok(t, o.tell(e, protocol.EndedDone, noon()))
			o.is(e, errand.Begun, "") // it is not here yet
			ok(t, o.Landed(t.Context(), one, d, noon()))
			ok(t, o.Landed(t.Context(), one, d, noon())) // said again
			o.is(e, errand.Done, protocol.EndedDone)
		}
		for n, e := range made {
			report, err := o.Open(t.Context(), one, e.ID, key)
			if n == 0 {
				if !errors.Is(err, errand.ErrNone) {
					t.Errorf("the oldest of six: %v", err)
				}
				continue
			}
			if ok(t, err); report.Version != e.Number.String() {
				t.Errorf("errand %d has the diagnosis of %s", e.ID, report.Version)
			}
		}
		if _, err := o.Open(t.Context(), two, made[5].ID, key); !errors.Is(err, errand.ErrNone) {
			t.Errorf("opened for another site: %v", err)
		}
		if _, err := o.Open(t.Context(), one, made[5].ID, other); err == nil {
			t.Error("opened with another key")
		}
		read := o.start(protocol.JobRead)
		if err := o.Landed(t.Context(), one, protocol.Diagnosis{Job: read.Number}, noon()); !errors.Is(err, errand.ErrNone) {
			t.Errorf("a diagnosis that answers a read: %v", err)
		}
	})
}
