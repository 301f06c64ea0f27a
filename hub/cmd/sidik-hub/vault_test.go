package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub"
	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
)

// leave makes a hub with a template of each of 22 people; all but the last retired in 2020.
func leave(data string) (err error) {
	ctx, at := context.Background(), time.Date(2020, 1, 1, 5, 0, 0, 0, time.UTC)
	s, err := hub.OpenStore(ctx, data, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var templates []vault.Template
	_, err = directory.New(s, placement.Usual()).Edit(ctx, directory.By{Who: "Ujang Demo", At: at, Act: "test"}, func(d *directory.Draft) (failed error) {
		for n := range 22 {
			e, status := d.AddEmployee(), placement.Retired
			if n == 21 {
				status = placement.Active
			}
			failed = errors.Join(failed,
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeName, "2020-01-01", fmt.Sprint("Demo ", n+1)),
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeKind, "2020-01-01", string(placement.NonASN)),
				d.Set(directory.AboutEmployee, int64(e.ID), directory.EmployeeStatus, "2020-01-01", string(status)))
			plain := fmt.Appendf(nil, "finger %d", n)
			templates = append(templates, vault.Template{Plain: vault.NewPlain(plain), Held: vault.Held{Origin: "test", Best: true,
				Ref: vault.Ref{Employee: int64(e.ID), Finger: 6, Algorithm: 10, Digest: sha256.Sum256(plain)}}})
		}
		return failed
	})
	if err != nil {
		return err
	}
	v, err := vault.Open(ctx, s, data, time.Now)
	if err != nil {
		return err
	}
	return v.Put(ctx, vault.By{Who: "Ujang Demo", Why: "test"}, templates...)
}
