package zktest_test

import (
	"io"
	"net"
	"testing"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
	"github.com/bkpsdmd-babel/sidik/protocol/zk/zktest"
)

// A terminal that is slow would hide how fast its readers are: compare the two.
func BenchmarkServe100000(b *testing.B) {
	_, address := start(b, zktest.Config{}, 50, 0, 100000)
	b.Run("read the log without decoding", func(b *testing.B) {
		c := connected(b, "tcp", address)
		b.SetBytes(4_000_004)
		for b.Loop() {
			if _, err := c.read(zk.DatasetAttendance, zktest.MaxData); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("copy the same bytes over loopback", func(b *testing.B) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer listener.Close()
		done := make(chan struct{})
		go func() {
			defer close(done)
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			ask, data := make([]byte, 1), make([]byte, 4_000_004)
			for {
				if _, err := io.ReadFull(conn, ask); err != nil {
					return
				}
				if _, err := conn.Write(data); err != nil {
					return
				}
			}
		}()
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		data := make([]byte, 4_000_004)
		b.SetBytes(4_000_004)
		for b.Loop() {
			if _, err := conn.Write([]byte{1}); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(conn, data); err != nil {
				b.Fatal(err)
			}
		}
		_ = conn.Close()
		<-done
	})
}
