package store_test

import (
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
