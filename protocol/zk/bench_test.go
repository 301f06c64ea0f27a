package zk_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

const manyRows = 100_000

// fortyByteRows are rows with as many PINs as rows, the dearest case.
func fortyByteRows(t testing.TB, n int) []byte {
	t.Helper()
	stamp, _ := zk.PackTime(time.Date(2025, 6, 1, 7, 0, 0, 0, time.UTC))
	var data []byte
	for i := range n {
		var err error
		data, err = zk.Row40.Append(data, zk.Attendance{Slot: uint16(i), HasSlot: true, PIN: fmt.Sprint(100001 + i), Time: stamp + zk.Time(i), Verify: 1})
		if err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// The goal is 50 ms and 20 allocations for 1000 rows; only the count can fail here.
func TestDecodeAllocatesLittle(t *testing.T) {
	data := fortyByteRows(t, manyRows)
	allocs := testing.AllocsPerRun(3, func() {
		rows, err := zk.ParseAttendance(nil, data, zk.Row40)
		if err != nil || len(rows) != manyRows {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
	})
	if most := 20.0 * manyRows / 1000; allocs > most {
		t.Errorf("%g allocations for %d rows, want %g at most", allocs, manyRows, most)
	}
}

func BenchmarkDecode100k(b *testing.B) {
	data := fortyByteRows(b, manyRows)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := zk.ParseAttendance(nil, data, zk.Row40); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	data := make([]byte, zktest.MaxData)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		zk.Checksum(data)
	}
}

// copier is a connection over loopback on which a byte asks for data.
func copier(b *testing.B, data []byte) net.Conn {
	b.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := server.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for ask := make([]byte, 1); ; {
			if _, err := io.ReadFull(conn, ask); err != nil {
				return
			}
			if _, err := conn.Write(data); err != nil {
				return
			}
		}
	}()
	conn, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = conn.Close()
		_ = server.Close()
		<-served
	})
	return conn
}

// The goals for reading 100 000 rows over TCP, in times of copying their bytes over
// loopback. The simulated terminal's work is in the reading.
const (
	goalUndecoded = 2.5
	goalDecoded   = 4.0
)

// BenchmarkRead100k copies and reads by turns, and compares the medians.
func BenchmarkRead100k(b *testing.B) {
	sim, address := terminal(b, zktest.Config{}, 60, 0, manyRows)
	data := fortyByteRows(b, manyRows)
	if size := len(sim.Punches()) * sim.Profile().Rows.Size(); size != len(data) {
		b.Fatalf("%d bytes to read, %d to copy", size, len(data))
	}
	conn := copier(b, data)
	c := session(b, zk.Options{Address: address, Timeout: 10 * time.Second})
	runs := []struct {
		name  string
		run   func()
		times []float64
	}{
		{name: "copy", run: func() {
			if _, err := conn.Write([]byte{1}); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, len(data))); err != nil {
				b.Fatal(err)
			}
		}},
		{name: "undecoded", run: func() {
			l, err := c.OpenLog(b.Context(), manyRows)
			if err != nil {
				b.Fatal(err)
			}
			if err := l.ReadAt(b.Context(), make([]byte, l.Size()), 0); err != nil {
				b.Fatal(err)
			}
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		}},
		{name: "decoded", run: func() {
			r, err := c.Attendance(b.Context(), zk.ReadOptions{})
			if err != nil || len(r.Rows) != manyRows {
				b.Fatalf("%d rows, %v", len(r.Rows), err)
			}
		}},
	}
	for b.Loop() {
		for i := range runs {
			start := time.Now()
			runs[i].run()
			runs[i].times = append(runs[i].times, time.Since(start).Seconds())
		}
	}
	median := map[string]float64{}
	for _, r := range runs {
		slices.Sort(r.times)
		median[r.name] = r.times[len(r.times)/2]
		b.ReportMetric(median[r.name]*1000, r.name+"-ms")
	}
	for name, goal := range map[string]float64{"undecoded": goalUndecoded, "decoded": goalDecoded} {
		ratio := median[name] / median["copy"]
		b.ReportMetric(ratio, name+"/copy")
		// A handful of runs has no median worth failing for.
		if len(runs[0].times) >= 50 && ratio > goal {
			b.Errorf("reading %s takes %.2f ms, %.2f times of copying, the goal is %.1f", name, 1000*median[name], ratio, goal)
		}
	}
}

func BenchmarkReadUDP100k(b *testing.B) {
	sim, address := terminal(b, zktest.Config{}, 60, 0, manyRows)
	c := session(b, zk.Options{Address: address, Network: "udp", Timeout: 10 * time.Second})
	b.SetBytes(int64(manyRows * sim.Profile().Rows.Size()))
	for b.Loop() {
		r, err := c.Attendance(b.Context(), zk.ReadOptions{})
		if err != nil || len(r.Rows) != manyRows {
			b.Fatalf("%d rows, %v", len(r.Rows), err)
		}
	}
}
