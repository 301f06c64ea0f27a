package account_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
)

// roles are the details of an account's changes of role, the oldest first.
func (h *house) roles(id account.ID) (said []string) {
	h.t.Helper()
	lines, err := h.Log(h.t.Context(), id, 100)
	ok(h.t, err)
	for _, l := range lines {
		if l.Act == account.ActRole {
			said = append([]string{l.Who + ": " + l.Detail}, said...)
		}
	}
	return said
}

func TestAnotherRoleEndsWhatWasGivenToTheFormer(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		siti, budi := h.admin(), h.operator("budi")
		by := account.By{Who: siti.By(), Address: here}
		secret, _, err := h.NewToken(ctx, budi, "uji", here)
		ok(t, err)
		link, err := h.Link(ctx, by, budi.ID)
		ok(t, err)
		ticket := h.ticket(budi)

		ok(t, h.Assign(ctx, by, budi.ID, account.OperatorUnit, []placement.UnitID{h.one, h.one})) // as it is
		_, err = h.Redeem(ctx, ticket)
		ok(t, err)
		for what, row := range map[string]struct {
			id    account.ID
			role  account.Role
			units []placement.UnitID
			want  error
		}{
			"nobody":                 {99, account.Auditor, nil, account.ErrNone},
			"no role":                {budi.ID, "raja", nil, account.ErrRole},
			"an auditor of a unit":   {budi.ID, account.Auditor, []placement.UnitID{h.one}, account.ErrUnits},
			"an operator of nothing": {budi.ID, account.OperatorUnit, nil, account.ErrUnits},
		} {
			want(t, what, h.Assign(ctx, by, row.id, row.role, row.units), row.want)
		}
		if err := h.Assign(ctx, by, budi.ID, account.AdminOffice, []placement.UnitID{h.one, 4711}); err == nil {
			t.Error("a unit that is not there is taken")
		}
		if now, err := h.Get(ctx, budi.ID); err != nil || now.Role != account.OperatorUnit || !slices.Equal(now.Units, []placement.UnitID{h.one}) {
			t.Errorf("after refusals the account is %+v (%v)", now, err)
		}
		_, err = h.ByToken(ctx, secret)
		ok(t, err)

		ok(t, h.Assign(ctx, by, budi.ID, account.Auditor, nil))
		_, err = h.Redeem(ctx, ticket)
		want(t, "a session of before", err, account.ErrWrong)
		_, err = h.ByToken(ctx, secret)
		want(t, "a token of before", err, account.ErrWrong)
		_, err = h.Choose(ctx, link, account.Account{}, better, here)
		want(t, "a link of before", err, account.ErrLink)
		now, err := h.Login(ctx, "budi", good, here) // the password stays
		if err != nil || now.Role != account.Auditor || len(now.Units) != 0 || now.Name != "budi" || now.FullName != budi.FullName {
			t.Errorf("after the change budi is %+v (%v)", now, err)
		}
		ok(t, h.Assign(ctx, by, budi.ID, account.AdminOffice, []placement.UnitID{h.one}))
		if got, all := h.roles(budi.ID), []string{"Siti Petugas (siti): operator-uptd 1 → auditor", "Siti Petugas (siti): auditor → admin-opd 1"}; !slices.Equal(got, all) {
			t.Errorf("the log says %q, want %q", got, all)
		}
	})
}

func TestTheLastAdministratorStays(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		siti, budi := h.admin(), h.operator("budi")
		by := account.By{Who: siti.By()}
		want(t, "the only one", h.Assign(ctx, by, siti.ID, account.Auditor, nil), account.ErrLast)
		_, _, err := h.Add(ctx, by, account.Account{Name: "tono", FullName: "Tono Contoh", Role: account.AdminAgency})
		ok(t, err)
		want(t, "beside one who has no password yet", h.Assign(ctx, by, siti.ID, account.Auditor, nil), account.ErrLast)
		ok(t, h.Assign(ctx, by, budi.ID, account.AdminAgency, nil))
		ok(t, h.Disable(ctx, by, budi.ID, true))
		want(t, "beside one who is disabled", h.Assign(ctx, by, siti.ID, account.OperatorUnit, []placement.UnitID{h.one}), account.ErrLast)
		if got := h.roles(siti.ID); len(got) != 0 {
			t.Errorf("the log tells of changes that were refused: %q", got)
		}
		ok(t, h.Disable(ctx, by, budi.ID, false))
		ok(t, h.Assign(ctx, by, siti.ID, account.Auditor, nil))
		want(t, "the only one now", h.Disable(ctx, by, budi.ID, true), account.ErrLast)
	})
}

// Two administrators who take each other's role away at the same moment leave one.
func TestAdministratorsDoNotRemoveEachOther(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		siti, budi := h.admin(), h.operator("budi")
		ok(t, h.Assign(ctx, account.By{Who: siti.By()}, budi.ID, account.AdminAgency, nil))
		for range 10 {
			ids, errs := []account.ID{siti.ID, budi.ID}, make([]error, 2)
			var both sync.WaitGroup
			for i, id := range ids {
				both.Go(func() { errs[i] = h.Assign(ctx, account.By{Who: "test"}, id, account.Auditor, nil) })
			}
			both.Wait()
			left := slices.IndexFunc(errs, func(err error) bool { return errors.Is(err, account.ErrLast) })
			if left < 0 || errs[1-left] != nil {
				t.Fatalf("both were changed: %v", errs)
			}
			ok(t, h.Assign(ctx, account.By{Who: "test"}, ids[1-left], account.AdminAgency, nil))
		}
	})
}
