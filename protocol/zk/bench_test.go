package zk_test

import (
	"fmt"
	"io"
	"net"
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

// BenchmarkRead100k compares copying the bytes of a log over loopback with reading the
// log, not decoded and decoded. The simulated terminal's work is in both readings.
func BenchmarkRead100k(b *testing.B) {
	b.Run("copy", func(b *testing.B) {
		data := fortyByteRows(b, manyRows)
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
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := conn.Write([]byte{1}); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, len(data))); err != nil {
				b.Fatal(err)
			}
		}
		_ = conn.Close()
		_ = server.Close()
		<-served
	})
	sim, address := terminal(b, zktest.Config{}, 60, 0, manyRows)
	for _, network := range []string{"tcp", "udp"} {
		c := session(b, zk.Options{Address: address, Network: network, Timeout: 10 * time.Second})
		size := int64(manyRows * sim.Profile().Rows.Size())
		b.Run("undecoded "+network, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
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
			}
		})
		b.Run("decoded "+network, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				r, err := c.Attendance(b.Context(), zk.ReadOptions{})
				if err != nil || len(r.Rows) != manyRows {
					b.Fatalf("%d rows, %v", len(r.Rows), err)
				}
			}
		})
	}
}
