package vault_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// postgres runs while the tests of this package do.
var postgres *storetest.Postgres

func TestMain(m *testing.M) { os.Exit(storetest.Run(m, &postgres)) }

// room is a vault with what is around it.
type room struct {
	*vault.Vault
	store *store.Store
	dsn   string
	dir   string
	clock time.Time
}

// each runs a test body with an empty vault on both databases.
func each(t *testing.T, body func(t *testing.T, r *room)) {
	t.Helper()
	storetest.Each(t, postgres, func(t *testing.T, dsn string) { body(t, enter(t, dsn, t.TempDir())) })
}

func enter(t testing.TB, dsn, dir string) *room {
	t.Helper()
	r, err := tryEnter(t, dsn, dir)
	ok(t, err)
	return r
}

func tryEnter(t testing.TB, dsn, dir string) (*room, error) {
	t.Helper()
	s, err := store.Open(t.Context(), dsn)
	ok(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	r := &room{store: s, dsn: dsn, dir: dir, clock: storetest.Morning()}
	r.Vault, err = vault.Open(t.Context(), s, dir, func() time.Time { return r.clock })
	return r, err
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// raw opens a database beside the store.
func raw(t testing.TB, dsn string) *sql.DB {
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

func exec(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// operator is who acts in these tests.
var operator = vault.By{Who: "siti", Why: "test"}

// template invents the bytes of a finger; n tells them apart.
func template(employee int64, finger uint8, n uint64) vault.Template {
	plain := invent(n)
	return vault.Template{
		Held: vault.Held{
			Ref:    vault.Ref{Employee: employee, Finger: finger, Algorithm: 10, Digest: sha256.Sum256(plain)},
			Origin: "capture at bkpsdmd/T-1", Captured: storetest.Morning(),
		},
		Plain: vault.NewPlain(plain),
	}
}

func invent(n uint64) []byte {
	random := rand.New(rand.NewPCG(n, 7))
	plain := make([]byte, 600)
	for i := range plain {
		plain[i] = byte(random.Uint32())
	}
	return plain
}

func found(kind vault.Kind, pin string, finger uint8, n uint64) vault.Find {
	plain := invent(n)
	return vault.Find{
		Found: vault.Found{Kind: kind, Site: "samsat-belitung", Serial: "T-1", PIN: pin, Finger: finger, Algorithm: 10, Digest: sha256.Sum256(plain)},
		Plain: vault.NewPlain(plain),
	}
}

// opens reads one template and compares its bytes.
func opens(t testing.TB, r *room, want vault.Template) {
	t.Helper()
	got, err := r.Get(t.Context(), operator, want.Ref)
	if err != nil || len(got) != 1 || !bytes.Equal(got[0].Plain.Bytes(), want.Plain.Bytes()) {
		t.Errorf("Get finger %d of employee %d: %d templates, %v, want the one that was put", want.Finger, want.Employee, len(got), err)
	}
}

// isGone checks that there is nothing to open.
func isGone(t testing.TB, r *room, ref vault.Ref) {
	t.Helper()
	if got, err := r.Get(t.Context(), operator, ref); err != nil || len(got) != 0 {
		t.Errorf("Get finger %d of employee %d: %d templates, %v, want none", ref.Finger, ref.Employee, len(got), err)
	}
}

// lines is the audit, in short.
func lines(t testing.TB, r *room, employee int64) (all []string) {
	t.Helper()
	ok(t, r.Audit(t.Context(), 0, employee, func(l vault.Line) error {
		all = append(all, fmt.Sprintf("%s %s %d/%d", l.By.Who, l.Act, l.Ref.Employee, l.Ref.Finger))
		return nil
	}))
	if last, err := r.CheckAudit(t.Context()); err != nil || employee == 0 && last.N != int64(len(all)) {
		t.Errorf("CheckAudit = line %d, %v, want %d lines that follow from each other", last.N, err, len(all))
	}
	return all
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s = %s\nwant %s", what, g, w)
	}
}

func TestWhatIsPutComesBackAndIsWrittenDown(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		a, b, c := template(1, 6, 1), template(1, 7, 2), template(2, 6, 3)
		ok(t, r.Put(ctx, operator, a, b))
		ok(t, r.Put(ctx, operator, c))
		ok(t, r.Put(ctx, operator, a)) // the same again is nothing
		for _, want := range []vault.Template{a, b, c} {
			opens(t, r, want)
		}
		a.Best, b.Best, c.Best = true, true, true
		have, err := r.Have(ctx, 1)
		ok(t, err)
		equal(t, "Have", have, []vault.Held{a.Held, b.Held})
		best, err := r.Best(ctx)
		ok(t, err)
		equal(t, "Best", best, []vault.Held{a.Held, b.Held, c.Held})
		same, err := r.ByDigest(ctx, b.Digest)
		ok(t, err)
		equal(t, "ByDigest", same, []vault.Held{b.Held})
		isGone(t, r, template(3, 6, 9).Ref)
		equal(t, "audit", lines(t, r, 0), []string{
			"siti put 1/6", "siti best 1/6", "siti put 1/7", "siti best 1/7", "siti put 2/6", "siti best 2/6", "siti get 1/6", "siti get 1/7", "siti get 2/6"})
		equal(t, "audit of employee 2", lines(t, r, 2), []string{"siti put 2/6", "siti best 2/6", "siti get 2/6"})
	})
}

func TestOneCopyOfAFingerIsBest(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		first, second, third := template(1, 6, 1), template(1, 6, 2), template(1, 6, 3)
		third.Best = true
		bestIs := func(what string, want vault.Template) {
			t.Helper()
			best, err := r.Best(ctx)
			ok(t, err)
			if len(best) != 1 || best[0].Ref != want.Ref {
				t.Errorf("%s: best = %+v, want %s", what, best, want.Digest.Short())
			}
		}
		ok(t, r.Put(ctx, operator, first, second))
		bestIs("the first came", first)
		ok(t, r.MarkBest(ctx, operator, second.Ref))
		bestIs("the second was marked", second)
		ok(t, r.Put(ctx, operator, third))
		bestIs("the third says so itself", third)
		first.Best = true
		ok(t, r.Put(ctx, operator, first))
		bestIs("the first came again and says so", first)
		ok(t, r.MarkBest(ctx, operator, template(1, 6, 99).Ref))
		bestIs("one that nobody has was marked", first)
		have, err := r.Have(ctx, 1)
		ok(t, err)
		if len(have) != 3 || !have[0].Best || have[1].Best || have[2].Best {
			t.Errorf("Have = %+v, want three, the best first", have)
		}
	})
}

func TestFoundIsNobodysUntilANamedPersonAccepts(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		f, g := found(vault.KindFound, "0042", 6, 1), found(vault.KindCopy, "43", 7, 2)
		ok(t, r.Find(ctx, operator, f, g))
		ok(t, r.Find(ctx, operator, f)) // the next inventory shows it again
		held, err := r.FoundAt(ctx, "samsat-belitung", "T-1")
		ok(t, err)
		if len(held) != 2 || held[0].PIN != protocol.NormalPIN("0042") || held[0].Digest != f.Digest || held[1].Kind != vault.KindCopy || !held[0].At.Equal(r.clock) {
			t.Fatalf("FoundAt = %+v", held)
		}
		if others, err := r.FoundAt(ctx, "dinas-arsip", ""); err != nil || len(others) != 0 {
			t.Errorf("FoundAt another site = %+v, %v", others, err)
		}
		if best, err := r.Best(ctx); err != nil || len(best) != 0 {
			t.Errorf("Best before anybody accepted = %+v, %v, want nobody's", best, err)
		}
		if _, err := r.Accept(ctx, vault.By{Why: "because"}, held[0].ID, 5, false); !errors.Is(err, vault.ErrWho) {
			t.Errorf("Accept by nobody = %v, want ErrWho", err)
		}
		ref, err := r.Accept(ctx, operator, held[0].ID, 5, false)
		ok(t, err)
		opens(t, r, vault.Template{Held: vault.Held{Ref: ref}, Plain: f.Plain})
		have, err := r.Have(ctx, 5)
		ok(t, err)
		if len(have) != 1 || have[0].Ref != (vault.Ref{Employee: 5, Finger: 6, Algorithm: 10, Digest: f.Digest}) || have[0].Origin != "found at samsat-belitung/T-1, PIN 42" || !have[0].Best {
			t.Errorf("Have = %+v", have)
		}
		if _, err := r.Accept(ctx, operator, held[0].ID, 6, false); !errors.Is(err, vault.ErrNoFind) {
			t.Errorf("Accept once more = %v, want ErrNoFind", err)
		}
		equal(t, "audit", lines(t, r, 0), []string{"siti find 0/6", "siti find 0/7", "siti accept 5/6", "siti best 5/6", "siti get 5/6"})

		// An id that a page still shows must not mean another finger tomorrow.
		if _, err := r.Accept(ctx, operator, held[1].ID, 5, false); err != nil {
			t.Fatal(err)
		}
		ok(t, r.Find(ctx, operator, found(vault.KindFound, "44", 1, 3)))
		again, err := r.FoundAt(ctx, "", "")
		ok(t, err)
		if len(again) != 1 || again[0].ID <= held[1].ID {
			t.Errorf("a new find has id %d, and %d was given before", again[0].ID, held[1].ID)
		}
	})
}

func TestWhatIsNoTemplateIsRefusedWhole(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		good := template(1, 6, 1)
		for name, change := range map[string]func(*vault.Template){
			"no employee":       func(t *vault.Template) { t.Employee = 0 },
			"an employee below": func(t *vault.Template) { t.Employee = -1 },
			"an employee above": func(t *vault.Template) { t.Employee = 1 << 52 },
			"an eleventh":       func(t *vault.Template) { t.Finger = 10 },
			"algorithm 11":      func(t *vault.Template) { t.Algorithm = 11 },
			"no digest":         func(t *vault.Template) { t.Digest = protocol.Hash{} },
			"no bytes":          func(t *vault.Template) { t.Plain = vault.Plain{} },
			"too many bytes":    func(t *vault.Template) { t.Plain = vault.NewPlain(make([]byte, vault.MaxTemplate+1)) },
		} {
			bad := template(2, 7, 2)
			change(&bad)
			if err := r.Put(ctx, operator, good, bad); !errors.Is(err, vault.ErrTemplate) {
				t.Errorf("%s: Put = %v, want ErrTemplate", name, err)
			}
		}
		if err := r.Find(ctx, operator, found("lost", "1", 1, 1)); !errors.Is(err, vault.ErrTemplate) {
			t.Errorf("Find of an unknown kind = %v, want ErrTemplate", err)
		}
		if err := r.Put(ctx, vault.By{}, good); !errors.Is(err, vault.ErrWho) {
			t.Errorf("Put by nobody = %v, want ErrWho", err)
		}
		isGone(t, r, good.Ref)
		if left := lines(t, r, 0); len(left) != 0 {
			t.Errorf("audit of what was refused = %v", left)
		}
	})
}

// No piece of a template is in the database, in its files or in the vault's folder,
// in any form that is looked for when something has leaked.
func TestNothingThatIsKeptShowsATemplate(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		a, f := template(1, 6, 1), found(vault.KindFound, "42", 6, 2)
		ok(t, r.Put(ctx, operator, a))
		ok(t, r.Find(ctx, operator, f, found(vault.KindCopy, "43", 6, 3)))
		held, err := r.FoundAt(ctx, "", "")
		ok(t, err)
		_, err = r.Accept(ctx, operator, held[0].ID, 3, true)
		ok(t, err)
		opens(t, r, a)
		_, err = r.Destroy(ctx, operator, 1)
		ok(t, err)

		kept := map[string][]byte{}
		db := raw(t, r.dsn)
		for _, table := range []string{"template", "template_found", "vault_audit", "vault_destruction", "vault_check"} {
			kept[table] = dump(t, db, table)
		}
		for _, folder := range []string{r.dir, filepath.Dir(r.dsn)} {
			files, err := filepath.Glob(filepath.Join(folder, "*"))
			ok(t, err)
			for _, name := range files {
				if content, err := os.ReadFile(name); err == nil {
					kept[name] = content
				}
			}
		}
		if len(kept["template"]) < 600 || len(kept["template_found"]) < 600 {
			t.Fatalf("nothing was dumped: %d bytes", len(kept["template"]))
		}
		for name, content := range kept {
			for n := range uint64(3) {
				plain := invent(n + 1)
				for at := 0; at+9 <= len(plain); at += 9 {
					piece := plain[at : at+9]
					for _, form := range [][]byte{piece, []byte(hex.EncodeToString(piece)), []byte(base64.StdEncoding.EncodeToString(piece))} {
						if bytes.Contains(content, form) {
							t.Fatalf("%s holds a piece of template %d", name, n+1)
						}
					}
				}
			}
		}
	})
}

// dump is all rows of a table as bytes.
func dump(t testing.TB, db *sql.DB, table string) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, row := range rowsOf(t, db, table) {
		for _, column := range row {
			if b, isBytes := column.([]byte); isBytes {
				all.Write(b)
			} else {
				fmt.Fprint(&all, column)
			}
		}
	}
	return all.Bytes()
}

func rowsOf(t testing.TB, db *sql.DB, table string) (all [][]any) {
	t.Helper()
	rows, err := db.Query("SELECT * FROM " + table)
	ok(t, err)
	defer rows.Close()
	names, err := rows.Columns()
	ok(t, err)
	for rows.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		ok(t, rows.Scan(into...))
		for i := range values {
			if b, isBytes := values[i].([]byte); isBytes && b == nil { // how SQLite's driver reads bytes of length 0
				values[i] = []byte{}
			}
		}
		all = append(all, values)
	}
	ok(t, rows.Err())
	return all
}

// A row's ciphertext opens in that row only: not under another employee's name, not
// as another finger, not after one of its columns was changed.
func TestRowsAreBoundToTheirColumns(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		a, b, c := template(1, 6, 1), template(2, 6, 2), template(1, 7, 3)
		ok(t, r.Put(ctx, operator, a, b, c))
		ok(t, r.Find(ctx, operator, found(vault.KindFound, "42", 6, 4)))
		db := raw(t, r.dsn)
		untouched := rowsOf(t, db, "template")
		restore := func() {
			exec(t, db, "DELETE FROM template")
			insert(t, db, "template", untouched)
		}
		refused := func(what string, ref vault.Ref) {
			t.Helper()
			if got, err := r.Get(ctx, operator, ref); !errors.Is(err, vault.ErrSealed) || got != nil {
				t.Errorf("%s: Get = %d templates, %v, want ErrSealed", what, len(got), err)
			}
			restore()
		}
		swap := "UPDATE template SET sealed = (SELECT o.sealed FROM template o WHERE o.employee = $1 AND o.finger = $2) WHERE employee = $3 AND finger = $4"
		exec(t, db, swap, 1, 6, 2, 6)
		refused("the ciphertext of another employee", b.Ref)
		exec(t, db, swap, 1, 6, 1, 7)
		refused("the ciphertext of another finger", c.Ref)
		exec(t, db, "UPDATE template SET employee = 3 WHERE employee = 1")
		moved := a.Ref
		moved.Employee = 3
		refused("a row given to another employee", moved)
		exec(t, db, "UPDATE template SET finger = 8 WHERE employee = 1 AND finger = 6")
		moved = a.Ref
		moved.Finger = 8
		refused("a row made another finger", moved)
		exec(t, db, "UPDATE template SET algorithm = 9 WHERE employee = 1 AND finger = 6")
		moved = a.Ref
		moved.Algorithm = 9
		refused("a row of another algorithm", moved)
		exec(t, db, "UPDATE template SET digest = $1 WHERE employee = 2", c.Digest[:])
		moved = b.Ref
		moved.Digest = c.Digest
		refused("a row with another digest", moved)
		exec(t, db, "UPDATE template SET origin = 'elsewhere' WHERE employee = 2")
		refused("a row with another origin", b.Ref)
		exec(t, db, "UPDATE template SET captured = 0 WHERE employee = 2")
		refused("a row of another time", b.Ref)
		exec(t, db, "UPDATE template SET life = 1 WHERE employee = 2")
		refused("a row of another life", b.Ref)
		for _, want := range []vault.Template{a, b, c} {
			opens(t, r, want)
		}

		held, err := r.FoundAt(ctx, "", "")
		ok(t, err)
		for column, value := range map[string]string{"kind": "'copy'", "site": "'x'", "serial": "'x'", "pin": "'43'", "finger": "1", "algorithm": "9", "at": "1"} {
			before := rowsOf(t, db, "template_found")
			exec(t, db, "UPDATE template_found SET "+column+" = "+value)
			if _, err := r.Accept(ctx, operator, held[0].ID, 9, false); !errors.Is(err, vault.ErrSealed) {
				t.Errorf("a found row with another %s: Accept = %v, want ErrSealed", column, err)
			}
			exec(t, db, "DELETE FROM template_found")
			insert(t, db, "template_found", before)
		}
		if _, err := r.Accept(ctx, operator, held[0].ID, 9, false); err != nil {
			t.Errorf("Accept of the row put back: %v", err)
		}
	})
}

func insert(t testing.TB, db *sql.DB, table string, rows [][]any) {
	t.Helper()
	for _, row := range rows {
		marks := make([]string, len(row))
		for i := range row {
			marks[i] = fmt.Sprintf("$%d", i+1)
		}
		exec(t, db, "INSERT INTO "+table+" VALUES ("+strings.Join(marks, ", ")+")", row...)
	}
}

func TestAuditIsAppendOnlyAndShowsWhatWasChangedAnyway(t *testing.T) {
	each(t, func(t *testing.T, r *room) {
		ctx := t.Context()
		ok(t, r.Put(ctx, operator, template(1, 6, 1), template(2, 6, 2)))
		opens(t, r, template(1, 6, 1))
		db := raw(t, r.dsn)
		for _, change := range []string{"DELETE FROM vault_audit", "UPDATE vault_audit SET who = 'nobody'"} {
			if _, err := db.Exec(change); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v, want a refusal", change, err)
			}
		}
		// Whoever owns the database can take the guard away; the chain still tells.
		if r.store.Engine() == "sqlite" {
			exec(t, db, "DROP TRIGGER vault_audit_update")
			exec(t, db, "DROP TRIGGER vault_audit_delete")
		} else {
			exec(t, db, "DROP TRIGGER vault_audit_change ON vault_audit")
		}
		for _, change := range []string{
			"UPDATE vault_audit SET who = 'x' WHERE n = 2", "UPDATE vault_audit SET why = 'x' WHERE n = 2", "UPDATE vault_audit SET act = 'x' WHERE n = 2",
			"UPDATE vault_audit SET at = 1 WHERE n = 2", "UPDATE vault_audit SET employee = 9 WHERE n = 2", "UPDATE vault_audit SET finger = 9 WHERE n = 2",
			"UPDATE vault_audit SET algorithm = 9 WHERE n = 2", "UPDATE vault_audit SET detail = 'x' WHERE n = 2",
			"UPDATE vault_audit SET digest = hash WHERE n = 2", "DELETE FROM vault_audit WHERE n = 2", "DELETE FROM vault_audit WHERE n = 1",
		} {
			before := rowsOf(t, db, "vault_audit")
			exec(t, db, change)
			if _, err := r.CheckAudit(ctx); !errors.Is(err, vault.ErrAudit) {
				t.Errorf("%s: CheckAudit = %v, want ErrAudit", change, err)
			}
			exec(t, db, "DELETE FROM vault_audit")
			insert(t, db, "vault_audit", before)
		}
		if _, err := r.CheckAudit(ctx); err != nil {
			t.Errorf("CheckAudit of what was put back: %v", err)
		}
	})
}

func TestPlainNeverPrintsItself(t *testing.T) {
	secret := template(1, 6, 1)
	secret.Plain = vault.NewPlain([]byte("0123456789ABCDEFGHIJKLMNOPQRSTUV"))
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "template", secret, "plain", secret.Plain)
	}
	shown := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "%o", "%b", "%c", "%U"} {
		for _, value := range []any{secret, &secret, secret.Plain, &secret.Plain, []vault.Template{secret}, struct{ t vault.Template }{secret}} {
			shown = append(shown, fmt.Sprintf(verb, value))
		}
	}
	for _, form := range []string{"%s", "%x", "%X", "%d", "%o", "%b", "%c", "%U"} {
		piece := strings.Trim(fmt.Sprintf(form, []byte("56789ABC")), "[]")
		for _, s := range shown {
			if strings.Contains(s, piece) {
				t.Errorf("%q shows the template", s)
			}
		}
	}
	if text, err := json.Marshal(secret); err == nil {
		t.Errorf("json.Marshal(template) = %s, want a refusal", text)
	}
}

func BenchmarkGet(b *testing.B) {
	r := enter(b, filepath.Join(b.TempDir(), "hub.db"), b.TempDir())
	var all []vault.Template
	var refs []vault.Ref
	for n := range 100 {
		t := template(int64(n+1), 6, uint64(n))
		all, refs = append(all, t), append(refs, t.Ref)
	}
	ok(b, r.Put(context.Background(), operator, all...))
	for _, many := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d at once", many), func(b *testing.B) {
			for b.Loop() {
				if got, err := r.Get(context.Background(), operator, refs[:many]...); err != nil || len(got) != many {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}
