package sidik_test

import (
	"fmt"
	"path/filepath"
	"testing"
)

// The goal for the kits of a province: 300 sites registered and their kits on the disk,
// from a list, in 30 s.
func BenchmarkKits(b *testing.B) {
	w := certifiedWorld(b, 0)
	w.startHub()
	p := newProvider(b, w)
	file, run := list(b, w.dir, 300), 0
	for b.Loop() {
		run++
		p.does("kit", "write", "--csv", file, "--to", filepath.Join(w.dir, "kits", fmt.Sprint(run)))
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/300-kits")
	b.ReportMetric(0, "ns/op")
}

// The goal for one kit, from the agent's start until the hub knows the site as ready and
// holds its punches: 10 s. Many sites come up at once.
func BenchmarkKitsToReady(b *testing.B) {
	for _, n := range []int{1, 300} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := certifiedWorld(b, 0)
			w.startHub()
			p, run := newProvider(b, w), 0
			for b.Loop() {
				b.StopTimer()
				run++
				offices, kits := p.province(fmt.Sprint("kantor-", run), n)
				b.StartTimer()
				w.comeUp(offices, kits)
				b.StopTimer()
				for _, o := range offices {
					o.stop()
				}
				b.StartTimer()
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
