package brokertest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// patience is how long a client of these tests waits for an answer.
const patience = 30 * time.Second

// Client speaks MQTT 3.1.1 packet by packet, so that it can also misbehave.
type Client struct {
	net.Conn
	in     *bufio.Reader
	number uint16
	early  [][]byte // messages that came before an answer: first byte of the packet, body
}

// Dial opens a connection from a loopback address of its own, so that a log tells one
// client from another. TLS nil: none.
func Dial(from netip.Addr, address string, config *tls.Config) (*Client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if config != nil {
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		conn = secure
	}
	return &Client{Conn: conn, in: bufio.NewReader(conn)}, nil
}

// Will is a last will, retained.
type Will struct{ Topic, Payload string }

// ErrRefused is a CONNACK or SUBACK that refuses.
var ErrRefused = errors.New("refused by the broker")

// Connect sends CONNECT with a clean session and no keep alive.
func (c *Client) Connect(id string, will *Will) error {
	flags, rest := byte(0x02), text(id)
	if will != nil {
		flags |= 0x2c // will, QoS 1, retained
		rest = append(rest, append(text(will.Topic), text(will.Payload)...)...)
	}
	body := append(text("MQTT"), 4, flags, 0, 0)
	if err := c.Send(0x10, append(body, rest...)); err != nil {
		return err
	}
	answer, err := c.await(0x20)
	if err != nil {
		return err
	}
	if answer[1] != 0 {
		return fmt.Errorf("CONNACK %d: %w", answer[1], ErrRefused)
	}
	return nil
}

// Subscribe asks for one filter.
func (c *Client) Subscribe(filter string, qos byte) error {
	c.number++
	body := append(binary.BigEndian.AppendUint16(nil, c.number), text(filter)...)
	if err := c.Send(0x82, append(body, qos)); err != nil {
		return err
	}
	answer, err := c.await(0x90)
	if err != nil {
		return err
	}
	if answer[2] == 0x80 {
		return fmt.Errorf("SUBACK for %s: %w", filter, ErrRefused)
	}
	return nil
}

// Publish publishes at QoS 1 and waits until the broker acknowledges.
func (c *Client) Publish(topic string, payload []byte, retained bool) error {
	if err := c.Throw(topic, payload, retained, 1); err != nil {
		return err
	}
	_, err := c.await(0x40)
	return err
}

// Throw publishes and waits for nothing.
func (c *Client) Throw(topic string, payload []byte, retained bool, qos byte) error {
	kind, body := 0x30|qos<<1, text(topic)
	if retained {
		kind |= 1
	}
	if qos > 0 {
		c.number = max(1, c.number+1)
		body = binary.BigEndian.AppendUint16(body, c.number)
	}
	return c.Send(kind, append(body, payload...))
}

// Next is the next message that was published to this client.
func (c *Client) Next() (topic string, payload []byte, retained bool, err error) {
	for len(c.early) == 0 {
		if err := c.read(); err != nil {
			return "", nil, false, err
		}
	}
	kind, body := c.early[0][0], c.early[0][1:]
	c.early = c.early[1:]
	n := 2 + int(binary.BigEndian.Uint16(body))
	topic, body = string(body[2:n]), body[n:]
	if kind&0x06 != 0 { // QoS 1: acknowledge
		if err := c.Send(0x40, body[:2]); err != nil {
			return "", nil, false, err
		}
		body = body[2:]
	}
	return topic, body, kind&1 == 1, nil
}

// read reads one packet, and keeps it if it is a message.
func (c *Client) read() error {
	kind, body, err := c.packet()
	if err == nil && kind>>4 == 3 {
		c.early = append(c.early, append([]byte{kind}, body...))
	}
	return err
}

// Got reports whether a message that Next did not take yet came while something else was
// waited for.
func (c *Client) Got() bool { return len(c.early) > 0 }

// Send sends one packet.
func (c *Client) Send(kind byte, body []byte) error {
	packet := []byte{kind}
	packet = binary.AppendUvarint(packet, uint64(len(body))) // MQTT counts in the same way
	c.SetWriteDeadline(time.Now().Add(patience))
	_, err := c.Write(append(packet, body...))
	return err
}

// Ended waits until the broker ends the connection.
func (c *Client) Ended() error {
	for {
		if _, _, err := c.packet(); err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				return errors.New("the broker lets the connection stand")
			}
			return nil
		}
	}
}

// await reads until a packet of this kind comes, and returns its body.
func (c *Client) await(kind byte) ([]byte, error) {
	for {
		got, body, err := c.packet()
		if err != nil || got == kind {
			return body, err
		}
		if got>>4 == 3 {
			c.early = append(c.early, append([]byte{got}, body...))
		}
	}
}

// packet reads one packet.
func (c *Client) packet() (kind byte, body []byte, err error) {
	c.SetReadDeadline(time.Now().Add(patience))
	if kind, err = c.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	size, err := binary.ReadUvarint(c.in)
	if err != nil || size > 1<<20 {
		return 0, nil, fmt.Errorf("packet %x of %d bytes: %w", kind, size, errors.Join(err, io.ErrUnexpectedEOF))
	}
	body = make([]byte, size)
	_, err = io.ReadFull(c.in, body)
	return kind, body, err
}

// text is a string of MQTT: its length in two bytes, and it.
func text(s string) []byte {
	return bytes.Join([][]byte{binary.BigEndian.AppendUint16(nil, uint16(len(s))), []byte(s)}, nil)
}
