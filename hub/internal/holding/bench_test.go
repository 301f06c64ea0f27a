package holding_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/holding"
	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol/roster"
)

// benchWorld has one terminal, on SQLite.
func benchWorld(b *testing.B) *holding.Holding {
	b.Helper()
	s, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "hub.db"))
	ok(b, err)
	b.Cleanup(func() { ok(b, s.Close()) })
	agent := storetest.NewAgent(b, demo)
	ok(b, s.AddSite(b.Context(), demo, agent.Key.Public().Fingerprint(), storetest.Morning()))
	ok(b, s.AddTerminal(b.Context(), demo, serial, storetest.Morning()))
	return holding.New(s)
}

// office is the roster of a terminal with 300 users.
func office(changed int) roster.Roster {
	var pins []string
	for n := range 300 {
		pins = append(pins, fmt.Sprint(100001+n))
	}
	r := people(pins...)
	r.Entries[0].Name = fmt.Sprint("Demo ", changed)
	return r
}

func BenchmarkSetRosterThatIsNoNews(b *testing.B) {
	h, r := benchWorld(b), office(0)
	for b.Loop() {
		_, _, err := h.SetRoster(b.Context(), demo, serial, r, 1, storetest.Morning())
		ok(b, err)
	}
}

func BenchmarkSetRoster(b *testing.B) {
	h, n := benchWorld(b), 0
	for b.Loop() {
		n++
		_, fresh, err := h.SetRoster(b.Context(), demo, serial, office(n), 1, storetest.Morning())
		if ok(b, err); !fresh {
			b.Fatal("it was no news")
		}
	}
}
