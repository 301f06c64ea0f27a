package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/validate"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// A terminal may still hold a copy that is no longer somebody's best: it tells whose
// finger it is all the same.
func TestValidateKnowsOlderCopiesOfTheVault(t *testing.T) {
	ctx, data, now := context.Background(), t.TempDir(), func() time.Time { return time.Date(2026, 1, 6, 1, 0, 0, 0, time.UTC) }
	if err := hold(t, data); err != nil {
		t.Fatal(err)
	}
	s, err := hub.OpenStore(ctx, data, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var second placement.EmployeeID
	_, err = directory.New(s, placement.Usual()).Edit(ctx, directory.By{Who: "Ujang Demo", At: now(), Act: "test"}, func(d *directory.Draft) error {
		var failed []error
		for _, name := range []string{"Ani Demo", "Budi Demo"} {
			e := d.AddEmployee()
			second = e.ID
			failed = append(failed,
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, "2020-01-01", name),
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeKind, "2020-01-01", string(placement.NonASN)))
		}
		return errors.Join(failed...)
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(ctx, s, data, now)
	if err != nil {
		t.Fatal(err)
	}
	finger := func(digest protocol.Hash, best bool) vault.Template {
		ref := vault.Ref{Employee: int64(second), Finger: 6, Algorithm: 10, Digest: digest}
		return vault.Template{Held: vault.Held{Ref: ref, Origin: "test", Best: best}, Plain: vault.NewPlain([]byte("finger"))}
	}
	if err := v.Put(ctx, vault.By{Who: "Ujang Demo", Why: "test"}, finger(protocol.Hash{1}, false), finger(protocol.Hash{9}, true)); err != nil {
		t.Fatal(err)
	}
	at, err := (&operator{data: data}).office(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	seen, _, err := at.look(ctx, "samsat-demo", "DEMO1")
	if err != nil || len(seen.Terminals) != 1 || len(seen.Terminals[0].Findings) != 2 {
		t.Fatalf("found %+v, %v, want two findings at one terminal", seen, err)
	}
	f := seen.Terminals[0].Findings[1]
	if f.Code != validate.FingerOfOther || f.PIN != "100001" || f.Other != "100002" || !f.Administrator {
		t.Errorf("found %+v, want PIN 100001 with a finger of 100002", f)
	}
	if f.Who != "Ani Demo" || f.Whose != "Budi Demo" {
		t.Errorf("called %q and %q, want as in the register", f.Who, f.Whose)
	}
	if read := seen.Terminals[0].Read; roster.DateOf(read) != "2026-01-05" {
		t.Errorf("read at %s, want the day of the inventory", read)
	}
}
