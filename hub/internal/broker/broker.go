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
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
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
	// forgotten is after how long the engine gives up what it kept for a client
	// that vanished. No client here uses a session, so nobody comes back for it.
	forgotten = 5 * time.Minute
)

// Broker is a running embedded broker.
type Broker struct {
	server     *server.Server
	address    netip.AddrPort
	movedAside string
}

// Start returns when the broker accepts clients. If it cannot start on what it
// finds in the folder, it puts the folder aside, see MovedAside, and starts empty.
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
	b, err := start(ctx, o, address)
	if err == nil || ctx.Err() != nil {
		return b, err
	}
	aside := o.Dir + time.Now().UTC().Format(".unreadable-20060102T150405.000")
	if moveErr := os.Rename(o.Dir, aside); moveErr != nil {
		return nil, errors.Join(err, fmt.Errorf("put the broker's folder aside: %w", moveErr))
	}
	o.Logger.Warn("the broker cannot start on its folder: put aside, starting empty", "aside", aside, "err", err)
	if b, err = start(ctx, o, address); err != nil {
		return nil, err
	}
	b.movedAside = aside
	return b, nil
}

// start makes one attempt.
func start(ctx context.Context, o Options, address netip.AddrPort) (*Broker, error) {
	if err := forget(o.Dir); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	options := settings(o, address)
	engine, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	log := &logger{slog: o.Logger}
	engine.SetLoggerV2(log, false, false, false)
	engine.Start()
	b := &Broker{server: engine, address: netip.AddrPortFrom(address.Addr(), uint16(options.MQTT.Port))}
	if fatal := log.fatal.Load(); fatal != nil {
		err = *fatal
	} else {
		err = probe(ctx, b.address)
	}
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("start broker: %w", err)
	}
	return b, nil
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
		MQTT: server.MQTTOpts{
			Host: address.Addr().String(),
			Port: port,
			// What the engine remembers of a subscription dies with the connection.
			ConsumerMemoryStorage:     true,
			ConsumerInactiveThreshold: forgotten,
		},
	}
}

// forget removes what the engine kept beside the retained messages: sessions and
// messages for them. No client of ours has a session, so it is of no use, and a
// damaged session would shut out its client for good.
func forget(dir string) error {
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	entries, err := os.ReadDir(streams)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.Name() != "$MQTT_rmsgs" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(streams, e.Name())))
		}
	}
	return err
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

// URL is the broker's address for clients: tcp://host:port.
func (b *Broker) URL() string { return "tcp://" + b.address.String() }

// MovedAside is the folder into which Start put a former state that the engine
// could not read, or empty.
func (b *Broker) MovedAside() string { return b.movedAside }

// Close ends all connections and returns when the engine has ended.
func (b *Broker) Close() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
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
