package sidik_test

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// road is what lies between an office and the hub's door: it counts what comes down, and
// breaks when it is told to.
type road struct {
	address string

	mu    sync.Mutex // guards what follows
	down  int64      // bytes
	at    int64      // where it breaks; 0: nowhere
	broke chan struct{}
}

func newRoad(t testing.TB, to string) *road {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &road{address: l.Addr().String()}
	ctx, end := context.WithCancel(context.Background())
	var ways sync.WaitGroup
	ways.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			ways.Go(func() { r.carry(ctx, in, to) })
		}
	})
	t.Cleanup(func() {
		end()
		l.Close()
		ways.Wait()
	})
	return r
}

// breaksAfter has the road break once, when so many more bytes have come down, of which
// the last do not arrive. The channel is closed then.
func (r *road) breaksAfter(bytes int64) (broke <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at, r.broke = r.down+bytes, make(chan struct{})
	return r.broke
}

// came counts bytes, and reports whether the road breaks under them.
func (r *road) came(n int) (breaks bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down += int64(n)
	if breaks = r.at > 0 && r.down >= r.at; breaks {
		r.at = 0
		close(r.broke)
	}
	return breaks
}

// carried is how many bytes came down so far.
func (r *road) carried() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.down
}

func (r *road) carry(ctx context.Context, in net.Conn, to string) {
	defer in.Close()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return // the hub is away
	}
	defer out.Close()
	defer context.AfterFunc(ctx, func() { in.Close(); out.Close() })()
	var up sync.WaitGroup
	defer up.Wait()
	up.Go(func() {
		_, _ = io.Copy(out, in) // the other way says what is wrong
		out.Close()
	})
	defer in.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := out.Read(buf)
		if r.came(n) {
			return
		}
		if _, wrote := in.Write(buf[:n]); err != nil || wrote != nil {
			return
		}
	}
}
