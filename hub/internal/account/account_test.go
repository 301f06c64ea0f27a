package account_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// house is a database with accounts, and a clock that stands still until it is moved.
type house struct {
	*account.Accounts
	store *store.Store

	mu  sync.Mutex // guards at
	at  time.Time
	t   *testing.T
	one placement.UnitID
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = h.at.Add(d)
}

// each runs a test body on both databases.
func each(t *testing.T, body func(t *testing.T, h *house)) {
	t.Helper()
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		s, err := store.Open(t.Context(), dsn)
		ok(t, err)
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		h := &house{store: s, at: time.Date(2026, 1, 6, 1, 0, 0, 0, time.UTC), t: t}
		_, err = directory.New(s, placement.Usual()).Edit(t.Context(), directory.By{Who: "Ujang Demo", At: h.at, Act: "test"}, func(d *directory.Draft) error {
			u, err := d.AddUnit("2025-01-01", "samsat-koba", "UPTD Samsat Koba", placement.UPTD)
			h.one = u.ID
			return err
		})
		ok(t, err)
		h.Accounts = account.New(s, h.clock)
		body(t, h)
	})
}

const (
	good   = "empat kuda besi 91"
	better = "lima perahu kayu 27"
	here   = "192.0.2.7"
)

// admin makes the first administrator.
func (h *house) admin() account.Account {
	h.t.Helper()
	code, err := h.FirstLink(h.t.Context(), account.By{Who: "test"})
	ok(h.t, err)
	who, err := h.Choose(h.t.Context(), code, account.Account{Name: "siti", FullName: "Siti Petugas"}, good, here)
	ok(h.t, err)
	return who
}

// operator adds somebody who has chosen a password.
func (h *house) operator(name string) account.Account {
	h.t.Helper()
	_, code, err := h.Add(h.t.Context(), account.By{Who: "test"}, account.Account{Name: name, FullName: "Budi Contoh", Role: account.OperatorUnit, Units: []placement.UnitID{h.one}})
	ok(h.t, err)
	who, err := h.Choose(h.t.Context(), code, account.Account{}, good, here)
	ok(h.t, err)
	return who
}

func (h *house) ticket(who account.Account) string {
	h.t.Helper()
	ticket, err := h.Ticket(h.t.Context(), who)
	ok(h.t, err)
	return ticket
}

func want(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestTheFirstLinkMakesOneAdministrator(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		old, err := h.FirstLink(ctx, account.By{Who: "test"})
		ok(t, err)
		code, err := h.FirstLink(ctx, account.By{Who: "test"})
		ok(t, err)
		siti := account.Account{Name: "siti", FullName: "Siti Petugas"}
		_, err = h.Choose(ctx, old, siti, good, here)
		want(t, "a link of before", err, account.ErrLink)
		for what, row := range map[string]struct {
			first    account.Account
			password string
			want     error
		}{
			"without a name":           {account.Account{FullName: "Siti"}, good, account.ErrName},
			"a name in capitals":       {account.Account{Name: "Siti", FullName: "Siti"}, good, account.ErrName},
			"without a full name":      {account.Account{Name: "siti"}, good, account.ErrFullName},
			"a full name of two lines": {account.Account{Name: "siti", FullName: "Siti\nAdmin"}, good, account.ErrFullName},
			"too short a password":     {siti, "sebelas-hur", account.ErrShort},
			"the name as password":     {siti, "kata-Siti-2026", account.ErrCommon},
			"a common password":        {siti, "Password1234", account.ErrCommon},
			"one letter again":         {siti, "aaaaaaaaaaaaaaa", account.ErrCommon},
			"a book as password":       {siti, strings.Repeat("kuda besi", 40), account.ErrLong},
		} {
			_, err := h.Choose(ctx, code, row.first, row.password, here)
			want(t, what, err, row.want)
		}
		who, err := h.Choose(ctx, code, siti, "sebelas-huru", here)
		ok(t, err)
		if who.Role != account.AdminAgency || who.By() != "Siti Petugas (siti)" {
			t.Errorf("the first account is %+v", who)
		}
		_, err = h.Choose(ctx, code, siti, good, here)
		want(t, "the same link again", err, account.ErrLink)
		if code, err := h.FirstLink(ctx, account.By{Who: "test"}); err != nil || code != "" {
			t.Errorf("another first link: %q, %v; want none", code, err)
		}
	})
}

func TestALinkOfTheFirstIsVoidOnceThereIsOne(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		code, err := h.FirstLink(ctx, account.By{Who: "test"})
		ok(t, err)
		errs := make([]error, 4)
		var racing sync.WaitGroup
		for i := range errs {
			racing.Go(func() {
				_, errs[i] = h.Choose(ctx, code, account.Account{Name: fmt.Sprint("siti", i), FullName: "Siti Petugas"}, good, here)
			})
		}
		racing.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				want(t, "who was slower", err, account.ErrLink)
			}
		}
		if all, err := h.List(ctx); won != 1 || err != nil || len(all) != 1 {
			t.Errorf("%d used one link, %d accounts (%v); want 1 and 1", won, len(all), err)
		}
	})
}

func TestLinksEndAfterADay(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.admin()
		n, code, err := h.Add(ctx, account.By{Who: "test"}, account.Account{Name: "budi", FullName: "Budi Contoh", Role: account.Auditor})
		ok(t, err)
		h.pass(24*time.Hour - time.Second)
		if who, err := h.LinkOf(ctx, code); err != nil || who.ID != n.ID {
			t.Errorf("LinkOf = %+v, %v", who, err)
		}
		h.pass(2 * time.Second)
		_, err = h.Choose(ctx, code, account.Account{}, good, here)
		want(t, "a day later", err, account.ErrLink)
		_, err = h.Login(ctx, "budi", "", here)
		want(t, "an account without a password", err, account.ErrWrong)
		code, err = h.Link(ctx, account.By{Who: "test"}, n.ID)
		ok(t, err)
		_, err = h.Choose(ctx, code, account.Account{}, good, here)
		ok(t, err)
		_, err = h.Login(ctx, "budi", good, here)
		ok(t, err)
	})
}

func TestWhoIsNotAdded(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.admin()
		for name, row := range map[string]struct {
			n    account.Account
			want error
		}{
			"a name that is taken":       {account.Account{Name: "siti", FullName: "Siti Lain", Role: account.Auditor}, account.ErrTaken},
			"no role":                    {account.Account{Name: "budi", FullName: "Budi", Role: "raja"}, account.ErrRole},
			"an operator without a unit": {account.Account{Name: "budi", FullName: "Budi", Role: account.OperatorUnit}, account.ErrUnits},
			"an auditor with a unit":     {account.Account{Name: "budi", FullName: "Budi", Role: account.Auditor, Units: []placement.UnitID{h.one}}, account.ErrUnits},
			"a long name":                {account.Account{Name: strings.Repeat("b", 33), FullName: "Budi", Role: account.Auditor}, account.ErrName},
		} {
			_, _, err := h.Add(t.Context(), account.By{Who: "test"}, row.n)
			want(t, name, err, row.want)
		}
	})
}

func TestLoginsInVainAreSlowedDown(t *testing.T) {
	for _, name := range []string{"siti", "nobody-at-all"} {
		t.Run("under the name "+name, func(t *testing.T) {
			each(t, func(t *testing.T, h *house) {
				ctx := t.Context()
				h.admin()
				try := func(password string) error { _, err := h.Login(ctx, name, password, here); return err }
				for range 5 {
					want(t, "in vain", try("salah salah salah"), account.ErrWrong)
				}
				want(t, "the sixth, though it were right", try(good), account.ErrSlow)
				h.pass(59 * time.Second)
				want(t, "within a minute", try(good), account.ErrSlow)
				h.pass(2 * time.Second)
				want(t, "after a minute", try("salah salah salah"), account.ErrWrong)
				h.pass(61 * time.Second)
				want(t, "a minute after the sixth", try(good), account.ErrSlow)
				h.pass(time.Minute)
				if name == "siti" {
					ok(t, try(good))
					want(t, "with a new five", try("salah salah salah"), account.ErrWrong)
				}
			})
		})
	}
}

func TestManyTriesAtOnceAreNotMoreTries(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.admin()
		var tries sync.WaitGroup
		var mu sync.Mutex
		looked := 0
		for i := range 12 {
			tries.Go(func() {
				_, err := h.Login(t.Context(), "siti", fmt.Sprint("salah salah salah ", i), here)
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, account.ErrWrong) {
					looked++
				}
			})
		}
		tries.Wait()
		if looked > 5 {
			t.Errorf("%d passwords were looked at, want 5 at most", looked)
		}
	})
}

func TestOneAddressDoesNotTryManyNames(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.admin()
		last := error(nil)
		for i := 0; !errors.Is(last, account.ErrSlow); i++ {
			if i > 30 {
				t.Fatal("31 names were tried from one address")
			}
			_, last = h.Login(ctx, fmt.Sprint("nama-", i), "salah salah salah", here)
		}
		_, err := h.Login(ctx, "siti", good, here)
		want(t, "the same address with the right password", err, account.ErrSlow)
		_, err = h.Login(ctx, "siti", good, "192.0.2.8")
		ok(t, err)
		h.pass(10 * time.Minute)
		_, err = h.Login(ctx, "siti", good, here)
		ok(t, err)
	})
}

func TestANewPasswordEndsWhatWasLoggedIn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.admin()
		who, err := h.Login(ctx, "siti", good, here)
		ok(t, err)
		before := h.ticket(who)
		_, err = h.Redeem(ctx, before)
		ok(t, err)
		_, err = h.ChangePassword(ctx, who.ID, "salah salah salah", better, here)
		want(t, "a wrong old one", err, account.ErrWrong)
		_, err = h.ChangePassword(ctx, who.ID, good, "pendek", here)
		want(t, "a short one", err, account.ErrShort)
		now, err := h.ChangePassword(ctx, who.ID, good, better, here)
		ok(t, err)
		_, err = h.Redeem(ctx, before)
		want(t, "what was logged in before", err, account.ErrWrong)
		_, err = h.Redeem(ctx, h.ticket(now))
		ok(t, err)
		_, err = h.Login(ctx, "siti", good, here)
		want(t, "the old password", err, account.ErrWrong)
		_, err = h.Login(ctx, "siti", better, here)
		ok(t, err)
	})
}

func TestADisabledAccountDoesNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		siti, budi := h.admin(), h.operator("budi")
		want(t, "the last administrator", h.Disable(ctx, account.By{Who: siti.By()}, siti.ID, true), account.ErrLast)
		want(t, "nobody", h.Disable(ctx, account.By{Who: siti.By()}, 99, true), account.ErrNone)
		secret, _, err := h.NewToken(ctx, budi, "uji", here)
		ok(t, err)
		link, err := h.Link(ctx, account.By{Who: siti.By()}, budi.ID)
		ok(t, err)
		budi, err = h.Login(ctx, "budi", good, here)
		ok(t, err)
		ticket := h.ticket(budi)
		ok(t, h.Disable(ctx, account.By{Who: siti.By()}, budi.ID, true))
		_, err = h.Login(ctx, "budi", good, here)
		want(t, "login", err, account.ErrWrong)
		_, err = h.ByToken(ctx, secret)
		want(t, "token", err, account.ErrWrong)
		_, err = h.Redeem(ctx, ticket)
		want(t, "session", err, account.ErrWrong)
		_, err = h.Choose(ctx, link, account.Account{}, better, here)
		want(t, "link", err, account.ErrLink)
		_, err = h.Link(ctx, account.By{Who: siti.By()}, budi.ID)
		want(t, "a new link", err, account.ErrDisabled)
		ok(t, h.Disable(ctx, account.By{Who: siti.By()}, budi.ID, false))
		_, err = h.ByToken(ctx, secret)
		want(t, "a token of before", err, account.ErrWrong)
		_, err = h.Login(ctx, "budi", good, here)
		ok(t, err)
	})
}

func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		siti, budi := h.admin(), h.operator("budi")
		secret, made, err := h.NewToken(ctx, budi, " laptop ", here)
		ok(t, err)
		who, err := h.ByToken(ctx, secret)
		if err != nil || who.ID != budi.ID {
			t.Errorf("ByToken = %+v, %v", who, err)
		}
		_, err = h.ByToken(ctx, secret+"a")
		want(t, "another one", err, account.ErrWrong)
		_, err = h.ByToken(ctx, "")
		want(t, "none", err, account.ErrWrong)
		_, _, err = h.NewToken(ctx, budi, "  ", here)
		want(t, "for nothing", err, account.ErrPurpose)
		want(t, "somebody else's", h.Revoke(ctx, siti, made.ID, here), account.ErrNoSuchToken)
		if list, err := h.Tokens(ctx, budi.ID); err != nil || len(list) != 1 || list[0] != made || made.Purpose != "laptop" {
			t.Errorf("tokens %+v, %v; want %+v", list, err, made)
		}
		ok(t, h.Revoke(ctx, budi, made.ID, here))
		_, err = h.ByToken(ctx, secret)
		want(t, "a revoked one", err, account.ErrWrong)
		secret, _, err = h.NewToken(ctx, budi, "laptop", here)
		ok(t, err)
		h.pass(90*24*time.Hour - time.Minute)
		_, err = h.ByToken(ctx, secret)
		ok(t, err)
		h.pass(2 * time.Minute)
		_, err = h.ByToken(ctx, secret)
		want(t, "an old one", err, account.ErrWrong)
		for range 20 {
			_, _, err = h.NewToken(ctx, budi, "laptop", here)
			ok(t, err)
		}
		_, _, err = h.NewToken(ctx, budi, "laptop", here)
		want(t, "the 21st", err, account.ErrManyTokens)
	})
}

// TestAnotherLifeOfTheHubKnowsNobody: a copy of the database is from before something was
// revoked, used or ended.
func TestAnotherLifeOfTheHubKnowsNobody(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		siti := h.admin()
		secret, _, err := h.NewToken(ctx, siti, "laptop", here)
		ok(t, err)
		link, err := h.Link(ctx, account.By{Who: "test"}, siti.ID)
		ok(t, err)
		ticket := h.ticket(siti)
		g, err := h.store.RaiseGeneration(ctx, "restored", h.clock())
		ok(t, err)
		if g.Number != 2 {
			t.Fatalf("generation %d, want 2", g.Number)
		}
		_, err = h.ByToken(ctx, secret)
		want(t, "a token", err, account.ErrWrong)
		_, err = h.LinkOf(ctx, link)
		want(t, "a link", err, account.ErrLink)
		for _, ticket := range []string{ticket, "", "1", "1 2", "x y z", "99 1 2"} {
			_, err = h.Redeem(ctx, ticket)
			want(t, "the ticket "+ticket, err, account.ErrWrong)
		}
		siti, err = h.Login(ctx, "siti", good, here)
		ok(t, err)
		_, err = h.Redeem(ctx, h.ticket(siti))
		ok(t, err)
	})
}

func TestALinkEndsTokensToo(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		siti := h.admin()
		secret, _, err := h.NewToken(ctx, siti, "laptop", here)
		ok(t, err)
		_, err = h.ChangePassword(ctx, siti.ID, good, better, here)
		ok(t, err)
		_, err = h.ByToken(ctx, secret)
		ok(t, err) // who knows the old password chose the new one: nothing was stolen
		link, err := h.Link(ctx, account.By{Who: "test"}, siti.ID)
		ok(t, err)
		_, err = h.Choose(ctx, link, account.Account{}, good, here)
		ok(t, err)
		_, err = h.ByToken(ctx, secret)
		want(t, "after a link", err, account.ErrWrong)
	})
}

func TestWhoTriesEverythingDoesNotFillTheLog(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		siti, budi := h.admin(), h.operator("budi")
		for i := range 300 {
			ok(t, h.Refused(ctx, budi, fmt.Sprint("GET /employees/", i), here))
		}
		ok(t, h.Refused(ctx, siti, "GET /employees/1", here))
		for who, most := range map[account.ID]int{budi.ID: 120, siti.ID: 1} {
			lines, err := h.Log(ctx, who, 1000)
			ok(t, err)
			n := 0
			for _, l := range lines {
				if l.Act == account.ActRefused {
					n++
				}
			}
			if n != most {
				t.Errorf("%d refusals of account %d are written, want %d", n, who, most)
			}
		}
	})
}

func TestSessionsEnd(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx, s := t.Context(), h.Sessions()
		found := func(token string) bool {
			_, is, err := s.FindCtx(ctx, token)
			ok(t, err)
			return is
		}
		ok(t, s.CommitCtx(ctx, "idle", []byte("a"), time.Time{}))
		ok(t, s.CommitCtx(ctx, "used", []byte("b"), time.Time{}))
		ok(t, s.CommitCtx(ctx, "over", []byte("c"), time.Time{}))
		if data, is, err := s.Find("used"); err != nil || !is || string(data) != "b" {
			t.Errorf("Find = %q, %v, %v", data, is, err)
		}
		ok(t, s.DeleteCtx(ctx, "over"))
		if found("over") || found("none") {
			t.Error("a session that was ended, or never begun, is found")
		}
		for range 7 { // somebody works for a day
			h.pass(100 * time.Minute)
			if found("used") {
				ok(t, s.CommitCtx(ctx, "used", []byte("b"), time.Time{}))
			}
		}
		if found("idle") || !found("used") {
			t.Errorf("after 700 minutes: idle %v, used %v; want only the used one", found("idle"), found("used"))
		}
		h.pass(21 * time.Minute)
		if found("used") {
			t.Error("a session lasts for longer than a working day")
		}
		ok(t, s.CommitCtx(ctx, "next", []byte("d"), time.Time{}))
		var left int
		ok(t, h.store.Query(ctx, func(rows *sql.Rows) error { left++; return nil }, "SELECT token FROM account_session"))
		if left != 1 {
			t.Errorf("%d sessions are kept, want 1: those that ended go", left)
		}
	})
}

// TestEverythingIsWrittenDown: and no secret with it.
func TestEverythingIsWrittenDown(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		siti, budi := h.admin(), h.operator("budi")
		secret, token, err := h.NewToken(ctx, budi, "laptop", here)
		ok(t, err)
		ok(t, h.Revoke(ctx, budi, token.ID, here))
		link, err := h.Link(ctx, account.By{Who: siti.By(), Address: here}, budi.ID)
		ok(t, err)
		_, err = h.Login(ctx, "budi", "salah salah salah", here)
		want(t, "login", err, account.ErrWrong)
		_, err = h.Login(ctx, "budi", good, here)
		ok(t, err)
		ok(t, h.Disable(ctx, account.By{Who: siti.By(), Address: here}, budi.ID, true))
		ok(t, h.Disable(ctx, account.By{Who: siti.By(), Address: here}, budi.ID, false))
		for range 3 {
			ok(t, h.Refused(ctx, budi, "GET /sites/rsud", here))
		}
		h.pass(time.Minute)
		ok(t, h.Refused(ctx, budi, "GET /sites/rsud", here))
		lines, err := h.Log(ctx, budi.ID, 100)
		ok(t, err)
		var acts []string
		for i := len(lines) - 1; i >= 0; i-- {
			acts = append(acts, string(lines[i].Act))
			if said := fmt.Sprintf("%+v", lines[i]); strings.Contains(said, good) || strings.Contains(said, secret) || strings.Contains(said, link) {
				t.Errorf("a secret in the log: %s", said)
			}
		}
		if got, all := strings.Join(acts, " "), "add link password token revoke link failed login disable enable refused refused"; got != all {
			t.Errorf("the log of the account is\n%s, want\n%s", got, all)
		}
		if l := lines[0]; l.Who != "Budi Contoh (budi)" || l.Detail != "GET /sites/rsud" || l.Address != here || !l.At.Equal(h.clock()) {
			t.Errorf("line %+v", l)
		}
		for _, change := range []string{"UPDATE account_log SET who = 'x'", "DELETE FROM account_log"} {
			err := h.store.Update(ctx, func(tx *sql.Tx) error { _, err := tx.ExecContext(ctx, change); return err })
			if err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v, want a refusal", change, err)
			}
		}
	})
}

// TestNothingInTheDatabaseLetsAnybodyIn: a copy of it is no key.
func TestNothingInTheDatabaseLetsAnybodyIn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		siti := h.admin()
		secret, _, err := h.NewToken(ctx, siti, "laptop", here)
		ok(t, err)
		link, err := h.Link(ctx, account.By{Who: "test"}, siti.ID)
		ok(t, err)
		for _, query := range []string{"SELECT password FROM account", "SELECT secret FROM account_token", "SELECT secret FROM account_link"} {
			rows := 0
			ok(t, h.store.Query(ctx, func(r *sql.Rows) error {
				var kept []byte
				rows++
				err := r.Scan(&kept)
				for _, s := range []string{good, secret, strings.TrimPrefix(secret, "sidik_"), link} {
					if strings.Contains(string(kept), s) {
						t.Errorf("%s shows a secret", query)
					}
				}
				return err
			}, query))
			if rows == 0 {
				t.Errorf("%s has no rows: this test looks at nothing", query)
			}
		}
	})
}

func TestALoginThatIsGivenUpStops(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.admin()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := h.Login(ctx, "siti", good, here)
		want(t, "login", err, context.Canceled)
	})
}
