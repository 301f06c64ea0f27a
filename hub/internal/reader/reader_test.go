package reader_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"database/sql"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/reader"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

// room is a hub's database with its readers, and a clock of the test's.
type room struct {
	t     testing.TB
	store *store.Store
	ca    *authority.Authority
	*reader.Readers
	now time.Time
}

// onEach runs a test on each database.
func onEach(t *testing.T, body func(t *testing.T, r *room)) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		r := &room{t: t, now: storetest.Morning()}
		var err error
		r.store, err = store.Open(t.Context(), dsn)
		r.must(err)
		t.Cleanup(func() { r.must(r.store.Close()) })
		r.ca, _, err = authority.LoadOrCreate(t.TempDir(), r.now)
		r.must(err)
		r.Readers = reader.New(reader.Options{Database: r.store, Issuer: r.ca, Now: func() time.Time { return r.now }})
		body(t, r)
	})
}

func (r *room) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func key(t testing.TB) *ecdsa.PublicKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &k.PublicKey
}

// issue gives somebody a certificate.
func (r *room) issue(name string, days int) *x509.Certificate {
	r.t.Helper()
	der, err := r.Issue(r.t.Context(), "siti", name, key(r.t), days)
	r.must(err)
	leaf, err := x509.ParseCertificate(der)
	r.must(err)
	return leaf
}

// lets says whether a certificate lets its holder in; why is in the error where not.
func (r *room) lets(leaf *x509.Certificate, name, why string) {
	r.t.Helper()
	s, err := r.Holder(r.t.Context(), leaf)
	switch {
	case why == "" && (err != nil || s != authority.Subject{Kind: authority.Operator, Name: name}):
		r.t.Errorf("Holder = %v, %v, want operator %s", s, err, name)
	case why != "" && (err == nil || !strings.Contains(err.Error(), why)):
		r.t.Errorf("Holder = %v, %v, want an error with %q", s, err, why)
	}
}

// withdrawn compares the list for brokers that do not ask.
func (r *room) withdrawn(want ...*x509.Certificate) {
	r.t.Helper()
	all, err := r.Withdrawn(r.t.Context())
	r.must(err)
	var got, wanted []authority.Number
	for _, c := range all {
		got = append(got, c.Number)
	}
	for _, leaf := range want {
		wanted = append(wanted, authority.NumberOf(leaf))
	}
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		r.t.Errorf("withdrawn are %v, want %v", got, wanted)
	}
}

func (r *room) revoke(name string, number authority.Number) int64 {
	r.t.Helper()
	n, err := r.Revoke(r.t.Context(), "siti", name, number, "the laptop was lost")
	r.must(err)
	return n
}

func TestWhoIsWrittenDownCountsUntilWithdrawn(t *testing.T) {
	onEach(t, func(t *testing.T, r *room) {
		desk, laptop, colleague := r.issue("ani", 30), r.issue("ani", 90), r.issue("anita", 1)
		r.lets(desk, "ani", "")
		r.lets(laptop, "ani", "")
		r.withdrawn()

		if n := r.revoke("ani", authority.NumberOf(laptop)); n != 1 {
			t.Errorf("Revoke by number withdrew %d", n)
		}
		r.lets(laptop, "", "was withdrawn on")
		r.lets(desk, "ani", "")
		r.withdrawn(laptop)

		another := r.issue("ani", 30)
		if n := r.revoke("ani", ""); n != 2 {
			t.Errorf("Revoke of all withdrew %d, want the two that counted", n)
		}
		for _, leaf := range []*x509.Certificate{desk, laptop, another} {
			r.lets(leaf, "", "was withdrawn on")
		}
		r.lets(colleague, "anita", "")
		r.withdrawn(desk, laptop, another)
		r.lets(r.issue("ani", 30), "ani", "") // whoever comes back gets another one

		r.now = r.now.AddDate(0, 0, 31) // what has ended is not worth a line in a list
		r.withdrawn(laptop)
	})
}

func TestWhoIsNotWrittenDownIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, r *room) {
		of := func(s authority.Subject) *x509.Certificate {
			der, err := r.ca.Client(s, key(t), r.now, time.Hour)
			r.must(err)
			leaf, err := x509.ParseCertificate(der)
			r.must(err)
			return leaf
		}
		r.lets(of(authority.Subject{Kind: authority.Operator, Name: "ani"}), "", "operator-certificate make")
		r.lets(of(authority.Subject{Kind: authority.Site, Name: "ani"}), "", "no operator's")
		r.lets(of(authority.Subject{Kind: authority.Hub}), "", "no operator's")
		renamed := *r.issue("ani", 30)
		renamed.Subject.CommonName = "_budi"
		r.lets(&renamed, "", "is not written down")
	})
}

func TestCertificatesThatAreNotMade(t *testing.T) {
	onEach(t, func(t *testing.T, r *room) {
		for name, days := range map[string]int{"no day": 0, "a day before": -1, "too many": reader.MostDays + 1} {
			if der, err := r.Issue(t.Context(), "siti", "ani", key(t), days); der != nil || !errors.Is(err, reader.ErrDays) {
				t.Errorf("%s: %d bytes, %v, want ErrDays", name, len(der), err)
			}
		}
		if der, err := r.Issue(t.Context(), "siti", "a/b", key(t), 1); der != nil || !errors.Is(err, authority.ErrSubject) {
			t.Errorf("a name with a level: %d bytes, %v, want ErrSubject", len(der), err)
		}
		weak, err := rsa.GenerateKey(rand.Reader, 2048)
		r.must(err)
		if der, err := r.Issue(t.Context(), "siti", "ani", weak.Public(), 1); der != nil || !errors.Is(err, authority.ErrPublicKey) {
			t.Errorf("another sort of key: %d bytes, %v, want ErrPublicKey", len(der), err)
		}
		if all, err := r.List(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("written down are %v, %v", all, err)
		}
	})
}

// full is a database whose disk is.
type full struct{ *store.Store }

var errFull = errors.New("no space left")

func (f full) Update(ctx context.Context, change func(*sql.Tx) error) error {
	return f.Store.Update(ctx, func(tx *sql.Tx) error { return errors.Join(change(tx), errFull) })
}

func TestNothingIsHandedOutThatIsNotWrittenDown(t *testing.T) {
	onEach(t, func(t *testing.T, r *room) {
		der, err := reader.New(reader.Options{Database: full{r.store}, Issuer: r.ca}).Issue(t.Context(), "siti", "ani", key(t), 1)
		if der != nil || !errors.Is(err, errFull) {
			t.Errorf("%d bytes, %v", len(der), err)
		}
	})
}

func TestNothingIsWithdrawnWithoutNeedAndReason(t *testing.T) {
	onEach(t, func(t *testing.T, r *room) {
		leaf := r.issue("ani", 1)
		for _, row := range []struct {
			why, name string
			number    authority.Number
			reason    string
			want      error
		}{
			{"without a reason", "ani", "", " \n", reader.ErrReason},
			{"of nobody", "budi", "", "lost", reader.ErrNobody},
			{"of a number that is none", "ani", "17", "lost", reader.ErrNobody},
			{"of another person's number", "budi", authority.NumberOf(leaf), "lost", reader.ErrNobody},
		} {
			if n, err := r.Revoke(t.Context(), "siti", row.name, row.number, row.reason); n != 0 || !errors.Is(err, row.want) {
				t.Errorf("%s: %d, %v, want %v", row.why, n, err, row.want)
			}
		}
		r.lets(leaf, "ani", "")
		for _, r.now = range []time.Time{leaf.NotAfter, leaf.NotAfter.AddDate(0, 0, 1)} {
			if _, err := r.Revoke(t.Context(), "siti", "ani", "", "lost"); !errors.Is(err, reader.ErrNobody) {
				t.Errorf("of what has ended: %v, want ErrNobody", err)
			}
		}
	})
}

func TestListTellsWhoHasWhich(t *testing.T) {
	onEach(t, func(t *testing.T, r *room) {
		start := r.now
		old := r.issue("ani", 1)
		r.now = r.now.Add(time.Hour)
		newer := r.issue("ani", 30)
		gone := r.issue("anita", 30)
		r.revoke("anita", "")
		r.now = start.AddDate(0, 0, 2)
		all, err := r.List(t.Context())
		r.must(err)
		want := []reader.Certificate{
			{Number: authority.NumberOf(newer), Name: "ani", By: "siti", Made: start.Add(time.Hour), Until: newer.NotAfter},
			{Number: authority.NumberOf(old), Name: "ani", By: "siti", Made: start, Until: old.NotAfter},
			{Number: authority.NumberOf(gone), Name: "anita", By: "siti", Made: start.Add(time.Hour), Until: gone.NotAfter,
				Revoked: reader.Revocation{By: "siti", Reason: "the laptop was lost", At: start.Add(time.Hour)}},
		}
		if !slices.EqualFunc(all, want, func(a, b reader.Certificate) bool {
			return a.Number == b.Number && a.Name == b.Name && a.By == b.By && a.Made.Equal(b.Made) && a.Until.Equal(b.Until) &&
				a.Revoked.By == b.Revoked.By && a.Revoked.Reason == b.Revoked.Reason && a.Revoked.At.Equal(b.Revoked.At)
		}) {
			t.Errorf("List = %+v, want %+v", all, want)
		}
		for i, want := range []reader.Standing{reader.Counts, reader.Ended, reader.Withdrawn} {
			if got := all[i].Standing(r.now); got != want {
				t.Errorf("number %d is %s, want %s", i, got, want)
			}
		}
	})
}
