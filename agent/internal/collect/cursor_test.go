package collect

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// TestCursorSurvivesItsBytes: no field is forgotten.
func TestCursorSurvivesItsBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Cursor{
			Count:     rapid.IntRange(0, 1<<30).Draw(t, "count"),
			Tail:      rapid.SliceOfN(rapid.Uint64(), 0, tailMarks).Draw(t, "tail"),
			Newest:    protocol.LocalTime(rapid.String().Draw(t, "newest")),
			Watermark: protocol.LocalTime(rapid.String().Draw(t, "watermark")),
			Layout:    rapid.String().Draw(t, "layout"),
			Doubt:     rapid.Bool().Draw(t, "doubt"),
			Whole:     rapid.Int64().Draw(t, "whole"),
		}
		if len(want.Tail) == 0 {
			want.Tail = nil
		}
		got, err := parseCursor(want.bytes())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("parseCursor = %+v, %v, want %+v", got, err, want)
		}
	})
	if n := reflect.TypeFor[Cursor]().NumField(); n != 7 {
		t.Errorf("Cursor has %d fields, this test knows 7", n)
	}
}

// TestCursorIsSmall, because it is written with every punch.
func TestCursorIsSmall(t *testing.T) {
	c := Cursor{Count: 200_000, Tail: make([]Mark, tailMarks), Newest: "2026-01-02T07:31:05", Watermark: "2026-01-02T07:31:05", Layout: "40", Whole: 1 << 40}
	if n := len(c.bytes()); n > 300 {
		t.Errorf("a cursor has %d bytes, the buffer wants at most 300", n)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add([]byte{})
	f.Add(Cursor{Count: 3, Tail: []Mark{1, 2, 3}, Newest: "x", Layout: "40", Doubt: true, Whole: -7}.bytes())
	f.Add([]byte(strings.Repeat("\xff", 40)))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCursor(b)
		if err != nil {
			if !reflect.DeepEqual(c, Cursor{}) {
				t.Errorf("a refused cursor leaves %+v behind", c)
			}
			return
		}
		again, err := parseCursor(c.bytes())
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%+v became %+v, %v", c, again, err)
		}
	})
}
