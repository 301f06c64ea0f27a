package retention_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bkpsdmd-babel/sidik/hub/internal/directory"
	"github.com/bkpsdmd-babel/sidik/hub/internal/placement"
	"github.com/bkpsdmd-babel/sidik/hub/internal/retention"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
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

// world is a hub's register and vault, with a clock that the test moves.
type world struct {
	*retention.Retention
	t         *testing.T
	dsn, dir  string
	store     *store.Store
	directory *directory.Directory
	vault     *counted

	mu  sync.Mutex // guards now
	now time.Time
}

// counted is a vault that knows how often somebody let things expire.
type counted struct {
	*vault.Vault
	mu      sync.Mutex // guards expired
	expired int
}

func (c *counted) Expire(ctx context.Context, by vault.By, p vault.Periods) (int, error) {
	days, err := c.Vault.Expire(ctx, by, p)
	c.mu.Lock()
	c.expired++
	c.mu.Unlock()
	return days, err
}

func (c *counted) times() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expired
}

func enter(t *testing.T, dsn, dir string, at time.Time) *world {
	t.Helper()
	s, err := store.Open(t.Context(), dsn)
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	w := &world{t: t, dsn: dsn, dir: dir, store: s, directory: directory.New(s, placement.Usual()), now: at}
	v, err := vault.Open(t.Context(), s, dir, w.clock)
	ok(t, err)
	w.vault = &counted{Vault: v}
	w.Retention = retention.New(retention.Options{
		Register: w.directory.Register, Recorded: longAgo, Vault: w.vault, Conditions: s, Days: retention.Days{Left: 365, Found: 90, Copies: 30},
		Now: w.clock, Logger: slog.New(slog.DiscardHandler), Most: 3, Every: time.Millisecond,
	})
	return w
}

func each(t *testing.T, body func(t *testing.T, w *world)) {
	storetest.Each(t, postgres, func(t *testing.T, dsn string) {
		body(t, enter(t, dsn, t.TempDir(), noon("2026-01-05")))
	})
}

// longAgo is a register whose statuses are as old as they say.
func longAgo(context.Context) (map[placement.EmployeeID]roster.Date, error) { return nil, nil }

// A date that was typed wrong destroys nobody's fingers the next night.
func TestTheDaysCountFromWhenItWasRecorded(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		typed := w.person("aktif 2010-01-01", "pensiun 2016-01-05")
		w.Retention = retention.New(retention.Options{
			Register: w.directory.Register, Recorded: w.directory.StatusesRecorded, Vault: w.vault, Conditions: w.store,
			Days: retention.Usual(), Now: w.clock, Logger: slog.New(slog.DiscardHandler),
		})
		for _, row := range []struct {
			day  roster.Date
			gone int
		}{{"2026-01-06", 0}, {"2027-01-04", 0}, {"2027-01-05", 1}} {
			w.mu.Lock()
			w.now = noon(row.day)
			w.mu.Unlock()
			done, err := w.Expire(t.Context(), "Ujang Demo", 0)
			ok(t, err)
			if done.People != row.gone {
				t.Errorf("on %s %d people are gone, want %d (%d, recorded on 2026-01-05)", row.day, done.People, row.gone, typed)
			}
		}
	})
}

// noon is 12.00 WIB of a day.
func noon(day roster.Date) time.Time {
	at, err := time.Parse(time.DateOnly, string(day))
	if err != nil {
		panic(err)
	}
	return at.Add(5 * time.Hour)
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) on(day roster.Date) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = noon(day)
}

// person is one with a finger in the vault, and with these statuses: "pensiun 2026-01-10".
func (w *world) person(statuses ...string) (id placement.EmployeeID) {
	w.t.Helper()
	w.edit(func(d *directory.Draft) error {
		e := d.AddEmployee()
		id = e.ID
		return errors.Join(d.Set(directory.AboutEmployee, int64(id), directory.EmployeeName, "2020-01-01", fmt.Sprint("Demo ", id)),
			d.Set(directory.AboutEmployee, int64(id), directory.EmployeeKind, "2020-01-01", string(placement.NonASN)))
	})
	w.is(id, statuses...)
	ok(w.t, w.vault.Put(w.t.Context(), vault.By{Who: "Ujang Demo", Why: "test"}, template(id)))
	return id
}

func (w *world) edit(change func(*directory.Draft) error) {
	w.t.Helper()
	_, err := w.directory.Edit(w.t.Context(), directory.By{Who: "Ujang Demo", At: w.clock(), Act: "test"}, change)
	ok(w.t, err)
}

func (w *world) is(id placement.EmployeeID, statuses ...string) {
	w.t.Helper()
	w.edit(func(d *directory.Draft) (failed error) {
		for _, s := range statuses {
			value, since, _ := strings.Cut(s, " ")
			failed = errors.Join(failed, d.Set(directory.AboutEmployee, int64(id), directory.EmployeeStatus, roster.Date(since), value))
		}
		return failed
	})
}

func template(id placement.EmployeeID) vault.Template {
	plain := fmt.Appendf(nil, "finger of nobody, number %d", id)
	return vault.Template{Plain: vault.NewPlain(plain), Held: vault.Held{Origin: "test", Best: true,
		Ref: vault.Ref{Employee: int64(id), Finger: 6, Algorithm: 10, Digest: sha256.Sum256(plain)}}}
}

func (w *world) find(kind vault.Kind, pin string) {
	w.t.Helper()
	plain := []byte("finger under PIN " + pin)
	ok(w.t, w.vault.Find(w.t.Context(), vault.By{Who: "site demo", Why: "test"}, vault.Find{Plain: vault.NewPlain(plain),
		Found: vault.Found{Kind: kind, Site: "demo", Serial: "DEMO1", PIN: pin, Finger: 6, Algorithm: 10, Digest: sha256.Sum256(plain)}}))
}

// held is whose templates the vault still has, and under which PINs something is found.
func (w *world) held() string {
	w.t.Helper()
	var all []string
	best, err := w.vault.Best(w.t.Context())
	ok(w.t, err)
	for _, h := range best {
		all = append(all, fmt.Sprint(h.Employee))
	}
	found, err := w.vault.FoundAt(w.t.Context(), "", "")
	ok(w.t, err)
	for _, f := range found {
		all = append(all, "PIN "+f.PIN)
	}
	return strings.Join(all, ", ")
}

func (w *world) holds(want string) {
	w.t.Helper()
	if got := w.held(); got != want {
		w.t.Errorf("on %s the vault holds %q, want %q", roster.DateOf(w.clock()), got, want)
	}
}

// serves waits until a running retention has served so many days.
func (w *world) serves(days int) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); w.vault.times() < days; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%d days served, want %d", w.vault.times(), days)
		}
	}
}

// run runs a retention until the test's end or stop.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return func() {
		w.t.Helper()
		cancel()
		ok(w.t, <-ended)
	}
}

func TestEachGoesOnItsDay(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		retired := w.person("aktif 2020-01-01", "pensiun 2026-01-10")
		w.person("aktif 2020-01-01", "cltn 2026-01-10")
		back := w.person("aktif 2020-01-01", "pindah 2026-01-10")
		w.find(vault.KindFound, "77")
		w.find(vault.KindCopy, "78")
		days := []struct {
			day  roster.Date
			want string
		}{
			{"2026-01-06", "1, 2, 3, PIN 77, PIN 78"},
			{"2026-02-04", "1, 2, 3, PIN 77, PIN 78"},
			{"2026-02-05", "1, 2, 3, PIN 77"}, // 30 whole days after the 5th of January
			{"2026-04-05", "1, 2, 3, PIN 77"},
			{"2026-04-06", "1, 2, 3"},
			{"2027-01-09", "1, 2, 3"},
			{"2027-01-10", "2, 3"},
			{"2027-03-01", "2, 3"},
		}
		w.on(days[0].day)
		defer w.run()()
		for n, day := range days {
			if day.day == "2027-01-09" {
				w.is(back, "aktif 2027-01-01") // back a few days before
			}
			w.on(day.day)
			w.serves(n + 1)
			eventually(t, func() bool { return w.held() == day.want }, func() string { return "the vault holds " + w.held() + " on " + string(day.day) })
		}
		if n := w.vault.times(); n != len(days) {
			t.Errorf("%d days were served %d times", len(days), n)
		}
		var proof []string
		ok(t, w.vault.Audit(t.Context(), 0, int64(retired), func(l vault.Line) error {
			proof = append(proof, fmt.Sprintf("%s %s %s: %s", roster.DateOf(l.At), l.By.Who, l.Act, l.By.Why))
			return nil
		}))
		if last := proof[len(proof)-1]; last != "2027-01-10 retention destroy: pensiun since 2026-01-10, kept 365 days after" {
			t.Errorf("the audit says %q", proof)
		}
		if _, err := w.vault.CheckAudit(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func eventually(t testing.TB, done func() bool, said func() string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(said())
		}
	}
}

// A status that somebody gave to too many people must not cost them their fingers.
func TestManyAtOnceWaitForAPerson(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for range 4 {
			w.person("aktif 2020-01-01", "pensiun 2024-01-01")
		}
		w.find(vault.KindCopy, "78")
		w.on("2026-06-01")
		stop := w.run()
		raised := func() (args map[string]string) {
			all, err := w.store.Conditions(t.Context(), "")
			ok(t, err)
			for _, c := range all {
				if c.Code == retention.ConditionHeld {
					return c.Args
				}
			}
			return nil
		}
		eventually(t, func() bool { return raised()["people"] == "4" }, func() string { return fmt.Sprint("the condition says ", raised()) })
		stop()
		w.holds("1, 2, 3, 4")

		if _, err := w.Expire(t.Context(), "Ujang Demo", 3); !errors.Is(err, retention.ErrMany) {
			t.Errorf("Expire with an approval of three = %v, want ErrMany", err)
		}
		w.holds("1, 2, 3, 4")
		gone, err := w.Expire(t.Context(), "Ujang Demo", 4)
		ok(t, err)
		if gone.People != 4 {
			t.Errorf("gone %+v, want 4 people", gone)
		}
		w.holds("")
		if args := raised(); args != nil {
			t.Errorf("the condition still says %v", args)
		}
	})
}

// Somebody comes back between the moment at which they are found due and the one at
// which their key would go.
func TestWhoComesBackInBetweenIsSpared(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		back, gone := w.person("aktif 2020-01-01", "pindah 2024-01-01"), w.person("aktif 2020-01-01", "pensiun 2024-02-01")
		asked := 0
		r := retention.New(retention.Options{
			Register: func(ctx context.Context) (*directory.Register, error) {
				if asked++; asked == 2 { // the first time they were found due
					w.is(back, "aktif 2026-01-01")
				}
				return w.directory.Register(ctx)
			},
			Recorded: longAgo, Vault: w.vault, Conditions: w.store, Days: retention.Usual(), Now: w.clock, Logger: slog.New(slog.DiscardHandler),
		})
		done, err := r.Expire(t.Context(), "Ujang Demo", 0)
		ok(t, err)
		if done.People != 1 {
			t.Errorf("gone %+v, want one person, %d", done, gone)
		}
		w.holds(fmt.Sprint(back))
	})
}

func TestDueTellsWhatExpireWillDo(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.person("aktif 2020-01-01", "pensiun 2025-03-01")
		w.person("aktif 2020-01-01", "meninggal 2025-02-01")
		w.find(vault.KindFound, "77")
		w.find(vault.KindCopy, "78")
		w.on("2026-03-01")
		due, err := w.Due(t.Context())
		ok(t, err)
		want := []retention.Leaver{{Employee: 2, Status: placement.Died, Since: "2025-02-01", Templates: 1}, {Employee: 1, Status: placement.Retired, Since: "2025-03-01", Templates: 1}}
		if !slices.Equal(due.Leavers, want) || len(due.Found) != 1 || due.Found[0].PIN != "78" {
			t.Errorf("due %+v, want %+v and what was found under PIN 78", due, want)
		}
		w.holds("1, 2, PIN 77, PIN 78")
		gone, err := w.Expire(t.Context(), "Ujang Demo", 0)
		ok(t, err)
		if gone.People != 2 {
			t.Errorf("gone %+v, want two people", gone)
		}
		w.holds("PIN 77")
	})
}

func TestWhoHasLeft(t *testing.T) {
	for _, row := range []struct {
		name     string
		statuses []string
		want     roster.Date // since when; empty: not due
	}{
		{"at work", []string{"aktif 2020-01-01"}, ""},
		{"retired long enough ago", []string{"aktif 2020-01-01", "pensiun 2025-01-01"}, "2025-01-01"},
		{"retired a year ago today", []string{"pensiun 2025-03-01"}, "2025-03-01"},
		{"retired a year ago tomorrow", []string{"pensiun 2025-03-02"}, ""},
		{"retired, then died", []string{"pensiun 2025-01-01", "meninggal 2026-02-01"}, "2025-01-01"},
		{"moved away and back", []string{"pindah 2024-01-01", "aktif 2026-02-01"}, ""},
		{"moved away, back and retired", []string{"pindah 2023-01-01", "aktif 2024-01-01", "pensiun 2025-01-01"}, "2025-01-01"},
		{"moved away, will be back", []string{"pindah 2024-01-01", "aktif 2026-09-01"}, ""},
		{"on leave for years", []string{"cltn 2022-01-01"}, ""},
		{"studying for years", []string{"tugas-belajar 2022-01-01"}, ""},
		{"will retire", []string{"aktif 2020-01-01", "pensiun 2026-04-01"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := &directory.Employee{ID: 1, PIN: 100001, Facts: directory.Facts{}}
			for _, s := range row.statuses {
				value, since, _ := strings.Cut(s, " ")
				e.Facts[directory.EmployeeStatus] = append(e.Facts[directory.EmployeeStatus], directory.Fact{Since: roster.Date(since), Value: value})
			}
			reg := &directory.Register{Employees: map[placement.EmployeeID]*directory.Employee{1: e}}
			best := []vault.Held{{Ref: vault.Ref{Employee: 1}}, {Ref: vault.Ref{Employee: 2}}} // 2 was undone
			var got roster.Date
			for _, l := range retention.Leavers(reg, best, nil, 365, "2026-03-01") {
				got = l.Since
			}
			if got != row.want {
				t.Errorf("due since %q, want %q", got, row.want)
			}
			if kept := retention.Leavers(reg, best, nil, 0, "2026-03-01"); len(kept) > 0 {
				t.Errorf("kept for ever, and still %+v are due", kept)
			}
		})
	}
}

// restored is the hub from a backup of its database before the run, with the newest
// key file, and with the list of what was destroyed or without it.
func (w *world) restored(before map[string][][]any, list bool) *world {
	w.t.Helper()
	dsn, dir := filepath.Join(w.t.TempDir(), "hub.db"), w.t.TempDir()
	if w.store.Engine() == "postgres" {
		dsn = postgres.Database(w.t)
	}
	s, err := store.Open(w.t.Context(), dsn)
	ok(w.t, err)
	ok(w.t, s.Close())
	db := open(w.t, dsn)
	for _, table := range tables() {
		for _, row := range before[table] {
			places := make([]string, len(row))
			for i := range row {
				places[i] = fmt.Sprintf("$%d", i+1)
			}
			_, err := db.Exec("INSERT INTO "+table+" VALUES ("+strings.Join(places, ", ")+")", row...)
			ok(w.t, err)
		}
	}
	files := []string{"vault.key"}
	if list {
		files = append(files, "destroyed.log")
	}
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(w.dir, name))
		ok(w.t, err)
		ok(w.t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	return enter(w.t, dsn, dir, w.clock())
}

func tables() []string {
	return []string{"register_change", "employee", "fact", "vault_check", "template", "template_found", "vault_destruction", "vault_audit"}
}

func open(t testing.TB, dsn string) *sql.DB {
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

func (w *world) backup() map[string][][]any {
	w.t.Helper()
	all := map[string][][]any{}
	for _, table := range tables() {
		rows, err := open(w.t, w.dsn).Query("SELECT * FROM " + table)
		ok(w.t, err)
		columns, err := rows.Columns()
		ok(w.t, err)
		for rows.Next() {
			row, to := make([]any, len(columns)), make([]any, len(columns))
			for i := range row {
				to[i] = &row[i]
			}
			ok(w.t, rows.Scan(to...))
			all[table] = append(all[table], row)
		}
		ok(w.t, errors.Join(rows.Err(), rows.Close()))
	}
	return all
}

func TestWhatADayDestroyedNoRestoreBringsBack(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		gone := w.person("aktif 2020-01-01", "pensiun 2025-01-01")
		w.person("aktif 2020-01-01")
		w.find(vault.KindCopy, "78")
		before := w.backup()
		w.on("2026-03-01")
		stop := w.run()
		eventually(t, func() bool { return w.held() == "2" }, func() string { return "the vault holds " + w.held() })
		stop()
		for name, list := range map[string]bool{"with the list of what was destroyed": true, "without it": false} {
			t.Run(name, func(t *testing.T) {
				back := w.restored(before, list)
				if list {
					back.holds("2") // opening it applied the list
				}
				if got, err := back.vault.Get(t.Context(), vault.By{Who: "Ujang Demo", Why: "test"}, template(gone).Ref); err == nil && len(got) > 0 {
					t.Errorf("%d templates of somebody who left open again", len(got))
				}
				stop := back.run()
				back.serves(1)
				eventually(t, func() bool { return back.held() == "2" }, func() string { return "the vault holds " + back.held() })
				stop()
				if _, err := back.vault.CheckAudit(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	})
}
