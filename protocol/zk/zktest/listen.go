package zktest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol/zk"
)

const (
	requestLimit = 1 << 20 // bytes of one packet from a client
	peerLimit    = 64      // UDP clients that are remembered
	portTries    = 20      // for a free port number that is free for UDP too
)

// Listen serves TCP, and UDP on the same port number, until Close. Port 0 takes a free one.
func (t *Terminal) Listen(address string, udp bool) (net.Addr, error) {
	for try := 1; ; try++ {
		tcp, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listen for clients: %w", err)
		}
		if !udp {
			return tcp.Addr(), t.serve(tcp, nil)
		}
		at, ok := tcp.Addr().(*net.TCPAddr)
		if !ok {
			return nil, errors.Join(fmt.Errorf("listen for clients: %s is no port", tcp.Addr()), tcp.Close())
		}
		packets, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at.AddrPort()))
		if err == nil {
			return tcp.Addr(), t.serve(tcp, packets)
		}
		if err = errors.Join(err, tcp.Close()); try == portTries {
			return nil, fmt.Errorf("listen for clients by UDP on the port of TCP: %w", err)
		}
	}
}

// serve takes over what is not nil.
func (t *Terminal) serve(tcp net.Listener, udp *net.UDPConn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		if tcp != nil {
			_ = tcp.Close()
		}
		if udp != nil {
			_ = udp.Close()
		}
		return net.ErrClosed
	}
	if tcp != nil {
		t.servers = append(t.servers, tcp.Close)
		t.work.Go(func() { t.serveTCP(tcp) })
	}
	if udp != nil {
		t.servers = append(t.servers, udp.Close)
		t.work.Go(func() { t.serveUDP(udp) })
	}
	return nil
}

// serveTCP ends when the listener is closed.
func (t *Terminal) serveTCP(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no file descriptors left, for example
			if !t.pause(50 * time.Millisecond) {
				return
			}
			continue
		}
		l := newLink(t, func(b []byte) error { _, err := conn.Write(b); return err }, conn.Close)
		l.tcp = true
		if !t.admit(l) {
			if c, ok := conn.(*net.TCPConn); ok {
				_ = c.SetLinger(0) // a reset, as from a port that nobody serves
			}
			_ = conn.Close()
			continue
		}
		t.work.Go(func() { t.serveConn(l, conn) })
	}
}

// admit takes a link up and starts its events; false when there is no place for it.
func (t *Terminal) admit(l *link) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || time.Now().Before(t.down) {
		return false
	}
	for other := range t.links {
		if !l.tcp || !other.tcp {
			continue
		}
		switch t.cfg.Clients {
		case KickFirst:
			other.drop()
		case RefuseSecond:
			return false
		}
	}
	t.links[l] = struct{}{}
	t.work.Go(l.deliver)
	return true
}

// leave forgets a link.
func (t *Terminal) leave(l *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.links, l)
	l.drop()
}

func (t *Terminal) serveConn(l *link, conn net.Conn) {
	defer t.leave(l)
	var buf []byte
	for {
		var p zk.Packet
		var err error
		p, buf, err = zk.ReadFrame(conn, requestLimit, buf)
		if err != nil && !errors.Is(err, zk.ErrChecksum) {
			return // hung up, or not this protocol
		}
		if !l.serve(p, err == nil) {
			return
		}
	}
}

// serveUDP ends when the socket is closed. A client is known by the address it sends from.
func (t *Terminal) serveUDP(conn *net.UDPConn) {
	peers := map[netip.AddrPort]*link{}
	defer func() {
		for _, l := range peers {
			t.leave(l)
		}
	}()
	buf := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		p, parsed := zk.ParsePacket(buf[:n])
		if err != nil || parsed != nil && !errors.Is(parsed, zk.ErrChecksum) {
			continue
		}
		l := peers[from]
		if l == nil || l.dropped() {
			if l != nil {
				t.leave(l)
				delete(peers, from)
			}
			if len(peers) == peerLimit {
				forgetOldest(t, peers)
			}
			l = newLink(t, func(b []byte) error { _, err := conn.WriteToUDPAddrPort(b, from); return err }, nil)
			if !t.admit(l) {
				continue
			}
			peers[from] = l
		}
		l.heard = time.Now()
		if !l.serve(p, parsed == nil) {
			t.leave(l)
			delete(peers, from)
		}
	}
}

func forgetOldest(t *Terminal, peers map[netip.AddrPort]*link) {
	var oldest netip.AddrPort
	for from, l := range peers {
		if o := peers[oldest]; o == nil || l.heard.Before(o.heard) {
			oldest = from
		}
	}
	t.leave(peers[oldest])
	delete(peers, oldest)
}

// ListenUDP serves UDP alone until Close, as terminals do that know nothing of TCP.
func (t *Terminal) ListenUDP(address string) (net.Addr, error) {
	at, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for clients: %w", err)
	}
	packets, err := net.ListenUDP("udp", at)
	if err != nil {
		return nil, fmt.Errorf("listen for clients: %w", err)
	}
	return packets.LocalAddr(), t.serve(nil, packets)
}
