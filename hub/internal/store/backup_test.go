package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
)

func fit(context.Context, *store.Store) error { return nil }

func TestBackupOfARunningHubComesBackWithANewGeneration(t *testing.T) {
	ctx := t.Context()
	s := open(t, filepath.Join(t.TempDir(), "hub.db"))
	a := office(t, s, "samsat-belitung", "T-1")
	accept(t, s, stored(), next(t, a, storetest.Punches("T-1", 0, 100)...))

	var running sync.WaitGroup
	stop := make(chan struct{})
	running.Go(func() { // the hub goes on storing
		b := office(t, s, "dinas-arsip", "T-2")
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := s.Accept(ctx, []store.Incoming{next(t, b, storetest.Punches("T-2", int(b.Last), 10)...)}); err != nil {
					t.Errorf("Accept during a backup: %v", err)
					return
				}
			}
		}
	})
	file := filepath.Join(t.TempDir(), "hub.backup")
	err := s.Backup(ctx, file, fit)
	close(stop)
	running.Wait()
	ok(t, err)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("backup file: %v %v, want mode 0600", info, err)
	}
	if err := s.Backup(ctx, file, fit); !errors.Is(err, store.ErrExists) {
		t.Errorf("second Backup to the same file = %v, want ErrExists", err)
	}

	database := filepath.Join(t.TempDir(), "hub.db")
	before, err := s.Generation(ctx)
	ok(t, err)
	g, err := store.Restore(ctx, file, database, noon, fit)
	ok(t, err)
	if g.Number != before.Number+1 || g.ID == before.ID {
		t.Errorf("generation after Restore = %+v, want one after %+v", g, before)
	}
	if _, err := store.Restore(ctx, file, database, noon, fit); !errors.Is(err, store.ErrExists) {
		t.Errorf("Restore over a database = %v, want ErrExists", err)
	}
	back := open(t, database)
	if held, err := back.Generation(ctx); err != nil || held != g {
		t.Errorf("generation in the restored database = %+v (%v), want %+v", held, err, g)
	}
	f := store.Filter{Site: a.Site}
	if got, want := punches(t, back, f), punches(t, s, f); !reflect.DeepEqual(got, want) {
		t.Errorf("restored punches differ: %d, want %d", len(got), len(want))
	}
	for _, folder := range []string{filepath.Dir(file), filepath.Dir(database)} {
		if left, _ := filepath.Glob(filepath.Join(folder, ".sidik-*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestAnUnfitCopyGetsNoName(t *testing.T) {
	ctx := t.Context()
	s := open(t, filepath.Join(t.TempDir(), "hub.db"))
	accept(t, s, stored(), next(t, office(t, s, "samsat-belitung", "T-1"), storetest.Punches("T-1", 0, 300)...))
	good := filepath.Join(t.TempDir(), "good")
	ok(t, s.Backup(ctx, good, fit))
	content, err := os.ReadFile(good)
	ok(t, err)
	unfit := errors.New("unfit")
	for _, row := range []struct {
		name    string
		content []byte
		check   store.Check
	}{
		{"check refuses", content, func(context.Context, *store.Store) error { return unfit }},
		{"empty file", nil, fit},
		{"no database", []byte("this is a letter, not a database, and long enough to have a header of one hundred bytes in it, really"), fit},
		{"second half lost", content[:len(content)/2], fit},
		{"zeros in the middle", func() []byte {
			damaged := append([]byte(nil), content...)
			clear(damaged[len(damaged)/2 : len(damaged)/2+8192])
			return damaged
		}(), fit},
	} {
		t.Run(row.name, func(t *testing.T) {
			folder := t.TempDir()
			backup := filepath.Join(t.TempDir(), "backup")
			ok(t, os.WriteFile(backup, row.content, 0o600))
			if _, err := store.Restore(ctx, backup, filepath.Join(folder, "hub.db"), noon, row.check); err == nil {
				t.Error("Restore succeeded")
			}
			left, err := os.ReadDir(folder)
			ok(t, err)
			if len(left) > 0 {
				t.Errorf("Restore left %v", left)
			}
		})
	}
	folder := t.TempDir()
	if err := s.Backup(ctx, filepath.Join(folder, "b"), func(context.Context, *store.Store) error { return unfit }); !errors.Is(err, unfit) {
		t.Errorf("Backup with a check that refuses = %v", err)
	}
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("Backup left %v", left)
	}
}

func TestPostgresIsBackedUpByItsOwnPrograms(t *testing.T) {
	s := open(t, postgres.Database(t))
	if err := s.Backup(t.Context(), filepath.Join(t.TempDir(), "b"), fit); !errors.Is(err, store.ErrEngine) {
		t.Errorf("Backup = %v, want ErrEngine", err)
	}
}
