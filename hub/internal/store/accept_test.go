package store_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

func TestAcceptStoresEveryFieldOnce(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		a := office(t, s, "samsat-belitung", "T-1")
		b := office(t, s, "dinas-arsip", "T-1") // the same serial at another site is another terminal
		records := storetest.Punches("T-1", 0, 150)
		first, second := next(t, a, records[:100]...), next(t, a, records[100:]...)
		other := next(t, b, records[:3]...)
		accept(t, s, stored(), first, other, second)
		accept(t, s, []store.Outcome{store.OutcomeDuplicate}, second, first)

		got := punches(t, s, store.Filter{Site: "samsat-belitung"})
		if len(got) != len(records) {
			t.Fatalf("%d punches, want %d", len(got), len(records))
		}
		for i, p := range got {
			if !reflect.DeepEqual(p.Record, records[i]) || p.Site != a.Site || p.Epoch != a.Epoch || p.Seq != uint64(i+1) ||
				!p.Received.Equal(noon) || p.Flags != 0 || p.Sightings != 1 {
				t.Errorf("punch %d = %+v, want record %+v", i, p, records[i])
			}
		}
		if n := len(punches(t, s, store.Filter{Site: "dinas-arsip"})); n != 3 {
			t.Errorf("other site has %d punches, want 3", n)
		}
		receipt, revision, err := s.Receipt(t.Context(), a.Site)
		ok(t, err)
		want := []protocol.EpochStore{{Epoch: a.Epoch, Through: 150, Hash: a.Head}}
		if !reflect.DeepEqual(receipt.Epochs, want) || revision != 2 {
			t.Errorf("Receipt = %+v revision %d, want %+v revision 2", receipt.Epochs, revision, want)
		}
		if err := receipt.Check(); err != nil {
			t.Errorf("Receipt: %v", err)
		}
	})
}

func TestAcceptJudgesWhatItHolds(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		a := office(t, s, "samsat-belitung", "T-1")
		records := storetest.Punches("T-1", 0, 60)
		first := next(t, a, records[:20]...)
		second := next(t, a, records[20:40]...)
		third := next(t, a, records[40:]...)

		// The first thing that is heard of an epoch is far from its start: the
		// receipt must say that nothing of it is held.
		v := accept(t, s, []store.Outcome{store.OutcomeGap}, third)
		if v[0].Through != 0 || v[0].New != 0 {
			t.Errorf("gap: %+v, want through 0", v[0])
		}
		receipt, _, err := s.Receipt(t.Context(), a.Site)
		ok(t, err)
		if want := []protocol.EpochStore{{Epoch: a.Epoch, Hash: a.Epoch}}; !reflect.DeepEqual(receipt.Epochs, want) {
			t.Errorf("receipt after a gap = %+v, want %+v", receipt.Epochs, want)
		}
		// All in one transaction: a segment and what depends on it.
		v = accept(t, s, []store.Outcome{store.OutcomeStored, store.OutcomeGap, store.OutcomeStored, store.OutcomeDuplicate, store.OutcomeStored, store.OutcomeDuplicate},
			first, third, second, second, third, first)
		for i, want := range []int{20, 0, 20, 0, 20, 0} {
			if v[i].New != want {
				t.Errorf("segment %d: %d new, want %d", i, v[i].New, want)
			}
		}
		whole := first.Segment
		whole.Records, whole.Last, whole.Head = records, third.Segment.Last, third.Segment.Head
		longer := storetest.Punches("T-1", 60, 5)
		tail := next(t, a, longer...)
		whole.Records, whole.Last, whole.Head = append(whole.Records[:60:60], longer...), tail.Segment.Last, tail.Segment.Head
		v = accept(t, s, []store.Outcome{store.OutcomePart, store.OutcomeDuplicate}, incoming(t, a, whole, a.Sign(t, whole)), tail)
		if v[0].New != 5 || v[0].Through != 65 {
			t.Errorf("partly new: %+v, want 5 new through 65", v[0])
		}
		if n := len(punches(t, s, store.Filter{})); n != 65 {
			t.Errorf("%d punches, want 65", n)
		}
	})
}

func TestAcceptKeepsForksApart(t *testing.T) {
	for _, row := range []struct {
		name   string
		held   int // records held
		common int // of these the other agent has too
		first  int // sequence at which its segment begins
		n      int
		want   uint64
	}{
		{"within what is held", 20, 10, 6, 10, 11},
		{"ends before what is held ends", 20, 10, 6, 7, 11},
		{"begins after the difference", 20, 10, 16, 10, 15},
		{"begins at the end of what is held", 20, 10, 21, 10, 20},
		{"from the first record on", 20, 0, 1, 10, 1},
		{"only the last record differs", 20, 19, 11, 10, 20},
	} {
		t.Run(row.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *store.Store) {
				a := office(t, s, "samsat-belitung", "T-1")
				b := *a // a copied folder
				common := storetest.Punches("T-1", 0, row.common)
				mine := append(common, storetest.Punches("T-1", 100, row.held-row.common)...)
				other := append(common[:row.common:row.common], storetest.Punches("T-1", 500, row.first+row.n-1-row.common)...)
				held := next(t, a, mine...)
				accept(t, s, stored(), held)
				if row.first > 1 {
					b.Segment(t, other[:row.first-1]...)
				}
				wrong := next(t, &b, other[row.first-1:]...)
				for range 2 { // once more changes nothing
					v := accept(t, s, []store.Outcome{store.OutcomeFork}, wrong)
					if v[0].Fork != row.want || v[0].Through != 20 || v[0].New != 0 {
						t.Errorf("verdict = %+v, want fork %d, through 20", v[0], row.want)
					}
				}
				receipt, _, err := s.Receipt(t.Context(), a.Site)
				ok(t, err)
				if want := (protocol.EpochStore{Epoch: a.Epoch, Through: 20, Hash: a.Head, Fork: row.want}); receipt.Epochs[0] != want {
					t.Errorf("receipt = %+v, want %+v", receipt.Epochs[0], want)
				}
				// What agrees with the held chain goes on.
				accept(t, s, []store.Outcome{store.OutcomeStored}, next(t, a, storetest.Punches("T-1", 900, 3)...))
				if n := len(punches(t, s, store.Filter{})); n != 23 {
					t.Errorf("%d punches, want 23: none of the fork", n)
				}
			})
		})
	}
}

func TestAcceptRefusesWhoIsNotAdmitted(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		a := office(t, s, "samsat-belitung", "T-1")
		stranger := storetest.NewAgent(t, a.Site)
		nowhere := storetest.NewAgent(t, "rumah-hantu")
		good := next(t, a, storetest.Punches("T-1", 0, 2)...)
		accept(t, s, []store.Outcome{store.OutcomeRefused, store.OutcomeStored, store.OutcomeRefused},
			next(t, stranger, storetest.Punches("T-1", 10, 2)...), good, next(t, nowhere, storetest.Punches("T-1", 20, 2)...))
		key := storetest.NewAgent(t, a.Site).Key
		ok(t, s.ReplaceKey(ctx, a.Site, key.Public().Fingerprint(), noon))
		accept(t, s, []store.Outcome{store.OutcomeRefused}, next(t, a, storetest.Punches("T-1", 2, 2)...))
		if n := len(punches(t, s, store.Filter{})); n != 2 {
			t.Errorf("%d punches, want 2", n)
		}
		if terminals, err := s.Terminals(ctx, ""); err != nil || len(terminals) != 1 {
			t.Errorf("Terminals = %v, %v: a stranger's terminal was kept", terminals, err)
		}
	})
}

func TestASecondEpochBringsNothingTwice(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		a := office(t, s, "samsat-belitung", "T-1")
		records := storetest.Punches("T-1", 0, 30)
		twins := append(records[:2:2], records[1]) // equal in everything but their number
		twins[2].Nth = 1
		accept(t, s, stored(), next(t, a, twins...))
		a.Begin()
		again := append(twins[:3:3], records[2:]...)
		again[0].Verify = 15 // the other way out of the terminal says otherwise
		accept(t, s, stored(), next(t, a, again...))
		got := punches(t, s, store.Filter{})
		if len(got) != 31 {
			t.Fatalf("%d punches, want 31", len(got))
		}
		for i, want := range []struct {
			sightings int
			flags     store.Flags
			verify    uint8
		}{{2, store.FlagContradiction, 1}, {2, 0, 1}, {2, 0, 1}, {1, 0, 1}} {
			if p := got[i]; p.Sightings != want.sightings || p.Flags != want.flags || p.Verify != want.verify {
				t.Errorf("punch %d: %d sightings, flags %v, verify %d; want %+v", i, p.Sightings, p.Flags.Names(), p.Verify, want)
			}
		}
	})
}

func TestReceiptNamesTheEpochsHeardLast(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store) {
		a := office(t, s, "samsat-belitung", "T-1")
		var epochs []protocol.Hash
		var firsts []store.Incoming
		for i := range 10 {
			a.Begin()
			epochs = append(epochs, a.Epoch)
			firsts = append(firsts, next(t, a, storetest.Punches("T-1", i, 1)...))
		}
		for i := range firsts {
			accept(t, s, stored(), firsts[i])
		}
		accept(t, s, []store.Outcome{store.OutcomeDuplicate}, firsts[0]) // an old card was put back
		receipt, revision, err := s.Receipt(t.Context(), a.Site)
		ok(t, err)
		var got []protocol.Hash
		for _, e := range receipt.Epochs {
			got = append(got, e.Epoch)
		}
		want := []protocol.Hash{epochs[0], epochs[9], epochs[8], epochs[7], epochs[6], epochs[5], epochs[4], epochs[3]}
		if !reflect.DeepEqual(got, want) || revision != 11 {
			t.Errorf("receipt of revision %d names %v, want revision 11 and %v", revision, got, want)
		}
		ok(t, s.RaiseRevision(t.Context(), a.Site, 500))
		ok(t, s.RaiseRevision(t.Context(), a.Site, 3)) // less than held: nothing
		accept(t, s, []store.Outcome{store.OutcomeDuplicate}, firsts[1])
		all, err := s.Receipts(t.Context())
		ok(t, err)
		if len(all) != 1 || all[0].Revision != 502 || all[0].Receipt.Epochs[0].Epoch != epochs[1] {
			t.Errorf("Receipts = %+v, want revision 502", all)
		}
		if _, _, err := s.Receipt(t.Context(), "rumah-hantu"); !errors.Is(err, store.ErrNoSite) {
			t.Errorf("Receipt of no site = %v, want ErrNoSite", err)
		}
	})
}
