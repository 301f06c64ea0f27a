package mqtt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Conn is one connection, valid until serve returns. Its methods may be called by
// several goroutines at once.
type Conn struct {
	number uint32
	o      Options
	inbox  *inbox

	life context.Context         // ends with the connection
	end  context.CancelCauseFunc // of life; the first cause stays
	work sync.WaitGroup          // the connection's own goroutines

	slots chan struct{} // one token per publish that waits for the broker
	out   chan publish  // to the goroutine that hands publishes to paho
}

// publish is a message on its way to paho.
type publish struct {
	message Message
	done    chan error // buffered: whoever asked may have gone
}

func newConn(number uint32, o Options, life context.Context, end context.CancelCauseFunc) *Conn {
	return &Conn{
		number: number, o: o, inbox: newInbox(o.InboxMessages, o.InboxBytes),
		life: life, end: end,
		slots: make(chan struct{}, o.InFlight), out: make(chan publish),
	}
}

// Connection is the number of this connection, from 1 in the first Run. Attempts count
// too, because their wills may have reached the broker.
func (c *Conn) Connection() uint32 { return c.number }

// Messages gives what arrives, in order. The channel is closed when the
// connection ends, which is not yet so when Run's ctx ends: serve has to watch its
// ctx beside it. What nobody takes in time is dropped, the newest first, and
// counted by Dropped: see Options.InboxMessages.
func (c *Conn) Messages() <-chan Message { return c.inbox.out }

// Dropped counts the messages of this connection that were received and dropped
// because the inbox was full.
func (c *Conn) Dropped() uint64 { return c.inbox.dropped.Load() }

// Publish sends a message at QoS 1 and returns nil when the broker has
// acknowledged it, which does not mean that anybody received it. Of any error
// except ErrTooLarge and ErrTopic the caller must assume that the message may
// have been sent all the same. When ctx ends, Publish returns at once; the
// message keeps its place among those in flight until its fate is known.
func (c *Conn) Publish(ctx context.Context, m Message) error {
	if err := c.o.check(m); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	p := publish{message: m, done: make(chan error, 1)}
	err := context.Cause(ctx)
	if err != nil { // an ended context sends nothing, whatever else is ready
		return fmt.Errorf("publish to %s: %w", m.Topic, err)
	}
	select {
	case c.slots <- struct{}{}:
		select {
		case c.out <- p: // from here on the slot is returned by the awaiting goroutine
			select {
			case err = <-p.done:
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		case <-ctx.Done():
			<-c.slots
			err = context.Cause(ctx)
		case <-c.life.Done():
			<-c.slots
			err = c.ended()
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-c.life.Done():
		err = c.ended()
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", m.Topic, err)
	}
	return nil
}

// ended is what a publish fails with after the connection's end.
func (c *Conn) ended() error {
	if cause := context.Cause(c.life); errors.Is(cause, ErrLost) {
		return cause
	}
	return ErrLost
}

// lose ends the connection because of err.
func (c *Conn) lose(err error) { c.end(fmt.Errorf("%w: %w", ErrLost, err)) }

// receive is called by paho for every message, in order. It must not wait.
func (c *Conn) receive(m paho.Message) {
	dropped := c.inbox.put(Message{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained()})
	if dropped == 1 {
		c.o.Logger.Warn("messages arrive faster than they are taken, dropping the newest", "client", c.o.ClientID, "connection", c.number)
	}
}

// send hands publishes to paho, one after the other: paho's Publish cannot be
// interrupted, so no caller may sit in it.
func (c *Conn) send(client paho.Client) {
	for {
		select {
		case p := <-c.out:
			token := c.hand(client, p.message)
			c.work.Go(func() {
				p.done <- c.await(token)
				<-c.slots
			})
		case <-c.life.Done():
			return
		}
	}
}

// hand gives a message to paho. While paho's writer is busy with a slow line the
// call fails after handOver and is made again; nothing of the failed call can be
// sent later, because paho has nowhere to keep it.
func (c *Conn) hand(client paho.Client, m Message) paho.Token {
	for {
		began := time.Now()
		token := client.Publish(m.Topic, 1, m.Retained, m.Payload)
		select {
		case <-token.Done():
		default:
			return token
		}
		if token.Error() == nil || time.Since(began) < handOver || c.life.Err() != nil || !client.IsConnectionOpen() {
			return token
		}
	}
}

// await waits for the broker's acknowledgement of one publish.
func (c *Conn) await(token paho.Token) error {
	timer := time.NewTimer(c.o.AckTimeout)
	defer timer.Stop()
	select {
	case <-token.Done():
	case <-timer.C:
		// Such a broker is of no use, and paho would remember the message for the
		// rest of the connection.
		c.lose(ErrNoAck)
		return ErrNoAck
	case <-c.life.Done():
		select {
		case <-token.Done(): // acknowledged before the end
		default:
			return c.ended()
		}
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return nil
}
