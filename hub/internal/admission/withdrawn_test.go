package admission_test

import (
	"database/sql"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

// A certificate counts while the key that asked for it is the admitted one: the former
// machine of a site and a site that was shut out are withdrawn, what has ended is not
// worth a line.
func TestWithdrawnCertificates(t *testing.T) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		s, err := store.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		now := storetest.Morning()
		a := admission.New(admission.Options{Database: s, Now: func() time.Time { return now }})
		key := func() seal.PublicKey {
			k, err := seal.GenerateSigningKey()
			if err != nil {
				t.Fatal(err)
			}
			return k.Public()
		}
		issue := func(tx *sql.Tx, number authority.Number, site protocol.SiteID, agent seal.PublicKey, until time.Time) error {
			_, err := tx.ExecContext(t.Context(), "INSERT INTO certificate (serial, site, agent, public, issued, expiry) VALUES ($1, $2, $3, '', 0, $4)",
				string(number), string(site), string(agent.Fingerprint()), until.UnixMilli())
			return err
		}
		look := func(want ...authority.Number) {
			t.Helper()
			got, err := a.Withdrawn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("withdrawn are %v, want %v", got, want)
			}
		}
		former, present, gone := key(), key(), key()
		for _, site := range []protocol.SiteID{"samsat", "gone"} {
			if err := a.Register(t.Context(), site); err != nil {
				t.Fatal(err)
			}
		}
		change := func(f func(tx *sql.Tx) error) {
			t.Helper()
			if err := s.Update(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		change(func(tx *sql.Tx) error {
			for _, err := range []error{
				s.Admit(t.Context(), tx, "samsat", former, now), s.Admit(t.Context(), tx, "gone", gone, now),
				issue(tx, "10", "samsat", former, now.Add(-time.Hour)), issue(tx, "11", "samsat", former, now.Add(time.Hour)), issue(tx, "12", "gone", gone, now.Add(time.Hour)),
			} {
				if err != nil {
					return err
				}
			}
			return nil
		})
		look()
		change(func(tx *sql.Tx) error {
			if err := s.Admit(t.Context(), tx, "samsat", present, now); err != nil {
				return err
			}
			return issue(tx, "13", "samsat", present, now.Add(time.Hour))
		})
		look("11")
		if err := a.Revoke(t.Context(), "Ani Demo", "gone", "stolen"); err != nil {
			t.Fatal(err)
		}
		look("11", "12")
		now = now.Add(2 * time.Hour)
		look()
	})
}
