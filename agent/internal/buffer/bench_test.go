package buffer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/buffer"
)

// BenchmarkAppend puts the buffer beside a plain file to which the same bytes
// are appended and synced, once and twice per flush (bbolt needs two: pages,
// then the page that names them). The three take turns, so that a noisy disk is
// noisy for all. Reported: medians as ratios of rates, and bytes handed to the
// kernel per punch. The file holds some months of single punches before.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("%d-records", size), func(b *testing.B) {
			dir := b.TempDir()
			buf, _ := open(b, buffer.Options{Dir: dir})
			plain, err := os.Create(filepath.Join(dir, "plain"))
			if err != nil {
				b.Fatal(err)
			}
			defer plain.Close()
			n := 0
			for n < 20_000 {
				mustAppend(b, buf, buffer.Flush{Serial: terminal, Entries: punches(terminal, n, 1000)})
				n += 1000
			}
			var ours, once, twice []time.Duration
			written := int64(0)
			for b.Loop() {
				f := buffer.Flush{Serial: terminal, Entries: punches(terminal, n, size), Cursor: fmt.Appendf(nil, "a cursor of some hundred bytes %070d", n)}
				n += size
				var same []byte
				for _, e := range f.Entries {
					same = e.Record.AppendCanonical(same)
				}
				before := bytesWritten(b)
				ours = append(ours, timed(func() { mustAppend(b, buf, f) }))
				written += bytesWritten(b) - before
				once = append(once, timed(func() { appendPlain(b, plain, same, 1) }))
				twice = append(twice, timed(func() { appendPlain(b, plain, same, 2) }))
			}
			b.ReportMetric(median(once).Seconds()/median(ours).Seconds(), "of-one-sync")
			b.ReportMetric(median(twice).Seconds()/median(ours).Seconds(), "of-two-syncs")
			b.ReportMetric(float64(written)/float64(len(ours)*size), "B-written/punch")
			b.ReportMetric(float64(size)/median(ours).Seconds(), "punches/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func timed(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}

func appendPlain(b *testing.B, file *os.File, data []byte, syncs int) {
	half := len(data) / syncs
	for i := range syncs {
		part := data[i*half:]
		if i < syncs-1 {
			part = part[:half]
		}
		if _, err := file.Write(part); err != nil {
			b.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// bytesWritten is what this process has handed to write calls.
func bytesWritten(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatalf("cannot count the bytes written: %v", err)
	}
	var read, written int64
	if _, err := fmt.Sscanf(string(text), "rchar: %d\nwchar: %d", &read, &written); err != nil {
		t.Fatalf("cannot count the bytes written: %v", err)
	}
	return written
}
