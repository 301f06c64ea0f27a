package zk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// Options say how to reach a terminal.
type Options struct {
	Address   string        // host:port; without a port 4370
	Network   string        // tcp or udp; empty is tcp
	CommKey   uint32        // communication key, 0 for none
	Timeout   time.Duration // longest silence while an answer is due; 0 is 10 s
	Lenient   bool          // take packets with a wrong checksum
	ChunkSize int           // bytes of a prepared data set asked for at once; 0 is what the network suits
}

const (
	defaultPort    = "4370"
	defaultTimeout = 10 * time.Second
	closeWait      = time.Second
)

var (
	// ErrKey says that the terminal refused the communication key, or wants one.
	ErrKey = errors.New("communication key refused")
	// ErrSilent says that an answer did not come in time. The session can go on: an
	// answer that comes late is passed over.
	ErrSilent = errors.New("no answer in time")
	// ErrGarbled says that an answer was cut, doubled, or did not add up to what it
	// announced.
	ErrGarbled = errors.New("garbled answer")
	// ErrBusy says that a data set is open; one at a time can be.
	ErrBusy = errors.New("a data set is open")
)

// Refusal is the terminal's answer when it did not do what was asked; the session goes
// on.
type Refusal struct {
	Command Code
	Code    Code
}

// Error names the command and the code.
func (r *Refusal) Error() string {
	return fmt.Sprintf("terminal answered %s with %s", r.Command, r.Code)
}

// Conn is a session with a terminal. Most terminals serve one at a time.
//
// Its methods can be called from several goroutines; they wait for each other, since a
// terminal does one thing at a time. A context that ends interrupts the method at
// once, and the session goes on.
type Conn struct {
	line    carrier
	options Options

	turn chan struct{} // holds one token while a request is in flight
	gone chan struct{} // closed by Close
	once sync.Once

	// What follows belongs to who holds the turn.
	session  uint16
	reply    uint16 // id of the next request
	broken   error  // what ended the line
	disabled bool   // by us
	open     bool   // a data set is prepared
	noEndAck bool   // the terminal does not end its transfers with an ACK_OK
	keyed    bool   // it asked for the communication key
	events   []Event
	unwatch  func() // ends what interrupts the method at the end of its context
}

// Dial connects, authenticates, and enables the terminal in case a client before us
// died and left it disabled. A wrong key is ErrKey; whatever else lives at the address
// is ErrMagic or ErrAccessPanel.
func Dial(ctx context.Context, options Options) (*Conn, error) {
	c, err := open(ctx, options, (*Conn).login)
	if err != nil {
		return nil, fmt.Errorf("connect to terminal at %s: %w", options.Address, err)
	}
	return c, nil
}

// open dials and lets begin start the session.
func open(ctx context.Context, options Options, begin func(*Conn, context.Context) error) (*Conn, error) {
	if options.Network == "" {
		options.Network = "tcp"
	}
	if options.Timeout <= 0 {
		options.Timeout = defaultTimeout
	}
	if _, _, err := net.SplitHostPort(options.Address); err != nil {
		options.Address = net.JoinHostPort(options.Address, defaultPort)
	}
	dialing, cancel := context.WithTimeout(ctx, options.Timeout)
	defer cancel()
	line, err := openCarrier(dialing, options.Network, options.Address)
	if err != nil {
		return nil, err
	}
	c := newConn(line, options)
	if err := c.do(ctx, func(ctx context.Context) error { return begin(c, ctx) }); err != nil {
		line.close()
		return nil, err
	}
	return c, nil
}

// newConn is a session that is not open yet.
func newConn(line carrier, options Options) *Conn {
	if options.ChunkSize <= 0 || options.ChunkSize > line.chunk() {
		options.ChunkSize = line.chunk()
	}
	return &Conn{line: line, options: options, turn: make(chan struct{}, 1), gone: make(chan struct{})}
}

// login opens the session and enables the terminal.
func (c *Conn) login(ctx context.Context) error {
	if err := c.enter(ctx); err != nil {
		return err
	}
	var refusal *Refusal
	if err := c.command(ctx, CmdEnable, nil); err != nil && !errors.As(err, &refusal) {
		return err
	}
	return nil
}

// enter opens the session.
func (c *Conn) enter(ctx context.Context) error {
	p, err := c.ask(ctx, CmdConnect, nil)
	if err != nil {
		return err
	}
	c.session = p.Session
	switch p.Code {
	case AckOK:
	case AckUnauth:
		scrambled := Scramble(c.options.CommKey, c.session, 50)
		if err := c.command(ctx, CmdAuth, scrambled[:]); err != nil {
			if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
				return fmt.Errorf("%w: %w", ErrKey, err)
			}
			return err
		}
		c.keyed = true
	default:
		return &Refusal{CmdConnect, p.Code}
	}
	return nil
}

// Keyed tells whether the terminal asked for the communication key. One that has none
// lets everybody in, whatever key they bring.
func (c *Conn) Keyed() bool { return c.keyed }

// Close enables the terminal if this session disabled it, says goodbye and closes the
// line, all within a second. A method under way in another goroutine is interrupted if
// it does not end by then.
func (c *Conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeWait)
		defer cancel()
		// Whether the terminal answers a goodbye changes nothing.
		_ = c.do(ctx, func(ctx context.Context) error {
			if c.open {
				c.open = false
				_ = c.command(ctx, FreeData, nil)
			}
			if c.disabled {
				_ = c.command(ctx, CmdEnable, nil)
			}
			return c.command(ctx, CmdExit, nil)
		})
		close(c.gone)
		err = c.line.close()
	})
	return err
}

// do waits for the turn and runs f, whose reads and writes end at once when ctx does.
func (c *Conn) do(ctx context.Context, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.gone:
		return net.ErrClosed
	}
	defer func() { <-c.turn }()
	select {
	case <-c.gone:
		return net.ErrClosed
	default:
	}
	if c.broken != nil {
		return c.broken
	}
	c.unwatch = c.watch(ctx)
	defer func() { c.unwatch() }()
	return f(ctx)
}

// watch interrupts what is read or written when ctx ends, until the function it returns
// is called; after that nothing of it is under way any more.
func (c *Conn) watch(ctx context.Context) (unwatch func()) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = c.line.setDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-interrupted // or it would cut short who comes next
		}
	}
}

// nextReply gives the id of a new request; 65535 is never used.
func (c *Conn) nextReply() uint16 {
	reply := c.reply
	c.reply++
	if c.reply == 0xFFFF {
		c.reply = 0
	}
	return reply
}

// send writes one packet; a line that does not take it is over.
func (c *Conn) send(ctx context.Context, p Packet) error {
	_ = c.line.setDeadline(time.Now().Add(c.options.Timeout))
	if err := ctx.Err(); err != nil {
		return err
	}
	err := c.line.send(p)
	if err == nil {
		return nil
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.broken = err
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return ErrSilent
}

// receive gives the next packet that is no event, until the deadline. Events are
// acknowledged and kept.
func (c *Conn) receive(ctx context.Context, deadline time.Time) (Packet, error) {
	for {
		p, err := c.next(ctx, deadline)
		if err != nil || p.Code != RegEvent {
			return p, err
		}
		if err := c.keepEvent(ctx, p); err != nil {
			return Packet{}, err
		}
	}
}

// next gives the next packet, until the deadline (zero: none).
func (c *Conn) next(ctx context.Context, deadline time.Time) (Packet, error) {
	_ = c.line.setDeadline(deadline)
	// The order matters: an end of ctx after this check sets the deadline anew.
	if err := ctx.Err(); err != nil {
		return Packet{}, err
	}
	p, err := c.line.receive()
	switch {
	case err == nil || c.options.Lenient && errors.Is(err, ErrChecksum):
		return p, nil
	case errors.Is(err, ErrChecksum):
		return Packet{}, err
	case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
		return Packet{}, ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Packet{}, ErrSilent
	}
	c.broken = err
	return Packet{}, err
}
