// Package mqtt is the carrier of messages over MQTT 3.1.1, used by agent and hub
// alike and for every broker.
//
// It knows connections: making them, noticing their loss, subscribing,
// publishing, waiting before the next attempt. It is the one place that imports
// paho, and every trap of paho is closed here. It must not know what a message
// means, and it keeps nothing on disk.
//
// Beware: an acknowledgement is not a delivery. Brokers acknowledge and then drop
// for a slow subscriber, and this package itself drops what nobody takes from
// [Conn.Messages]. Only the hub's signed receipt says that a punch is safe, so
// nothing may be forgotten because Publish returned nil.
//
// How it works: every connection has a paho client of its own, without a session
// at the broker and without paho's own reconnecting. That way a publish whose
// fate is unknown ends in an error and is never sent again behind our back: after
// a reconnect of its own, paho reports success for messages that no broker has
// seen.
//
//	Run ─▶ connect: will, dial, guard, CONNECT, SUBSCRIBE, every answer checked
//	    ─▶ serve(ctx, Conn): one goroutine hands publishes to paho, one hands messages out
//	    ─▶ DISCONNECT or loss, wait for all of it, back off, again
package mqtt

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Message is one publication.
type Message struct {
	Topic   string
	Payload []byte
	// Retained asks the broker to keep the message as the topic's newest; an
	// empty payload clears the topic. In a received message it says that this is
	// the kept copy, sent because of our subscription; what was published while
	// we were subscribed has false.
	Retained bool
}

// The ways in which a connection or a message fails. Compare with errors.Is.
var (
	ErrLost     = errors.New("connection to the broker lost")
	ErrRefused  = errors.New("the broker refuses the connection")
	ErrDenied   = errors.New("the broker denies a subscription")
	ErrTaken    = errors.New("the broker ends every connection soon after it began: another client probably uses the same client id")
	ErrPacket   = errors.New("the broker announced a packet that is not allowed")
	ErrNoAck    = errors.New("the broker does not acknowledge")
	ErrTooLarge = errors.New("message too large")
	ErrTopic    = errors.New("not a topic that every broker accepts")
)

// MaxTopic is the length of the longest topic, in bytes.
const MaxTopic = 256

// Options say to whom and how to connect. Zero durations and limits mean the
// default named beside them.
type Options struct {
	// Brokers are addresses tcp://host:port or ssl://host:port, tried in turn.
	Brokers            []string
	Before             uint32 // how many connections were numbered before this Run: its first one is the next
	ClientID           string // unique at the broker: letters, digits, hyphen, underscore
	Username, Password string
	// TLS is for ssl:// addresses. A machine whose clock cannot be trusted sets
	// its Time; ServerName defaults to the address's host.
	TLS *tls.Config

	// Will makes the message that the broker publishes when the connection is
	// lost. It is called anew for every connection, because the message says
	// which connection it belongs to. Nil: none.
	Will func(connection uint32) (Message, error)
	// Subscribe are filters, all at QoS 1. serve is called after the broker has
	// granted every one of them.
	Subscribe []string
	// AtMostOnce subscribes at QoS 0 instead, so that the broker has nothing to keep
	// for this client. The embedded one makes a store of its own for each filter at
	// QoS 1, and with thousands of clients who come back at once it does not get to
	// the end of that. It is for those who ask again for what they need.
	AtMostOnce bool

	MaxPayload    int // bytes, both directions: 256 KiB
	InFlight      int // publishes that wait for the broker at once: 64
	InboxMessages int // messages received and not yet taken: 4096
	InboxBytes    int // the same in bytes: 32 MiB

	// The times suit lines of 20 kbit/s and more, where a ping waits behind
	// whole segments. On Linux, and while anything is on its way, a dead line is
	// noticed after WriteTimeout already, because the kernel watches the peer's
	// TCP acknowledgements.
	KeepAlive      time.Duration // silence after which a ping is sent, whole seconds: 30 s
	PingTimeout    time.Duration // 60 s
	ConnectTimeout time.Duration // address, handshakes, CONNACK; then again SUBACK: 30 s
	WriteTimeout   time.Duration // without the line taking a byte: 30 s
	AckTimeout     time.Duration // from Publish to PUBACK: 2 min

	BackoffMin time.Duration // upper bound of the first wait, doubling: 1 s
	BackoffMax time.Duration // upper bound of all waits: 90 s
	Stable     time.Duration // a connection that lasted this long starts the waits anew: 60 s

	// OnTrouble is called from Run with every failure, and with nil when a
	// connection is up. It must not block. (The log tells a repeated failure once.)
	OnTrouble func(error)
	Logger    *slog.Logger // nil: silent
}

// defaultTo sets *v where the caller left it zero.
func defaultTo[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// complete fills in the defaults and refuses options that can never work.
func (o Options) complete() (Options, error) {
	defaultTo(&o.MaxPayload, 256<<10)
	defaultTo(&o.InFlight, 64)
	defaultTo(&o.InboxMessages, 4096)
	defaultTo(&o.InboxBytes, 32<<20)
	defaultTo(&o.KeepAlive, 30*time.Second)
	defaultTo(&o.PingTimeout, 60*time.Second)
	defaultTo(&o.ConnectTimeout, 30*time.Second)
	defaultTo(&o.WriteTimeout, 30*time.Second)
	defaultTo(&o.AckTimeout, 2*time.Minute)
	defaultTo(&o.BackoffMin, time.Second)
	defaultTo(&o.BackoffMax, 90*time.Second)
	defaultTo(&o.Stable, time.Minute)
	if o.OnTrouble == nil {
		o.OnTrouble = func(error) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}

	if len(o.Brokers) == 0 {
		return o, errors.New("mqtt options: no broker")
	}
	for _, b := range o.Brokers {
		if _, err := parseBroker(b); err != nil {
			return o, fmt.Errorf("mqtt options: %w", err)
		}
	}
	if o.ClientID == "" || strings.Trim(o.ClientID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return o, fmt.Errorf("mqtt options: client id %q: want letters, digits, hyphen and underscore", o.ClientID)
	}
	if o.KeepAlive < time.Second || o.KeepAlive%time.Second != 0 {
		return o, fmt.Errorf("mqtt options: keep alive %v: MQTT counts it in whole seconds", o.KeepAlive)
	}
	return o, nil
}

// parseBroker reads an address. Credentials have their own options, so that an
// address can be logged.
func parseBroker(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("broker address: want tcp://host:port or ssl://host:port") // err may show a password
	}
	if u.Scheme != "tcp" && u.Scheme != "ssl" || u.Hostname() == "" || u.Port() == "" || u.User != nil || u.Path != "" {
		return nil, fmt.Errorf("broker address %q: want tcp://host:port or ssl://host:port", u.Redacted())
	}
	return u, nil
}

// check refuses on our side what some broker would answer by ending the
// connection, because MQTT 3.1.1 has no other way to refuse a publication.
func (o Options) check(m Message) error {
	if len(m.Payload) > o.MaxPayload {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(m.Payload), o.MaxPayload)
	}
	if m.Topic == "" || len(m.Topic) > MaxTopic || m.Topic[0] == '$' {
		return fmt.Errorf("%w: %.300q", ErrTopic, m.Topic)
	}
	for level := range strings.SplitSeq(m.Topic, "/") {
		if level == "" || strings.ContainsFunc(level, func(r rune) bool {
			return r <= ' ' || r >= 0x7f || r == '+' || r == '#' || r == '.' || r == '*' || r == '>'
		}) {
			return fmt.Errorf("%w: %q", ErrTopic, m.Topic)
		}
	}
	return nil
}
