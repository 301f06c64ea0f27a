package authority

import (
	"crypto/tls"
	"sync"
	"time"
)

// itself is a name in every certificate of a listener.
const itself = "localhost"

// ServerConfig is the TLS of a listener of the hub: TLS 1.3 with a certificate for these
// hosts that is renewed at two thirds of its life, and clients of this authority only.
//
// There are no session tickets: whoever comes back shows that they hold their key, and
// is judged anew.
func (a *Authority) ServerConfig(hosts []string, clients tls.ClientAuthType) *tls.Config {
	held := &renewed{make: func(now time.Time) (tls.Certificate, error) { return a.Server(hosts, now) }}
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return held.get(time.Now()) },
		ClientAuth:             clients,
		ClientCAs:              a.Pool(),
		SessionTicketsDisabled: true,
	}
}

// SelfConfig is the TLS by which the hub is a client of its own listeners, at whichever
// address, with a certificate that is renewed at two thirds of its life.
func (a *Authority) SelfConfig() *tls.Config {
	held := &renewed{make: a.Self}
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return held.get(time.Now()) },
		RootCAs:              a.Pool(),
		ServerName:           itself,
	}
}

// renewed is a certificate that is made anew when two thirds of its life are over.
type renewed struct {
	make func(now time.Time) (tls.Certificate, error)

	mu      sync.Mutex // guards what follows
	current *tls.Certificate
	until   time.Time
}

func (r *renewed) get(now time.Time) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil || !now.Before(r.until) {
		fresh, err := r.make(now)
		if err != nil {
			return nil, err
		}
		r.current, r.until = &fresh, now.Add(ownLife*2/3)
	}
	return r.current, nil
}
