package store_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

// noon is when the tests' segments arrive.
var noon = storetest.Morning().Add(5 * time.Hour)

// each runs a test body on both databases.
func each(t *testing.T, body func(t *testing.T, s *store.Store)) {
	t.Helper()
	storetest.Each(t, postgres, func(t *testing.T, dsn string) { body(t, open(t, dsn)) })
}

func open(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// office adds a site with its agent and a registered terminal.
func office(t testing.TB, s *store.Store, site protocol.SiteID, serials ...protocol.Serial) *storetest.Agent {
	t.Helper()
	a := storetest.NewAgent(t, site)
	ok(t, s.AddSite(t.Context(), site, a.Key.Public().Fingerprint(), noon))
	ok(t, s.LearnKey(t.Context(), site, a.Key.Public(), noon))
	for _, serial := range serials {
		ok(t, s.AddTerminal(t.Context(), site, serial, noon))
	}
	return a
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// incoming is a segment as ingest hands it over.
func incoming(t testing.TB, a *storetest.Agent, seg protocol.Segment, message []byte) store.Incoming {
	t.Helper()
	links, err := seg.Links()
	ok(t, err)
	return store.Incoming{
		Site: a.Site, From: a.Key.Public().KeyID(), Message: message, Segment: seg, Links: links, Received: noon,
	}
}

// next is the agent's next segment.
func next(t testing.TB, a *storetest.Agent, records ...protocol.Record) store.Incoming {
	t.Helper()
	seg, message := a.Segment(t, records...)
	return incoming(t, a, seg, message)
}

// accept stores segments and compares the outcomes.
func accept(t testing.TB, s *store.Store, want []store.Outcome, in ...store.Incoming) []store.Verdict {
	t.Helper()
	got, err := s.Accept(t.Context(), in)
	ok(t, err)
	for i := range got {
		if got[i].Outcome != want[min(i, len(want)-1)] {
			t.Fatalf("segment %d (%d–%d): outcome %s, want %s", i, in[i].Segment.First, in[i].Segment.Last, got[i].Outcome, want[min(i, len(want)-1)])
		}
	}
	return got
}

func stored() []store.Outcome { return []store.Outcome{store.OutcomeStored} }

// punches collects what a filter finds.
func punches(t testing.TB, s *store.Store, f store.Filter) (all []store.Punch) {
	t.Helper()
	for p, err := range s.Punches(context.Background(), f) {
		ok(t, err)
		all = append(all, p)
	}
	return all
}

// raw opens the database without the store.
func raw(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	driver := "sqlite"
	if strings.HasPrefix(dsn, "postgres:") {
		driver = "pgx"
	}
	db, err := sql.Open(driver, dsn)
	ok(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}
