package zkdriver_test

import (
	"context"
	"strings"
	"testing"

	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal"
	"github.com/bkpsdmd-babel/sidik/agent/internal/terminal/zkdriver"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// habits is a desk of a family with habits on top, and a way to write to it.
func habits(t *testing.T, family string, faults ...zktest.Fault) (desk, func(puts ...terminal.Put) (roster.Inventory, error)) {
	t.Helper()
	profile, err := zktest.ProfileByName(family)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, "tcp", profile, false)
	for _, f := range faults {
		d.Inject(f)
	}
	return d, func(puts ...terminal.Put) (inv roster.Inventory, err error) {
		err = hold(t, zkdriver.New(d.config), func(ctx context.Context, s terminal.Session) error {
			if _, err := s.Inventory(ctx); err != nil {
				return err
			}
			putting := s.Put(ctx, puts...)
			if inv, err = s.Inventory(ctx); err != nil {
				t.Error(err)
			}
			return putting
		})
		return inv, err
	}
}

func put(slot uint16, number uint8, template string) terminal.Put {
	return terminal.Put{Slot: slot, Fingers: []terminal.PutFinger{{Number: number, Template: []byte(template)}}}
}

// TestFingerOverAFinger where the terminal does not overwrite, and says so or not.
func TestFingerOverAFinger(t *testing.T) {
	never := zktest.Fault{Kind: zktest.RefuseWrite, Command: zk.CmdSaveUserTemps, Times: zktest.Always}
	for _, c := range []struct {
		name, family string
		faults       []zktest.Fault
	}{
		{"overwrites", "bw-zem560", nil},
		{"keeps the old one silently", "bw-zem560", []zktest.Fault{{Kind: zktest.KeepsFinger}}},
		{"keeps the old one silently, also when many are written", "tft-new", []zktest.Fault{{Kind: zktest.KeepsFinger, N: 3}}},
		{"refuses", "bw-zem560", []zktest.Fault{{Kind: zktest.KeepsFinger, N: 2}}},
		{"cannot write many at once, and keeps the old one", "tft-k40", []zktest.Fault{never, {Kind: zktest.KeepsFinger}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, write := habits(t, c.family, c.faults...)
			if _, err := write(put(2, 6, "another finger"), put(2, 0, "a third")); err != nil {
				t.Fatal(err)
			}
			got := d.Held()[1].Fingers
			if got[6] != "another finger" || got[0] != "a third" || len(got) != 3 {
				t.Errorf("%d fingers, 6 and 0 are %q and %q", len(got), got[6], got[0])
			}
		})
	}
}

// TestRefusedFingerLeavesTheOldOne: nobody loses a finger for one that is not taken.
func TestRefusedFingerLeavesTheOldOne(t *testing.T) {
	for _, family := range []string{"tft-new", "bw-zem560"} {
		t.Run(family, func(t *testing.T) {
			d, write := habits(t, family, zktest.Fault{Kind: zktest.UniqueFinger}, zktest.Fault{Kind: zktest.KeepsFinger, N: 2})
			before := d.Held()[1].Fingers[6]
			_, err := write(put(2, 6, d.Held()[0].Fingers[6]), put(3, 6, "another finger"))
			if terminal.Cause(err) != "refused" {
				t.Errorf("Put = %v with cause %q, want refused", err, terminal.Cause(err))
			}
			held := d.Held()
			if held[1].Fingers[6] != before {
				t.Error("the finger is gone")
			}
			if held[2].Fingers[6] != "another finger" {
				t.Error("one who is refused kept the others from being written")
			}
		})
	}
}

// TestWhoIsRefused does not keep the others from being written, in one batch with them.
func TestWhoIsRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault zktest.Fault
		put   terminal.Put
		want  int // users after
	}{
		{"no place for a user", zktest.Fault{Kind: zktest.UsersFull}, terminal.Put{Slot: 61, New: true, PIN: "7061"}, 8},
		{"no place for a finger", zktest.Fault{Kind: zktest.FingersFull}, put(6, 1, "a finger"), 8},
		{"a PIN that is too wide", zktest.Fault{Kind: zktest.NarrowPIN, N: 4}, terminal.Put{Slot: 61, New: true, PIN: "100001"}, 8},
		{"a PIN with letters", zktest.Fault{Kind: zktest.NarrowPIN, N: 14}, terminal.Put{Slot: 61, New: true, PIN: "A-17"}, 8},
		{"a PIN that no row can hold", zktest.Fault{Kind: zktest.NarrowPIN, N: 30}, terminal.Put{Slot: 61, New: true, PIN: strings.Repeat("7", 25)}, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, write := habits(t, "tft-new", c.fault)
			inv, err := write(terminal.Put{Slot: 2, Name: []byte("Satu")}, c.put, terminal.Put{Slot: 3, Name: []byte("Dua")})
			if terminal.Cause(err) != "refused" || len(inv.Users) != c.want {
				t.Errorf("Put = %v with cause %q and %d users, want refused and %d", err, terminal.Cause(err), len(inv.Users), c.want)
			}
			if held := d.Held(); held[1].Name != "Satu" || held[2].Name != "Dua" {
				t.Errorf("the others are called %q and %q", held[1].Name, held[2].Name)
			}
			if !d.Enabled() {
				t.Error("disabled")
			}
		})
	}
}

// TestReEncoded fingers are seen as what the terminal gives back, and settle.
func TestReEncoded(t *testing.T) {
	for _, family := range []string{"tft-new", "bw-zem560"} {
		t.Run(family, func(t *testing.T) {
			_, write := habits(t, family, zktest.Fault{Kind: zktest.ReEncodes})
			first, err := write(put(6, 1, "in our words"))
			if err != nil {
				t.Fatal(err)
			}
			second, err := write(put(6, 1, "in our words"))
			if err != nil {
				t.Fatal(err)
			}
			a, b := first.Users[5].Fingers[0], second.Users[5].Fingers[0]
			ours := roster.HeldFinger{Number: 1, Algorithm: 10, Digest: zk.Template{Data: []byte("in our words")}.Digest()}
			if a != b || a == ours {
				t.Errorf("the finger is %v, then %v", a, b)
			}
		})
	}
}

// TestReEncodedIsWrittenAsOftenAsAsked: that it is not as written is no reason for us to
// write it more often.
func TestReEncodedIsWrittenAsOftenAsAsked(t *testing.T) {
	d, _ := habits(t, "bw-zem560", zktest.Fault{Kind: zktest.ReEncodes})
	err := hold(t, zkdriver.New(d.config), func(ctx context.Context, s terminal.Session) error {
		for range 2 {
			if _, err := s.Inventory(ctx); err != nil {
				return err
			}
			if err := s.Put(ctx, put(6, 1, "in our words")); err != nil {
				return err
			}
		}
		return nil
	})
	if n := d.Requests(zk.CmdTempWrite); err != nil || n != 2 {
		t.Errorf("written %d times, %v, want twice", n, err)
	}
}

// TestWrongAlgorithm is not written, whatever the roster says.
func TestWrongAlgorithm(t *testing.T) {
	ten := "\x4D\xFDSS21\x00\x00\x00\x14\xBE\x04\x08\x05\x07\x09\xCE\xD0\x00\x01"
	d, write := habits(t, "bw-zem500")
	if _, err := write(put(6, 1, ten)); terminal.Cause(err) != "refused" || len(d.Held()[5].Fingers) != 0 || d.DisableCount() > 0 {
		t.Errorf("Put = %v with %d fingers and %d times disabled", err, len(d.Held()[5].Fingers), d.DisableCount())
	}
}
