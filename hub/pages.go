package hub

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/account"
	"github.com/bkpsdmd-babel/sidik/hub/internal/entrance"
)

// ErrLoopback says that the pages would be open to the network without TLS.
var ErrLoopback = errors.New("without a certificate the pages listen on a loopback address only")

// pagesDoor is where the pages listen, and with which certificates; nil: plain HTTP.
type pagesDoor struct {
	net.Listener
	certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	names       []string // of this machine, as it was told; the first is the one to tell
}

// openPages opens the pages' address. Beyond loopback there is no way without TLS: by the
// files that are named, or else by the certificates of the hub's authority.
func openPages(c Config, own func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (p pagesDoor, err error) {
	p.names = c.Names
	host, _, err := net.SplitHostPort(c.Pages)
	if err != nil {
		return p, fmt.Errorf("address of the pages %q: %w", c.Pages, err)
	}
	ip := net.ParseIP(host)
	switch {
	case c.PagesCert != "" || c.PagesKey != "":
		files := &certificateFiles{cert: c.PagesCert, key: c.PagesKey, logger: c.Logger}
		if _, err := files.get(nil); err != nil {
			return p, err
		}
		p.certificate = files.get
	case ip != nil && ip.IsLoopback():
	case own != nil:
		p.certificate = own
	default:
		return p, fmt.Errorf("address of the pages %q: %w", c.Pages, ErrLoopback)
	}
	l, err := net.Listen("tcp", c.Pages)
	if err != nil {
		return p, fmt.Errorf("open the pages' address: %w", err)
	}
	p.Listener = entrance.Listen(l, crowd(c.Logger))
	return p, nil
}

// crowd tells the log of connections to the pages for which there is no room, once a
// minute at most: whoever opens many does not fill the disk.
func crowd(log *slog.Logger) func(from string) {
	var told time.Time
	return func(from string) {
		if now := time.Now(); now.Sub(told) >= time.Minute {
			told = now
			log.Warn("too many connections to the pages: further ones are closed at once", "address", from)
		}
	}
}

// url is where browsers find the pages.
func (p pagesDoor) url() string {
	scheme := "http"
	if p.certificate != nil {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(p.Addr().String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		if len(p.names) > 0 {
			return scheme + "://" + net.JoinHostPort(p.names[0], port)
		}
		if host, err = os.Hostname(); err == nil {
			return scheme + "://" + net.JoinHostPort(host, port)
		}
	}
	return scheme + "://" + p.Addr().String()
}

// named tells whether the pages have a certificate for a host's name, and so go by it.
func (p pagesDoor) named(host string) bool {
	if p.certificate == nil {
		return false
	}
	c, err := p.certificate(&tls.ClientHelloInfo{ServerName: host})
	if err != nil || len(c.Certificate) == 0 {
		return false
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	return err == nil && leaf.VerifyHostname(host) == nil
}

// serve answers until the server is shut.
func (p pagesDoor) serve(server *http.Server) error {
	if p.certificate == nil {
		return server.Serve(p)
	}
	server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.certificate}
	return server.ServeTLS(p, "", "")
}

// certificateFiles are a certificate and its key in files that somebody renews.
type certificateFiles struct {
	cert, key string
	logger    *slog.Logger

	mu     sync.Mutex // guards what follows
	held   *tls.Certificate
	state  [2]time.Time // of the files when they were last looked at
	failed bool         // what is in them now cannot be read
}

// get returns the certificate that is in the files now; the one of before while what is
// in them cannot be read.
func (f *certificateFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var state [2]time.Time
	for i, name := range []string{f.cert, f.key} {
		if info, err := os.Stat(name); err == nil {
			state[i] = info.ModTime()
		}
	}
	if f.held != nil && state == f.state {
		return f.held, nil
	}
	f.state = state
	c, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		if f.held == nil {
			return nil, fmt.Errorf("read certificate of the pages: %w", err)
		}
		if !f.failed {
			f.logger.Error("the certificate of the pages changed and cannot be read; the one of before stays", "file", f.cert, "error", err)
		}
		f.failed = true
		return f.held, nil
	}
	f.held, f.failed = &c, false
	return f.held, nil
}

// invite makes the link of the first administrator while there is none, and tells it.
func (h *Hub) invite(ctx context.Context, pages string) error {
	code, err := h.accounts.FirstLink(ctx, account.By{Who: "sidik-hub run"})
	if err != nil || code == "" {
		return err
	}
	if h.config.Invite != nil {
		h.config.Invite(LinkPath(pages, code))
	}
	return nil
}

// LinkPath is the address of a link to choose a password, at pages that may not be known.
func LinkPath(pages, code string) string {
	return cmp.Or(pages, "http://127.0.0.1:8080") + "/link/" + code
}
