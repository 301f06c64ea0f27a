// Package broker is the MQTT broker inside the hub: nats-server in this process,
// with nothing open to the network but its MQTT listener on loopback.
//
// It knows the engine's settings and its folder. It must not know what travels:
// the hub is an ordinary client of it, so that any other broker is a setting.
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
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Options of the embedded broker.
type Options struct {
	Dir string // its folder; made when it is not there
	// Listen is host:port, port 0 for a free one. Only loopback is allowed, because
	// there is neither TLS nor anybody's identity on this listener.
	Listen    string
	MaxStore  int64        // bytes on disk: 1 GiB
	MaxMemory int64        // bytes of memory for streams: 64 MiB
	Logger    *slog.Logger // nil: silent
}

// Limits of the engine. The contract's largest message is 256 KiB; a packet has a
// topic of at most 256 bytes and the engine's own headers beside it.
const (
	maxPacket      = 256<<10 + 4<<10
	maxConnections = 2048
	// maxSubscriptions is for all clients together; the engine's own default is 1000,
	// which agents with their six or seven have used up when 150 of them are there.
	maxSubscriptions = 16 * maxConnections
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
	address, err := loopback(o.Listen)
	if err != nil {
		return nil, err
	}
	if err := available(ctx, address); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	b := &Broker{options: o, address: address}
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
	settings := settings(b.options, b.address)
	engine, err := server.NewServer(settings)
	if err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	log := &logger{slog: b.options.Logger}
	engine.SetLoggerV2(log, false, false, false)
	engine.Start()
	if b.address.Port() == 0 { // the first time; from then on it stays
		b.address = netip.AddrPortFrom(b.address.Addr(), uint16(settings.MQTT.Port))
	}
	if fatal := log.fatal.Load(); fatal != nil {
		err = *fatal
	} else if err = probe(ctx, b.address); err == nil {
		err = bound(ctx, engine, b.options.MaxStore)
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
		if before == nil {
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

// URL is the broker's address for clients: tcp://host:port.
func (b *Broker) URL() string { return "tcp://" + b.address.String() }

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
func settings(o Options, address netip.AddrPort) *server.Options {
	port := int(address.Port())
	if port == 0 {
		port = server.RANDOM_PORT // the engine writes here which one it took
	}
	return &server.Options{
		ServerName:         "sidik-hub",
		DontListen:         true, // no port for NATS' own protocol
		NoSigs:             true, // signals are the program's
		MaxConn:            maxConnections,
		MaxPayload:         maxPacket,
		JetStream:          true,
		StoreDir:           o.Dir,
		JetStreamMaxStore:  o.MaxStore,
		JetStreamMaxMemory: o.MaxMemory,
		JetStreamLimits:    server.JSLimitOpts{DefaultMaxConsumers: maxSubscriptions},
		MQTT: server.MQTTOpts{
			Host: address.Addr().String(),
			Port: port,
			// What the engine remembers of a subscription dies with the connection.
			ConsumerMemoryStorage:     true,
			ConsumerInactiveThreshold: forgotten,
		},
	}
}

// loopback reads an address and refuses every one that others can reach.
func loopback(listen string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("broker address %q: want 127.0.0.1:port", listen)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, ipErr := netip.ParseAddr(host)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if ipErr != nil || portErr != nil {
		return netip.AddrPort{}, fmt.Errorf("broker address %q: want 127.0.0.1:port", listen)
	}
	if !ip.IsLoopback() {
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

// logger carries the engine's log to ours. It answers Fatalf by remembering the
// error; the engine's own loggers would end the process.
type logger struct {
	slog  *slog.Logger
	fatal atomic.Pointer[error]
}

func (l *logger) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	l.fatal.CompareAndSwap(nil, &err)
}

func (l *logger) Errorf(format string, v ...any) {
	l.slog.Error("broker: " + fmt.Sprintf(format, v...))
}
func (l *logger) Warnf(format string, v ...any) { l.slog.Warn("broker: " + fmt.Sprintf(format, v...)) }
func (l *logger) Noticef(format string, v ...any) {
	l.slog.Debug("broker: " + fmt.Sprintf(format, v...))
}
func (l *logger) Debugf(string, ...any) {}
func (l *logger) Tracef(string, ...any) {}
