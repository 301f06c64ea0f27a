// Package entrance bounds what those who come to a listener can take: how many
// connections stand at once, from one address and together, so that whoever opens many
// and says nothing leaves room for others, and how much of them gets into the log.
//
// It knows addresses and numbers. It must not know what is asked for over a connection,
// and keeps no time: how long one may stand is for the server behind it.
//
// Beware: a proxy is one address, whoever comes through it.
package entrance

import (
	"net"
	"net/netip"
	"sync"
)

// A request takes a moment, so that all the offices of a province have room, also where
// they stand behind one address; the whole leaves the hub's other parts their share of
// open files.
const (
	perAddress = 256
	together   = 1024
)

// Listen returns a listener that closes at once the connections for which there is no
// room. Full is told of each of them, one after another, and bounds what becomes of it.
func Listen(l net.Listener, full func(from string)) net.Listener {
	return &listener{Listener: l, full: full, open: map[string]int{}}
}

// Address is where somebody comes from, without the port. In IPv6 it is the network:
// whoever has one address of it has all of them.
func Address(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Unmap().Is4() {
		return host
	}
	return netip.PrefixFrom(ip.WithZone(""), 64).Masked().String()
}

type listener struct {
	net.Listener
	full func(from string)

	mu   sync.Mutex // guards what follows
	open map[string]int
	all  int
}

// Accept waits for a connection that there is room for.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := Address(c.RemoteAddr().String())
		if l.take(from) {
			return &connection{Conn: c, leave: sync.OnceFunc(func() { l.give(from) })}, nil
		}
		c.Close() // whoever it was is told by that
		l.full(from)
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

// connection gives its room back when it ends.
type connection struct {
	net.Conn
	leave func()
}

func (c *connection) Close() error {
	c.leave()
	return c.Conn.Close()
}
