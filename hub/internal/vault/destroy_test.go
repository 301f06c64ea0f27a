package vault_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// copied is what somebody once saved: the vault's tables and its two files.
type copied struct {
	tables map[string][][]any
	files  map[string][]byte
}

const (
	keyFile  = "vault.key"
	listFile = "destroyed.log"
)

func save(t testing.TB, r *room) copied {
	t.Helper()
	c := copied{map[string][][]any{}, map[string][]byte{}}
	db := raw(t, r.dsn)
	for _, table := range []string{"vault_check", "template", "template_found", "vault_destruction", "vault_audit"} {
		c.tables[table] = rowsOf(t, db, table)
	}
	for _, name := range []string{keyFile, listFile} {
		content, err := os.ReadFile(filepath.Join(r.dir, name))
		if err == nil {
			c.files[name] = content
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return c
}

// bring puts tables into a new database of the same kind and files into a new
// folder, and opens them.
func bring(t testing.TB, r *room, tables copied, key, list copied) (*room, error) {
	t.Helper()
	dsn, dir := filepath.Join(t.TempDir(), "hub.db"), t.TempDir()
	if r.store.Engine() == "postgres" {
		dsn = postgres.Database(t)
	}
	s, err := store.Open(t.Context(), dsn)
	ok(t, err)
	ok(t, s.Close())
	db := raw(t, dsn)
	for table, rows := range tables.tables {
		insert(t, db, table, rows)
	}
	for name, from := range map[string]copied{keyFile: key, listFile: list} {
		if content, there := from.files[name]; there {
			ok(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
		}
	}
	return tryEnter(t, dsn, dir)
}

func TestDestroyedIsGoneAndTheOthersAreNot(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		a, b, c := template(1, 6, 1), template(1, 7, 2), template(2, 6, 3)
		ok(t, r.Put(ctx, operator, a, b, c))
		retired := vault.By{Who: "siti", Why: "pensiun 2026"}
		d, err := r.Destroy(ctx, retired, 1)
		ok(t, err)
		equal(t, "Destroy", d, vault.Destruction{Kind: vault.KindEmployee, Number: 1, Life: 0, At: r.clock, Who: "siti", Why: "pensiun 2026"})
		isGone(t, r, a.Ref)
		isGone(t, r, b.Ref)
		opens(t, r, c)
		again, err := r.Destroy(ctx, operator, 1)
		ok(t, err)
		equal(t, "Destroy once more", again, d)
		all, err := r.Destructions(ctx)
		ok(t, err)
		equal(t, "Destructions", all, []vault.Destruction{d})
		equal(t, "audit of employee 1", lines(t, r, 1), []string{"siti put 1/6", "siti best 1/6", "siti put 1/7", "siti best 1/7", "siti destroy 1/0"})

		// Somebody who comes back gets a new key.
		ok(t, r.Put(ctx, operator, a))
		opens(t, r, a)
		second, err := r.Destroy(ctx, operator, 1)
		ok(t, err)
		if second.Life != 1 {
			t.Errorf("the second destruction = %+v, want life 1", second)
		}
		isGone(t, r, a.Ref)
		opens(t, r, c)

		// One who never had a template can be destroyed too: backups do not say so.
		if d, err := r.Destroy(ctx, operator, 77); err != nil || d.Number != 77 {
			t.Errorf("Destroy of somebody without templates = %+v, %v", d, err)
		}
		for _, nobody := range []int64{0, -1, 1 << 52} {
			if _, err := r.Destroy(ctx, operator, nobody); !errors.Is(err, vault.ErrTemplate) {
				t.Errorf("Destroy(%d) = %v, want ErrTemplate", nobody, err)
			}
		}
		if _, err := r.Destroy(ctx, vault.By{}, 2); !errors.Is(err, vault.ErrWho) {
			t.Errorf("Destroy by nobody = %v, want ErrWho", err)
		}
	})
}

// What was let go of is known by its digest, so that nobody asks for it again.
func TestWhatWasSeenIsKnownForEver(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		mine, theirs := template(1, 6, 1), found(vault.KindFound, "77", 6, 2)
		seen := func(want bool, digests ...protocol.Hash) {
			t.Helper()
			for _, d := range digests {
				if got, err := r.Seen(ctx, d); err != nil || got != want {
					t.Errorf("Seen(%s) = %t, %v; want %t", d.Short(), got, err, want)
				}
			}
		}
		seen(false, mine.Digest, theirs.Digest)
		ok(t, r.Put(ctx, operator, mine))
		ok(t, r.Find(ctx, operator, theirs))
		seen(true, mine.Digest, theirs.Digest)
		_, err := r.Destroy(ctx, operator, 1)
		ok(t, err)
		r.clock = r.clock.AddDate(1, 0, 0)
		_, err = r.Expire(ctx, operator, vault.Periods{Found: time.Hour})
		ok(t, err)
		isGone(t, r, mine.Ref)
		seen(true, mine.Digest, theirs.Digest)
		seen(false, protocol.Hash{9})
	})
}

// Overdue names exactly what Expire then destroys.
func TestOverdueIsWhatExpires(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		ok(t, r.Find(ctx, operator, found(vault.KindFound, "77", 6, 1), found(vault.KindCopy, "78", 6, 2)))
		r.clock = r.clock.AddDate(0, 0, 10)
		ok(t, r.Find(ctx, operator, found(vault.KindFound, "79", 6, 3), found(vault.KindCopy, "80", 6, 4)))
		for n, periods := range []vault.Periods{{}, {Found: 20 * 24 * time.Hour}, {Copy: 9 * 24 * time.Hour}, {Found: 9 * 24 * time.Hour, Copy: time.Hour}} {
			before, err := r.FoundAt(ctx, "", "")
			ok(t, err)
			over, err := r.Overdue(ctx, periods)
			ok(t, err)
			_, err = r.Expire(ctx, operator, periods)
			ok(t, err)
			left, err := r.FoundAt(ctx, "", "")
			ok(t, err)
			if want := []int{4, 4, 3, 2}[n]; len(left) != want {
				t.Errorf("with %+v %d are left, want %d", periods, len(left), want)
			}
			var kept []vault.Found
			for _, f := range before {
				if !slices.Contains(over, f) {
					kept = append(kept, f)
				}
			}
			equal(t, "what is left", left, kept)
		}
	})
}

// Whatever of database, key and list was put back from before the destruction:
// employee 1 stays destroyed, and employee 2 is served.
func TestNoOldCopyBringsBackWhatWasDestroyed(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		gone, stays := template(1, 6, 1), template(2, 6, 2)
		ok(t, r.Put(ctx, operator, gone, stays))
		old := save(t, r)
		_, err := r.Destroy(ctx, operator, 1)
		ok(t, err)
		now, none := save(t, r), copied{}
		for _, row := range []struct {
			name              string
			tables, key, list copied
			rowLeft           bool // nobody says that it was destroyed, and still it does not open
		}{
			{"the database", old, now, now, false},
			{"database and key", old, old, now, false},
			{"the key", now, old, now, false},
			{"the key, and the list is lost", now, old, none, false},
			{"the list is lost", now, now, none, false},
			{"the database, and the list is lost", old, now, none, true},
		} {
			t.Run(row.name, func(t *testing.T) {
				back, err := bring(t, r, row.tables, row.key, row.list)
				ok(t, err)
				if row.rowLeft {
					if got, err := back.Get(ctx, operator, gone.Ref); !errors.Is(err, vault.ErrDestroyed) || got != nil {
						t.Errorf("Get of the destroyed = %d, %v, want ErrDestroyed", len(got), err)
					}
				} else {
					isGone(t, back, gone.Ref)
					all, err := back.Destructions(ctx)
					ok(t, err)
					if len(all) != 1 || all[0].Number != 1 {
						t.Errorf("Destructions = %+v, want that of employee 1", all)
					}
					list, err := os.ReadFile(filepath.Join(back.dir, listFile))
					if err != nil || bytes.Count(list, []byte("\n")) != 1 {
						t.Errorf("the list beside the database = %q, %v", list, err)
					}
				}
				opens(t, back, stays)
				lines(t, back, 0)

				// The key was made to forget again: with the oldest rows there are it opens nothing.
				later := save(t, back)
				oldest, err := bring(t, r, old, later, none)
				ok(t, err)
				if got, err := oldest.Get(ctx, operator, gone.Ref); !errors.Is(err, vault.ErrDestroyed) || got != nil {
					t.Errorf("the key still opens the oldest backup: %d templates, %v", len(got), err)
				}
				opens(t, oldest, stays)

				// And whoever comes back can be enrolled again.
				ok(t, back.Put(ctx, operator, template(1, 5, 9)))
				opens(t, back, template(1, 5, 9))
			})
		}
	})
}

// Destroy writes list, key and rows in this order. What a power cut left of it is
// finished by the next opening.
func TestDestructionThatAPowerCutEnded(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		gone, stays := template(1, 6, 1), template(2, 6, 2)
		ok(t, r.Put(ctx, operator, gone, stays))
		before := save(t, r)
		_, err := r.Destroy(ctx, operator, 1)
		ok(t, err)
		after := save(t, r)
		whole := after.files[listFile]
		for _, n := range []int{0, 1, len(whole) / 2, len(whole) - 1, len(whole)} {
			t.Run(fmt.Sprintf("after %d bytes of the list", n), func(t *testing.T) {
				cut := copied{files: map[string][]byte{listFile: whole[:n]}}
				back, err := bring(t, r, before, before, cut)
				ok(t, err)
				if n < len(whole) { // it was not yet destroyed, and the next line stands well behind the torn one
					opens(t, back, gone)
					_, err := back.Destroy(ctx, operator, 1)
					ok(t, err)
				}
				isGone(t, enter(t, back.dsn, back.dir), gone.Ref)
				opens(t, back, stays)
			})
		}
		t.Run("after the key", func(t *testing.T) {
			back, err := bring(t, r, before, after, after)
			ok(t, err)
			isGone(t, back, gone.Ref)
			opens(t, back, stays)
		})
		t.Run("while the key was written", func(t *testing.T) {
			left := filepath.Join(r.dir, ".vault-123")
			ok(t, os.WriteFile(left, after.files[keyFile], 0o600))
			opens(t, enter(t, r.dsn, r.dir), stays)
			if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a piece of a key was left in the folder (%v)", err)
			}
		})
	})
}

func TestDamagedListIsRefused(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		for _, text := range []string{"\n", "x\n", "{}\n", `{"kind":"employee","number":-1}` + "\n", `{"kind":"check","number":0}` + "\n", `{"kind":"employee","number":1,"life":16}` + "\n"} {
			ok(t, os.WriteFile(filepath.Join(r.dir, listFile), []byte(text), 0o600))
			if _, err := tryEnter(t, r.dsn, r.dir); !errors.Is(err, vault.ErrList) {
				t.Errorf("list %q: Open = %v, want ErrList", text, err)
			}
		}
	})
}

func TestOnlyTheRightKeyOpensTheVault(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		kept := template(1, 6, 1)
		ok(t, r.Put(t.Context(), operator, kept))
		path := filepath.Join(r.dir, keyFile)
		right, err := os.ReadFile(path)
		ok(t, err)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("key file mode = %v (%v), want 0600", info.Mode(), err)
		}
		stranger := filepath.Join(t.TempDir(), "other.db")
		other := enter(t, stranger, t.TempDir())
		wrong, err := os.ReadFile(filepath.Join(other.dir, keyFile))
		ok(t, err)

		ok(t, os.WriteFile(path, wrong, 0o600))
		if _, err := tryEnter(t, r.dsn, r.dir); !errors.Is(err, vault.ErrWrongKey) {
			t.Errorf("another vault's key: Open = %v, want ErrWrongKey", err)
		}
		if _, err := r.Get(t.Context(), operator, kept.Ref); !errors.Is(err, vault.ErrSealed) {
			t.Errorf("another vault's key while it is open: Get = %v, want ErrSealed", err)
		}
		ok(t, os.WriteFile(path, right[:len(right)/2], 0o600))
		if _, err := tryEnter(t, r.dsn, r.dir); !errors.Is(err, vault.ErrKeyFile) {
			t.Errorf("half a key: Open = %v, want ErrKeyFile", err)
		}
		ok(t, os.Remove(path))
		if _, err := tryEnter(t, r.dsn, r.dir); !errors.Is(err, vault.ErrNoKey) {
			t.Errorf("no key: Open = %v, want ErrNoKey", err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Error("a new key was made for a database that has one")
		}
		ok(t, os.WriteFile(path, right, 0o600))
		opens(t, enter(t, r.dsn, r.dir), kept)
	})
}

const oneDay = 24 * time.Hour

func TestFoundExpiresWithItsDay(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		periods := vault.Periods{Found: 90 * oneDay, Copy: 30 * oneDay}
		begin := r.clock
		for n := range 3 { // one of each kind on three days, the second has an accepted one
			r.clock = begin.Add(time.Duration(n) * oneDay)
			ok(t, r.Find(ctx, operator, found(vault.KindFound, "42", 6, uint64(n)), found(vault.KindCopy, "42", 6, uint64(n))))
		}
		held, err := r.FoundAt(ctx, "", "")
		ok(t, err)
		if len(held) != 6 {
			t.Fatalf("FoundAt = %d, want 6", len(held))
		}
		backup := save(t, r)
		accepted := held[0]
		_, err = r.Accept(ctx, operator, accepted.ID, 5, true)
		ok(t, err)
		expire := func(days int) (left string) {
			t.Helper()
			r.clock = begin.Truncate(oneDay).Add(time.Duration(days) * oneDay)
			_, err := r.Expire(ctx, vault.By{Who: "hub", Why: "period"}, periods)
			ok(t, err)
			held, err := r.FoundAt(ctx, "", "")
			ok(t, err)
			for _, f := range held {
				left += fmt.Sprintf("%s%d ", f.Kind[:1], f.At.Sub(begin)/oneDay)
			}
			return left
		}
		for _, row := range []struct {
			day  int
			left string
		}{
			{0, "c0 f1 c1 f2 c2 "}, {30, "c0 f1 c1 f2 c2 "}, {31, "f1 c1 f2 c2 "}, {32, "f1 f2 c2 "},
			{90, "f1 f2 "}, {91, "f1 f2 "}, {92, "f2 "}, {93, ""}, {400, ""},
		} {
			left := expire(row.day)
			if fmt.Sprint(sorted(left)) != fmt.Sprint(sorted(row.left)) {
				t.Errorf("on day %d left: %s, want %s", row.day, left, row.left)
			}
		}
		opens(t, r, vault.Template{Held: vault.Held{Ref: vault.Ref{Employee: 5, Finger: accepted.Finger, Algorithm: 10, Digest: accepted.Digest}}, Plain: found(vault.KindFound, "42", 6, 0).Plain})
		lines(t, r, 0)

		// A backup of the first days is unreadable now, the accepted one's old row too.
		back, err := bring(t, r, backup, save(t, r), copied{})
		ok(t, err)
		for _, f := range held {
			if _, err := back.Accept(ctx, operator, f.ID, 9, false); !errors.Is(err, vault.ErrDestroyed) {
				t.Errorf("%s of %s in an old backup: Accept = %v, want ErrDestroyed", f.Kind, f.At.Format(time.DateOnly), err)
			}
		}
		// What is found after that is kept as ever, also under a clock that went back.
		for _, at := range []time.Time{r.clock, begin} {
			r.clock = at
			ok(t, r.Find(ctx, operator, found(vault.KindFound, "42", 6, uint64(at.Unix()))))
			held, err := r.FoundAt(ctx, "", "")
			ok(t, err)
			_, err = r.Accept(ctx, operator, held[0].ID, 5, false)
			ok(t, err)
		}
	})
}

func sorted(s string) map[string]int {
	m := map[string]int{}
	for _, f := range strings.Fields(s) {
		m[f]++
	}
	return m
}

func TestNoPeriodKeepsForEver(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		if n, err := r.Expire(ctx, operator, vault.Periods{Found: oneDay}); err != nil || n != 0 {
			t.Errorf("Expire of an empty vault = %d, %v", n, err)
		}
		ok(t, r.Find(ctx, operator, found(vault.KindFound, "42", 6, 1)))
		r.clock = r.clock.AddDate(10, 0, 0)
		if n, err := r.Expire(ctx, operator, vault.Periods{}); err != nil || n != 0 {
			t.Errorf("Expire without periods = %d, %v", n, err)
		}
		if held, err := r.FoundAt(ctx, "", ""); err != nil || len(held) != 1 {
			t.Errorf("FoundAt = %d, %v, want 1", len(held), err)
		}
	})
}

// A hub and an operator's command work in one folder at once. Neither writes back a
// key that the other destroyed.
func TestTwoProgramsDestroyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		const people = 12
		var all []vault.Template
		for n := range int64(people) {
			all = append(all, template(n+1, 6, uint64(n)))
		}
		ok(t, r.Put(ctx, operator, all...))
		before := save(t, r)
		other := enter(t, r.dsn, r.dir)
		var work sync.WaitGroup
		for i, v := range []*room{r, other} {
			work.Go(func() {
				for n := int64(i + 1); n <= people-2; n += 2 {
					if _, err := v.Destroy(ctx, operator, n); err != nil {
						t.Errorf("Destroy(%d) = %v", n, err)
					}
					if err := v.Put(ctx, operator, template(people-1, uint8(n%10), uint64(100+n))); err != nil {
						t.Errorf("Put beside it: %v", err)
					}
				}
			})
		}
		work.Wait()
		back, err := bring(t, r, before, save(t, r), copied{})
		ok(t, err)
		for _, want := range all {
			got, err := back.Get(ctx, operator, want.Ref)
			if left := want.Employee > people-2; left && (err != nil || len(got) != 1) || !left && !errors.Is(err, vault.ErrDestroyed) {
				t.Errorf("employee %d with the key of now: %d templates, %v", want.Employee, len(got), err)
			}
		}
		lines(t, r, 0)
	})
}

func TestDestructionsAreOneLineEach(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ok(t, r.Put(t.Context(), operator, template(1, 6, 1)))
		want, err := r.Destroy(t.Context(), vault.By{Who: "siti", Why: "two\nlines"}, 1)
		ok(t, err)
		text, err := os.ReadFile(filepath.Join(r.dir, listFile))
		ok(t, err)
		var got vault.Destruction
		if err := json.Unmarshal(text, &got); err != nil || bytes.Count(text, []byte("\n")) != 1 {
			t.Fatalf("the list = %q (%v), want one line", text, err)
		}
		equal(t, "the line", got, want)
	})
}
