package mqtt_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// fake is a broker that does what a test says, also what no broker should.
type fake struct {
	t        *testing.T
	listener net.Listener
	work     sync.WaitGroup
	ended    chan struct{}
}

// peer is a connection at the fake broker.
type peer struct {
	net.Conn
	t       *testing.T
	connect *packets.ConnectPacket
	ended   <-chan struct{}
}

// startFake runs script for every connection, after its CONNECT was read.
func startFake(t *testing.T, config *tls.Config, script func(p *peer)) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, listener: l, ended: make(chan struct{})}
	if config != nil {
		f.listener = tls.NewListener(l, config)
	}
	f.work.Go(func() {
		for {
			conn, err := f.listener.Accept()
			if err != nil {
				return
			}
			f.work.Go(func() { f.serve(conn, script) })
		}
	})
	t.Cleanup(func() {
		close(f.ended)
		l.Close()
		f.work.Wait()
	})
	return f
}

func (f *fake) serve(conn net.Conn, script func(p *peer)) {
	defer conn.Close()
	done := make(chan struct{})
	defer close(done)
	f.work.Go(func() {
		select {
		case <-f.ended:
			conn.Close()
		case <-done:
		}
	})
	packet, err := packets.ReadPacket(conn)
	connect, ok := packet.(*packets.ConnectPacket)
	if err != nil || !ok {
		return // a client that gave up
	}
	script(&peer{Conn: conn, t: f.t, connect: connect, ended: f.ended})
}

func (f *fake) url() string { return "tcp://" + f.listener.Addr().String() }

// Bytes of packets that fakes send.
const (
	connack  = "\x20\x02\x00\x00"
	pingresp = "\xd0\x00"
)

func (p *peer) say(text string) { io.WriteString(p.Conn, text) }

// hang keeps the connection open and reads nothing until the test's end.
func (p *peer) hang() { <-p.ended }

// packet reads the client's next packet that is no ping; nil at the end.
func (p *peer) packet() packets.ControlPacket {
	for {
		packet, err := packets.ReadPacket(p.Conn)
		if err != nil {
			return nil
		}
		if _, ping := packet.(*packets.PingreqPacket); !ping {
			return packet
		}
		p.say(pingresp)
	}
}

// suback answers a SUBSCRIBE with these codes.
func (p *peer) suback(codes string) {
	if s, ok := p.packet().(*packets.SubscribePacket); ok {
		a := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
		a.MessageID = s.MessageID
		a.ReturnCodes = []byte(codes)
		a.Write(p.Conn)
	}
}

// answer acknowledges publishes until the client goes.
func (p *peer) answer() {
	for {
		switch packet := p.packet().(type) {
		case nil, *packets.DisconnectPacket:
			return
		case *packets.PublishPacket:
			ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
			ack.MessageID = packet.MessageID
			ack.Write(p.Conn)
		}
	}
}

// deliver sends a message at QoS 0.
func (p *peer) deliver(topic, payload string) {
	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.TopicName, m.Payload = topic, []byte(payload)
	m.Write(p.Conn)
}

// quick are options with times for a test.
func quick(url string) mqtt.Options {
	return mqtt.Options{
		Brokers: []string{url}, ClientID: "agent-1", KeepAlive: time.Second,
		PingTimeout: time.Second, BackoffMin: time.Millisecond, BackoffMax: 10 * time.Millisecond,
	}
}

const patience = 10 * time.Second

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
		panic("unreachable")
	}
}

// run runs a client; stop ends it and fails if that takes long.
func run(t *testing.T, o mqtt.Options, serve func(context.Context, *mqtt.Conn) error) (stop func() time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mqtt.Run(ctx, o, serve) }()
	stop = sync.OnceValue(func() time.Duration {
		began := time.Now()
		cancel()
		if err := receive(t, done, "Run's return"); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want context canceled", err)
		}
		return time.Since(began)
	})
	t.Cleanup(func() { stop() })
	return stop
}

// hold serves until the end.
func hold(ctx context.Context, _ *mqtt.Conn) error { <-ctx.Done(); return nil }

// troubles makes o report its troubles, without the good news.
func troubles(o *mqtt.Options) <-chan error {
	found := make(chan error, 1000)
	o.OnTrouble = func(err error) {
		if err != nil {
			select {
			case found <- err:
			default:
			}
		}
	}
	return found
}
