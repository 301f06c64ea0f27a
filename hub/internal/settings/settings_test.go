package settings_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/settings"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

const samsat protocol.SiteID = "samsat-belitung"

// each runs a test with a site that has an agent, on both databases.
func each(t *testing.T, body func(t *testing.T, s *settings.Settings, db *store.Store, agent seal.Fingerprint)) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		db, err := store.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		agent := storetest.NewAgent(t, samsat).Key.Public().Fingerprint()
		if err := db.AddSite(t.Context(), samsat, agent, storetest.Morning()); err != nil {
			t.Fatal(err)
		}
		body(t, settings.New(db), db, agent)
	})
}

func TestTheNewestCountsAndNothingIsForgotten(t *testing.T) {
	each(t, func(t *testing.T, s *settings.Settings, db *store.Store, agent seal.Fingerprint) {
		at := storetest.Morning()
		for n, text := range []string{"language = \"en\"", "[apply]\nrush = []\n", ""} {
			if err := s.Set(t.Context(), samsat, text, "Ani Demo", at.Add(time.Duration(n)*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		current, err := s.Current(t.Context())
		if err != nil || len(current) != 1 || current[0].Text != "" || current[0].Order != (protocol.Seq{Life: 1, Counter: 3}) || current[0].To != agent.KeyID() {
			t.Errorf("current %+v (%v), want the third, for the site's agent", current, err)
		}
		all, err := s.Of(t.Context(), samsat)
		if err != nil || len(all) != 3 || all[2].Text != "language = \"en\"" || all[0].By != "Ani Demo" || !all[1].At.Equal(at.Add(time.Minute)) {
			t.Errorf("history %+v (%v)", all, err)
		}
		if _, err := db.RaiseGeneration(t.Context(), "restored", at); err != nil {
			t.Fatal(err)
		}
		if current, err = s.Current(t.Context()); err != nil || current[0].Order.Life != 2 {
			t.Errorf("after a restore %+v (%v), want an order of the new generation", current, err)
		}
	})
}

func TestWhatNoAgentCouldTakeIsRefused(t *testing.T) {
	each(t, func(t *testing.T, s *settings.Settings, _ *store.Store, _ seal.Fingerprint) {
		for _, row := range []struct {
			name, text, by string
			site           protocol.SiteID
			want           error
		}{
			{"no TOML", "language = ", "Ani Demo", samsat, settings.ErrText},
			{"too long", "# " + strings.Repeat("x", protocol.MaxSettings), "Ani Demo", samsat, settings.ErrSize},
			{"no text", "# \xff", "Ani Demo", samsat, settings.ErrSize},
			{"another site's name", "site = \"samsat-bangka\"", "Ani Demo", samsat, settings.ErrOwn},
			{"another root", "[hub]\nroot = \"a\"", "Ani Demo", samsat, settings.ErrOwn},
			{"secret", "[[terminal]]\nserial = \"A\"\n[[terminal]]\nserial = \"B\"\ncomm_key = 7", "Ani Demo", samsat, settings.ErrSecret},
			{"secret, spelled otherwise", "[[terminal]]\nserial = \"A\"\nComm_Key = 7", "Ani Demo", samsat, settings.ErrSpelled},
			{"another root, spelled otherwise", "hub = {\"roo\u0054\" = \"a\"}", "Ani Demo", samsat, settings.ErrSpelled},
			{"by nobody", "", " ", samsat, settings.ErrWho},
			{"unknown site", "", "Ani Demo", "nowhere", settings.ErrSite},
		} {
			if err := s.Set(t.Context(), row.site, row.text, row.by, storetest.Morning()); !errors.Is(err, row.want) {
				t.Errorf("%s: %v, want %v", row.name, err, row.want)
			}
		}
		if all, err := s.Of(t.Context(), samsat); err != nil || len(all) > 0 {
			t.Errorf("refused and stored: %+v (%v)", all, err)
		}
	})
}
