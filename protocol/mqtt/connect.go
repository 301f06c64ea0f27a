package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

const (
	// handOver is how long paho's Publish may wait for paho's writer. It is short
	// because it is also how long that call hangs when the connection ends in this
	// moment; how long a write may take is the guard's business.
	handOver = time.Second
	// parting is how long a DISCONNECT may take before the connection is cut.
	parting = 2 * time.Second
)

// connection makes one connection, serves it and takes it down again. It returns
// why it ended, nil when serve wanted so, after all its goroutines have.
func (s *supervisor) connection(ctx context.Context, broker string) error {
	// The connection outlives ctx until serve has returned, for its farewell.
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)

	c := newConn(s.number, s.o, life, end)
	o, err := s.pahoOptions(broker, c)
	if err != nil {
		return err
	}
	var line *guard
	unhook := func() bool { return true }
	o.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
		var err error
		if line, err = dial(ctx, broker, s.o, c.lose); err != nil {
			return nil, err
		}
		unhook = context.AfterFunc(ctx, func() { line.Close() })
		return line, nil
	})

	client := paho.NewClient(o)
	token := client.Connect()
	<-token.Done() // bounded by dial, by the deadline that paho sets for CONNACK, and by ctx through the hook
	defer func() { unhook() }()
	if err := token.Error(); err != nil {
		if line != nil {
			line.Close()
		}
		return connectError(broker, token.(*paho.ConnectToken).ReturnCode(), err)
	}
	// From here on paho has goroutines, and only disconnect ends them all.
	defer func() { disconnect(client, line, life) }()

	if err := s.subscribe(ctx, client, life); err != nil {
		return err
	}
	if !unhook() {
		return context.Cause(ctx)
	}
	s.connected(broker)
	return s.serveConn(ctx, client, c)
}

// serveConn runs serve and, beside it, what moves messages in and out.
func (s *supervisor) serveConn(ctx context.Context, client paho.Client, c *Conn) error {
	serving, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	unhook := context.AfterFunc(c.life, func() { stop(context.Cause(c.life)) })
	defer unhook()

	c.work.Go(func() { c.send(client) })
	c.work.Go(func() { c.inbox.deliver(c.life.Done()) })
	err := s.serve(serving, c)
	lost := context.Cause(c.life)
	c.end(errServe)
	c.work.Wait()
	switch {
	case lost != nil:
		return lost
	case err != nil:
		return fmt.Errorf("connection to the broker: %w: %w", errServe, err)
	}
	return nil
}

// pahoOptions makes the options of one client for one connection. Everything that
// paho would do by itself after a loss is off.
func (s *supervisor) pahoOptions(broker string, c *Conn) (*paho.ClientOptions, error) {
	o := paho.NewClientOptions().
		AddBroker(broker).
		SetClientID(s.o.ClientID).
		SetUsername(s.o.Username).
		SetPassword(s.o.Password).
		SetProtocolVersion(4). // else a refused CONNECT is repeated as MQTT 3.1
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetResumeSubs(false).
		SetStore(noStore{}).
		SetKeepAlive(s.o.KeepAlive).
		SetPingTimeout(s.o.PingTimeout).
		SetConnectTimeout(s.o.ConnectTimeout).
		SetWriteTimeout(handOver).
		// One goroutine calls the handler in order of arrival. A handler that waits
		// would stop everything; ours never does.
		SetOrderMatters(true).
		// Every message comes here, also one that fits no filter: without a handler
		// it would never be acknowledged and fill the broker's window.
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { c.receive(m) }).
		SetConnectionLostHandler(func(_ paho.Client, err error) { c.lose(err) })
	if s.o.Will == nil {
		return o, nil
	}
	will, err := s.o.Will(s.number)
	if err == nil {
		err = s.o.check(will)
	}
	if err != nil {
		return nil, fmt.Errorf("make the last will of connection %d: %w: %w", s.number, errServe, err)
	}
	return o.SetBinaryWill(will.Topic, will.Payload, 1, will.Retained), nil
}

// connectError names what prevented a connection. code is CONNACK's.
func connectError(broker string, code byte, err error) error {
	if code >= packets.ErrRefusedBadProtocolVersion && code <= packets.ErrRefusedNotAuthorised && code != packets.ErrRefusedServerUnavailable {
		return fmt.Errorf("connect to %s: %w: %w", broker, ErrRefused, err)
	}
	return fmt.Errorf("connect to %s: %w", broker, err)
}

// subscribe asks for all filters in one packet and checks every answer: a denied
// one looks to paho like success.
func (s *supervisor) subscribe(ctx context.Context, client paho.Client, life context.Context) error {
	if len(s.o.Subscribe) == 0 {
		return nil
	}
	qos, filters := byte(1), map[string]byte{}
	if s.o.AtMostOnce {
		qos = 0
	}
	for _, f := range s.o.Subscribe {
		filters[f] = qos
	}
	token := client.SubscribeMultiple(filters, nil)
	timer := time.NewTimer(s.o.ConnectTimeout)
	defer timer.Stop()
	select {
	case <-token.Done():
	case <-life.Done():
		return context.Cause(life)
	case <-ctx.Done(): // the hook has closed the line, which paho does not report
		return context.Cause(ctx)
	case <-timer.C:
		return fmt.Errorf("subscribe: %w", ErrNoAck)
	}
	if err := token.Error(); err != nil {
		if cause := context.Cause(life); cause != nil {
			err = cause
		}
		return fmt.Errorf("subscribe: %w", err)
	}
	granted := token.(*paho.SubscribeToken).Result()
	var denied []error
	for _, f := range s.o.Subscribe {
		if code, answered := granted[f]; !answered || code > qos {
			denied = append(denied, fmt.Errorf("%w: %s", ErrDenied, f))
		}
	}
	return errors.Join(denied...)
}

// disconnect ends a client and returns when paho's goroutines have ended. The
// broker gets a DISCONNECT if the connection is still good; if not, it is cut, so
// that the broker publishes the will.
func disconnect(client paho.Client, line *guard, life context.Context) {
	if lost := context.Cause(life); lost != nil && !errors.Is(lost, errServe) {
		line.Close()
	}
	cut := time.AfterFunc(parting, func() { line.Close() })
	defer cut.Stop()
	// The bound given here is never reached: the cut frees whatever hangs.
	client.Disconnect(uint((10 * parting).Milliseconds()))
	line.Close()
}

// noStore is paho's memory for resending after a reconnect of its own, which we
// never let it do. Keeping nothing, it also holds no message longer than needed.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}
