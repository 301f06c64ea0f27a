package roster_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// office is a roster of so many users with three fingers, and a terminal that
// differs in every hundredth.
func office(n, users int) (roster.Roster, roster.Inventory) {
	r := roster.Roster{Serial: protocol.Serial(fmt.Sprintf("T%d", n)), AsOf: "2026-02-01", Mode: roster.Enforce}
	inv := roster.Inventory{Serial: r.Serial, Capabilities: roster.Capabilities{Algorithm: 10, NameBytes: 24, Users: 3000, Fingers: 9000}}
	for i := range users {
		e := roster.Entry{PIN: fmt.Sprint(100_001 + i), Name: fmt.Sprintf("Pegawai %d", i), Privilege: roster.User}
		h := roster.Held{Slot: uint16(i + 1), PIN: e.PIN, Name: []byte(e.Name), Privilege: roster.User}
		if i == 0 {
			e.Privilege, h.Privilege = roster.Administrator, roster.Administrator
		}
		for number := range uint8(3) {
			digest := protocol.Hash(sha256.Sum256(fmt.Appendf(nil, "%d %d %d", n, i, number)))
			e.Fingers = append(e.Fingers, roster.Finger{Number: number, Algorithm: 10, Digest: digest})
			h.Fingers = append(h.Fingers, roster.HeldFinger{Number: number, Algorithm: 10, Digest: digest})
		}
		if i%100 == 50 {
			h.Fingers = h.Fingers[:1]
		}
		r.Entries, inv.Users = append(r.Entries, e), append(inv.Users, h)
	}
	return r, inv
}

// BenchmarkDiff is one terminal of 300 users; the goals are 350 of them in 1 s and
// 10 000 in 30 s.
func BenchmarkDiff(b *testing.B) {
	r, inv := office(1, 300)
	b.ReportAllocs()
	for b.Loop() {
		if plan := roster.Diff(r, inv); len(plan.Changes) != 6 {
			b.Fatal(said(plan))
		}
	}
}

// BenchmarkDiffEmpty fills an empty terminal with 3 000 users and 9 000 fingers.
func BenchmarkDiffEmpty(b *testing.B) {
	r, inv := office(1, 3000)
	inv.Users = nil
	b.ReportAllocs()
	for b.Loop() {
		if plan := roster.Diff(r, inv); len(plan.Changes) != 12_000 {
			b.Fatal(len(plan.Changes))
		}
	}
}
