package enrol

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
)

// How many connections may be open at once. A request takes a moment, so that all the
// offices of a province have room, also where they stand behind one address; the whole
// leaves the hub's other parts their share of open files.
const (
	perAddress = 256
	together   = 1024
)

// Listen bounds the connections of a listener, and tells the log, once in a while for
// each address, of those that ended without a request: clients that speak no TLS 1.3,
// that do not believe the hub's certificate, or that are slow on purpose.
func Listen(l net.Listener, log *slog.Logger) net.Listener {
	return &listener{Listener: l, log: log, limits: newLimits(), open: map[string]int{}}
}

type listener struct {
	net.Listener
	log    *slog.Logger
	limits *limits

	mu   sync.Mutex // guards what follows
	open map[string]int
	all  int
}

// Accept waits for a connection that there is room for; others are closed at once.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := address(c.RemoteAddr().String())
		if l.take(from) {
			return &connection{Conn: c, of: l, from: from}, nil
		}
		c.Close() // whoever it was is told by that
		l.tell(from, protocol.DeniedBusy, "too many connections")
	}
}

func (l *listener) take(from string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[from] >= perAddress || l.all >= together {
		return false
	}
	l.open[from]++
	l.all++
	return true
}

func (l *listener) give(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.open[from]--; l.open[from] == 0 {
		delete(l.open, from)
	}
}

func (l *listener) tell(from string, code protocol.DenialCode, why string) {
	if l.limits.refused("", from, "", code, time.Now()) {
		l.log.Warn("agent refused", "address", from, "reason", string(code), "error", why)
	}
}

// connection gives its room back when it ends.
type connection struct {
	net.Conn
	of    *listener
	from  string
	asked atomic.Bool
	over  sync.Once
}

func (c *connection) Close() error {
	c.over.Do(func() {
		c.of.give(c.from)
		if !c.asked.Load() {
			c.of.tell(c.from, protocol.DeniedForm, "no request came")
		}
	})
	return c.Conn.Close()
}

// carried is where a request's context has its connection.
type carried struct{}

func remember(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	return context.WithValue(ctx, carried{}, c)
}

// asking notes that a connection has brought a request.
func asking(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(carried{}).(*connection); ok {
			c.asked.Store(true)
		}
		h.ServeHTTP(w, r)
	})
}
