// Package broker is the MQTT broker inside the hub: nats-server in this process,
// with nothing open to the network but its MQTT listener. Without [Access] that is on
// loopback; with it, TLS and rights for each client, it may be anywhere.
//
// It knows the engine's settings and its folder, and how the engine refuses somebody.
// It must not know what travels, or who is admitted: the hub is an ordinary client of
// it, so that any other broker is a setting.
//
// Beware: nothing in its folder is worth keeping. Retained messages are published
// anew from the hub's database at every start, and punches are kept by the agents
// until the hub's receipt. So the folder is no part of a backup, and where the
// engine cannot start on it, it is put aside and a new one begun.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
)

// Options of the embedded broker.
type Options struct {
	Dir string // its folder; made when it is not there
	// Listen is host:port, port 0 for a free one. Without Access only loopback is
	// allowed, because there is then neither TLS nor anybody's identity on the listener.
	Listen    string
	Access    *Access       // nil: without TLS, everybody may do everything
	Patience  time.Duration // with Access: until TLS, and then CONNECT, are done: 20 s each
	MaxStore  int64         // bytes on disk: 1 GiB
	MaxMemory int64         // bytes of memory for streams: 64 MiB
	Logger    *slog.Logger  // nil: silent
}

// Limits of the engine. The contract's largest message is 256 KiB; a packet has a
// topic of at most 256 bytes and the engine's own headers beside it.
const (
	maxPacket      = 256<<10 + 4<<10
	maxConnections = 8192
	// maxSubscriptions is for all clients together; the engine's own default is 1000,
	// which agents with their six or seven have used up when 150 of them are there.
	maxSubscriptions = 16 * maxConnections
	// maxOwn is for one client: an agent uses some twenty of them, because the engine
	// makes two to four of each filter.
	maxOwn = 128
	// forgotten is after how long the engine gives up what it kept for a client
	// that vanished. No client here uses a session, so nobody comes back for it.
	forgotten = 5 * time.Minute
)

// watchEvery is how often the engine's health is looked at, and the shortest wait
// between two attempts to start it anew; a failed attempt doubles it up to a minute.
const watchEvery = 2 * time.Second

// looks is how often something must be wrong in a row before it counts, and lookAgain
// how long after each.
const (
	looks     = 5
	lookAgain = 50 * time.Millisecond
)

// Broker is a running embedded broker.
type Broker struct {
	options Options
	address netip.AddrPort
	strange *strangers
	gate    *gate // nil: without Access

	stop context.CancelFunc
	work sync.WaitGroup

	mu         sync.Mutex // guards what follows
	engine     *server.Server
	movedAside string
	trouble    error
}

// Start returns when the broker accepts clients. If it cannot start on what it
// finds in the folder, it puts the folder aside, see MovedAside, and starts empty.
//
// While it runs it looks after the engine: that gives up its storage for good when
// the disk was full for a moment, and is then started anew at the same address.
func Start(ctx context.Context, o Options) (*Broker, error) {
	if o.MaxStore == 0 {
		o.MaxStore = 1 << 30
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 64 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Patience == 0 {
		o.Patience = 20 * time.Second
	}
	address, err := parseListen(o.Listen, o.Access == nil)
	if err != nil {
		return nil, err
	}
	if err := available(ctx, address); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	b := &Broker{options: o, address: address, strange: newStrangers(o.Logger)}
	if o.Access != nil {
		b.gate = newGate(o, b.strange)
	}
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	ctx, b.stop = context.WithCancel(context.WithoutCancel(ctx))
	b.work.Go(func() { b.watch(ctx) })
	return b, nil
}

// open starts the engine, on an empty folder if it must.
func (b *Broker) open(ctx context.Context) error {
	err := b.attempt(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if full := writable(b.options.Dir); full != nil {
		return errors.Join(err, full) // an empty folder would not help
	}
	aside, moveErr := putAside(b.options.Dir)
	if moveErr != nil {
		return errors.Join(err, moveErr)
	}
	b.options.Logger.Warn("the broker cannot start on its folder: put aside, starting empty", "aside", aside, "err", err)
	if err := b.attempt(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.movedAside = aside
	return nil
}

// attempt starts the engine on the folder as it is.
func (b *Broker) attempt(ctx context.Context) error {
	if err := forget(b.options.Dir); err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	settings, err := b.settings()
	if err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	engine, err := server.NewServer(settings)
	if err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	if b.gate != nil {
		b.gate.guard(engine)
	}
	log := &logger{slog: b.options.Logger, strange: b.strange}
	engine.SetLoggerV2(log, true, false, false)
	engine.Start()
	if b.address.Port() == 0 { // the first time; from then on it stays
		b.address = netip.AddrPortFrom(b.address.Addr(), uint16(settings.MQTT.Port))
	}
	if fatal := log.fatal.Load(); fatal != nil {
		err = *fatal
	} else if err = b.probe(ctx); err == nil {
		err = b.bound(ctx, engine)
	}
	if err == nil {
		err = healthy(ctx, engine)
	}
	if err != nil {
		end(engine)
		return fmt.Errorf("start broker: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.engine = engine
	return nil
}

// end stops an engine and waits for it.
func end(engine *server.Server) {
	engine.Shutdown()
	engine.WaitForShutdown()
}

// healthy reports whether the engine's storage works.
func healthy(ctx context.Context, engine *server.Server) error {
	return lasting(ctx, func() error {
		if h := engine.Healthz(nil); h.Error != "" {
			return errors.New(h.Error)
		}
		return nil
	})
}

// lasting is what is wrong when it is wrong at every one of several looks. The engine
// gives itself a millisecond to say that it is well, which a busy machine may let pass;
// to start it anew for that would throw out everybody who is connected.
func lasting(ctx context.Context, look func() error) (err error) {
	for range looks {
		if err = look(); err == nil {
			return nil
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// watch starts the engine anew when it has given up its storage, until ctx ends.
func (b *Broker) watch(ctx context.Context) {
	for wait := watchEvery; ; {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		b.mu.Lock()
		engine, before := b.engine, b.trouble
		b.mu.Unlock()
		b.strange.sweep(time.Now())
		if before == nil {
			if b.gate != nil {
				b.gate.look(time.Now())
			}
			failure := healthy(ctx, engine)
			if failure == nil {
				continue
			}
			if ctx.Err() != nil {
				return
			}
			b.options.Logger.Error("the broker's storage has failed, starting it anew", "err", failure)
			end(engine)
		}
		err := b.open(ctx)
		b.mu.Lock()
		b.trouble = err
		b.mu.Unlock()
		if err != nil {
			wait = min(2*wait, time.Minute)
			continue
		}
		wait = watchEvery
		b.options.Logger.Info("the broker works again")
	}
}

// Trouble is why the broker does not work at present, or nil.
func (b *Broker) Trouble() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trouble
}

// URL is the broker's address for clients on this machine: ssl://host:port with Access,
// tcp://host:port without.
func (b *Broker) URL() string {
	if b.gate != nil {
		return "ssl://" + b.local()
	}
	return "tcp://" + b.local()
}

// local is where this machine reaches the listener, also when it is on all addresses.
func (b *Broker) local() string {
	ip := b.address.Addr()
	switch ip {
	case netip.IPv4Unspecified():
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case netip.IPv6Unspecified():
		ip = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(ip, b.address.Port()).String()
}

// End ends all connections of a subject, and returns how many there were. Whoever
// withdraws somebody's admission does that before: End waits for those who are being
// admitted meanwhile.
func (b *Broker) End(s authority.Subject) (connections int) {
	if b.gate == nil {
		return 0
	}
	return b.gate.end(s)
}

// MovedAside is the folder into which a former state was put that the engine could
// not read, or empty.
func (b *Broker) MovedAside() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.movedAside
}

// Close ends all connections and returns when the engine has ended.
func (b *Broker) Close() {
	b.stop()
	b.work.Wait()
	end(b.engine)
}

// settings are the engine's options.
func (b *Broker) settings() (*server.Options, error) {
	o, port := b.options, int(b.address.Port())
	if port == 0 {
		port = server.RANDOM_PORT // the engine writes here which one it took
	}
	settings := &server.Options{
		ServerName:         "sidik-hub",
		DontListen:         true, // no port for NATS' own protocol
		NoSigs:             true, // signals are the program's
		MaxConn:            maxConnections,
		MaxSubs:            maxOwn,
		MaxPayload:         maxPacket,
		JetStream:          true,
		StoreDir:           o.Dir,
		JetStreamMaxStore:  o.MaxStore,
		JetStreamMaxMemory: o.MaxMemory,
		JetStreamLimits:    server.JSLimitOpts{DefaultMaxConsumers: maxSubscriptions},
		MQTT: server.MQTTOpts{
			Host: b.address.Addr().String(),
			Port: port,
			// What the engine remembers of a subscription dies with the connection.
			ConsumerMemoryStorage:     true,
			ConsumerInactiveThreshold: forgotten,
		},
	}
	if b.gate == nil {
		return settings, nil
	}
	settings.CustomClientAuthentication = b.gate
	settings.MaxClosedClients = closedKept
	settings.MQTT.TLSConfig = o.Access.TLS
	settings.MQTT.TLSTimeout = o.Patience.Seconds()
	settings.MQTT.AuthTimeout = o.Patience.Seconds()
	// Nobody here publishes at QoS 2, for which the engine would keep every message
	// before it asks for the right to it.
	return settings, settings.ProcessConfigString("mqtt { reject_qos2_publish: true }")
}

// parseListen reads the address of a listener, and where it must be loopback refuses
// every one that others can reach.
func parseListen(listen string, mustBeLoopback bool) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("broker address %q: want an IP address and a port, such as 127.0.0.1:1883", listen)
	}
	switch host {
	case "localhost":
		host = "127.0.0.1"
	case "":
		host = "0.0.0.0"
	}
	ip, ipErr := netip.ParseAddr(host)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if ipErr != nil || portErr != nil {
		return netip.AddrPort{}, fmt.Errorf("broker address %q: want an IP address and a port, such as 127.0.0.1:1883", listen)
	}
	if mustBeLoopback && !ip.IsLoopback() {
		return netip.AddrPort{}, fmt.Errorf("broker address %q: only loopback (127.0.0.1) is allowed, because this listener has neither encryption nor accounts", listen)
	}
	return netip.AddrPortFrom(ip, uint16(number)), nil
}

// available finds out whether the address is taken, which the engine would report
// like a broken folder.
func available(ctx context.Context, address netip.AddrPort) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address.String())
	if err != nil {
		return err
	}
	return l.Close()
}
