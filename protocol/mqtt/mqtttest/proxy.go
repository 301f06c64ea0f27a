package mqtttest

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Proxy is a TCP relay on a free loopback port. It can cut connections, refuse
// new ones, and freeze: then connections stay open and nothing passes, as when a
// router on the way has lost its power.
type Proxy struct {
	target   string
	listener *net.TCPListener
	work     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	pairs   map[*pair]bool
	refuse  bool
	passing chan struct{} // closed while bytes pass
	closed  bool
}

// pair is one relayed connection.
type pair struct {
	client, broker net.Conn
	once           sync.Once
	cut            chan struct{}
}

func (p *pair) reset() {
	p.once.Do(func() {
		close(p.cut)
		for _, c := range []net.Conn{p.client, p.broker} {
			c.(*net.TCPConn).SetLinger(0) // RST and not FIN
			c.Close()
		}
	})
}

// StartProxy relays to target, host:port with or without tcp:// before it.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start proxy: %v", err)
	}
	p := &Proxy{
		target: strings.TrimPrefix(target, "tcp://"), listener: l.(*net.TCPListener),
		pairs: map[*pair]bool{}, passing: make(chan struct{}),
	}
	close(p.passing)
	p.work.Go(p.accept)
	t.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.listener.Close()
		p.Drop()
		p.work.Wait()
	})
	return p
}

// URL is the proxy's address: tcp://host:port.
func (p *Proxy) URL() string { return "tcp://" + p.listener.Addr().String() }

// Drop resets every open connection and says how many there were.
func (p *Proxy) Drop() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.pairs)
	for c := range p.pairs {
		c.reset()
	}
	clear(p.pairs)
	return n
}

// Refuse makes new connections end at once.
func (p *Proxy) Refuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = yes
}

// Freeze lets nothing pass until Thaw.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.passing:
		p.passing = make(chan struct{})
	default:
	}
}

// Thaw ends Freeze; what was on the way goes on.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.passing:
	default:
		close(p.passing)
	}
}

func (p *Proxy) gate() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passing
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.AcceptTCP()
		if err != nil {
			return
		}
		p.work.Go(func() { p.relay(client) })
	}
}

func (p *Proxy) relay(client *net.TCPConn) {
	broker, err := net.Dial("tcp", p.target)
	if err != nil {
		client.SetLinger(0)
		client.Close()
		return
	}
	c := &pair{client: client, broker: broker, cut: make(chan struct{})}
	p.mu.Lock()
	refuse := p.refuse || p.closed
	if !refuse {
		p.pairs[c] = true
	}
	p.mu.Unlock()
	if refuse {
		c.reset()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pump(c, c.broker, c.client) })
	both.Go(func() { p.pump(c, c.client, c.broker) })
	both.Wait()
	c.reset()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// pump copies one direction. An orderly end is handed on as one, so that what was
// said before it is still read; anything else resets the pair.
func (p *Proxy) pump(c *pair, to, from net.Conn) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-p.gate():
		case <-c.cut:
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				c.reset()
				return
			}
		}
		switch err {
		case nil:
		case io.EOF:
			to.(*net.TCPConn).CloseWrite()
			return
		default:
			c.reset()
			return
		}
	}
}
