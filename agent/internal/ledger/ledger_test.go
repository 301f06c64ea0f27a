package ledger_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/agent/internal/ledger"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

type note struct{ Left bool }

// Whatever was begun is known or over for ever, through restarts and disks that refuse;
// what was not begun is not taken for it, and what is left to do is not forgotten.
func TestNothingIsBegunTwice(t *testing.T) {
	const most = 8
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "ledger")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "begun.json")
		var l *ledger.Ledger[note]
		open := func() {
			var err error
			if l, err = ledger.Open(path, most, func(e *ledger.Entry[note]) bool { return !e.Note.Left }); err != nil || l.Damaged() != nil {
				t.Fatal(err, l.Damaged())
			}
		}
		open()
		begun, left := map[protocol.Seq]bool{}, map[protocol.Seq]bool{}
		next := protocol.Seq{Life: 1, Counter: 1}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				number, open := next, rapid.Bool().Draw(t, "something is left to do") && len(left) < most-1
				next.Counter++
				if rapid.IntRange(0, 9).Draw(t, "another life of the hub") == 0 {
					next = protocol.Seq{Life: next.Life + 1, Counter: 1}
				}
				if err := l.Add(&ledger.Entry[note]{Progress: protocol.Progress{Job: number}, Note: note{open}}); err != nil {
					t.Fatal(err)
				}
				begun[number] = true
				if open {
					left[number] = true
				}
			},
			"end": func(t *rapid.T) {
				if len(left) == 0 {
					t.Skip()
				}
				number := rapid.SampledFrom(slices.SortedFunc(maps.Keys(left), func(a, b protocol.Seq) int {
					if a.Less(b) {
						return -1
					}
					return 1
				})).Draw(t, "of")
				l.Find(number).Note.Left = false
				delete(left, number)
				if err := l.Save(); err != nil {
					t.Fatal(err)
				}
			},
			"restart": func(*rapid.T) { open() },
			"refuse": func(t *rapid.T) {
				if err := os.Mkdir(path+".new", 0o700); err != nil {
					t.Fatal(err)
				}
				if err := l.Add(&ledger.Entry[note]{Progress: protocol.Progress{Job: next}}); err == nil {
					t.Fatal("a disk that refuses is not told")
				}
				if err := os.Remove(path + ".new"); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				if len(l.Entries) > most {
					t.Fatalf("%d entries", len(l.Entries))
				}
				for number := range begun {
					e := l.Find(number)
					if e == nil && !l.Over(number) {
						t.Fatalf("%s could be begun again", number)
					}
					if left[number] && (e == nil || !e.Note.Left) {
						t.Fatalf("what is left of %s is forgotten", number)
					}
				}
				if l.Find(next) != nil || l.Over(next) {
					t.Fatalf("%s was never begun", next)
				}
			},
		})
	})
}

func TestWhatCannotBeReadIsNotEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "begun.json")
	for text, damaged := range map[string]bool{`{"entries":[]}`: false, "": true, "{": true, `{"entries":[null]}`: true, `{"entries":[{}`: true} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(path, 8, func(*ledger.Entry[note]) bool { return true })
		if err != nil || (l.Damaged() != nil) != damaged {
			t.Errorf("%q: %v, %v", text, err, l.Damaged())
		}
	}
}
