package broker

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// The engine's streams for MQTT that clients fill.
const (
	streamRetained = "$MQTT_rmsgs" // the newest retained message of every topic
	streamMessages = "$MQTT_msgs"  // what subscribers have not yet acknowledged
)

// bound gives each stream its own limit, at which the oldest message goes. The
// engine makes its MQTT streams without any: then one client that fills the store
// shuts out all others, because the engine wants room to welcome a client.
//
// It speaks NATS' own text protocol over a pipe in this process:
//
//	INFO {…}                        the engine's greeting
//	CONNECT {…}                     ours
//	SUB <subject> <id>              where answers go
//	PUB <subject> <answers> <size>  then that many bytes: a request
//	MSG <subject> <id> <size>       then that many bytes: an answer
func (b *Broker) bound(ctx context.Context, engine *server.Server) error {
	conn, err := engine.InProcessConn()
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(probeTimeout))
	control := control{conn, bufio.NewReader(conn)}
	if _, err := control.in.ReadString('\n'); err != nil {
		return err
	}
	secret := ""
	if b.gate != nil {
		secret = b.gate.secret
	}
	if _, err := fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"pedantic\":false,\"auth_token\":%q}\r\nSUB answers 1\r\n", secret); err != nil {
		return err
	}
	for stream, limit := range map[string]int64{streamRetained: b.options.MaxStore / 2, streamMessages: b.options.MaxStore / 4} {
		var found struct {
			Config map[string]any `json:"config"`
		}
		if err := control.ask("STREAM.INFO."+stream, nil, &found); err != nil {
			return fmt.Errorf("read the settings of %s: %w", stream, err)
		}
		found.Config["max_bytes"] = limit
		found.Config["discard"] = "old"
		if err := control.ask("STREAM.UPDATE."+stream, found.Config, nil); err != nil {
			return fmt.Errorf("set the limit of %s: %w", stream, err)
		}
	}
	return nil
}

// control is a connection to the engine's control interface.
type control struct {
	out io.Writer
	in  *bufio.Reader
}

// ask sends one request and reads its answer into result.
func (c control) ask(subject string, request, result any) error {
	var body []byte
	if request != nil {
		var err error
		if body, err = json.Marshal(request); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(c.out, "PUB $JS.API.%s answers %d\r\n%s\r\n", subject, len(body), body); err != nil {
		return err
	}
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return err
		}
		words := strings.Fields(line)
		switch {
		case len(words) > 0 && words[0] == "-ERR":
			return fmt.Errorf("the engine says %s", strings.TrimSpace(line))
		case len(words) < 4 || words[0] != "MSG": // PING and INFO need no answer in so short a time
			continue
		}
		size, err := strconv.ParseUint(words[len(words)-1], 10, 20)
		if err != nil {
			return fmt.Errorf("answer %q: %w", line, err)
		}
		answer := make([]byte, size+2)
		if _, err := io.ReadFull(c.in, answer); err != nil {
			return err
		}
		var failure struct {
			Error *struct {
				Description string `json:"description"`
			} `json:"error"`
		}
		if err := json.Unmarshal(answer[:size], &failure); err != nil {
			return err
		}
		if failure.Error != nil {
			return fmt.Errorf("the engine says %s", failure.Error.Description)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(answer[:size], result)
	}
}
