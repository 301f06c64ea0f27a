package verify_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/verify"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

var noon = storetest.Morning().Add(5 * time.Hour)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dsn)
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func accept(t testing.TB, s *store.Store, want store.Outcome, a *storetest.Agent, seg protocol.Segment) {
	t.Helper()
	links, err := seg.Links()
	ok(t, err)
	verdicts, err := s.Accept(t.Context(), []store.Incoming{{
		Site: a.Site, From: a.Key.Public().KeyID(), Message: a.Sign(t, seg), Segment: seg, Links: links, Received: noon.Add(time.Duration(seg.Last) * time.Second),
	}})
	ok(t, err)
	if verdicts[0].Outcome != want {
		t.Fatalf("segment %d–%d: %s, want %s", seg.First, seg.Last, verdicts[0].Outcome, want)
	}
}

// seed fills a database with one of everything: two sites, a replaced key, two
// epochs, an overlap, a fork, a terminal that nobody registered, PINs, a state.
func seed(t testing.TB, s *store.Store) *storetest.Agent {
	t.Helper()
	ctx := t.Context()
	a, b := storetest.NewAgent(t, "samsat-belitung"), storetest.NewAgent(t, "dinas-arsip")
	for _, agent := range []*storetest.Agent{a, b} {
		ok(t, s.AddSite(ctx, agent.Site, agent.Key.Public().Fingerprint(), noon))
		ok(t, s.LearnKey(ctx, agent.Site, agent.Key.Public(), noon))
	}
	ok(t, s.AddTerminal(ctx, a.Site, "T-1", noon))
	ok(t, s.AddTerminal(ctx, b.Site, "T-1", noon))
	first, _ := a.Segment(t, storetest.Punches("T-1", 0, 5)...)
	accept(t, s, store.OutcomeStored, a, first)
	second, _ := a.Segment(t, storetest.Punches("T-1", 5, 4)...)
	accept(t, s, store.OutcomeStored, a, second)
	tail, _ := a.Segment(t, storetest.Punches("T-9", 9, 3)...) // not registered
	accept(t, s, store.OutcomePart, a, join(second, tail))
	other, _ := b.Segment(t, storetest.Punches("T-1", 0, 4)...)
	accept(t, s, store.OutcomeStored, b, other)

	clone := *a
	clone.Last, clone.Head = first.Last, first.Head
	wrong, _ := clone.Segment(t, storetest.Punches("T-1", 70, 2)...)
	accept(t, s, store.OutcomeFork, a, wrong)

	key := storetest.NewAgent(t, a.Site).Key
	ok(t, s.ReplaceKey(ctx, a.Site, key.Public().Fingerprint(), noon.Add(time.Hour)))
	ok(t, s.LearnKey(ctx, a.Site, key.Public(), noon.Add(time.Hour)))
	a.Key = key
	a.Begin()
	again, _ := a.Segment(t, storetest.Punches("T-1", 0, 3)...) // seen before, in the other epoch
	accept(t, s, store.OutcomeStored, a, again)

	_, err := s.RaiseGeneration(ctx, "a test", noon)
	ok(t, err)
	state, err := protocol.Seal(protocol.Envelope{Kind: protocol.KindState, Site: a.Site, Seq: protocol.Seq{Life: 3, Counter: 9}},
		protocol.State{Status: protocol.StatusReady, Key: key.Public()}, key)
	ok(t, err)
	_, err = s.SaveState(ctx, store.State{Site: a.Site, Seq: protocol.Seq{Life: 3, Counter: 9}, Message: state, Received: noon})
	ok(t, err)
	return a
}

// join makes one segment of two that follow each other.
func join(a, b protocol.Segment) protocol.Segment {
	b.First, b.Prev, b.Records = a.First, a.Prev, slices.Concat(a.Records, b.Records)
	return b
}

func breaks(t testing.TB, s *store.Store) (all []verify.Break, report verify.Report) {
	t.Helper()
	report, err := verify.Verify(t.Context(), s, func(b verify.Break) { all = append(all, b) })
	ok(t, err)
	return all, report
}

// Before there was a register, a list of PINs was imported and its digest written down.
func TestALineAboutAListOfPINsIsStillUnderstood(t *testing.T) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		seed(t, s)
		var last store.Deed
		tm := newTamperer(t, dsn)
		tm.query("SELECT n, hash FROM ledger ORDER BY n", func(row []any) { last.N, last.Hash = row[0].(int64), protocol.Hash(row[1].([]byte)) })
		line := store.Deed{N: last.N + 1, At: noon, Kind: store.DeedPINs, Subject: strings.Repeat("ab", 32)}
		sum := line.Sum(last.Hash)
		tm.exec("INSERT INTO ledger (n, at, kind, site, subject, detail, hash) VALUES ($1, $2, $3, '', $4, '', $5)",
			line.N, line.At.UnixMilli(), string(line.Kind), line.Subject, sum[:])
		if found, _ := breaks(t, s); len(found) > 0 {
			t.Errorf("breaks %v, want none", found)
		}
	})
}

func TestAnUntouchedDatabaseIsWhole(t *testing.T) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		if found, _ := breaks(t, s); len(found) > 0 {
			t.Fatalf("a new database: %v", found)
		}
		seed(t, s)
		found, report := breaks(t, s)
		if len(found) > 0 {
			t.Errorf("after seeding: %v", found)
		}
		want := verify.Report{Sites: 2, Terminals: 3, Epochs: 3, Segments: 5, Forks: 1, Sightings: 19}
		if report != want {
			t.Errorf("Report = %+v, want %+v", report, want)
		}
		ok(t, verify.Store(t.Context(), s))
	})
}
