package account_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
)

// BenchmarkLogin is what one login costs, hash and database, and what knowing a session
// again does.
func BenchmarkLogin(b *testing.B) {
	s, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "hub.db"))
	ok(b, err)
	b.Cleanup(func() { ok(b, s.Close()) })
	a := account.New(s, time.Now)
	code, err := a.FirstLink(b.Context(), account.By{Who: "test"})
	ok(b, err)
	who, err := a.Choose(b.Context(), code, account.Account{Name: "siti", FullName: "Siti Petugas"}, good, here)
	ok(b, err)
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			_, err := a.Login(b.Context(), "siti", good, here)
			ok(b, err)
		}
	})
	b.Run("eight at once", func(b *testing.B) {
		for b.Loop() {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() { _, _ = a.Login(b.Context(), "siti", good, here) })
			}
			all.Wait()
		}
	})
	b.Run("known again", func(b *testing.B) {
		ticket, err := a.Ticket(b.Context(), who)
		ok(b, err)
		for b.Loop() {
			_, err := a.Redeem(b.Context(), ticket)
			ok(b, err)
		}
	})
}
