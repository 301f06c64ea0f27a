package store_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/bkpsdmd-babel/sidik/hub/internal/store"
	"github.com/bkpsdmd-babel/sidik/hub/internal/storetest"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// BenchmarkAccept100 stores segments of 100 punches of many sites, 10 in one
// commit, durably.
func BenchmarkAccept100(b *testing.B) { benchmarkAccept(b, 100, 10) }

// BenchmarkAccept1 stores segments of one punch, 50 sites' in one commit.
func BenchmarkAccept1(b *testing.B) { benchmarkAccept(b, 1, 50) }

func benchmarkAccept(b *testing.B, punches, segments int) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			dsn := filepath.Join(b.TempDir(), "hub.db")
			if engine == "postgres" {
				dsn = postgres.Database(b)
			}
			s := open(b, dsn)
			var agents []*storetest.Agent
			for i := range 200 {
				agents = append(agents, office(b, s, protocol.SiteID(fmt.Sprintf("site-%d", i)), "T-1"))
			}
			sent, stored := 0, 0
			for b.Loop() {
				b.StopTimer()
				var in []store.Incoming
				for range segments {
					a := agents[sent%len(agents)]
					in = append(in, next(b, a, storetest.Punches("T-1", int(a.Last), punches)...))
					sent++
				}
				b.StartTimer()
				verdicts, err := s.Accept(b.Context(), in)
				ok(b, err)
				for _, v := range verdicts {
					stored += v.New
				}
			}
			if stored != sent*punches {
				b.Fatalf("%d punches stored of %d", stored, sent*punches)
			}
			b.ReportMetric(float64(stored)/b.Elapsed().Seconds(), "punches/s")
			b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "segments/s")
		})
	}
}
