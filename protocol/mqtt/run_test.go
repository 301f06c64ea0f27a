package mqtt_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/bkpsdmd-babel/sidik/protocol/mqtt"
)

// A broker that sends what it must not ends the connection, never the program.
func TestHostileBroker(t *testing.T) {
	for _, test := range []struct {
		outcome string
		script  func(p *peer)
		want    error
	}{
		{"256 MB announced instead of CONNACK", func(p *peer) { p.say("\x20\xff\xff\xff\x7f"); p.hang() }, mqtt.ErrPacket},
		{"256 MB message announced", func(p *peer) { p.say(connack); p.suback("\x01"); p.say("\x30\xff\xff\xff\x7f"); p.hang() }, mqtt.ErrPacket},
		{"message one byte above the limit", func(p *peer) {
			p.say(connack)
			p.suback("\x01")
			p.say("\x30" + string(length(2+mqtt.MaxTopic+2+256<<10+1)))
			p.hang()
		}, mqtt.ErrPacket},
		{"length without end", func(p *peer) { p.say(connack + "\x30\xff\xff\xff\xff\xff"); p.hang() }, mqtt.ErrPacket},
		{"second CONNACK", func(p *peer) { p.say(connack + connack); p.hang() }, mqtt.ErrPacket},
		{"message before CONNACK", func(p *peer) { p.say("\x30\x03\x00\x01a"); p.hang() }, mqtt.ErrPacket},
		{"QoS 2 message", func(p *peer) { p.say(connack + "\x34\x05\x00\x01a\x00\x01"); p.hang() }, mqtt.ErrPacket},
		{"QoS 3 message", func(p *peer) { p.say(connack + "\x36\x05\x00\x01a\x00\x01"); p.hang() }, mqtt.ErrPacket},
		{"type 0", func(p *peer) { p.say(connack + "\x00\x00"); p.hang() }, mqtt.ErrPacket},
		{"a client's packet", func(p *peer) { p.say(connack + "\x82\x06\x00\x01\x00\x01a\x00"); p.hang() }, mqtt.ErrPacket},
		{"more answers than subscriptions", func(p *peer) { p.say(connack); p.suback("\x01\x01"); p.hang() }, mqtt.ErrPacket},
		{"fewer answers than subscriptions", func(p *peer) { p.say(connack); p.suback(""); p.hang() }, mqtt.ErrPacket},
		{"subscription denied", func(p *peer) { p.say(connack); p.suback("\x80"); p.hang() }, mqtt.ErrDenied},
		{"subscription granted with nonsense", func(p *peer) { p.say(connack); p.suback("\x05"); p.hang() }, mqtt.ErrDenied},
		{"identifier rejected", func(p *peer) { p.say("\x20\x02\x00\x02"); p.hang() }, mqtt.ErrRefused},
		{"not authorised", func(p *peer) { p.say("\x20\x02\x00\x05"); p.hang() }, mqtt.ErrRefused},
		{"CONNACK with an unknown code", func(p *peer) { p.say("\x20\x02\x00\x63"); p.hang() }, mqtt.ErrRefused},
		{"message without a whole topic", func(p *peer) { p.say(connack); p.suback("\x01"); p.say("\x30\x02\xff\xff"); p.hang() }, mqtt.ErrLost},
	} {
		t.Run(test.outcome, func(t *testing.T) {
			f := startFake(t, nil, test.script)
			o := quick(f.url())
			o.Subscribe = []string{"sidik/v1/#"}
			found := troubles(&o)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			stop := run(t, o, hold)
			if err := receive(t, found, "trouble"); !errors.Is(err, test.want) {
				t.Errorf("trouble is %v, want %v", err, test.want)
			}
			stop()
			runtime.ReadMemStats(&after)
			if grew := after.TotalAlloc - before.TotalAlloc; grew > 32<<20 {
				t.Errorf("%d bytes allocated", grew)
			}
		})
	}
}

// length writes a remaining length.
func length(n int) (b []byte) {
	for ; n > 127; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func TestRefusedConnectIsNotRepeatedAsOlderVersion(t *testing.T) {
	versions := make(chan byte, 100)
	f := startFake(t, nil, func(p *peer) {
		versions <- p.connect.ProtocolVersion
		p.say("\x20\x02\x00\x01")
	})
	run(t, quick(f.url()), hold)
	for range 3 {
		if v := receive(t, versions, "an attempt"); v != 4 {
			t.Fatalf("CONNECT with protocol version %d, want 4", v)
		}
	}
}

func TestEveryConnectionHasItsOwnWillAndNumberAndNoSession(t *testing.T) {
	type seen struct {
		topic, will     string
		qos             byte
		retain, session bool
	}
	connects := make(chan seen, 100)
	f := startFake(t, nil, func(p *peer) {
		c := p.connect
		connects <- seen{c.WillTopic, string(c.WillMessage), c.WillQos, c.WillRetain, !c.CleanSession}
		p.say(connack)
	})
	o := quick(f.url())
	o.Will = func(n uint32) (mqtt.Message, error) {
		return mqtt.Message{Topic: "sidik/v1/a/state", Payload: fmt.Appendf(nil, "lost %d", n), Retained: true}, nil
	}
	numbers := make(chan uint32, 100)
	run(t, o, func(ctx context.Context, c *mqtt.Conn) error {
		numbers <- c.Connection()
		<-ctx.Done()
		return nil
	})
	for n := uint32(1); n <= 3; n++ {
		want := seen{"sidik/v1/a/state", fmt.Sprintf("lost %d", n), 1, true, false}
		if got := receive(t, connects, "CONNECT"); got != want {
			t.Fatalf("connection %d: %+v, want %+v", n, got, want)
		}
		if got := receive(t, numbers, "a served connection"); got != n {
			t.Fatalf("Connection() = %d, want %d", got, n)
		}
	}
}

// Whatever Run is doing, the end of its context ends it soon.
func TestEndOfContextInterrupts(t *testing.T) {
	reached := make(chan bool, 100)
	tell := func() {
		select {
		case reached <- true:
		default:
		}
	}
	for _, test := range []struct {
		outcome string
		script  func(p *peer)
		serve   func(ctx context.Context, c *mqtt.Conn) error
		options func(o *mqtt.Options)
	}{
		{outcome: "waiting for CONNACK", script: func(p *peer) { tell(); p.hang() }},
		{outcome: "waiting for SUBACK", script: func(p *peer) { p.say(connack); p.packet(); tell(); p.hang() }},
		{outcome: "serving", script: func(p *peer) { p.say(connack); p.suback("\x00"); tell(); p.hang() }},
		{outcome: "waiting for PUBACK",
			script: func(p *peer) { p.say(connack); p.suback("\x00"); p.packet(); tell(); p.hang() },
			serve: func(ctx context.Context, c *mqtt.Conn) error {
				return c.Publish(ctx, mqtt.Message{Topic: "a", Payload: []byte("x")})
			}},
		{outcome: "writing into a full line",
			script: func(p *peer) { p.say(connack); p.suback("\x00"); p.packet(); tell(); p.hang() },
			serve: func(ctx context.Context, c *mqtt.Conn) error {
				for range 63 {
					go c.Publish(ctx, mqtt.Message{Topic: "a", Payload: make([]byte, 256<<10)})
				}
				return c.Publish(ctx, mqtt.Message{Topic: "a", Payload: make([]byte, 256<<10)})
			}},
		{outcome: "waiting for the next attempt",
			script:  func(p *peer) { tell() },
			options: func(o *mqtt.Options) { o.BackoffMin, o.BackoffMax = time.Hour, time.Hour }},
		{outcome: "in the TLS handshake",
			script: func(p *peer) {},
			options: func(o *mqtt.Options) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { l.Close() })
				go func() {
					if conn, err := l.Accept(); err == nil {
						conn.Read(make([]byte, 1))
						tell()
						conn.Read(make([]byte, 1<<20))
						conn.Read(make([]byte, 1<<20)) // until the client goes
						conn.Close()
					}
				}()
				o.Brokers = []string{"ssl://" + l.Addr().String()}
			}},
	} {
		t.Run(test.outcome, func(t *testing.T) {
			f := startFake(t, nil, test.script)
			o := quick(f.url())
			o.KeepAlive, o.PingTimeout = time.Minute, time.Minute
			o.Subscribe = []string{"#"}
			if test.options != nil {
				test.options(&o)
			}
			serve := hold
			if test.serve != nil {
				serve = test.serve
			}
			for len(reached) > 0 {
				<-reached
			}
			stop := run(t, o, serve)
			receive(t, reached, "the moment")
			if took := stop(); took > 4*time.Second { // parting of 2 s, and a busy machine
				t.Errorf("Run returned %v after the end of its context", took)
			}
		})
	}
}

func TestNoAcknowledgementEndsTheConnection(t *testing.T) {
	f := startFake(t, nil, func(p *peer) {
		p.say(connack)
		for p.packet() != nil {
		}
	})
	o := quick(f.url())
	o.AckTimeout = 50 * time.Millisecond
	results, causes := make(chan error, 100), make(chan error, 100)
	run(t, o, func(ctx context.Context, c *mqtt.Conn) error {
		results <- c.Publish(ctx, mqtt.Message{Topic: "a"})
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return nil
	})
	if err := receive(t, results, "Publish"); !errors.Is(err, mqtt.ErrNoAck) {
		t.Errorf("Publish = %v, want ErrNoAck", err)
	}
	if err := receive(t, causes, "the end of the connection"); !errors.Is(err, mqtt.ErrLost) || !errors.Is(err, mqtt.ErrNoAck) {
		t.Errorf("the connection ended with %v, want ErrLost and ErrNoAck", err)
	}
}

func TestPublishReturnsWithItsContextAndKeepsItsPlace(t *testing.T) {
	release := make(chan struct{})
	f := startFake(t, nil, func(p *peer) {
		p.say(connack)
		for range 2 { // the first one is acknowledged when its sender has gone
			packet := p.packet()
			if packet == nil {
				return
			}
			<-release
			p.say("\x40\x02" + string([]byte{byte(packet.Details().MessageID >> 8), byte(packet.Details().MessageID)}))
		}
		p.answer()
	})
	o := quick(f.url())
	o.InFlight = 1
	done := make(chan struct{})
	run(t, o, func(ctx context.Context, c *mqtt.Conn) error {
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := c.Publish(short, mqtt.Message{Topic: "a"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Publish = %v, want deadline exceeded", err)
		}
		second, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := c.Publish(second, mqtt.Message{Topic: "b"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Publish while the only place is taken = %v, want deadline exceeded", err)
		}
		close(release)
		if err := c.Publish(ctx, mqtt.Message{Topic: "c"}); err != nil {
			t.Errorf("Publish after the place was given back = %v", err)
		}
		close(done)
		<-ctx.Done()
		return nil
	})
	receive(t, done, "the last publish")
}

func TestInboxKeepsOrderDropsTheNewestAndCounts(t *testing.T) {
	f := startFake(t, nil, func(p *peer) {
		p.say(connack)
		for n := range 100 {
			p.deliver("a/b", fmt.Sprint(n))
		}
		p.answer()
	})
	for _, test := range []struct {
		outcome string
		limit   func(o *mqtt.Options)
		fit     int
	}{
		{"by number", func(o *mqtt.Options) { o.InboxMessages = 10 }, 10},
		{"by bytes", func(o *mqtt.Options) { o.InboxBytes = 10*(64+len("a/b")) + 10*1 }, 10},
		{"not at all", func(o *mqtt.Options) {}, 100},
	} {
		t.Run(test.outcome, func(t *testing.T) {
			o := quick(f.url())
			test.limit(&o)
			type got struct {
				texts   []string
				dropped uint64
			}
			result := make(chan got, 100)
			run(t, o, func(ctx context.Context, c *mqtt.Conn) error {
				var g got
				for c.Dropped() < uint64(100-test.fit) && ctx.Err() == nil {
					runtime.Gosched()
				}
				for range test.fit {
					g.texts = append(g.texts, string((<-c.Messages()).Payload))
				}
				select {
				case m := <-c.Messages():
					g.texts = append(g.texts, "too many: "+string(m.Payload))
				default:
				}
				g.dropped = c.Dropped()
				result <- g
				<-ctx.Done()
				return nil
			})
			g := receive(t, result, "messages")
			if g.dropped != uint64(100-test.fit) {
				t.Errorf("Dropped() = %d, want %d", g.dropped, 100-test.fit)
			}
			for n, text := range g.texts {
				if text != fmt.Sprint(n) {
					t.Fatalf("message %d is %s", n, text)
				}
			}
		})
	}
}

func TestOneTroubleIsLoggedOnce(t *testing.T) {
	var good atomic.Bool
	f := startFake(t, nil, func(p *peer) {
		if !good.Load() {
			p.say("\x20\x02\x00\x05")
			return
		}
		p.say(connack)
		p.answer()
	})
	var log bytes.Buffer
	o := quick(f.url())
	o.Logger = slog.New(slog.NewTextHandler(&log, nil)) // read after Run has returned
	found := troubles(&o)
	up := make(chan bool, 100)
	stop := run(t, o, func(ctx context.Context, c *mqtt.Conn) error {
		up <- true
		<-ctx.Done()
		return nil
	})
	for range 5 {
		receive(t, found, "a failure")
	}
	good.Store(true)
	receive(t, up, "a connection")
	stop()
	if warned, told := strings.Count(log.String(), "level=WARN"), strings.Count(log.String(), "connected to the broker"); warned != 1 || told != 1 {
		t.Errorf("log has %d warnings and %d connections, want 1 and 1:\n%s", warned, told, log.String())
	}
}

func TestServesReturnMakesANewConnection(t *testing.T) {
	ends := make(chan string, 100)
	f := startFake(t, nil, func(p *peer) {
		p.say(connack)
		ends <- fmt.Sprintf("%T", p.packet())
	})
	o := quick(f.url())
	found := troubles(&o)
	broken := errors.New("broken")
	var times atomic.Int32
	run(t, o, func(ctx context.Context, c *mqtt.Conn) error {
		if times.Add(1) == 1 {
			return nil
		}
		return broken
	})
	for range 2 {
		if got := receive(t, ends, "the end of a connection"); got != "*packets.DisconnectPacket" {
			t.Errorf("the connection ended with %s, want DISCONNECT", got)
		}
	}
	if err := receive(t, found, "trouble"); !errors.Is(err, broken) {
		t.Errorf("trouble is %v, want what serve returned", err)
	}
}

func TestTLS(t *testing.T) {
	certificate, roots := selfSigned(t)
	f := startFake(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, func(p *peer) {
		p.say(connack)
		p.answer()
	})
	address := strings.Replace(f.url(), "tcp:", "ssl:", 1)
	t.Run("connects to the right certificate", func(t *testing.T) {
		o := quick(address)
		o.TLS = &tls.Config{RootCAs: roots}
		result := make(chan error, 100)
		run(t, o, func(ctx context.Context, c *mqtt.Conn) error {
			result <- c.Publish(ctx, mqtt.Message{Topic: "a", Payload: make([]byte, 200<<10)})
			<-ctx.Done()
			return nil
		})
		if err := receive(t, result, "Publish"); err != nil {
			t.Errorf("Publish = %v", err)
		}
	})
	t.Run("refuses an unknown certificate", func(t *testing.T) {
		o := quick(address)
		found := troubles(&o)
		run(t, o, func(context.Context, *mqtt.Conn) error { t.Error("served"); return nil })
		var unknown x509.UnknownAuthorityError
		if err := receive(t, found, "trouble"); !errors.As(err, &unknown) {
			t.Errorf("trouble is %v, want unknown authority", err)
		}
	})
	t.Run("judges validity by the time it is given", func(t *testing.T) {
		o := quick(address)
		o.TLS = &tls.Config{RootCAs: roots, Time: func() time.Time { return time.Unix(0, 0) }}
		found := troubles(&o)
		run(t, o, func(context.Context, *mqtt.Conn) error { t.Error("served"); return nil })
		var invalid x509.CertificateInvalidError
		if err := receive(t, found, "trouble"); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
			t.Errorf("trouble is %v, want a certificate not yet valid", err)
		}
	})
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, roots
}

func TestSubscriptionsAreAtTheQoSThatWasAskedFor(t *testing.T) {
	for atMostOnce, want := range map[bool]byte{false: 1, true: 0} {
		asked := make(chan []byte, 1)
		f := startFake(t, nil, func(p *peer) {
			p.say(connack)
			s, ok := p.packet().(*packets.SubscribePacket)
			if !ok {
				return
			}
			asked <- s.Qoss
			a := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			a.MessageID, a.ReturnCodes = s.MessageID, s.Qoss
			a.Write(p.Conn)
			p.answer()
		})
		o := quick(f.url())
		o.Subscribe, o.AtMostOnce = []string{"a/b", "a/c"}, atMostOnce
		serving := make(chan struct{}, 1)
		stop := run(t, o, func(ctx context.Context, c *mqtt.Conn) error { serving <- struct{}{}; return hold(ctx, c) })
		if got := receive(t, asked, "SUBSCRIBE"); !bytes.Equal(got, []byte{want, want}) {
			t.Errorf("at most once %v: asked for QoS %v, want %d", atMostOnce, got, want)
		}
		receive(t, serving, "the grant")
		stop()
	}
}

func TestOptionsThatCanNeverWork(t *testing.T) {
	for _, test := range []struct {
		outcome string
		change  func(o *mqtt.Options)
	}{
		{"no broker", func(o *mqtt.Options) { o.Brokers = nil }},
		{"no port", func(o *mqtt.Options) { o.Brokers = []string{"tcp://hub"} }},
		{"websocket", func(o *mqtt.Options) { o.Brokers = []string{"ws://hub:80"} }},
		{"password in the address", func(o *mqtt.Options) { o.Brokers = []string{"tcp://agent:secret@hub:1883"} }},
		{"no client id", func(o *mqtt.Options) { o.ClientID = "" }},
		{"client id with a blank", func(o *mqtt.Options) { o.ClientID = "a b" }},
		{"keep alive of half a second", func(o *mqtt.Options) { o.KeepAlive = time.Second / 2 }},
	} {
		t.Run(test.outcome, func(t *testing.T) {
			o := quick("tcp://127.0.0.1:1")
			test.change(&o)
			err := mqtt.Run(t.Context(), o, hold)
			if err == nil || t.Context().Err() != nil {
				t.Fatalf("Run = %v, want an error at once", err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func TestBrokersAreTriedInTurn(t *testing.T) {
	f := startFake(t, nil, func(p *peer) { p.say(connack); p.answer() })
	o := quick("tcp://127.0.0.1:1")
	o.Brokers = append(o.Brokers, f.url())
	up := make(chan uint32, 1)
	run(t, o, func(ctx context.Context, c *mqtt.Conn) error {
		up <- c.Connection()
		<-ctx.Done()
		return nil
	})
	if n := receive(t, up, "a connection"); n != 2 {
		t.Errorf("connected with attempt %d, want 2", n)
	}
}
