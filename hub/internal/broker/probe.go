package broker

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"
)

// hello is a CONNECT of MQTT 3.1.1 with a clean session and the client id "sidik-probe":
// type and length, protocol name, level 4, flags, keep alive 10 s, client id.
const hello = "\x10\x17" + "\x00\x04MQTT" + "\x04" + "\x02" + "\x00\x0a" + "\x00\x0bsidik-probe"

// welcome is the CONNACK that accepts it, farewell a DISCONNECT.
const (
	welcome  = "\x20\x02\x00\x00"
	farewell = "\xe0\x00"
)

// probeTimeout bounds the opening of the stores, which takes well below a second.
const probeTimeout = 30 * time.Second

// probe connects as a client does. The engine opens its stores for MQTT only with
// the first client, so nothing less proves that it works on its folder.
func (b *Broker) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	line, err := new(net.Dialer).DialContext(ctx, "tcp", b.local())
	if err != nil {
		return fmt.Errorf("first connection: %w", err)
	}
	defer line.Close()
	defer context.AfterFunc(ctx, func() { line.SetDeadline(time.Unix(1, 0)) })()
	conn := line
	if b.gate != nil {
		secure := tls.Client(line, b.options.Access.Self)
		if err := secure.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("first connection: %w", err)
		}
		conn = secure
	}
	answer := make([]byte, len(welcome))
	if _, err := io.WriteString(conn, hello); err != nil {
		return fmt.Errorf("first connection: %w", err)
	}
	if _, err := io.ReadFull(conn, answer); err != nil {
		return fmt.Errorf("first connection: no answer: %w", err)
	}
	if !bytes.Equal(answer, []byte(welcome)) {
		return fmt.Errorf("first connection: refused with %x", answer)
	}
	_, err = io.WriteString(conn, farewell)
	return err
}
