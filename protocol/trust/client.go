package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
)

// ErrServer says that whoever answered is not a hub that the keys document vouches for.
var ErrServer = errors.New("whoever answers is not the hub of the agency: its certificate is from another authority")

// Role is what a listener of the hub is for: a name in its certificate, beside those of
// its hosts. Clients ask for the role and not for the host, so that a hub may move to
// another address, and the key of a broker that somebody else runs cannot be used to
// collect claims.
type Role string

// The roles. No host can have such a name (RFC 2606).
const (
	RoleBroker Role = "broker.sidik.invalid" // MQTT
	RoleAgents Role = "agents.sidik.invalid" // HTTPS for agents: keys, claims, renewals, releases
	RolePages  Role = "pages.sidik.invalid"  // HTTPS for people and their tools
)

// Client is the TLS side of somebody who talks to a listener of the hub under this
// document. now is the time, or a lower bound of it where synchronised is false: a
// machine without a clock then takes a certificate that begins later than it believes
// to be.
func (d Document) Client(role Role, now func() (t time.Time, synchronised bool)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: string(role),
		// Verified by hand below: the library judges by one time, which we may not have.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			t, synchronised := now()
			return d.verify(state, role, t, synchronised)
		},
	}
}

func (d Document) verify(state tls.ConnectionState, role Role, now time.Time, synchronised bool) error {
	if d.IsZero() || len(state.PeerCertificates) == 0 {
		return ErrServer
	}
	leaf := state.PeerCertificates[0]
	if !synchronised && now.Before(leaf.NotBefore) {
		now = leaf.NotBefore
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		DNSName: string(role), Roots: d.pool, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	return nil
}

// fetchTimeout is for one keys document.
const fetchTimeout = 30 * time.Second

// Fetch asks a hub, at https://HOST:PORT, for its keys document. Nothing is sent, and
// whoever answers need not be trusted: the root's signature decides, and the worst that
// somebody in between can do is to withhold a newer one.
func Fetch(ctx context.Context, hub string, root seal.Fingerprint) (Document, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	address, err := url.JoinPath(hub, protocol.PathKeys)
	if err != nil {
		return Document{}, fmt.Errorf("address of the hub %q: %w", hub, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Document{}, fmt.Errorf("fetch keys document: %w", err)
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		return Document{}, fmt.Errorf("fetch keys document: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return Document{}, fmt.Errorf("fetch keys document: %s answers %s", address, answer.Status)
	}
	message, err := io.ReadAll(io.LimitReader(answer.Body, protocol.MaxPayload+1))
	if err != nil {
		return Document{}, fmt.Errorf("fetch keys document: %w", err)
	}
	d, err := Open(root, message)
	if err != nil {
		return Document{}, fmt.Errorf("fetch keys document: %w", err)
	}
	return d, nil
}
