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

	"github.com/bkpsdmd-babel/sidik/hub/internal/entrance"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

// Listen bounds the connections of a listener, and tells the log, once in a while for
// each address, of those for which there was no room, and of those that ended without a
// request: clients that speak no TLS 1.3, that do not believe the hub's certificate, or
// that are slow on purpose.
func Listen(l net.Listener, log *slog.Logger) net.Listener {
	limits := newLimits()
	tell := func(from string, code protocol.DenialCode, why string) {
		if limits.refused("", from, "", code, time.Now()) {
			log.Warn("agent refused", "address", from, "reason", string(code), "error", why)
		}
	}
	return &listener{
		Listener: entrance.Listen(l, func(from string) { tell(from, protocol.DeniedBusy, "too many connections") }),
		silent:   func(from string) { tell(from, protocol.DeniedForm, "no request came") },
	}
}

type listener struct {
	net.Listener
	silent func(from string)
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &connection{Conn: c, of: l}, nil
}

// connection knows whether it has brought a request.
type connection struct {
	net.Conn
	of    *listener
	asked atomic.Bool
	over  sync.Once
}

func (c *connection) Close() error {
	c.over.Do(func() {
		if !c.asked.Load() {
			c.of.silent(entrance.Address(c.RemoteAddr().String()))
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
