// Package control lets the commands at an office talk to the running agent over
// a Unix socket in the data folder: its status, and one read now.
//
// Whoever may open the data folder may ask; nothing listens on the network.
// Beware: the socket outlives a killed agent, so being there proves nothing.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/bkpsdmd-babel/sidik/agent/internal/collect"
	"github.com/bkpsdmd-babel/sidik/agent/internal/uplink"
	"github.com/bkpsdmd-babel/sidik/protocol"
)

const socketFile = "agent.sock"

// parting is how long an asker may take to receive the end of its answer when the
// agent stops.
const parting = 2 * time.Second

// Status is what a running agent tells.
type Status struct {
	Site    protocol.SiteID `json:"site"`
	Process int             `json:"process"`
	Started time.Time       `json:"started"`
	State   protocol.State  `json:"state"`
	Uplink  uplink.Status   `json:"uplink"`
}

// Agent is what the socket offers of a running agent.
type Agent interface {
	Status() Status
	ReadNow(ctx context.Context, serial protocol.Serial, progress func(collect.Progress)) (collect.Result, error)
}

// line is one JSON line of the answer to a read.
type line struct {
	Progress *collect.Progress `json:"progress,omitempty"`
	Result   *collect.Result   `json:"result,omitempty"`
	Error    string            `json:"error,omitempty"`
}

// maxSocketPath is what Linux takes as the path of a socket, in bytes.
const maxSocketPath = 107

// Serve answers on the socket of a data folder until ctx ends, and returns when
// no answer is under way any more. A socket that a killed agent left is replaced;
// that no other agent works in the folder is the buffer's lock to say.
func Serve(ctx context.Context, data string, agent Agent) error {
	path := filepath.Join(data, socketFile)
	if len(path) > maxSocketPath {
		return fmt.Errorf("open control socket: the path %s is longer than %d bytes: choose a shorter data folder", path, maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("open control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("open control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("open control socket: %w", err), l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(agent.Status()) // the asker went away
	})
	mux.HandleFunc("POST /read", func(w http.ResponseWriter, r *http.Request) { read(w, r, agent) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve control socket: %w", err)
	case <-ctx.Done(): // so do the answers under way
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	if server.Shutdown(closing) != nil {
		server.Close()
	}
	<-served
	return nil
}

// read streams the progress of one read as JSON lines, its result last.
func read(w http.ResponseWriter, r *http.Request, agent Agent) {
	out := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	write := func(l line) {
		_ = out.Encode(l) // to an asker who went away, which ends the read
		_ = flush.Flush()
	}
	result, err := agent.ReadNow(r.Context(), protocol.Serial(r.URL.Query().Get("serial")),
		func(p collect.Progress) { write(line{Progress: &p}) })
	if err != nil {
		write(line{Error: err.Error()})
		return
	}
	write(line{Result: &result})
}

// ErrNotRunning says that no agent works in the data folder.
var ErrNotRunning = errors.New("no agent runs in this data folder")

// Client talks to the agent of one data folder.
type Client struct{ http *http.Client }

// Connect returns a client for the agent of a data folder.
func Connect(data string) *Client {
	var d net.Dialer
	return &Client{&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", filepath.Join(data, socketFile))
		},
	}}}
}

// Status asks the agent how it is. ErrNotRunning when there is none.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	body, err := c.ask(ctx, http.MethodGet, "/status")
	if err != nil {
		return s, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&s); err != nil {
		return s, fmt.Errorf("read the agent's status: %w", err)
	}
	return s, nil
}

// ReadNow asks the agent to read a terminal now.
func (c *Client) ReadNow(ctx context.Context, serial protocol.Serial, progress func(collect.Progress)) (collect.Result, error) {
	body, err := c.ask(ctx, http.MethodPost, "/read?serial="+url.QueryEscape(string(serial)))
	if err != nil {
		return collect.Result{}, err
	}
	defer body.Close()
	lines := json.NewDecoder(body)
	for {
		var l line
		switch err := lines.Decode(&l); {
		case errors.Is(err, io.EOF):
			return collect.Result{}, errors.New("the agent stopped before the read was done; ask again")
		case err != nil:
			return collect.Result{}, fmt.Errorf("follow the read: %w", err)
		case l.Error != "":
			return collect.Result{}, errors.New(l.Error)
		case l.Result != nil:
			return *l.Result, nil
		case l.Progress != nil:
			progress(*l.Progress)
		}
	}
}

func (c *Client) ask(ctx context.Context, method, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) { // never started, or killed
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("ask the agent: %s", response.Status)
	}
	return response.Body, nil
}
