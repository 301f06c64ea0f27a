package zk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// askTries is how often a request is sent when nothing, or nothing whole, comes back.
const askTries = 3

// ask sends a request and gives the first packet of its answer, whose Body lives until
// the next packet. Each try has a reply id of its own, so that the late answer to one
// is not taken for the answer to the next: it may describe another state of the
// terminal. A silent TCP line is not asked again.
func (c *Conn) ask(ctx context.Context, command Code, body []byte) (Packet, error) {
	p, _, err := c.askSeveral(ctx, command, body)
	return p, err
}

// askSeveral is ask that says how often it sent the request.
func (c *Conn) askSeveral(ctx context.Context, command Code, body []byte) (p Packet, sent int, err error) {
	retried := false
	for sent = 1; ; sent++ {
		p, err = c.askOnce(ctx, command, body)
		again := errors.Is(err, ErrChecksum) || errors.Is(err, ErrSilent) && c.line.lossy()
		if err == nil && p.Code == AckRetry && !retried {
			retried, again = true, true
		}
		if !again || sent == askTries {
			return p, sent, err
		}
	}
}

func (c *Conn) askOnce(ctx context.Context, command Code, body []byte) (Packet, error) {
	reply := c.nextReply()
	if err := c.send(ctx, Packet{Code: command, Session: c.session, Reply: reply, Body: body}); err != nil {
		return Packet{}, err
	}
	return c.answer(ctx, reply, time.Now().Add(c.options.Timeout))
}

// answer gives the next packet with the reply id; others answer what is no longer
// asked. The session field is not looked at: it carries other things too often.
func (c *Conn) answer(ctx context.Context, reply uint16, deadline time.Time) (Packet, error) {
	return c.answerInto(ctx, reply, deadline, nil)
}

// answerInto is answer with room lent for the body of a DATA.
func (c *Conn) answerInto(ctx context.Context, reply uint16, deadline time.Time, room []byte) (Packet, error) {
	for {
		c.line.lend(room)
		p, err := c.receive(ctx, deadline)
		if err != nil || p.Reply == reply {
			return p, err
		}
	}
}

// command asks for something that is answered with ACK_OK and no more.
func (c *Conn) command(ctx context.Context, command Code, body []byte) error {
	_, err := c.query(ctx, command, body)
	return err
}

// query asks for something that is answered with ACK_OK and a body.
func (c *Conn) query(ctx context.Context, command Code, body []byte) ([]byte, error) {
	p, err := c.ask(ctx, command, body)
	if err != nil {
		return nil, err
	}
	if p.Code != AckOK {
		return nil, &Refusal{command, p.Code}
	}
	return p.Body, nil
}

const (
	// slowest is how many bytes a second a transfer must bring, after its first
	// silence, before it counts as stuck.
	slowest = 4096
	// endWait is how long the ACK_OK after a transfer is waited for; endWaitAgain is
	// the same for a terminal that was seen not to send it.
	endWait      = 2 * time.Second
	endWaitAgain = 20 * time.Millisecond
)

// gather appends to dst the bytes of a bulk answer that begins with first: one DATA, or
// PREPARE_DATA, DATA…, ACK_OK. They are exactly want bytes, or what the answer announces
// when want is negative; anything else is ErrGarbled and dst as it was.
func (c *Conn) gather(ctx context.Context, command Code, first Packet, dst []byte, want int) ([]byte, error) {
	switch first.Code {
	case Data:
		if want >= 0 && len(first.Body) != want {
			return dst, fmt.Errorf("%d bytes, want %d: %w", len(first.Body), want, ErrGarbled)
		}
		return append(dst, first.Body...), nil
	case PrepareData:
	default:
		return dst, &Refusal{command, first.Code}
	}
	if len(first.Body) < 4 {
		return dst, fmt.Errorf("%s of %d bytes: %w", first.Code, len(first.Body), ErrGarbled)
	}
	announced := binary.LittleEndian.Uint32(first.Body)
	if want < 0 && announced <= maxDataset {
		want = int(announced)
	}
	if int64(announced) != int64(want) {
		return dst, fmt.Errorf("%d bytes announced, want %d: %w", announced, want, ErrGarbled)
	}
	t := transfer{lossy: c.line.lossy(), data: dst, start: len(dst), end: len(dst) + want, prepare: string(first.Body)}
	limit := time.Now().Add(2*c.options.Timeout + time.Duration(want)*time.Second/slowest)
	for len(t.data) < t.end {
		wait := c.options.Timeout
		if t.lossy {
			wait = max(wait/4, min(wait, time.Second)) // a lost packet is no reason to wait long
		}
		deadline := time.Now().Add(wait)
		if deadline.After(limit) {
			deadline = limit
		}
		p, err := c.answerInto(ctx, first.Reply, deadline, t.room())
		if err != nil {
			return dst, err
		}
		if err := t.take(command, p); err != nil {
			return dst, err
		}
	}
	if err := c.endTransfer(ctx, first.Reply, &t); err != nil {
		return dst, err
	}
	return t.data, nil
}

// endTransfer waits for the ACK_OK after the data. That it lacks is no fault once the
// data are complete, but data in its place mean that what was taken was not right.
func (c *Conn) endTransfer(ctx context.Context, reply uint16, t *transfer) error {
	wait := min(endWait, c.options.Timeout)
	if c.noEndAck {
		wait = endWaitAgain
	}
	deadline := time.Now().Add(wait)
	for {
		p, err := c.answer(ctx, reply, deadline)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			c.noEndAck = c.noEndAck || errors.Is(err, ErrSilent)
			return nil
		case p.Code != Data:
			c.noEndAck = false
			return nil
		case !t.repeated(p):
			return fmt.Errorf("more than the %d bytes announced: %w", t.end-t.start, ErrGarbled)
		}
	}
}

// transfer is a bulk answer under way.
//
// The session field of its DATA packets counts them from 0. On UDP that is how a lost
// or doubled packet is known. On TCP a terminal may also write the same number into all
// of them; there a packet that repeats number and bytes of the one before is passed
// over, and numbers that neither count nor stay the same are refused.
type transfer struct {
	lossy      bool
	data       []byte
	start, end int
	prepare    string // the body of its PREPARE_DATA
	index      int    // how many DATA packets there were
	last       int    // where the last one's bytes start in data
	number     uint16 // the last one's session field
	uncounted  bool   // a number was not the index
	unlike     bool   // a number was not the one before
}

// take adds one packet of the answer.
func (t *transfer) take(command Code, p Packet) error {
	got := len(t.data) - t.start
	switch {
	case p.Code == PrepareData && string(p.Body) == t.prepare:
		return nil // sent twice
	case p.Code == AckOK, p.Code == PrepareData:
		return fmt.Errorf("ended after %d of %d bytes: %w", got, t.end-t.start, ErrGarbled)
	case p.Code != Data:
		return &Refusal{command, p.Code}
	case t.repeated(p):
		return nil
	case len(p.Body) == 0 || len(p.Body) > t.end-len(t.data):
		return fmt.Errorf("packet of %d bytes after %d of %d: %w", len(p.Body), got, t.end-t.start, ErrGarbled)
	}
	t.uncounted = t.uncounted || int(p.Session) != t.index&0xFFFF
	t.unlike = t.unlike || t.index > 0 && p.Session != t.number
	if t.uncounted && (t.unlike || t.lossy) {
		return fmt.Errorf("packet %d where %d was due: %w", p.Session, t.index, ErrGarbled)
	}
	t.last = len(t.data)
	t.number = p.Session
	if room := t.room(); len(room) >= len(p.Body) && &room[0] == &p.Body[0] {
		t.data = t.data[:len(t.data)+len(p.Body)] // it was lent, and is filled
	} else {
		t.data = append(t.data, p.Body...)
	}
	t.index++
	return nil
}

// room is where the next bytes belong, if there is room already.
func (t *transfer) room() []byte {
	return t.data[len(t.data):min(cap(t.data), t.end)]
}

// repeated tells whether a DATA packet is one that was taken before.
func (t *transfer) repeated(p Packet) bool {
	if t.index == 0 {
		return false
	}
	if t.lossy {
		return int(p.Session) < t.index
	}
	return p.Session == t.number && bytes.Equal(p.Body, t.data[t.last:])
}
