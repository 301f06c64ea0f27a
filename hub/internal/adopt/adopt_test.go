package adopt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/adopt"
	"github.com/bkpsdmd-babel/sidik/hub/internal/vault"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// whose knows two employees, one of them under two PINs.
func whose(f vault.Found) int64 { return map[string]int64{"1001": 1, "1002": 2, "9001": 1}[f.PIN] }

func found(id int64, pin string, finger uint8, digest byte) vault.Found {
	return vault.Found{ID: id, Kind: vault.KindFound, PIN: pin, Finger: finger, Algorithm: 10, Digest: protocol.Hash{digest}}
}

func TestSort(t *testing.T) {
	copied := found(1, "1001", 1, 1)
	copied.Kind = vault.KindCopy
	elsewhere := found(2, "1001", 1, 1) // the same bytes at a second terminal
	elsewhere.Serial = "OTHER"
	older := found(1, "1001", 1, 1)
	older.Algorithm = 9
	for _, c := range []struct {
		name  string
		found []vault.Found
		held  []vault.Held
		want  string
	}{
		{"two fingers of one and one of another are taken", []vault.Found{found(1, "1001", 1, 1), found(2, "1001", 6, 2), found(3, "1002", 1, 3)}, nil, "1:1 2:1 3:2"},
		{"one finger at two terminals is taken from both", []vault.Found{found(1, "1001", 1, 1), elsewhere}, nil, "1:1 2:1"},
		{"what is kept already is taken again", []vault.Found{found(1, "1001", 1, 1)}, []vault.Held{held(1, 1, 10, 1)}, "1:1"},
		{"a finger of another algorithm has a place of its own", []vault.Found{older, found(2, "1001", 1, 2)}, nil, "1:1 2:1"},
		{"a copy is left", []vault.Found{copied}, nil, "1 copy"},
		{"nobody's PIN is left", []vault.Found{found(1, "7777", 1, 1)}, nil, "1 unknown"},
		{"the same finger under two people is left for both", []vault.Found{found(1, "1001", 1, 1), found(2, "1002", 1, 1)}, nil, "1 foreign 2 foreign"},
		{"a finger that is kept as another's is left", []vault.Found{found(1, "1001", 1, 1)}, []vault.Held{held(2, 4, 10, 1)}, "1 foreign"},
		{"two enrolments of one finger are left", []vault.Found{found(1, "1001", 1, 1), found(2, "9001", 1, 2)}, nil, "1 occupied 2 occupied"},
		{"other bytes than those that are kept are left", []vault.Found{found(1, "1001", 1, 1)}, []vault.Held{held(1, 1, 10, 9)}, "1 occupied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			take, left := adopt.Sort(c.found, c.held, whose)
			var got []string
			for _, f := range take {
				got = append(got, fmt.Sprintf("%d:%d", f.ID, f.Employee))
			}
			for _, l := range left {
				got = append(got, fmt.Sprint(l.ID, " ", l.Why))
			}
			if text := fmt.Sprint(got); text != "["+c.want+"]" {
				t.Errorf("got %s, want [%s]", text, c.want)
			}
			if len(take)+len(left) != len(c.found) {
				t.Error("something is neither taken nor left")
			}
			// The order in which things were found decides nothing.
			slices.Reverse(c.found)
			again, rest := adopt.Sort(c.found, c.held, whose)
			if len(again) != len(take) || len(rest) != len(left) {
				t.Error("another order has another outcome")
			}
		})
	}
}

func held(employee int64, finger, algorithm uint8, digest byte) vault.Held {
	return vault.Held{Ref: vault.Ref{Employee: employee, Finger: finger, Algorithm: algorithm, Digest: protocol.Hash{digest}}}
}
