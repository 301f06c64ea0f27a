package mqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"time"
)

// Run keeps a connection to the broker until ctx ends and returns ctx's cause.
// Before that it returns only for options that can never work. Whatever else
// fails is tried again: an office has nobody who would start the agent anew, and
// a right that the broker denies today an operator may grant tomorrow.
//
// serve is called once per connection, when all subscriptions are granted. Its
// ctx ends when the connection is lost, with an ErrLost as cause, or when Run's
// ctx ends; serve has to return then. Its return ends the connection in order, so
// that the broker does not publish the will; then a new one is made after a wait.
// A farewell is possible when Run's ctx has ended: until serve returns, Publish
// works with a context.WithoutCancel(ctx) that has a timeout.
//
// When Run returns, nothing that it started is running.
func Run(ctx context.Context, o Options, serve func(ctx context.Context, c *Conn) error) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	s := supervisor{o: o, serve: serve, number: o.Before}
	for ctx.Err() == nil {
		broker := o.Brokers[int(s.number)%len(o.Brokers)]
		s.number++
		s.up = time.Time{}
		err := s.connection(ctx, broker)
		if ctx.Err() != nil {
			break
		}
		if s.stable() {
			s.attempts, s.losses, s.trouble = 0, nil, nil
		}
		s.failed(broker, s.flapping(err))
		select {
		case <-time.After(s.wait(err)):
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// supervisor is what Run remembers from one connection to the next. Only Run's
// goroutine touches it.
type supervisor struct {
	o     Options
	serve func(context.Context, *Conn) error

	number   uint32      // of the connection or attempt
	up       time.Time   // since when the connection serves; zero: it never did
	attempts int         // since the last stable connection
	losses   []time.Time // of connections that the broker ended early, at most 3

	trouble  error // the class of the last failure; nil: none since the last success
	failures int   // in a row
}

// wait is a random time up to a bound that doubles with every attempt, so that
// hundreds of agents do not return together after the hub was away. What only a
// person can mend is tried at the slowest pace.
func (s *supervisor) wait(err error) time.Duration {
	bound := s.o.BackoffMin
	for range s.attempts {
		if bound *= 2; bound >= s.o.BackoffMax {
			bound = s.o.BackoffMax
			break
		}
	}
	s.attempts++
	if errors.Is(err, ErrDenied) || errors.Is(err, ErrRefused) {
		return s.o.BackoffMax/2 + rand.N(s.o.BackoffMax/2)
	}
	return rand.N(bound)
}

// stable reports whether the connection that just ended had lasted.
func (s *supervisor) stable() bool { return !s.up.IsZero() && time.Since(s.up) >= s.o.Stable }

// flapping adds ErrTaken to the third loss within a minute of a connection that
// the broker itself ended soon after it began: that is how two clients with one
// id see each other, taking turns for ever.
func (s *supervisor) flapping(err error) error {
	byBroker := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	if s.up.IsZero() || s.stable() || !errors.Is(err, ErrLost) || !byBroker {
		return err
	}
	s.losses = append(s.losses, time.Now())
	if len(s.losses) < 3 {
		return err
	}
	third := s.losses[0]
	s.losses = s.losses[1:]
	if time.Since(third) > time.Minute {
		return err
	}
	return fmt.Errorf("%w: %w", ErrTaken, err)
}

// errServe is the class of what serve itself returned.
var errServe = errors.New("ended by its user")

// class finds the kind of trouble: a repeated one is not logged again although its
// text may differ in a port number.
func class(err error) error {
	for _, c := range []error{ErrTaken, ErrDenied, ErrRefused, ErrPacket, ErrNoAck, errServe} {
		if errors.Is(err, c) {
			return c
		}
	}
	return ErrLost
}

// failed tells a failure, in the log once per class until a connection is up.
func (s *supervisor) failed(broker string, err error) {
	if err == nil {
		return
	}
	s.failures++
	if c := class(err); c != s.trouble {
		s.trouble = c
		s.o.Logger.Warn("no connection to the broker, trying again", "broker", broker, "client", s.o.ClientID, "connection", s.number, "err", err)
	}
	s.o.OnTrouble(err)
}

// connected tells that a connection is up. While the client id is taken that is
// half of the trouble and not its end.
func (s *supervisor) connected(broker string) {
	s.up = time.Now()
	if s.trouble != ErrTaken {
		s.o.Logger.Info("connected to the broker", "broker", broker, "client", s.o.ClientID, "connection", s.number, "failures", s.failures)
		s.trouble, s.failures = nil, 0
	}
	s.o.OnTrouble(nil)
}
