// Package hubapi is how an operator's tool talks to a hub: over HTTPS, in the name of the
// account that logged in.
//
// It knows the hub's API and how a hub proves that it is the agency's. It must not know
// what the answers are for. Beware: nothing secret is sent before the hub has shown a
// certificate that the agency's root vouches for or, where its pages have one that the
// whole world trusts, one for the host's own name. Which of the two it was is kept with the
// login, and no later command takes the other.
package hubapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// Errors by which callers decide.
var (
	ErrAddress = errors.New("not the address of a hub's pages; without TLS it must be this machine's")
	ErrNoKeys  = errors.New("no keys document at this address")
)

// requestTime is for one request, on a slow line too.
const requestTime = time.Minute

// Client talks to one hub. Close it.
type Client struct {
	profile Profile
	http    *http.Client
}

// Refusal is the hub's answer to what it does not do. A code is for programs.
type Refusal struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (r *Refusal) Error() string { return fmt.Sprintf("the hub refuses: %s (%s)", r.Message, r.Code) }

// Login has the hub prove itself, then says name and password, and returns the profile by
// which later commands go on. purpose is what the hub shows of the token.
func Login(ctx context.Context, hub string, root seal.Fingerprint, name, password, purpose string) (Profile, error) {
	u, err := address(hub)
	if err != nil {
		return Profile{}, err
	}
	d, err := fetch(ctx, u.String(), root)
	if err != nil {
		return Profile{}, err
	}
	p := Profile{Hub: u.String(), Root: root, Name: name, Keys: d.Message()}
	if u.Scheme == "https" {
		if p.Public, err = public(ctx, u, d); err != nil {
			return Profile{}, err
		}
	}
	c := p.client(d)
	defer c.Close()
	var issued struct {
		Token   Token     `json:"token"`
		Expires time.Time `json:"expires"`
	}
	if err := c.do(ctx, http.MethodPost, "/api/v1/tokens", map[string]string{"name": name, "password": password, "purpose": purpose}, &issued); err != nil {
		return Profile{}, fmt.Errorf("log in: %w", err)
	}
	p.Token, p.Expires = issued.Token, issued.Expires
	return p, nil
}

// address is a hub's, as it is joined with paths.
func address(hub string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(hub, "/"))
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
		return nil, ErrAddress
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || !ip.IsLoopback()) {
		return nil, ErrAddress
	}
	return u, nil
}

// fetch asks for the hub's keys document, by which it is known.
func fetch(ctx context.Context, hub string, root seal.Fingerprint) (trust.Document, error) {
	d, err := trust.Fetch(ctx, hub, root)
	if err != nil && ctx.Err() == nil && !errors.Is(err, trust.ErrRoot) {
		err = fmt.Errorf("%w: %w", ErrNoKeys, err)
	}
	return d, err
}

// public tells whether the pages' certificate is none of the hub's own authority, so that
// the host's name has to prove it.
func public(ctx context.Context, u *url.URL, d trust.Document) (bool, error) {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return false, fmt.Errorf("reach the hub: %w", err)
	}
	defer conn.Close()
	return tls.Client(conn, d.Client(trust.RolePages, clock)).HandshakeContext(ctx) != nil, nil
}

// clock is that of an operator's machine, which somebody looks after.
func clock() (now time.Time, synchronised bool) { return time.Now(), true }

// Open goes on from a login, under the newest keys document that the hub has. The profile that
// it returns holds that document, to be saved.
func Open(ctx context.Context, p Profile) (c *Client, renewed Profile, err error) {
	d, err := trust.Open(p.Root, p.Keys)
	if err != nil {
		return nil, p, fmt.Errorf("keys document of the profile: %w", err)
	}
	newest, err := fetch(ctx, p.Hub, p.Root)
	if err != nil {
		return nil, p, err
	}
	if newest.Newer(d) {
		d, p.Keys = newest, newest.Message()
	}
	return p.client(d), p, nil
}

func (p Profile) client(d trust.Document) *Client {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if !p.Public {
		config = d.Client(trust.RolePages, clock)
	}
	return &Client{profile: p, http: &http.Client{
		Timeout:   requestTime,
		Transport: &http.Transport{TLSClientConfig: config, Proxy: nil},
		// Nobody else is told what is meant for the hub.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close ends the client's connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Page is the address of a site's page, for a browser.
func (c *Client) Page(site protocol.SiteID) string {
	return c.profile.Hub + "/sites/" + url.PathEscape(string(site))
}

// do sends one request and reads its answer; send and answer may be nil.
func (c *Client) do(ctx context.Context, method, path string, send, answer any) error {
	var content io.Reader
	if send != nil {
		text, err := json.Marshal(send)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.profile.Hub+path, content)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if c.profile.Token != "" {
		r.Header.Set("Authorization", "Bearer "+string(c.profile.Token))
	}
	got, err := c.http.Do(r)
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		err = fmt.Errorf("%w: %w", trust.ErrServer, err)
	}
	if err != nil {
		return fmt.Errorf("ask the hub: %w", err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(io.LimitReader(got.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	if len(text) > maxAnswer {
		return fmt.Errorf("read the hub's answer: more than %d bytes", maxAnswer)
	}
	if got.StatusCode != http.StatusOK {
		refused := &Refusal{Status: got.StatusCode}
		if json.Unmarshal(text, refused) != nil || refused.Code == "" {
			return fmt.Errorf("the hub answers %s", got.Status)
		}
		return refused
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	return nil
}

// maxAnswer bounds an answer: a list of all sites of a large province.
const maxAnswer = 8 << 20
