package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

func TestSitesWithoutAnAgentAreShown(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		agent := storetest.NewAgent(t, "samsat-belitung").Key.Public()
		ok(t, s.Register(ctx, "smkn-1-koba", noon))
		ok(t, s.AddSite(ctx, "samsat-belitung", agent.Fingerprint(), noon))
		shown := func() (said []string) {
			t.Helper()
			all, err := s.Sites(ctx)
			ok(t, err)
			for _, o := range all {
				one, err := s.Site(ctx, o.Agent.Site)
				ok(t, err)
				if !reflect.DeepEqual(one, o) {
					t.Errorf("Site = %+v, Sites say %+v", one, o)
				}
				said = append(said, string(o.Agent.Site)+" "+string(o.Fingerprint.KeyID()))
			}
			return said
		}
		if got, want := shown(), []string{"samsat-belitung " + string(agent.KeyID()), "smkn-1-koba "}; !reflect.DeepEqual(got, want) {
			t.Errorf("sites %q, want %q", got, want)
		}
		ok(t, s.Update(ctx, func(tx *sql.Tx) error { return s.Retire(ctx, tx, "samsat-belitung", noon) }))
		if got, want := shown(), []string{"samsat-belitung ", "smkn-1-koba "}; !reflect.DeepEqual(got, want) {
			t.Errorf("after one was shut out: sites %q, want %q", got, want)
		}
		if all, err := s.Agents(ctx); err != nil || len(all) != 0 {
			t.Errorf("Agents = %+v, %v; want none", all, err)
		}
	})
}

func TestSitesAndTheirKeys(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		first, second := storetest.NewAgent(t, "samsat-belitung").Key.Public(), storetest.NewAgent(t, "samsat-belitung").Key.Public()
		const site = "samsat-belitung"
		for range 2 {
			ok(t, s.AddSite(ctx, site, first.Fingerprint(), noon))
		}
		if err := s.AddSite(ctx, site, second.Fingerprint(), noon); !errors.Is(err, store.ErrSiteKey) {
			t.Errorf("AddSite with another key = %v, want ErrSiteKey", err)
		}
		if a, err := s.Agent(ctx, site); err != nil || !a.Key.IsZero() || a.Fingerprint != first.Fingerprint() {
			t.Errorf("Agent = %+v, %v; want the fingerprint without a key", a, err)
		}
		if err := s.LearnKey(ctx, site, second, noon); !errors.Is(err, store.ErrNotAdmitted) {
			t.Errorf("LearnKey of another = %v, want ErrNotAdmitted", err)
		}
		for range 2 {
			ok(t, s.LearnKey(ctx, site, first, noon))
		}
		ok(t, s.ReplaceKey(ctx, site, second.Fingerprint(), noon))
		ok(t, s.LearnKey(ctx, site, second, noon))
		ok(t, s.ReplaceKey(ctx, site, first.Fingerprint(), noon.Add(time.Hour))) // found again in a drawer
		want := []store.Agent{{Site: site, Fingerprint: first.Fingerprint(), Key: first, Admitted: noon.Add(time.Hour)}}
		if all, err := s.Agents(ctx); err != nil || !reflect.DeepEqual(all, want) {
			t.Errorf("Agents = %+v, %v; want %+v", all, err, want)
		}
		for name, err := range map[string]error{
			"Agent":       func() error { _, err := s.Agent(ctx, "rumah-hantu"); return err }(),
			"Site":        func() error { _, err := s.Site(ctx, "rumah-hantu"); return err }(),
			"ReplaceKey":  s.ReplaceKey(ctx, "rumah-hantu", first.Fingerprint(), noon),
			"LearnKey":    s.LearnKey(ctx, "rumah-hantu", first, noon),
			"AddTerminal": s.AddTerminal(ctx, "rumah-hantu", "T-1", noon),
		} {
			if !errors.Is(err, store.ErrNoSite) {
				t.Errorf("%s of no site = %v, want ErrNoSite", name, err)
			}
		}
	})
}

func TestStrangersAreCountedWithinBounds(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		for i := range 1005 {
			ok(t, s.CountAttempt(ctx, protocol.SiteID(fmt.Sprintf("s-%d", i)), "0123456789abcdef", noon.Add(time.Duration(i)*time.Second)))
		}
		ok(t, s.CountAttempt(ctx, "s-1004", "0123456789abcdef", noon.Add(time.Hour)))
		all, err := s.Attempts(ctx)
		ok(t, err)
		want := store.Attempt{Site: "s-1004", Key: "0123456789abcdef", Count: 2, First: noon.Add(1004 * time.Second), Last: noon.Add(time.Hour)}
		if len(all) != 1000 || all[0] != want || all[999].Site != "s-5" {
			t.Errorf("%d attempts, first %+v, last %+v; want 1000, %+v and s-5", len(all), all[0], all[len(all)-1], want)
		}
	})
}

func TestOrderDecidesWhichStateIsNewest(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		if _, found, err := s.State(ctx, "samsat-belitung"); err != nil || found {
			t.Errorf("State before any = %v, %v", found, err)
		}
		will := protocol.ConnectionCounter(1<<32-1, protocol.WillMessage) // the greatest there is
		for i, row := range []struct {
			seq  protocol.Seq
			want bool
		}{
			{protocol.Seq{Life: 2, Counter: 5}, true},
			{protocol.Seq{Life: 2, Counter: 5}, false},
			{protocol.Seq{Life: 2, Counter: 4}, false},
			{protocol.Seq{Life: 1, Counter: 9}, false},
			{protocol.Seq{Life: 2, Counter: 6}, true},
			{protocol.Seq{Life: 2, Counter: will}, true},
			{protocol.Seq{Life: 3, Counter: 0}, true},
			{protocol.Seq{Life: 1 << 63, Counter: 1}, true},
			{protocol.Seq{Life: 4, Counter: 1}, false},
		} {
			message := []byte(fmt.Sprint("state ", i))
			newer, err := s.SaveState(ctx, store.State{Site: "samsat-belitung", Seq: row.seq, Message: message, Received: noon})
			if err != nil || newer != row.want {
				t.Errorf("SaveState %s = %v, %v; want %v", row.seq, newer, err, row.want)
			}
			st, _, err := s.State(ctx, "samsat-belitung")
			ok(t, err)
			if row.want != (st.Seq == row.seq && string(st.Message) == string(message)) && row.want {
				t.Errorf("after %s the state is %s %s", row.seq, st.Seq, st.Message)
			}
		}
	})
}

func TestConditionsKeepWhenTheyBegan(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		c := store.Condition{Site: "samsat-belitung", Code: "fork", Subject: "abc", Args: map[string]string{"at": "7"}}
		later := noon.Add(time.Hour)
		for i, at := range []time.Time{noon, later} {
			if fresh, err := s.Raise(ctx, c, at); err != nil || fresh != (i == 0) {
				t.Errorf("Raise %d = %v, %v", i, fresh, err)
			}
		}
		_, err := s.Raise(ctx, store.Condition{Code: "hub-went-back"}, noon)
		ok(t, err)
		c.Since, c.Last = noon, later
		if got, err := s.Conditions(ctx, c.Site); err != nil || !reflect.DeepEqual(got, []store.Condition{c}) {
			t.Errorf("Conditions = %+v, %v; want %+v", got, err, c)
		}
		if all, err := s.AllConditions(ctx); err != nil || len(all) != 2 {
			t.Errorf("AllConditions = %+v, %v; want two", all, err)
		}
		for _, want := range []bool{true, false} {
			if was, err := s.Clear(ctx, c.Site, c.Code, c.Subject); err != nil || was != want {
				t.Errorf("Clear = %v, %v; want %v", was, err, want)
			}
		}
	})
}

func TestGenerationsRiseAndSurvive(t *testing.T) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		ctx := t.Context()
		s, err := store.Open(ctx, dsn)
		ok(t, err)
		first, err := s.Generation(ctx)
		ok(t, err)
		second, err := s.RaiseGeneration(ctx, "an agent showed a receipt of the future", noon)
		ok(t, err)
		ok(t, s.Close())
		again, err := open(t, dsn).Generation(ctx)
		ok(t, err)
		if first.Number != 1 || second.Number != 2 || again != second || first.ID == second.ID || first.ID.IsZero() {
			t.Errorf("generations %+v, %+v, after opening again %+v", first, second, again)
		}
	})
}

func TestOverviewShowsEverySite(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		a := office(t, s, "samsat-belitung", "T-1")
		office(t, s, "dinas-arsip", "T-1")
		accept(t, s, stored(), next(t, a, append(storetest.Punches("T-1", 0, 5), storetest.Punches("T-9", 5, 2)...)...))
		state := store.State{Site: a.Site, Seq: protocol.Seq{Life: 1, Counter: 1}, Message: []byte("state"), Received: noon.Add(-time.Minute)}
		_, err := s.SaveState(ctx, state)
		ok(t, err)
		_, err = s.Raise(ctx, store.Condition{Site: a.Site, Code: "fork"}, noon)
		ok(t, err)
		all, err := s.Sites(ctx)
		ok(t, err)
		if len(all) != 2 || all[0].Site != "dinas-arsip" || !all[0].Heard.IsZero() || all[0].State.Message != nil {
			t.Fatalf("Sites = %+v", all)
		}
		one, err := s.Site(ctx, a.Site)
		ok(t, err)
		if !reflect.DeepEqual(one, all[1]) {
			t.Errorf("Site = %+v, in Sites %+v", one, all[1])
		}
		if one.Sightings != 7 || !one.Heard.Equal(noon) || len(one.Conditions) != 1 || !reflect.DeepEqual(one.State, state) {
			t.Errorf("Site = %+v", one)
		}
		want := store.Totals{Sites: 2, Terminals: 2, Unregistered: 1, Epochs: 1, Sightings: 7}
		if got, err := s.Totals(ctx); err != nil || got != want {
			t.Errorf("Totals = %+v, %v; want %+v", got, err, want)
		}
		last, found, err := s.LastPunch(ctx, a.Site)
		if err != nil || !found || last.Serial != "T-9" || last.Seq != 7 {
			t.Errorf("LastPunch = %+v, %v, %v", last, found, err)
		}
		if _, found, err := s.LastPunch(ctx, "dinas-arsip"); err != nil || found {
			t.Errorf("LastPunch of a silent site = %v, %v", found, err)
		}
	})
}

// TestManyAtOnce is what a running hub does: one goroutine stores, others look
// and decide, and a second program works on the same database.
func TestManyAtOnce(t *testing.T) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		ctx := t.Context()
		s, other := open(t, dsn), open(t, dsn)
		a := office(t, s, "samsat-belitung", "T-1")
		var work sync.WaitGroup
		work.Go(func() {
			for i := range 50 {
				if _, err := s.Accept(ctx, []store.Incoming{next(t, a, storetest.Punches("T-1", i*10, 10)...)}); err != nil {
					t.Errorf("Accept: %v", err)
				}
			}
		})
		work.Go(func() {
			for i := range 20 {
				site := protocol.SiteID(fmt.Sprintf("site-%d", i))
				if err := other.AddSite(ctx, site, seal.Fingerprint(strings.Repeat("0", 64)), noon); err != nil {
					t.Errorf("AddSite: %v", err)
				}
				if err := other.AddTerminal(ctx, site, "T-1", noon); err != nil {
					t.Errorf("AddTerminal: %v", err)
				}
			}
		})
		work.Go(func() {
			before := uint64(0)
			for range 100 {
				receipt, revision, err := other.Receipt(ctx, a.Site)
				if err != nil {
					t.Errorf("Receipt: %v", err)
				}
				if e, heard := receipt.Of(a.Epoch); revision < before || heard && e.Through != 10*revision {
					t.Errorf("receipt of revision %d after %d says %+v: not of one moment", revision, before, e)
				}
				before = revision
			}
		})
		work.Wait()
		if n := len(punches(t, other, store.Filter{Site: a.Site})); n != 500 {
			t.Errorf("%d punches, want 500", n)
		}
	})
}

func TestRawDataIsAppendOnlyInTheDatabase(t *testing.T) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		a := office(t, s, "samsat-belitung", "T-1")
		b := *a
		accept(t, s, stored(), next(t, a, storetest.Punches("T-1", 0, 3)...))
		accept(t, s, []store.Outcome{store.OutcomeFork}, next(t, &b, storetest.Punches("T-1", 9, 3)...))
		db := raw(t, dsn)
		for _, table := range []string{"ledger", "segment", "sighting", "fork"} {
			for _, change := range []string{"DELETE FROM " + table, "UPDATE " + table + " SET " + map[string]string{
				"ledger": "detail = 'x'", "segment": "received = 1", "sighting": "pin = 'x'", "fork": "received = 1"}[table]} {
				if _, err := db.Exec(change); err == nil || !strings.Contains(err.Error(), "append-only") {
					t.Errorf("%s: %v, want a refusal", change, err)
				}
			}
		}
	})
}

// TestTwoProgramsMayMakeTheDatabase opens a new one twice at once, as a hub and
// an operator's command may.
func TestTwoProgramsMayMakeTheDatabase(t *testing.T) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		var work sync.WaitGroup
		lives := make([]protocol.Generation, 4)
		for i := range lives {
			work.Go(func() {
				s, err := store.Open(t.Context(), dsn)
				if err != nil {
					t.Errorf("Open: %v", err)
					return
				}
				if lives[i], err = s.Generation(t.Context()); err != nil {
					t.Errorf("Generation: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
		work.Wait()
		for _, g := range lives {
			if g != lives[0] || g.Number != 1 {
				t.Errorf("generations %+v, want one", lives)
			}
		}
	})
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	if s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "no", "such", "folder", "hub.db")); err == nil {
		t.Error("opened a database in no folder")
		s.Close()
	}
	if s, err := store.Open(t.Context(), "postgres://nobody@/none?host="+t.TempDir()); err == nil {
		t.Error("opened a database of no server")
		s.Close()
	}
}

// TestBothDialectsMakeTheSameTables compares what a migration says twice, for the sake of
// its triggers.
func TestBothDialectsMakeTheSameTables(t *testing.T) {
	tables := func(engine string) string {
		text, err := os.ReadFile("migrations/00011_account_" + engine + ".sql")
		ok(t, err)
		_, made, _ := strings.Cut(string(text), "-- +goose Up\n")
		made, _, _ = strings.Cut(made, "\n-- +goose StatementBegin") // where triggers have their own statements
		made, _, found := strings.Cut(made+"\nCREATE TRIGGER ", "\nCREATE TRIGGER ")
		if !found || !strings.Contains(string(text), "CREATE TRIGGER account_log_") || !strings.Contains(made, "CREATE TABLE account_log") {
			t.Fatalf("%s: no table, or no trigger", engine)
		}
		return strings.TrimSpace(made)
	}
	if lite, big := tables("sqlite"), tables("postgres"); lite != big {
		t.Errorf("SQLite makes\n%s\nPostgreSQL\n%s", lite, big)
	}
}
