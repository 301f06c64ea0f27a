package hub

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/bkpsdmd-babel/sidik/hub/internal/admission"
	"github.com/bkpsdmd-babel/sidik/hub/internal/authority"
	"github.com/bkpsdmd-babel/sidik/hub/internal/broker"
	"github.com/bkpsdmd-babel/sidik/hub/internal/enrol"
	"github.com/bkpsdmd-babel/sidik/hub/internal/reader"
	"github.com/bkpsdmd-babel/sidik/hub/internal/web/api"
	"github.com/bkpsdmd-babel/sidik/protocol"
	"github.com/bkpsdmd-babel/sidik/protocol/seal"
	"github.com/bkpsdmd-babel/sidik/protocol/trust"
)

// ErrNames says that agents could not be told where the hub is.
var ErrNames = errors.New("this address stands for all of the machine's: say by which names agents reach it, with --name")

// agents is the way in for agents: certificates, and the door where they are asked for.
type agents struct {
	authority  *authority.Authority
	admissions *admission.Admissions
	readers    *reader.Readers
	door       net.Listener
	hosts      []string // names and addresses by which agents reach this machine
	look       chan struct{}
	first      map[protocol.SiteID]seal.Fingerprint // who was admitted before anybody could come in
}

// openAgents opens the way in. Nothing is let in yet.
func (h *Hub) openAgents(ctx context.Context) (err error) {
	c := h.config
	a := &agents{hosts: c.Names, look: make(chan struct{}, 1)}
	if a.authority, _, err = authority.LoadOrCreate(c.Data, time.Now()); err != nil {
		return err
	}
	if d := h.keys.Document(); !d.IsZero() && !vouched(d, a.authority) {
		return ErrAuthority
	}
	if len(a.hosts) == 0 {
		host, err := hostOf(c.Agents)
		if err != nil {
			return err
		}
		a.hosts = []string{host}
	}
	wake := func(protocol.SiteID) {
		select {
		case a.look <- struct{}{}:
		default: // it will be looked at all the same
		}
	}
	a.admissions = admission.New(admission.Options{Database: h.store, Issuer: a.authority, Life: c.CertificateLife, Changed: wake, Ended: wake})
	if a.first, err = h.admitted(ctx); err != nil {
		return err
	}
	a.readers = reader.New(reader.Options{Database: h.store})
	if a.door, err = net.Listen("tcp", c.Agents); err != nil {
		return fmt.Errorf("open the agents' address: %w", err)
	}
	h.agents = a
	return nil
}

// ErrAuthority says that agents would not believe the hub's certificates.
var ErrAuthority = errors.New("the agency's root has not signed this hub's certificate authority: have it sign again, with sidik-hub key request")

func vouched(d trust.Document, a *authority.Authority) bool {
	return slices.ContainsFunc(d.Keys().Authorities, func(der []byte) bool { return bytes.Equal(der, a.Certificate().Raw) })
}

// hostOf is the host of an address that others can be told.
func hostOf(address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("address for agents %q: %w", address, err)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		return "", fmt.Errorf("address for agents %q: %w", address, ErrNames)
	}
	return host, nil
}

// access is who may come to the embedded broker; nil where there are no certificates.
func (a *agents) access(ctx context.Context) *broker.Access {
	if a == nil {
		return nil
	}
	return &broker.Access{
		TLS:   a.authority.ServerConfig(a.names(trust.RoleBroker), tls.RequireAndVerifyClientCert),
		Self:  a.authority.SelfConfig(),
		Admit: func(leaf *x509.Certificate) (authority.Subject, error) { return a.holder(ctx, leaf) },
	}
}

// names are what a listener's certificate is for: its role, and where it stands.
func (a *agents) names(role trust.Role) []string { return append([]string{string(role)}, a.hosts...) }

// pages gives the pages certificates, where they have no other; nil where there are none.
func (a *agents) pages() func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if a == nil {
		return nil
	}
	return a.authority.ServerConfig(a.names(trust.RolePages), tls.NoClientCert).GetCertificate
}

// url is where agents find the door; empty where there is none.
func (a *agents) url() string {
	if a == nil {
		return ""
	}
	_, port, err := net.SplitHostPort(a.door.Addr().String())
	if err != nil {
		return ""
	}
	return "https://" + net.JoinHostPort(a.hosts[0], port)
}

// way is what tools are told of the way in; the zero value where there is none.
func (a *agents) way(d trust.Document) api.Way {
	if a == nil {
		return api.Way{}
	}
	w := api.Way{Admissions: a.admissions, Agents: a.url(), Document: d.Message()}
	if !d.IsZero() {
		w.Root = d.Keys().Root.Fingerprint()
	}
	return w
}

// line is the hub's own TLS towards its brokers; nil where there are no certificates.
func (a *agents) line() *tls.Config {
	if a == nil {
		return nil
	}
	return a.authority.SelfConfig()
}

// advertised are the brokers as agents find them.
func (h *Hub) advertised() (urls []string, err error) {
	if len(h.config.Advertise) > 0 {
		return h.config.Advertise, nil
	}
	if len(h.config.Brokers) > 0 {
		return h.config.Brokers, nil
	}
	u, err := url.Parse(h.broker.URL())
	if err != nil {
		return nil, err
	}
	for _, host := range h.agents.hosts {
		urls = append(urls, "ssl://"+net.JoinHostPort(host, u.Port()))
	}
	return urls, nil
}

// serveAgents answers at the door until ctx ends.
func (h *Hub) serveAgents(ctx context.Context) error {
	brokers, err := h.advertised()
	if err != nil {
		return err
	}
	server := enrol.Server(enrol.Handler(enrol.Options{
		Admissions: h.agents.admissions, Programs: programs{h.agents.admissions, h.releases}, Keys: h.keys, Document: h.keys.Document().Message(), Brokers: brokers, Logger: h.config.Logger, Now: time.Now,
	}), h.config.Logger)
	server.BaseContext = func(net.Listener) context.Context { return ctx }
	server.TLSConfig = h.agents.authority.ServerConfig(h.agents.names(trust.RoleAgents), tls.VerifyClientCertIfGiven) // who has none yet comes for one
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.ServeTLS(enrol.Listen(h.agents.door, h.config.Logger), "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve agents: %w", err)
	}
	return context.Cause(ctx)
}

// lookEvery is how long a command of another process may take to be noticed.
const lookEvery = time.Second

// followAgents ends what is connected with a key that counts no more, and sends what a
// new key has to know, until ctx ends. Keys change here and in other processes.
func (h *Hub) followAgents(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	known := h.agents.first
	for {
		now, err := h.admitted(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		h.agentsChanged(known, now)
		known = now
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		case <-h.agents.look:
		}
	}
}

// admitted are the keys that count now.
func (h *Hub) admitted(ctx context.Context) (map[protocol.SiteID]seal.Fingerprint, error) {
	all, err := h.store.Agents(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for agents: %w", err)
	}
	now := make(map[protocol.SiteID]seal.Fingerprint, len(all))
	for _, a := range all {
		now[a.Site] = a.Fingerprint
	}
	return now, nil
}

func (h *Hub) agentsChanged(before, now map[protocol.SiteID]seal.Fingerprint) {
	for site, key := range before {
		if now[site] != key && h.broker != nil {
			n := h.broker.End(authority.Subject{Kind: authority.Site, Name: string(site)})
			h.config.Logger.Info("a site's key counts no more", "site", string(site), "key", string(key.KeyID()), "connections_ended", n)
		}
	}
	for site := range maps.Keys(now) {
		if before[site] != now[site] {
			h.dispatch.Changed(site)
			h.dispatch.RostersChanged(site)
		}
	}
}

// ExpectAgent registers a site with its terminals and makes the code that lets its agent
// in; the hub of the data folder may run.
func ExpectAgent(ctx context.Context, data, dsn, by string, site protocol.SiteID, terminals ...protocol.Serial) (code protocol.ClaimCode, err error) {
	s, err := OpenStore(ctx, data, dsn)
	if err != nil {
		return code, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	a := admission.New(admission.Options{Database: s})
	if err := a.Register(ctx, site, terminals...); err != nil {
		return code, err
	}
	code, _, err = a.NewCode(ctx, by, site, "", 0)
	return code, err
}
